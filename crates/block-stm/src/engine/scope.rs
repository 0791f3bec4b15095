//! The time in which helpers may work for a block: what they borrow is there until it is over.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use crate::primitives::speculating::discard;
use crate::primitives::sync::atomic::{AtomicUsize, Ordering};
use crate::primitives::sync::{self, Condvar, Mutex};

/// How long a caller on a pool's thread sleeps before it looks whether something is addressed to
/// its thread.
pub(crate) const POOL_INTERVAL: Duration = Duration::from_millis(1);

/// Lets helpers in while it is open; closing it waits for those that are inside.
pub(crate) struct Scope {
    /// What a helper with a number does, its lifetime hidden. Only called while the scope is open
    /// or a helper is inside.
    help: *const (dyn Fn(usize) + Sync),
    state: Mutex<ScopeState>,
    /// Notified when the last helper has left.
    empty: Condvar,
    /// Helpers called for that have not left.
    pub(super) hired: AtomicUsize,
    /// Helpers that came where they could not begin.
    pub(super) refused: AtomicUsize,
}

// SAFETY: `help` points to a `Sync` closure, so calling it from other threads is what it is for.
// The panic's payload is `Send`, and behind a lock.
unsafe impl Send for Scope {}
// SAFETY: as above.
unsafe impl Sync for Scope {}

struct ScopeState {
    open: bool,
    inside: usize,
    /// Whether each number is taken, from 1 on.
    numbers: Vec<bool>,
    panic: Option<Box<dyn Any + Send>>,
}

impl ScopeState {
    const fn new() -> Self {
        Self { open: true, inside: 0, numbers: Vec::new(), panic: None }
    }

    /// The lowest free number, taken.
    fn take_number(&mut self) -> usize {
        let free = self.numbers.iter().position(|taken| !taken);
        let place = free.unwrap_or(self.numbers.len());
        if free.is_none() {
            self.numbers.push(false);
        }
        self.numbers[place] = true;
        place + 1
    }
}

impl Scope {
    /// An open scope for helpers that do this.
    ///
    /// # Safety
    /// What `help` points to is there until [`close`](Self::close) has returned.
    pub(super) unsafe fn new(help: *const (dyn Fn(usize) + Sync)) -> Self {
        Self {
            help,
            state: Mutex::new(ScopeState::new()),
            empty: Condvar::new(),
            hired: AtomicUsize::new(0),
            refused: AtomicUsize::new(0),
        }
    }

    /// A helper came where it cannot begin.
    pub(crate) fn refuse(&self) {
        // ORDERING: Relaxed: see `Helpers::hire`.
        self.refused.fetch_add(1, Ordering::Relaxed);
        self.hired.fetch_sub(1, Ordering::Relaxed);
    }

    /// Helps, unless the scope is closed.
    pub(crate) fn enter(&self) {
        let mut state = self.state.lock();
        if !state.open {
            return;
        }
        state.inside += 1;
        let number = state.take_number();
        drop(state);
        // SAFETY: we are inside, and got in while the scope was open: `close` has not returned, and
        // does not before we leave.
        let panic = catch_unwind(AssertUnwindSafe(|| unsafe { (*self.help)(number) })).err();
        // ORDERING: Relaxed: see `Helpers::hire`.
        self.hired.fetch_sub(1, Ordering::Relaxed);
        let mut state = self.state.lock();
        let second = match &mut state.panic {
            Some(_) => panic,
            first => {
                *first = panic;
                None
            }
        };
        state.inside -= 1;
        state.numbers[number - 1] = false;
        if state.inside == 0 {
            self.empty.notify_all();
        }
        drop(state);
        // The caller may be gone; the payload borrows nothing.
        if let Some(payload) = second {
            discard(payload);
        }
    }

    /// Lets no helper in any more, and waits until all have left; the panic of one of them.
    pub(super) fn close(&self) -> Option<Box<dyn Any + Send>> {
        let mut state = self.state.lock();
        state.open = false;
        let interval = sync::is_on_pool().then_some(POOL_INTERVAL);
        while state.inside > 0 {
            self.empty.wait(&mut state, interval);
            if interval.is_some() && state.inside > 0 {
                drop(state);
                sync::run_local_tasks();
                state = self.state.lock();
            }
        }
        state.panic.take()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lowest_free_number_is_taken() {
        let mut state = ScopeState::new();
        assert_eq!([(); 3].map(|()| state.take_number()), [1, 2, 3]);
        state.numbers[1] = false;
        assert_eq!([(); 2].map(|()| state.take_number()), [2, 4]);
    }
}
