//! From committed transactions to the block's result.

use std::error::Error;

use block_stm::{Admission, BoxError, CommitSink, Flow, Outcome, TxnIndex, Writes};
use revm::context::{TxEnv, result::ExecutionResult};

use super::{
    location::Location,
    value::StateValue,
    vm::{BlockVm, VmFailure},
};
use crate::{Block, BlockRecord, ExecutionError, InvalidTxnReason, SlotFeed, Stage};

/// Makes receipts and outcomes of transactions as they are committed.
pub(crate) struct RecordSink<'a> {
    block: &'a Block,
    record: &'a mut BlockRecord,
    feed: Option<&'a SlotFeed>,
}

impl<'a> RecordSink<'a> {
    pub(crate) fn new(
        block: &'a Block,
        record: &'a mut BlockRecord,
        feed: Option<&'a SlotFeed>,
    ) -> Self {
        Self { block, record, feed }
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
        outcome: Outcome<ExecutionResult, InvalidTxnReason>,
        writes: Writes<'_, BlockVm<'s>>,
    ) -> Flow {
        if let Some(feed) = self.feed {
            feed.committed(writes.iter().filter_map(|(location, value)| match (location, value) {
                (Location::Slot { address, key, .. }, StateValue::Slot(now)) => {
                    Some((*address, *key, *now))
                }
                _ => None,
            }));
        }
        match outcome {
            Outcome::Done(result) => {
                self.record.executed(&self.block.txns[index.as_usize()], result);
            }
            Outcome::Invalid(reason) => self.record.skipped(reason),
        }
        Flow::Continue
    }
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
