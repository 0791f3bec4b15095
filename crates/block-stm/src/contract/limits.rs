//! Where a block ends early, and who may stop it.

use std::sync::Arc;
use std::time::Instant;

use crate::primitives::sync::{
    self,
    atomic::{AtomicU8, Ordering},
};

/// Bounds on a block. The default has none.
#[derive(Clone, Debug, Default)]
pub struct Limits {
    /// The sum of [`Vm::weight`](crate::Vm::weight) over the block. The block is cut before the
    /// transaction that would exceed it.
    pub max_weight: Option<u64>,
    /// The number of transactions that take effect; invalid ones do not count.
    pub max_txns: Option<usize>,
    /// The block is cut after what is committed at this moment.
    ///
    /// Looked at whenever a transaction is to be committed, and while workers wait; an
    /// execution under way is interrupted at its next reads.
    pub deadline: Option<Instant>,
    /// Stops the block from outside: with what is committed, or with
    /// [`Error::Cancelled`](crate::Error::Cancelled).
    pub cancel: Option<CancelToken>,
}

/// Why a block ended before its last transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Cut {
    /// The next transaction would have exceeded [`Limits::max_weight`].
    Weight,
    /// [`Limits::max_txns`] took effect.
    Count,
    /// [`Limits::deadline`] passed.
    Deadline,
    /// Someone called [`CancelToken::cut`].
    Token,
    /// The [`CommitSink`](crate::CommitSink) said so.
    Sink,
}

/// Stops a block from any thread: [`cut`](Self::cut) keeps what is committed,
/// [`cancel`](Self::cancel) drops it.
///
/// # Examples
/// ```
/// let token = block_stm::CancelToken::new();
/// let for_another_thread = token.clone();
/// for_another_thread.cut();
/// assert!(token.is_cut() && !token.is_cancelled());
/// for_another_thread.cancel();
/// assert!(!token.is_cut() && token.is_cancelled());
/// ```
#[derive(Clone, Debug, Default)]
pub struct CancelToken(Arc<AtomicU8>);

/// The bit of blocks that end with what is committed.
const CUT: u8 = 1;
/// The bit of blocks that end with an error.
const CANCELLED: u8 = 2;

impl CancelToken {
    /// A token that is neither cut nor cancelled.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Asks every block that runs under this token to end with what is committed, as if its
    /// [deadline](Limits::deadline) had passed. Cannot be undone.
    pub fn cut(&self) {
        // ORDERING: Relaxed: the state carries no data; a thread that sees it only stops.
        self.0.fetch_or(CUT, Ordering::Relaxed);
    }

    /// Asks every block that runs under this token to stop, and to drop what is committed. Cannot
    /// be undone, and counts for more than [`cut`](Self::cut).
    pub fn cancel(&self) {
        // ORDERING: Relaxed: see `cut`.
        self.0.fetch_or(CANCELLED, Ordering::Relaxed);
    }

    /// Whether someone cut, and nobody cancelled.
    #[must_use]
    pub fn is_cut(&self) -> bool {
        self.state() == CUT
    }

    /// Whether someone cancelled.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.state() & CANCELLED != 0
    }

    fn state(&self) -> u8 {
        // ORDERING: Relaxed: see `cut`.
        self.0.load(Ordering::Relaxed)
    }
}

impl Limits {
    /// Whether there are no bounds.
    #[must_use]
    pub fn is_none(&self) -> bool {
        self.max_weight.is_none() && self.max_txns.is_none() && !self.can_stop()
    }

    /// Whether something outside the block can stop it.
    pub(crate) fn can_stop(&self) -> bool {
        self.deadline.is_some() || self.cancel.is_some()
    }

    /// Whether the token says that the block is to stop and to be dropped.
    pub(crate) fn is_cancelled(&self) -> bool {
        self.cancel.as_ref().is_some_and(CancelToken::is_cancelled)
    }

    /// Whether the token says that the block is to end with what is committed.
    pub(crate) fn is_cut(&self) -> bool {
        self.cancel.as_ref().is_some_and(CancelToken::is_cut)
    }

    /// Whether the clock says that the block is to stop.
    pub(crate) fn is_past_deadline(&self) -> bool {
        self.deadline.is_some_and(|deadline| sync::now() >= deadline)
    }

    /// Whether something outside the block stops it now.
    pub(crate) fn stop(&self) -> bool {
        self.is_cancelled() || self.is_cut() || self.is_past_deadline()
    }
}
