//! Who receives a block's transactions, one by one and in order, while the rest of it still runs.

mod made;

use alloy_primitives::I256;
use block_stm::{Admission, Flow};
use revm::{
    context::{TxEnv, result::ExecutionResult},
    state::EvmState,
};

use crate::{InvalidTxnReason, Receipt, TxnOutcome};

pub use made::{RefuseReverted, StreamReceipts};

/// Takes a block's transactions in order, each exactly once, as soon as it is final, and has a say
/// in which of them stand.
///
/// The calls for one transaction are [`admit`](Self::admit), then [`settle`](Self::settle) if it
/// was executed and valid, then [`commit`](Self::commit), unless the block was cut or failed there.
/// They come from whichever thread commits, never from two at once, and are the same for every
/// number of threads. While a sink works nothing else can be committed, so it should be quick.
///
/// A transaction that is refused is treated like an invalid one: under
/// [`InvalidTxn::Skip`](crate::InvalidTxn::Skip) it is left out, without any effect; under
/// [`InvalidTxn::Reject`](crate::InvalidTxn::Reject) it fails the block. When the block fails in
/// the end, what was committed before is a prefix of the sequential execution.
///
/// # Panics
///
/// A panic in a sink stops the block and resurfaces on the caller's thread.
///
/// # Examples
///
/// Each receipt goes out while the rest of the block still runs; the block ends when the
/// beneficiary has enough:
///
/// ```
/// use std::sync::mpsc::Sender;
///
/// use block_stm_evm::{
///     BlockSink, FinalTxn, Receipt,
///     block_stm::Flow,
///     revm::primitives::I256,
/// };
///
/// struct UntilPaid { out: Sender<Receipt>, open: I256 }
///
/// impl BlockSink for UntilPaid {
///     fn commit(&mut self, txn: FinalTxn<'_>) -> Flow {
///         if let Some(receipt) = txn.receipt {
///             let _nobody_listens = self.out.send(receipt.clone());
///         }
///         self.open -= txn.gain;
///         if self.open.is_positive() { Flow::Continue } else { Flow::Cut }
///     }
/// }
/// ```
pub trait BlockSink: Send {
    /// Whether [`FinalTxn::state`] is wanted. Asked once, before the block begins.
    fn wants_state(&self) -> bool {
        false
    }

    /// Whether `txn` may stand at its place, given all that was committed before it. Asked after
    /// the block's own rules on gas and blobs have let it pass.
    fn admit(&mut self, index: usize, txn: &TxEnv) -> Admission<InvalidTxnReason> {
        let _ = (index, txn);
        Admission::Admit
    }

    /// Whether the transaction may stand at its place, given what it did.
    fn settle(&mut self, executed: ExecutedTxn<'_>) -> Admission<InvalidTxnReason> {
        let _ = executed;
        Admission::Admit
    }

    /// Takes what became final; whether the block goes on.
    fn commit(&mut self, txn: FinalTxn<'_>) -> Flow;
}

/// A valid transaction that is about to become final.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct ExecutedTxn<'a> {
    /// Its place in the block, from 0.
    pub index: usize,
    /// The transaction.
    pub txn: &'a TxEnv,
    /// What it came to.
    pub result: &'a ExecutionResult,
    /// What the beneficiary's balance gains by it, in wei: the fee, and whatever else the
    /// transaction pays there or takes from there. Exact below 2^255.
    pub gain: I256,
}

/// A transaction that is final.
#[derive(Debug)]
#[non_exhaustive]
pub struct FinalTxn<'a> {
    /// Its place in the block, from 0.
    pub index: usize,
    /// How it ended and what gas it paid for, or why it was left out.
    pub outcome: &'a TxnOutcome,
    /// Its receipt; `None` if it was left out.
    pub receipt: Option<&'a Receipt>,
    /// What the beneficiary's balance gained by it, in wei; see [`ExecutedTxn::gain`].
    pub gain: I256,
    /// What revm returns for it, where that is [wanted](BlockSink::wants_state) and the transaction
    /// was not left out: every account and slot that it loaded, with the values before and after
    /// it, and marks for what was touched, created and destroyed. To be committed to any
    /// [`DatabaseCommit`](revm::DatabaseCommit) that holds the state before the transaction.
    ///
    /// A changed account comes with its code where it was loaded, or where the block brought it.
    pub state: Option<EvmState>,
}

/// Takes transactions in order from [`steps::execute_txns`](crate::steps::execute_txns), and
/// decides alone which of them stand: the block's rules on gas and blobs are the host's.
///
/// Else as [`BlockSink`].
pub trait TxnSink: Send {
    /// Whether `txn` may stand at its place, given all that was committed before it.
    fn admit(&mut self, index: usize, txn: &TxEnv) -> Admission<InvalidTxnReason>;

    /// Whether the transaction may stand at its place, given what it did.
    fn settle(&mut self, executed: ExecutedTxn<'_>) -> Admission<InvalidTxnReason> {
        let _ = executed;
        Admission::Admit
    }

    /// Takes what became final; whether the block goes on.
    fn commit(&mut self, txn: CommittedTxn) -> Flow;

    /// Takes note that the transaction was left out; whether the block goes on.
    fn skip(&mut self, index: usize, reason: InvalidTxnReason) -> Flow {
        let _ = (index, reason);
        Flow::Continue
    }
}

/// A transaction that is final, as [`TxnSink`] takes it.
#[derive(Debug)]
#[non_exhaustive]
pub struct CommittedTxn {
    /// Its place in the block, from 0.
    pub index: usize,
    /// What it came to.
    pub result: ExecutionResult,
    /// What the beneficiary's balance gained by it, in wei; see [`ExecutedTxn::gain`].
    pub gain: I256,
    /// What revm returns for it; see [`FinalTxn::state`].
    pub state: Option<EvmState>,
}
