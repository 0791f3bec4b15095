//! A state that keeps the first transaction waiting until all others have been executed ahead of
//! their turn.
//!
//! Left to themselves, two workers share a block in ways that depend on the moment: which one
//! executes as the lowest, which one ahead. Behind the gate, one waits in the first transaction and
//! the other speculates on all the rest.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// Which read waits for which: reading `first` waits for `last` to be read.
///
/// To be had from a state that calls [`pass`](Gate::pass) for every read, in a block whose first
/// transaction alone reads `first` and whose last one alone reads `last`.
#[derive(Debug)]
pub struct Gate<K> {
    first: K,
    last: K,
    open: AtomicBool,
}

/// A helper that does not come is no reason to hang: less is speculated on then.
const PATIENCE: Duration = Duration::from_secs(2);
/// What the last transaction needs after its first read.
const LAST_TXN: Duration = Duration::from_millis(2);

impl<K: Eq> Gate<K> {
    /// A gate that is closed. Each execution of a block needs a new one.
    #[must_use]
    pub const fn new(first: K, last: K) -> Self {
        Self { first, last, open: AtomicBool::new(false) }
    }

    /// Waits if it is the first transaction that reads, until the last one has.
    pub fn pass(&self, key: &K) {
        // ORDERING: Relaxed throughout: it says when, and carries no data.
        if *key == self.last {
            self.open.store(true, Ordering::Relaxed);
        }
        if *key == self.first {
            let start = Instant::now();
            while !self.open.load(Ordering::Relaxed) && start.elapsed() < PATIENCE {
                sleep(LAST_TXN / 20);
            }
            sleep(LAST_TXN);
        }
    }
}
