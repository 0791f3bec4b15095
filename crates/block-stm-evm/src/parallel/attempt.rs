//! Transactions that were executed before their block, and stand in it where all that they relied
//! on holds.
//!
//! # The idea
//!
//! A run depends on what it read of slots, on its predicates about accounts, and on the hashes of
//! past blocks; and on the rules and the environment of its block, and on the transaction, which
//! are compared as they are. An [`Attempt`] is all of that, with what the run did and returned.
//!
//! In a block, the VM asks the view for everything that the attempt relied on, as the run itself
//! would have: it reads the slots, and checks or assumes the predicates. If the answers are those
//! of the attempt, it declares what the attempt did, and the EVM does not run. The engine sees an
//! execution like any other, which it judges by value. If one answer differs, the EVM runs.
//!
//! # What is trusted
//!
//! That what the attempt did follows from what it relied on. No one but the VM of this crate can
//! make an attempt, and none can be changed. So it is always true of *some* state, and whether it
//! is true of the state in the block is what is asked.

use std::{fmt, sync::Arc};

use alloy_primitives::{Address, B256, U256};
use block_stm::{Interrupt, View};
use revm::{
    context::{
        BlockEnv, CfgEnv, TxEnv,
        result::{ExecutionResult, HaltReason},
    },
    state::Bytecode,
};

use super::{
    codes::Codes,
    location::Location,
    told::{Gain, RunState, RunTold, Tells},
    value::{AccountState, Delta, Predicate, StateValue},
    vm::{BlockVm, TxnOutput, VmFailure},
};
use crate::{Block, access_list::RunAccesses};

/// A transaction that was executed ahead of its block: what it relied on, did and returned.
///
/// [`Attempts`](crate::Attempts) makes them, and so does a block that
/// [keeps](crate::ParallelOptions::keep_attempts) its own.
#[derive(Clone)]
pub struct Attempt(Arc<Made>);

impl fmt::Debug for Attempt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Made { txn, accounts, slots, .. } = &*self.0;
        f.debug_struct("Attempt")
            .field("txn", txn)
            .field("accounts", &accounts.len())
            .field("slots", &slots.len())
            .finish_non_exhaustive()
    }
}

impl PartialEq for Attempt {
    /// Whether both are the same attempt; two at one transaction are not.
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

struct Made {
    rules: Arc<Rules>,
    txn: TxEnv,
    accounts: Vec<SeenAccount>,
    slots: Vec<SeenSlot>,
    hashes: Vec<(u64, B256)>,
    /// Accounts of which it was asked whether they have storage, with the answer.
    stored: Vec<(Address, bool)>,
    changes: Vec<Change>,
    codes: Vec<(B256, Bytecode)>,
    result: ExecutionResult<HaltReason>,
    accesses: RunAccesses,
    gain: Gain,
    state: RunState,
}

/// What a block's transactions are executed under.
#[derive(Debug, PartialEq)]
pub(crate) struct Rules {
    env: BlockEnv,
    cfg: CfgEnv,
    net_metering: bool,
    creates_over_storage: bool,
}

impl Rules {
    pub(crate) fn of(block: &Block, cfg: &CfgEnv) -> Self {
        let (env, cfg) = (block.env.clone(), cfg.clone());
        let Block { net_metering, creates_over_storage, .. } = *block;
        Self { env, cfg, net_metering, creates_over_storage }
    }
}

/// What was relied on of an account.
#[derive(Clone, Copy, Debug)]
struct SeenAccount {
    address: Address,
    code_hash: B256,
    /// Without the number of the code and of the wipes, which mean something in one block alone.
    predicate: Predicate,
    /// Whether it is to be assumed rather than checked.
    assumed: bool,
}

/// A slot that was read.
#[derive(Clone, Copy, Debug)]
struct SeenSlot {
    /// The place of its account among those that were seen.
    account: usize,
    key: U256,
    value: U256,
}

/// What was done, in the order of the run.
#[derive(Clone, Copy, Debug)]
enum Change {
    /// To an account, with the hash of its new code.
    Account(Address, Delta, Option<B256>),
    /// To a slot of an account that was seen, which was created before if `anew`.
    Slot { account: usize, anew: bool, key: U256, value: U256 },
}

/// What a run notes of itself.
#[derive(Debug, Default)]
pub(crate) struct Notes {
    predicates: Vec<(Address, Predicate, bool)>,
    slots: Vec<SeenSlot>,
    hashes: Vec<(u64, B256)>,
    stored: Vec<(Address, bool)>,
    changes: Vec<Change>,
    codes: Vec<(B256, Bytecode)>,
    /// The run read something that has no place in an attempt.
    is_incomplete: bool,
}

impl Notes {
    /// What the run relied on of the account that it loaded next.
    pub(crate) fn relied_on(&mut self, address: Address, predicate: Predicate, assumed: bool) {
        self.predicates.push((address, predicate, assumed));
    }

    /// The run read a slot of the account that it loaded as the n-th.
    pub(crate) fn read(&mut self, account: Option<usize>, key: U256, value: U256) {
        match account {
            Some(account) => self.slots.push(SeenSlot { account, key, value }),
            None => self.is_incomplete = true,
        }
    }

    pub(crate) fn block_hash(&mut self, number: u64, hash: B256) {
        self.hashes.push((number, hash));
    }

    pub(crate) fn has_storage(&mut self, address: Address, answer: bool) {
        self.stored.push((address, answer));
    }

    /// The run did something to an account.
    pub(crate) fn added(&mut self, address: Address, delta: Delta) {
        self.changes.push(Change::Account(address, delta, None));
    }

    /// The run wrote a slot of the account that it loaded as the n-th.
    pub(crate) fn wrote(&mut self, account: usize, anew: bool, key: U256, value: U256) {
        self.changes.push(Change::Slot { account, anew, key, value });
    }

    /// The run brought code into the state.
    pub(crate) fn deployed(&mut self, hash: B256, code: &Bytecode) {
        self.codes.push((hash, code.clone()));
    }

    /// What the run did to accounts.
    pub(crate) fn deltas(&self) -> Vec<(Address, Delta)> {
        let deltas = self.changes.iter().filter_map(|change| match change {
            Change::Account(address, delta, _) => Some((*address, *delta)),
            Change::Slot { .. } => None,
        });
        deltas.collect()
    }

    /// Whether the run read something that has no place in an attempt.
    pub(crate) fn is_incomplete(&self) -> bool {
        self.is_incomplete
    }

    /// The attempt that they are of.
    pub(crate) fn into_attempt(
        self,
        rules: Arc<Rules>,
        txn: &TxEnv,
        result: ExecutionResult<HaltReason>,
        accesses: RunAccesses,
        told: RunTold,
        codes: &Codes,
    ) -> Attempt {
        let Self { predicates, slots, hashes, stored, mut changes, codes: deployed, .. } = self;
        let state = told.state.unwrap_or_default();
        let gain = told.gain;
        let seen = |(address, predicate, assumed): (_, Predicate, _)| SeenAccount {
            address,
            code_hash: codes.hashes.hash(predicate.code),
            predicate,
            assumed,
        };
        let accounts = predicates.into_iter().map(seen).collect();
        for change in &mut changes {
            if let Change::Account(_, delta, hash) = change {
                *hash = delta.code.map(|code| codes.hashes.hash(code));
            }
        }
        let txn = txn.clone();
        Attempt(Arc::new(Made {
            rules,
            txn,
            accounts,
            slots,
            hashes,
            stored,
            changes,
            codes: deployed,
            result,
            accesses,
            gain,
            state,
        }))
    }
}

impl Attempt {
    /// The transaction.
    pub fn txn(&self) -> &TxEnv {
        &self.0.txn
    }

    /// What it came to.
    pub fn result(&self) -> &ExecutionResult {
        &self.0.result
    }

    /// What the run says for a sink.
    pub(crate) fn told(&self, tells: Tells) -> Box<RunTold> {
        let Made { gain, state, .. } = &*self.0;
        Box::new(RunTold { gain: *gain, state: tells.state.then(|| state.clone()) })
    }

    /// Whether it was made under these rules.
    pub(crate) fn is_under(&self, rules: &Arc<Rules>) -> bool {
        Arc::ptr_eq(&self.0.rules, rules) || self.0.rules == *rules
    }
}

impl<'s> BlockVm<'s> {
    /// Does what the attempt did if `view` has all that it relied on; `None` if it has not, and
    /// nothing was done.
    pub(super) fn repeat<'b>(
        &'b self,
        attempt: &'s Attempt,
        view: &mut View<'b, Self>,
    ) -> Result<Option<TxnOutput>, Interrupt> {
        let made = &*attempt.0;
        let mut wipes = Vec::with_capacity(made.accounts.len());
        let mut slots = made.slots.iter().peekable();
        for seen in &made.accounts {
            let location = Location::Account(seen.address);
            let shown = match seen.assumed {
                true => view.glimpse(&location)?,
                false => view.peek(&location)?,
            };
            let StateValue::Account(shown) = shown else { return Ok(None) };
            let code = self.codes.hashes.id(&seen.code_hash);
            let predicate = Predicate { code, wipes: shown.wipes, ..seen.predicate };
            let holds = match seen.assumed {
                true => view.assume(&location, predicate)?,
                false => view.check(&location, predicate)?,
            };
            if !holds || !self.has_storage_as(made, &seen.address, &shown) {
                return Ok(None);
            }
            wipes.push(shown.wipes);
            // In about the order of the run, so that the first that differs is found soon.
            while let Some(slot) = slots.next_if(|slot| slot.account < wipes.len()) {
                let (address, wipes) = (made.accounts[slot.account].address, wipes[slot.account]);
                let location = Location::Slot { address, wipes, key: slot.key };
                if view.read(&location)? != StateValue::Slot(slot.value) {
                    return Ok(None);
                }
            }
        }
        for &(number, hash) in &made.hashes {
            // What can't be read is for the EVM to stumble over, if it comes there.
            if self.base.block_hash(number).ok() != Some(hash) {
                return Ok(None);
            }
        }
        self.declare(made, &wipes, view)?;
        let told = self.tells.gain.then(|| attempt.told(self.tells));
        let accesses = self.tells.accesses.then(|| Box::new(made.accesses.clone()));
        let mut output = TxnOutput::of_one(made.result.clone(), accesses, told);
        output.repeated = true;
        output.attempt = self.tells.attempts.then(|| attempt.clone());
        Ok(Some(output))
    }

    /// Whether the answer is the same where the attempt asked for the storage of an account.
    fn has_storage_as(&self, made: &Made, address: &Address, shown: &AccountState) -> bool {
        let asked = made.stored.iter().find(|(asked, _)| asked == address);
        let Some(&(address, answer)) = asked else { return true };
        let now = match shown {
            AccountState { stored: true, .. } => Some(true),
            AccountState { wipes: 0, .. } => self.base.has_storage(address).ok(),
            _ => Some(false),
        };
        now == Some(answer)
    }

    /// Declares what the attempt did; `wipes` are those of the accounts that it saw.
    fn declare(
        &self,
        made: &Made,
        wipes: &[u32],
        view: &mut View<'_, Self>,
    ) -> Result<(), Interrupt> {
        for (hash, code) in &made.codes {
            self.codes.insert(*hash, code);
        }
        for change in &made.changes {
            match *change {
                Change::Account(address, delta, hash) => {
                    let code = hash.map(|hash| self.codes.hashes.id(&hash));
                    // It applies where the predicates hold.
                    if !view.add(&Location::Account(address), Delta { code, ..delta })? {
                        let message = format!("an attempt does not apply to {address}");
                        return Err(view.fail(VmFailure::Custom(message)));
                    }
                }
                Change::Slot { account, anew, key, value } => {
                    let address = made.accounts[account].address;
                    let wipes = wipes[account] + u32::from(anew);
                    let location = Location::Slot { address, wipes, key };
                    view.write(&location, StateValue::Slot(value))?;
                }
            }
        }
        Ok(())
    }
}
