//! A transaction has one owner at a time, who sees all that the last one did.

use std::sync::Arc;

use loom::cell::UnsafeCell;
use loom::thread;

use super::explore;
use crate::scheduler::status::{State, Status};

/// A transaction with what belongs to it: loom reports two accesses that nothing orders.
struct Owned {
    status: Status,
    /// How often somebody owned it.
    owners: UnsafeCell<u32>,
}

// SAFETY: what the status word is there for, and what loom looks after.
unsafe impl Sync for Owned {}

impl Owned {
    fn new() -> Arc<Self> {
        Arc::new(Self { status: Status::new(), owners: UnsafeCell::new(0) })
    }

    fn touch(&self) -> u32 {
        self.owners.with_mut(|owners| {
            // SAFETY: called by the owner alone; loom would report otherwise.
            let owners = unsafe { &mut *owners };
            *owners += 1;
            *owners
        })
    }
}

#[test]
pub(crate) fn the_next_owner_sees_what_the_last_one_did() {
    // Two workers claim, touch, and give back, over and over.
    //
    // Caught: the claim's Acquire weakened to Relaxed; the store in `set` weakened to Relaxed; the
    // claim's compare-and-swap replaced by a store.
    explore(|| {
        let txn = Owned::new();
        let work = |txn: &Owned| {
            for _ in 0..2 {
                if let Some(incarnation) = txn.status.claim(State::Ready) {
                    // A claim that succeeds saw the latest release, so each incarnation has had one
                    // owner.
                    assert_eq!(txn.touch(), incarnation + 1);
                    txn.status.release(incarnation);
                }
            }
        };
        let other = thread::spawn({
            let txn = Arc::clone(&txn);
            move || work(&txn)
        });
        work(&txn);
        other.join().expect("no panic");
        let incarnation = txn.status.claim(State::Ready).expect("given back");
        assert_eq!(txn.touch(), incarnation + 1);
    });
}

#[test]
fn executor_validator_and_judge_take_turns() {
    // The executor finishes; a validator and the judge both want the transaction then. The judge
    // may come in vain, as the validator looks for the baton when it is done.
    //
    // Caught: either of the two weakened.
    explore(|| {
        let txn = Owned::new();
        assert_eq!(txn.status.claim(State::Ready), Some(0));
        let executor = thread::spawn({
            let txn = Arc::clone(&txn);
            move || {
                txn.touch();
                txn.status.finish(0);
            }
        });
        let validator = thread::spawn({
            let txn = Arc::clone(&txn);
            move || {
                if let Some(incarnation) = txn.status.claim(State::Executed) {
                    txn.touch();
                    txn.status.finish(incarnation);
                }
            }
        });
        let judge = || {
            if let Some(incarnation) = txn.status.claim(State::Executed) {
                txn.touch();
                txn.status.commit(incarnation);
            }
        };
        judge();
        executor.join().expect("no panic");
        validator.join().expect("no panic");
        judge();
        assert_eq!(txn.status.state(), State::Committed);
    });
}
