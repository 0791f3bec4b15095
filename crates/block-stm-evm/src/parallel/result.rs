//! From committed transactions to the block's result.

use std::error::Error;

use alloy_primitives::Address;
use block_stm::{Admission, BoxError, CommitSink, Flow, Outcome, TxnIndex, Writes};
use revm::context::TxEnv;

use super::{
    location::Location,
    value::{AccountState, StateValue},
    vm::{BlockVm, TxnOutput, VmFailure},
};
use crate::{
    Block, BlockRecord, ExecutionError, InvalidTxnReason, SlotFeed, Stage, access_list::Committed,
};

/// Makes receipts and outcomes of transactions as they are committed.
pub(crate) struct RecordSink<'a> {
    block: &'a Block,
    record: &'a mut BlockRecord,
    feed: Option<&'a dyn SlotFeed>,
    /// The transactions that said what they looked at, for an access list.
    pub(crate) committed: Vec<Committed>,
}

impl<'a> RecordSink<'a> {
    pub(crate) fn new(
        block: &'a Block,
        record: &'a mut BlockRecord,
        feed: Option<&'a dyn SlotFeed>,
    ) -> Self {
        Self { block, record, feed, committed: Vec::new() }
    }
}

impl<'s> CommitSink<BlockVm<'s>> for RecordSink<'_> {
    fn admit(&mut self, _index: TxnIndex, txn: &&'s TxEnv) -> Admission<InvalidTxnReason> {
        match self.record.admit(txn) {
            Ok(()) => Admission::Admit,
            Err(reason) => Admission::Refuse(reason),
        }
    }

    fn commit(
        &mut self,
        index: TxnIndex,
        outcome: Outcome<TxnOutput, InvalidTxnReason>,
        writes: Writes<'_, BlockVm<'s>>,
    ) -> Flow {
        if let Some(feed) = self.feed {
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
        match outcome {
            Outcome::Done(TxnOutput { result, accesses }) => {
                if let Some(accesses) = accesses {
                    let accounts = account_writes(&writes).collect();
                    self.committed.push(Committed { accesses, accounts });
                }
                self.record.executed(&self.block.txns[index.as_usize()], result);
            }
            Outcome::Invalid(reason) => self.record.skipped(reason),
        }
        Flow::Continue
    }
}

/// The accounts among `writes`.
fn account_writes(
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

fn vm_error<E: Error + 'static>(stage: Stage, source: BoxError) -> ExecutionError<E> {
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
