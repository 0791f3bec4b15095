//! Which transactions wait for another one's writes.
//!
//! A waiter raises the flag of the writer's list and then looks at the writer's state. The writer
//! changes its state and then looks at the flag. All four accesses are `SeqCst`: in their single
//! order either the waiter's come first, and the writer finds it in the list; or the writer's do,
//! and the waiter sees that it need not wait. So no waiter is forgotten.

use super::status::State;
use crate::primitives::ids::TxnIndex;
use crate::primitives::sync::atomic::{AtomicBool, Ordering};
use crate::primitives::sync::{Mutex, MutexGuard};

/// What a transaction waits for: that `writer` is executed, or committed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Awaited {
    pub(crate) writer: TxnIndex,
    pub(crate) until: State,
}

impl Awaited {
    /// What a transaction wrote is unknown though it was executed: it is awaited to the end.
    pub(crate) const fn to_the_end(writer: TxnIndex) -> Self {
        Self { writer, until: State::Committed }
    }
}

/// The transactions that wait for one.
pub(super) struct Waiters {
    any: AtomicBool,
    list: Mutex<Vec<TxnIndex>>,
}

impl Waiters {
    pub(super) fn new() -> Self {
        Self { any: AtomicBool::new(false), list: Mutex::new(Vec::new()) }
    }

    /// The list, for a waiter that then looks once more whether it need wait.
    pub(super) fn add(&self) -> MutexGuard<'_, Vec<TxnIndex>> {
        let list = self.list.lock();
        // ORDERING: SeqCst, before the look: in the single order either this comes first, and
        // `take` sees it; or the change of the state does, and the waiter sees that.
        self.any.store(true, Ordering::SeqCst);
        list
    }

    /// Empties the list, after the state has changed.
    pub(super) fn take(&self) -> Vec<TxnIndex> {
        // ORDERING: SeqCst, after the change: see `add`.
        if !self.any.load(Ordering::SeqCst) {
            return Vec::new();
        }
        std::mem::take(&mut *self.list.lock())
    }
}
