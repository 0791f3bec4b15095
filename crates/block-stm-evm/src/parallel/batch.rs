//! Some of a block's transactions on the engine, over what those before them left.

use alloy_primitives::{Address, I256, U256};
use block_stm::{
    Admission, CommitSink, Cut, Engine, Executed, FinalState, Flow, InvalidPolicy, Limits, Outcome,
    TxnIndex, Writes,
};
use revm::context::TxEnv;

use super::{
    base::BlockBase,
    codes::Codes,
    item::Item,
    location::Location,
    result::{account_writes, execution_error},
    told::Tells,
    value::StateValue,
    vm::{BlockVm, TxnOutput},
};
use crate::{
    Block, BlockRecord, BlockState, ExecutionError, InvalidTxnReason, Settled, StateRef,
    access_list::Committed,
};

/// A batch, ready to be executed.
pub(crate) struct Batch<'t, DB> {
    pub(crate) block: &'t Block,
    pub(crate) db: &'t DB,
    /// What was left by the steps before the transactions, and by those before the batch.
    pub(crate) state: &'t BlockState<&'t DB>,
    pub(crate) codes: &'t Codes,
    pub(crate) items: &'t [Item<'t>],
    pub(crate) limits: Limits,
    /// Whether transactions say what they looked at, for an access list.
    pub(crate) lists: bool,
}

/// What a batch came to, beside the record.
#[derive(Debug)]
pub(crate) struct BatchDone {
    pub(crate) state: FinalState<Location, StateValue>,
    /// What became of each item, in order; fewer than there were if the batch was cut.
    pub(crate) settled: Vec<Settled>,
    pub(crate) cut: Option<Cut>,
    /// The beneficiary's balance after it.
    pub(crate) balance: U256,
    /// What the transactions looked at, for an access list.
    pub(crate) committed: Vec<Committed>,
    pub(crate) executions: u64,
    pub(crate) attempts_stood: usize,
}

impl<DB: StateRef + Sync> Batch<'_, DB> {
    /// Executes the batch. `record` gets what becomes of the transactions, and `balance` is what
    /// the beneficiary has before them.
    ///
    /// # Errors
    ///
    /// An [`ExecutionError`] in which transactions are numbered over the whole block. The record
    /// has a part of the batch then.
    pub(crate) fn execute(
        &self,
        engine: &Engine,
        record: &mut BlockRecord,
        balance: U256,
    ) -> Result<BatchDone, ExecutionError<DB::Error>> {
        let Self { block, db, state, codes, items, .. } = *self;
        let first = record.len();
        let (cfg, no_txn) = (block.cfg_env(), TxEnv::default());
        let base = BlockBase::new(db, state, codes);
        let tells = Tells { accesses: self.lists, ..Tells::default() };
        let vm = BlockVm::new(block, &cfg, &no_txn, codes, &base, tells);
        let task = block_stm::Block::new(&vm, items, &base)
            .policy(InvalidPolicy::Skip)
            .limits(self.limits.clone());
        let mut sink = BatchSink {
            beneficiary: block.env.beneficiary,
            items,
            record,
            balance,
            settled: Vec::with_capacity(items.len()),
            committed: Vec::new(),
            attempts_stood: 0,
        };
        let executed = engine.execute(&task, &mut sink).map_err(|error| {
            let before = |item| items.iter().take(item).map(|item| item.txns().len());
            execution_error(error).relocate(|item| first + before(item).sum::<usize>())
        })?;
        let BatchSink { balance, settled, committed, attempts_stood, .. } = sink;
        let Executed { state, cut, stats, .. } = executed;
        let executions = stats.executions;
        Ok(BatchDone { state, settled, cut, balance, committed, executions, attempts_stood })
    }
}

/// Puts what is committed into the record.
struct BatchSink<'a> {
    beneficiary: Address,
    items: &'a [Item<'a>],
    record: &'a mut BlockRecord,
    balance: U256,
    settled: Vec<Settled>,
    committed: Vec<Committed>,
    attempts_stood: usize,
}

impl BatchSink<'_> {
    fn take(&mut self, txns: &[TxEnv], output: TxnOutput, writes: &Writes<'_, BlockVm<'_>>) {
        let before = self.balance;
        let beneficiary = account_writes(writes).find(|(address, _)| *address == self.beneficiary);
        if let Some((_, beneficiary)) = beneficiary {
            self.balance = beneficiary.balance;
        }
        let first = self.record.receipts().len();
        let mut gas_used = 0;
        for (txn, output) in txns.iter().zip(output.into_txns()) {
            gas_used += output.result.tx_gas_used();
            self.attempts_stood += usize::from(output.repeated);
            self.record.executed(txn, output.result);
            if let Some(accesses) = output.accesses {
                // Of a bundle's transactions, each says what it did.
                let accounts = match accesses.deltas.is_some() {
                    true => Vec::new(),
                    false => account_writes(writes).collect(),
                };
                self.committed.push(Committed { accesses, accounts });
            }
        }
        let gain = I256::from_raw(self.balance.wrapping_sub(before));
        let txns = txns.len();
        self.settled.push(Settled::Taken { first, txns, gas_used, gain });
    }
}

impl<'s> CommitSink<BlockVm<'s>> for BatchSink<'_> {
    fn admit(&mut self, _index: TxnIndex, item: &Item<'s>) -> Admission<InvalidTxnReason> {
        match self.record.admit(item.first()) {
            Ok(()) => Admission::Admit,
            Err(reason) => Admission::Refuse(item.reason(0, reason)),
        }
    }

    fn settle(
        &mut self,
        _index: TxnIndex,
        item: &Item<'s>,
        output: &TxnOutput,
    ) -> Admission<InvalidTxnReason> {
        if output.more.is_empty() {
            return Admission::Admit;
        }
        let gas = output.txns().map(|output| output.result.gas());
        match self.record.gas().admit_all(item.txns().iter().zip(gas)) {
            Ok(()) => Admission::Admit,
            Err((member, reason)) => Admission::Refuse(item.reason(member, reason)),
        }
    }

    fn commit(
        &mut self,
        index: TxnIndex,
        outcome: Outcome<TxnOutput, InvalidTxnReason>,
        writes: Writes<'_, BlockVm<'s>>,
    ) -> Flow {
        let txns = self.items[index.as_usize()].txns();
        match outcome {
            Outcome::Done(output) => self.take(txns, output, &writes),
            Outcome::Invalid(reason) => {
                txns.iter().for_each(|_| self.record.skipped(reason.clone()));
                self.settled.push(Settled::LeftOut(reason));
            }
        }
        Flow::Continue
    }
}
