//! revm as a VM of the engine: one transaction, executed against a view.

use std::{fmt, sync::Arc};

use block_stm::{Execution, Interrupt, View, Vm};
use revm::{
    context::{
        CfgEnv, Context, Evm, Journal, JournalTr, LocalContext, TxEnv,
        result::{ExecutionResult, InvalidHeader},
    },
    handler::{EthPrecompiles, Handler},
    primitives::hardfork::SpecId,
    state::Account,
};

use super::{
    attempt::{Attempt, Notes, Rules},
    base::Base,
    code_hashes::CodeId,
    codes::Codes,
    database::TxnDb,
    handler::{TxnError, TxnEvm, TxnHandler},
    instructions::watched_instructions,
    item::Item,
    journal::WatchedJournal,
    location::Location,
    observed::Observed,
    payment::PaymentView,
    told::{RunTold, Tells},
    value::{Delta, Fate, Shift, StateValue},
};
use crate::{Block, InvalidTxnReason, access_list::RunAccesses, payment::Payment};

/// The VM for the transactions of one block.
pub(crate) struct BlockVm<'s> {
    block: &'s Block,
    cfg: &'s CfgEnv,
    /// What the block's start does not need to ask for; never sent by a transaction.
    no_txn: &'s TxEnv,
    pub(super) codes: &'s Codes,
    pub(super) base: &'s dyn Base,
    pub(super) tells: Tells,
    /// What attempts are made under, if runs are to be kept as such.
    rules: Option<Arc<Rules>>,
}

impl fmt::Debug for BlockVm<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BlockVm").field("spec", &self.block.spec).finish_non_exhaustive()
    }
}

impl<'s> BlockVm<'s> {
    pub(crate) fn new(
        block: &'s Block,
        cfg: &'s CfgEnv,
        no_txn: &'s TxEnv,
        codes: &'s Codes,
        base: &'s dyn Base,
        tells: Tells,
    ) -> Self {
        Self { block, cfg, no_txn, codes, base, tells, rules: None }
    }

    /// The same VM, whose runs are kept as attempts under `rules`.
    pub(crate) fn keeping(mut self, rules: Arc<Rules>) -> Self {
        self.tells.attempts = true;
        self.rules = Some(rules);
        self
    }
}

/// A failure of revm that is neither the transaction's nor the state's.
#[derive(Debug, thiserror::Error)]
pub(crate) enum VmFailure {
    #[error("{0}")]
    Header(InvalidHeader),
    #[error("{0}")]
    Custom(String),
}

/// One worker's instance of revm.
pub(crate) struct Worker<'b, 's>(TxnEvm<'b, 's>);

impl fmt::Debug for Worker<'_, '_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Worker").finish_non_exhaustive()
    }
}

impl<'s> Vm for BlockVm<'s> {
    type Txn = Item<'s>;
    type Location = Location;
    type Value = StateValue;
    type Output = TxnOutput;
    type Invalid = InvalidTxnReason;
    type Context<'b>
        = Worker<'b, 's>
    where
        's: 'b;

    fn context(&self) -> Worker<'_, 's> {
        let mut journal = WatchedJournal::new(TxnDb::new(self.codes, self.base));
        journal.set_spec_id(self.block.spec);
        journal.set_eip7708_config(
            self.cfg.amsterdam_eip7708_disabled,
            self.cfg.amsterdam_eip8246_delayed_clear_disabled,
        );
        journal.journal.creates_over_storage = self.block.creates_over_storage;
        let context = Context {
            block: &self.block.env,
            tx: self.no_txn,
            cfg: self.cfg,
            journaled_state: journal,
            chain: (),
            local: LocalContext::default(),
            error: Ok(()),
        };
        let instructions = watched_instructions(self.block);
        Worker(Evm::new(context, instructions, EthPrecompiles::new(self.block.spec)))
    }

    fn execute<'b>(
        &'b self,
        worker: &mut Worker<'b, 's>,
        item: &Item<'s>,
        view: &mut View<'b, Self>,
    ) -> Result<Execution<TxnOutput, InvalidTxnReason>, Interrupt> {
        match *item {
            Item::Txn(txn) => self.execute_txn(worker, txn, view, false),
            Item::Attempted(attempt) => match self.repeat(attempt, view)? {
                Some(output) => Ok(Execution::Done(output)),
                None => self.execute_txn(worker, attempt.txn(), view, false),
            },
            Item::Bundle(bundle) => self.execute_bundle(worker, bundle, view),
        }
    }

    fn weight(&self, _item: &Item<'s>, output: &TxnOutput) -> u64 {
        output.txns().map(|output| output.result.tx_gas_used()).fold(0, u64::saturating_add)
    }
}

/// What a transaction leaves behind beside its writes.
#[derive(Debug)]
pub(crate) struct TxnOutput {
    pub(crate) result: ExecutionResult,
    /// What it looked at, if that is wanted.
    pub(crate) accesses: Option<Box<RunAccesses>>,
    /// What a sink of the host's is told, if there is one.
    pub(crate) told: Option<Box<RunTold>>,
    /// What the other transactions of a bundle left, in order.
    pub(crate) more: Vec<TxnOutput>,
    /// The attempt that the run has been, if that is wanted.
    pub(crate) attempt: Option<Attempt>,
    /// The EVM did not run: an attempt stood.
    pub(crate) repeated: bool,
}

impl TxnOutput {
    pub(super) fn of_one(
        result: ExecutionResult,
        accesses: Option<Box<RunAccesses>>,
        told: Option<Box<RunTold>>,
    ) -> Self {
        let (more, attempt, repeated) = (Vec::new(), None, false);
        Self { result, accesses, told, more, attempt, repeated }
    }

    /// What each transaction of the item left, in order.
    pub(crate) fn txns(&self) -> impl Iterator<Item = &Self> {
        std::iter::once(self).chain(&self.more)
    }

    /// As [`txns`](Self::txns), taken apart.
    pub(crate) fn into_txns(mut self) -> impl Iterator<Item = Self> {
        let more = std::mem::take(&mut self.more);
        std::iter::once(self).chain(more)
    }
}

impl<'s> BlockVm<'s> {
    /// Executes one transaction. What it did to accounts is noted if `notes`, in its accesses.
    pub(super) fn execute_txn<'b>(
        &'b self,
        worker: &mut Worker<'b, 's>,
        txn: &'s TxEnv,
        view: &mut View<'b, Self>,
        notes: bool,
    ) -> Result<Execution<TxnOutput, InvalidTxnReason>, Interrupt> {
        let Worker(evm) = worker;
        evm.ctx.tx = txn;
        // Payments take no notes.
        let payment = if notes { None } else { Payment::of(&TxnHandler::default(), evm, txn) };
        if let Some(payment) = payment {
            let clears_empty = self.block.spec.is_enabled_in(SpecId::SPURIOUS_DRAGON);
            let mut payments = PaymentView { paid: None, view: &mut *view, clears_empty };
            if let Some(result) = payment.make(&mut payments)? {
                let told = payments.paid.filter(|_| self.tells.gain).map(|paid| {
                    RunTold::of_payment(&paid, self.block.env.beneficiary, self.codes, self.tells)
                });
                let accesses = self.tells.accesses.then(|| self.accesses_of_payment(txn));
                return Ok(Execution::Done(TxnOutput::of_one(result, accesses, told)));
            }
        }
        let db = evm.ctx.journaled_state.db_mut();
        db.view = view.take();
        db.notes = (notes || self.tells.attempts).then(Notes::default);
        let result = TxnHandler::default().run(evm);
        let journal = &mut evm.ctx.journaled_state;
        let result = conclude(journal, self.block, result);
        let output = result.map(|result| match result {
            Execution::Done(result) => Execution::Done(self.output(txn, journal, result, notes)),
            Execution::Invalid(reason) => Execution::Invalid(reason),
        });
        *view = journal.db_mut().view.take();
        reset(journal);
        evm.ctx.error = Ok(());
        output
    }

    /// What a run that ended well leaves, out of its journal.
    fn output(
        &self,
        txn: &TxEnv,
        journal: &mut WatchedJournal<'_, '_>,
        result: ExecutionResult,
        notes: bool,
    ) -> TxnOutput {
        let Tells { accesses, gain, attempts, .. } = self.tells;
        let beneficiary = self.block.env.beneficiary;
        let mut accesses = (accesses || attempts).then(|| self.accesses_of_run(journal));
        let attempt = match journal.db_mut().notes.take() {
            Some(taken) if attempts => self.attempt(txn, journal, &result, &accesses, taken),
            Some(taken) if notes => {
                if let Some(accesses) = &mut accesses {
                    accesses.deltas = Some(taken.deltas());
                }
                None
            }
            _ => None,
        };
        let told = match &attempt {
            Some(attempt) => gain.then(|| attempt.told(self.tells)),
            None => gain.then(|| RunTold::of_run(journal, beneficiary, self.tells)),
        };
        let accesses = accesses.filter(|_| self.tells.accesses);
        TxnOutput { attempt, ..TxnOutput::of_one(result, accesses, told) }
    }

    /// The attempt that the run has been, whose accounts it takes out of the journal.
    fn attempt(
        &self,
        txn: &TxEnv,
        journal: &mut WatchedJournal<'_, '_>,
        result: &ExecutionResult,
        accesses: &Option<Box<RunAccesses>>,
        notes: Notes,
    ) -> Option<Attempt> {
        let rules = self.rules.clone()?;
        if notes.is_incomplete() {
            return None;
        }
        let tells = Tells { state: true, ..self.tells };
        let told = RunTold::of_run(journal, self.block.env.beneficiary, tells);
        let accesses = accesses.as_deref().cloned().unwrap_or_default();
        Some(notes.into_attempt(rules, txn, result.clone(), accesses, *told, self.codes))
    }

    fn accesses_of_run(&self, journal: &WatchedJournal<'_, '_>) -> Box<RunAccesses> {
        let mut accesses = RunAccesses::of(journal.evm_state());
        if journal.fee.is_some() {
            accesses.add(self.block.env.beneficiary);
        }
        Box::new(accesses)
    }

    fn accesses_of_payment(&self, txn: &TxEnv) -> Box<RunAccesses> {
        let mut accesses = RunAccesses::default();
        let parties = [Some(&txn.caller), txn.kind.to(), Some(&self.block.env.beneficiary)];
        parties.into_iter().flatten().for_each(|address| accesses.add(*address));
        Box::new(accesses)
    }
}

/// Makes the journal ready for the next run, whatever became of this one.
fn reset(journal: &mut WatchedJournal<'_, '_>) {
    /// Up to this size, a map is kept for the next run rather than allocated anew.
    const KEPT: usize = 256;
    let mut state = journal.finalize();
    if state.capacity() <= KEPT {
        state.clear();
        *journal.evm_state_mut() = state;
    }
    journal.fee = None;
    let db = journal.db_mut();
    db.observed.clear();
    db.interrupt = None;
    db.notes = None;
}

/// Tells the view what the run relied on and what it did.
fn conclude(
    journal: &mut WatchedJournal<'_, '_>,
    block: &Block,
    result: Result<ExecutionResult, TxnError>,
) -> Result<Execution<ExecutionResult, InvalidTxnReason>, Interrupt> {
    // An interrupt counts even if revm made something else of it.
    if let Some(interrupt) = journal.db_mut().interrupt.take() {
        return Err(interrupt);
    }
    let fail = |failure| Err(failure);
    let failure = match result {
        Ok(result) => {
            declare_observations(journal.db_mut())?;
            declare_changes(journal, block)?;
            return Ok(Execution::Done(result));
        }
        Err(TxnError::Transaction(reason)) => {
            declare_observations(journal.db_mut())?;
            return Ok(Execution::Invalid(reason.into()));
        }
        Err(TxnError::Header(header)) => VmFailure::Header(header),
        Err(TxnError::Custom(message)) => VmFailure::Custom(message),
        Err(error) => VmFailure::Custom(error.to_string()),
    };
    fail(journal.db_mut().view.fail(failure))
}

fn declare_observations(db: &mut TxnDb<'_, '_>) -> Result<(), Interrupt> {
    let TxnDb { view, observed, notes, .. } = db;
    for observed in observed {
        let predicate = observed.predicate();
        if let Some(notes) = notes {
            notes.relied_on(observed.address, predicate, observed.guessed);
        }
        if observed.assumed == Some(predicate) {
            continue;
        }
        let location = Location::Account(observed.address);
        let holds = if observed.guessed {
            view.assume(&location, predicate)?
        } else {
            view.check(&location, predicate)?
        };
        if !holds {
            return Err(inconsistent(view, observed));
        }
    }
    Ok(())
}

fn declare_changes(journal: &mut WatchedJournal<'_, '_>, block: &Block) -> Result<(), Interrupt> {
    let clears_empty = block.spec.is_enabled_in(SpecId::SPURIOUS_DRAGON);
    let Journal { database, inner } = &mut journal.journal.journal;
    let TxnDb { view, observed, codes, worker_hashes, notes, .. } = database;
    for (place, observed) in observed.iter().enumerate() {
        let Some(account) = inner.state.get(&observed.address) else {
            continue;
        };
        if !account.is_touched() {
            continue;
        }
        let (hash, old) = (&account.info.code_hash, observed.original.code);
        let new_code =
            (*hash != worker_hashes.get(old, &codes.hashes)).then(|| codes.hashes.id(hash));
        if let Some(delta) = delta(observed, account, new_code, clears_empty) {
            if delta.code.is_some()
                && let Some(code) = &account.info.code
            {
                codes.insert(account.info.code_hash, code);
                if let Some(notes) = notes.as_mut() {
                    notes.deployed(account.info.code_hash, code);
                }
            }
            if let Some(notes) = notes.as_mut() {
                notes.added(observed.address, delta);
            }
            if !view.add(&Location::Account(observed.address), delta)? {
                return Err(inconsistent(view, observed));
            }
        }
        write_slots(view, (place, observed), account, notes)?;
    }
    if let Some(fee) = journal.fee {
        let credit = Delta {
            balance: Shift::CreditIfItFits(fee),
            nonce: 0,
            code: None,
            fate: Fate::Touched,
            stored: false,
            clears_empty,
        };
        if let Some(notes) = notes.as_mut() {
            notes.added(block.env.beneficiary, credit);
        }
        // It applies to any account.
        view.add(&Location::Account(block.env.beneficiary), credit)?;
    }
    Ok(())
}

/// What the run did to a touched account; `None` if that was nothing.
fn delta(
    observed: &Observed,
    account: &Account,
    new_code: Option<CodeId>,
    clears_empty: bool,
) -> Option<Delta> {
    let original = &observed.original;
    let fate = match () {
        () if account.is_selfdestructed() => Fate::Destroyed,
        () if account.is_created() => Fate::Created,
        () => Fate::Touched,
    };
    let delta = Delta {
        balance: Shift::between(original.balance, account.info.balance),
        nonce: account.info.nonce.wrapping_sub(original.nonce),
        code: new_code,
        fate,
        stored: fate == Fate::Created && is_storage_alone(account),
        clears_empty,
    };
    let only_touched = fate == Fate::Touched
        && delta.balance.is_zero()
        && delta.nonce == 0
        && delta.code.is_none();
    // An account with code stays as it is when it is touched; others may come, or go.
    (!only_touched || !original.code.is_code()).then_some(delta)
}

/// Whether an account has storage, but neither nonce nor code.
fn is_storage_alone(account: &Account) -> bool {
    account.info.nonce == 0
        && account.info.is_empty_code_hash()
        && account.storage.values().any(|slot| !slot.present_value.is_zero())
}

fn write_slots(
    view: &mut View<'_, BlockVm<'_>>,
    (place, observed): (usize, &Observed),
    account: &Account,
    notes: &mut Option<Notes>,
) -> Result<(), Interrupt> {
    if account.is_selfdestructed() {
        return Ok(());
    }
    let (address, anew) = (observed.address, account.is_created());
    let wipes = observed.original.wipes + u32::from(anew);
    for (&key, slot) in account.changed_storage_slots() {
        let (location, value) = (Location::Slot { address, wipes, key }, slot.present_value);
        view.write(&location, StateValue::Slot(value))?;
        if let Some(notes) = notes {
            notes.wrote(place, anew, key, value);
        }
    }
    Ok(())
}

/// The run's own bookkeeping contradicts the view: a bug, which is not to become a wrong state.
fn inconsistent(view: &mut View<'_, BlockVm<'_>>, observed: &Observed) -> Interrupt {
    let message = format!("inconsistent bookkeeping of account {}", observed.address);
    view.fail(VmFailure::Custom(message))
}
