//! How a block grows.

use std::{num::NonZeroUsize, time::Instant};

/// How a block grows. The default has no deadline, makes no access list, and keeps 16,384
/// transactions waiting at most.
#[derive(Clone, Copy, Debug)]
pub struct SessionOptions {
    pub(super) deadline: Option<Instant>,
    pub(super) capacity: NonZeroUsize,
    pub(super) batch: NonZeroUsize,
    pub(super) access_list: bool,
}

impl Default for SessionOptions {
    fn default() -> Self {
        let capacity = NonZeroUsize::new(1 << 14).expect("not zero");
        Self { deadline: None, capacity, batch: NonZeroUsize::MAX, access_list: false }
    }
}

impl SessionOptions {
    /// The same options with a moment at which the block ends with what is executed by then.
    /// The steps after the transactions come after it.
    #[must_use]
    pub fn deadline(mut self, deadline: Instant) -> Self {
        self.deadline = Some(deadline);
        self
    }

    /// The same options with a bound on the transactions that are pushed and not yet executed. A
    /// push beyond it waits, or is refused. A bundle of more is taken when nothing else waits.
    ///
    /// Fewer are closer to the order of a pool that changes, but what does not wait can't be
    /// executed at the same time.
    #[must_use]
    pub fn capacity(mut self, txns: NonZeroUsize) -> Self {
        self.capacity = txns;
        self
    }

    /// The same options with a bound on the transactions that are executed together. What became
    /// of a push is known when its batch is over, and to roll back waits for the one under way.
    #[must_use]
    pub fn batch(mut self, txns: NonZeroUsize) -> Self {
        self.batch = txns;
        self
    }

    /// The same options, asking for the block's access list (EIP-7928).
    #[must_use]
    pub fn access_list(mut self) -> Self {
        self.access_list = true;
        self
    }
}
