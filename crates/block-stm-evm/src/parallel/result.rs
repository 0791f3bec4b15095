//! From the engine's commits to the sinks of this crate and its hosts.

use std::error::Error;

use alloy_primitives::{Address, I256};
use block_stm::{Admission, BoxError, CommitSink, Flow, Outcome, TxnIndex, Writes};
use revm::context::TxEnv;

use super::{
    attempt::Attempt,
    item::Item,
    location::Location,
    told::RunTold,
    truth::Truth,
    value::{AccountState, StateValue},
    vm::{BlockVm, TxnOutput, VmFailure},
};
use crate::{
    Block, BlockRecord, BlockSink, CommittedTxn, ExecutedTxn, ExecutionError, FinalTxn,
    InvalidTxnReason, SlotFeed, Stage, TxnSink, access_list::Committed,
};

/// Hands what the engine commits to a sink that knows Ethereum.
pub(crate) struct Handover<'a> {
    block: &'a Block,
    sink: &'a mut dyn TxnSink,
    /// For hosts' sinks, which are told more than the result.
    truth: Option<Truth<'a>>,
    feed: Option<&'a dyn SlotFeed>,
    /// The transactions that said what they looked at, for an access list.
    pub(crate) committed: Vec<Committed>,
    /// Why the block was cut without anybody having wished so: the state can't be read.
    pub(crate) fault: Option<(usize, BoxError)>,
    /// How many transactions were committed by an attempt.
    pub(crate) attempts_stood: usize,
    pub(crate) keeps_attempts: bool,
    /// What each transaction did, if that is kept.
    pub(crate) attempts: Vec<Option<Attempt>>,
}

impl<'a> Handover<'a> {
    pub(crate) fn new(
        block: &'a Block,
        sink: &'a mut dyn TxnSink,
        truth: Option<Truth<'a>>,
        feed: Option<&'a dyn SlotFeed>,
    ) -> Self {
        Self {
            block,
            sink,
            truth,
            feed,
            committed: Vec::new(),
            fault: None,
            attempts_stood: 0,
            keeps_attempts: false,
            attempts: Vec::new(),
        }
    }

    /// What the beneficiary gains by the transaction at hand.
    fn gain(&self, told: Option<&RunTold>) -> Result<I256, BoxError> {
        let (Some(truth), Some(told)) = (&self.truth, told) else { return Ok(I256::ZERO) };
        let before = truth.account(&self.block.env.beneficiary)?.balance;
        Ok(I256::from_raw(told.gain.after(before).wrapping_sub(before)))
    }

    fn committed(
        &self,
        index: usize,
        output: TxnOutput,
    ) -> Result<(CommittedTxn, Option<Box<crate::access_list::RunAccesses>>), BoxError> {
        let TxnOutput { result, accesses, told, .. } = output;
        let gain = self.gain(told.as_deref())?;
        let state = told.and_then(|told| told.state);
        let state = match (&self.truth, state) {
            (Some(truth), Some(run)) => Some(truth.complete(run, self.block.env.beneficiary)?),
            (_, None) | (None, _) => None,
        };
        Ok((CommittedTxn { index, result, gain, state }, accesses))
    }

    fn feed(&self, writes: &Writes<'_, BlockVm<'_>>) {
        let Some(feed) = self.feed else { return };
        let slots = writes.iter().filter_map(|(location, value)| match (location, value) {
            (Location::Slot { address, key, .. }, StateValue::Slot(now)) => {
                Some((*address, *key, *now))
            }
            _ => None,
        });
        let slots: Vec<_> = slots.collect();
        if !slots.is_empty() {
            feed.committed(slots);
        }
    }
}

impl<'s> CommitSink<BlockVm<'s>> for Handover<'_> {
    fn admit(&mut self, index: TxnIndex, item: &Item<'s>) -> Admission<InvalidTxnReason> {
        self.sink.admit(index.as_usize(), item.first())
    }

    fn settle(
        &mut self,
        index: TxnIndex,
        item: &Item<'s>,
        output: &TxnOutput,
    ) -> Admission<InvalidTxnReason> {
        if self.truth.is_none() {
            return Admission::Admit;
        }
        let (index, txn) = (index.as_usize(), item.first());
        match self.gain(output.told.as_deref()) {
            Ok(gain) => self.sink.settle(ExecutedTxn { index, txn, result: &output.result, gain }),
            Err(source) => {
                self.fault = Some((index, source));
                Admission::Cut
            }
        }
    }

    fn commit(
        &mut self,
        index: TxnIndex,
        outcome: Outcome<TxnOutput, InvalidTxnReason>,
        writes: Writes<'_, BlockVm<'s>>,
    ) -> Flow {
        let index = index.as_usize();
        self.feed(&writes);
        let mut output = match outcome {
            Outcome::Done(output) => output,
            Outcome::Invalid(reason) => {
                self.attempts.extend(self.keeps_attempts.then_some(None));
                return self.sink.skip(index, reason);
            }
        };
        self.attempts_stood += usize::from(output.repeated);
        if self.keeps_attempts {
            self.attempts.push(output.attempt.take());
        }
        let (committed, accesses) = match self.committed(index, output) {
            Ok(committed) => committed,
            Err(source) => {
                self.fault = Some((index, source));
                return Flow::Cut;
            }
        };
        if let Some(truth) = &mut self.truth {
            truth.advance(account_writes(&writes));
        }
        if let Some(accesses) = accesses {
            let accounts = account_writes(&writes).collect();
            self.committed.push(Committed { accesses, accounts });
        }
        self.sink.commit(committed)
    }
}

/// Makes receipts and outcomes of transactions as they are committed, and shows them to the host's
/// sink if there is one.
pub(crate) struct RecordSink<'a, 'h> {
    block: &'a Block,
    record: &'a mut BlockRecord,
    host: Option<&'h mut dyn BlockSink>,
}

impl<'a, 'h> RecordSink<'a, 'h> {
    pub(crate) fn new(
        block: &'a Block,
        record: &'a mut BlockRecord,
        host: Option<&'h mut dyn BlockSink>,
    ) -> Self {
        Self { block, record, host }
    }
}

impl TxnSink for RecordSink<'_, '_> {
    fn admit(&mut self, index: usize, txn: &TxEnv) -> Admission<InvalidTxnReason> {
        match (self.record.admit(txn), &mut self.host) {
            (Err(reason), _) => Admission::Refuse(reason),
            (Ok(()), Some(host)) => host.admit(index, txn),
            (Ok(()), None) => Admission::Admit,
        }
    }

    fn settle(&mut self, executed: ExecutedTxn<'_>) -> Admission<InvalidTxnReason> {
        self.host.as_mut().map_or(Admission::Admit, |host| host.settle(executed))
    }

    fn commit(&mut self, txn: CommittedTxn) -> Flow {
        let CommittedTxn { index, result, gain, state } = txn;
        self.record.executed(&self.block.txns[index], result);
        let Some(host) = &mut self.host else { return Flow::Continue };
        let (outcome, receipt) = self.record.last();
        host.commit(FinalTxn { index, outcome, receipt, gain, state })
    }

    fn skip(&mut self, index: usize, reason: InvalidTxnReason) -> Flow {
        self.record.skipped(reason);
        let Some(host) = &mut self.host else { return Flow::Continue };
        let (outcome, receipt) = self.record.last();
        host.commit(FinalTxn { index, outcome, receipt, gain: I256::ZERO, state: None })
    }
}

/// The accounts among `writes`.
pub(super) fn account_writes(
    writes: &Writes<'_, BlockVm<'_>>,
) -> impl Iterator<Item = (Address, AccountState)> {
    writes.iter().filter_map(|(location, value)| match (location, value) {
        (Location::Account(address), StateValue::Account(account)) => Some((*address, *account)),
        _ => None,
    })
}

/// The crate's word for the engine's error.
pub(crate) fn execution_error<E: Error + 'static>(
    error: block_stm::Error<InvalidTxnReason>,
) -> ExecutionError<E> {
    use block_stm::Error as Engine;
    match error {
        Engine::Invalid { txn, reason } => {
            let index = txn.as_usize();
            ExecutionError::InvalidTxn { index, reason }
        }
        Engine::Storage { txn, source, .. } | Engine::Vm { txn, source } => {
            vm_error(Stage::Txn(txn.as_usize()), source)
        }
        Engine::Panicked { txn, message } => {
            let stage = Stage::Txn(txn.as_usize());
            ExecutionError::Panicked { stage, message }
        }
        Engine::Cancelled { committed } => ExecutionError::Cancelled { committed },
        // The engine's other errors are about the block as a whole.
        other => ExecutionError::Engine { message: other.to_string() },
    }
}

/// The crate's word for what an execution, or a look at the state beside one, failed with.
pub(crate) fn vm_error<E: Error + 'static>(stage: Stage, source: BoxError) -> ExecutionError<E> {
    let source = match source.downcast::<E>() {
        Ok(source) => return ExecutionError::Database { stage, source: *source },
        Err(source) => source,
    };
    match source.downcast::<VmFailure>().map(|failure| *failure) {
        Ok(VmFailure::Header(header)) => ExecutionError::Header(header),
        Ok(VmFailure::Custom(message)) => ExecutionError::Vm { stage, message },
        Err(source) => ExecutionError::Vm { stage, message: source.to_string() },
    }
}
