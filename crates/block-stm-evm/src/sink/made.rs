//! Sinks that many hosts want, each around another one.

use std::sync::mpsc::Sender;

use block_stm::{Admission, Flow};
use revm::context::TxEnv;

use super::{BlockSink, ExecutedTxn, FinalTxn};
use crate::{InvalidTxnReason, Receipt};

/// Refuses transactions that fail in the VM: those that revert or halt.
///
/// Under [`InvalidTxn::Skip`](crate::InvalidTxn::Skip) they are left out, with all that they would
/// have paid and changed.
#[derive(Debug)]
pub struct RefuseReverted<S, A> {
    sink: S,
    may_fail: A,
}

impl<S: BlockSink, A: FnMut(usize) -> bool + Send> RefuseReverted<S, A> {
    /// Hands on to `sink` what stands. `may_fail` says of a transaction's place whether it may fail
    /// all the same.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::sync::mpsc;
    ///
    /// use block_stm_evm::{RefuseReverted, StreamReceipts};
    ///
    /// let (receipts, _for_another_thread) = mpsc::channel();
    /// let sink = RefuseReverted::new(StreamReceipts::new(receipts), |index| index == 7);
    /// # let _ = sink;
    /// ```
    pub fn new(sink: S, may_fail: A) -> Self {
        Self { sink, may_fail }
    }

    /// The sink that it was made around.
    pub fn into_inner(self) -> S {
        self.sink
    }
}

impl<S: BlockSink, A: FnMut(usize) -> bool + Send> BlockSink for RefuseReverted<S, A> {
    fn wants_state(&self) -> bool {
        self.sink.wants_state()
    }

    fn admit(&mut self, index: usize, txn: &TxEnv) -> Admission<InvalidTxnReason> {
        self.sink.admit(index, txn)
    }

    fn settle(&mut self, executed: ExecutedTxn<'_>) -> Admission<InvalidTxnReason> {
        if !executed.result.is_success() && !(self.may_fail)(executed.index) {
            return Admission::Refuse(InvalidTxnReason::Refused("it failed in the vm".to_owned()));
        }
        self.sink.settle(executed)
    }

    fn commit(&mut self, txn: FinalTxn<'_>) -> Flow {
        self.sink.commit(txn)
    }
}

/// Sends each receipt, with its transaction's place, while the rest of the block still runs.
///
/// When nobody listens any more, the block goes on in silence.
#[derive(Debug)]
pub struct StreamReceipts {
    receipts: Sender<(usize, Receipt)>,
}

impl StreamReceipts {
    /// Sends to `receipts`.
    pub fn new(receipts: Sender<(usize, Receipt)>) -> Self {
        Self { receipts }
    }
}

impl BlockSink for StreamReceipts {
    fn commit(&mut self, txn: FinalTxn<'_>) -> Flow {
        if let Some(receipt) = txn.receipt {
            let _nobody_listens = self.receipts.send((txn.index, receipt.clone()));
        }
        Flow::Continue
    }
}
