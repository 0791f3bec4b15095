//! Who owns a transaction: one word each, changed by compare-and-swap.
//!
//! ```text
//!            claim                 finish                 claim
//!   READY k --------> CLAIMED k --------> EXECUTED k ----------> CLAIMED k
//!     ^                  |                    ^                     |  |
//!     |   give up / abort: k + 1              |     still valid     |  |
//!     +------------------+--------------------+---------------------+  +--> COMMITTED
//! ```
//!
//! `CLAIMED` means that exactly one worker owns the transaction: to execute it, to validate it, or
//! to commit it. Everything else that belongs to a transaction (its run, its result, its write set)
//! is touched by the owner alone. `k` counts the incarnations. Nothing here decides what is right;
//! the word only says who may act.

use crate::primitives::canary::{Canary, sings};
use crate::primitives::sync::atomic::{AtomicU64, Ordering};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// Waits for an execution.
    Ready,
    /// Owned by a worker.
    Claimed,
    /// Executed, and waits for its turn to commit.
    Executed,
    /// Final.
    Committed,
}

const STATE_BITS: u32 = 2;

/// A status word.
pub(crate) struct Status(AtomicU64);

const fn pack(state: State, incarnation: u32) -> u64 {
    (incarnation as u64) << STATE_BITS | state as u64
}

const fn unpack(word: u64) -> (State, u32) {
    let state = match word & 0b11 {
        0 => State::Ready,
        1 => State::Claimed,
        2 => State::Executed,
        _ => State::Committed,
    };
    (state, (word >> STATE_BITS) as u32)
}

impl Status {
    pub(crate) fn new() -> Self {
        Self(AtomicU64::new(pack(State::Ready, 0)))
    }

    /// Of a transaction that was committed before there was a scheduler.
    pub(crate) fn committed() -> Self {
        Self(AtomicU64::new(pack(State::Committed, 0)))
    }

    pub(crate) fn state(&self) -> State {
        self.read().0
    }

    /// The state and the incarnation.
    pub(crate) fn read(&self) -> (State, u32) {
        // ORDERING: SeqCst: parking workers look here after announcing themselves; beyond that a
        // hint.
        unpack(self.0.load(Ordering::SeqCst))
    }

    /// Takes ownership if the transaction is in `state`; its incarnation.
    pub(crate) fn claim(&self, state: State) -> Option<u32> {
        debug_assert!(matches!(state, State::Ready | State::Executed));
        // ORDERING: Relaxed: only a guess for the compare-and-swap.
        let word = self.0.load(Ordering::Relaxed);
        let (now, incarnation) = unpack(word);
        if now != state {
            return None;
        }
        let claimed = pack(State::Claimed, incarnation);
        // ORDERING: Acquire pairs with the stores in `set`: the new owner sees all that the last
        // owner did.
        let acquire =
            if sings(Canary::ClaimRelaxed) { Ordering::Relaxed } else { Ordering::Acquire };
        self.0
            .compare_exchange(word, claimed, acquire, Ordering::Relaxed)
            .is_ok()
            .then_some(incarnation)
    }

    /// The owner executed the transaction.
    pub(crate) fn finish(&self, incarnation: u32) {
        self.set(State::Executed, incarnation);
    }

    /// The owner gives the transaction back, to be executed as the next incarnation.
    pub(crate) fn release(&self, incarnation: u32) {
        self.set(State::Ready, incarnation.wrapping_add(1));
    }

    /// The owner made the transaction final.
    pub(crate) fn commit(&self, incarnation: u32) {
        self.set(State::Committed, incarnation);
    }

    fn set(&self, state: State, incarnation: u32) {
        debug_assert_eq!(self.state(), State::Claimed);
        // ORDERING: Release publishes the owner's work to the next owner's Acquire. SeqCst for
        // `Scheduler::release`, which decides by this word whether a worker will still come for its
        // waiters, and for parking workers. The hand-over of the head relies on the fences in
        // `baton.rs`, not on this.
        self.0.store(pack(state, incarnation), Ordering::SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_owner_at_a_time() {
        let status = Status::new();
        assert_eq!(status.claim(State::Executed), None);
        assert_eq!(status.claim(State::Ready), Some(0));
        assert_eq!(status.claim(State::Ready), None);
        status.release(0);
        assert_eq!(status.claim(State::Ready), Some(1));
        status.finish(1);
        assert_eq!(status.claim(State::Ready), None);
        assert_eq!(status.claim(State::Executed), Some(1));
        status.commit(1);
        assert_eq!(status.state(), State::Committed);
        assert_eq!(status.claim(State::Executed), None);
    }
}
