//! The head is ready, or about to be: somebody takes it on.

use std::sync::Arc;

use loom::thread;

use super::explore;
use crate::contract::limits::Limits;
use crate::primitives::ids::TxnIndex;
use crate::primitives::sync::with_total_order;
use crate::scheduler::baton::{Baton, BatonGuard};
use crate::scheduler::status::{State, Status};
use crate::scheduler::{Claim, Scheduler};

/// One transaction, the head, and the baton with the number of commits in it.
struct Head {
    status: Status,
    baton: Baton<u32>,
}

impl Head {
    fn commit(&self, held: &mut BatonGuard<'_, u32>) -> bool {
        let Some(incarnation) = self.status.claim(State::Executed) else { return false };
        **held += 1;
        self.status.commit(incarnation);
        true
    }

    /// As `Worker::commit_ready`.
    fn commit_ready(&self) {
        while self.status.state() == State::Executed {
            let Some(mut held) = self.baton.try_take() else { return };
            while self.commit(&mut held) {}
        }
    }
}

#[test]
pub(crate) fn a_head_that_becomes_ready_is_taken_on() {
    // The maker finishes the head and then tries to take the baton; the holder has found it
    // unfinished, gives the baton back, and looks once more. Whoever comes second takes the head
    // on.
    //
    // Caught: either fence taken away, or weakened to `AcqRel`.
    explore(|| {
        let head = Arc::new(Head { status: Status::new(), baton: Baton::new(0) });
        assert_eq!(head.status.claim(State::Ready), Some(0));
        let maker = thread::spawn({
            let head = Arc::clone(&head);
            move || {
                head.status.finish(0);
                head.commit_ready();
            }
        });
        if let Some(mut held) = head.baton.try_take() {
            while head.commit(&mut held) {}
        }
        head.commit_ready();
        maker.join().expect("no panic");
        assert_eq!(head.status.state(), State::Committed);
        assert_eq!(head.baton.try_take().map(|held| *held), Some(1));
    });
}

/// A scheduler with its baton; the second transaction becomes the head.
struct Block {
    scheduler: Scheduler<'static>,
    baton: Baton<()>,
}

const TXNS: u32 = 2;

impl Block {
    fn commit_head(&self) -> bool {
        let txn = self.scheduler.head();
        if txn.get() == TXNS {
            return false;
        }
        let Some(incarnation) = self.scheduler.status(txn).claim(State::Executed) else {
            return false;
        };
        self.finish_commit(Claim { txn, incarnation });
        true
    }

    fn finish_commit(&self, claim: Claim) {
        self.scheduler.finish_commit(claim);
        self.scheduler.advance(claim.txn.next());
    }

    /// As `Worker::commit_ready`.
    fn commit_ready(&self) {
        while self.scheduler.head_is_waiting() {
            let Some(held) = self.baton.try_take() else { return };
            while self.commit_head() {}
            drop(held);
        }
    }
}

#[test]
fn a_txn_that_becomes_the_head_while_it_is_finished_is_taken_on() {
    // The committer moves the head on to a transaction that its owner is just finishing. The
    // committer writes the head and reads the status; the owner writes the status and reads the
    // head. This is what those four accesses are `SeqCst` for.
    //
    // Caught: the load in `Scheduler::head` weakened to Acquire. Without the total order the model
    // fails, as it should. Not caught: one of the others weakened alone, as the fence that stands
    // for a `SeqCst` access orders its neighbours, too.
    let limits: &'static Limits = Box::leak(Box::default());
    with_total_order(|| {
        explore(move || {
            let scheduler = Scheduler::of(TXNS, TXNS, 2, limits);
            let block = Arc::new(Block { scheduler, baton: Baton::new(()) });
            let claim = |txn| {
                let txn = TxnIndex::new(txn);
                let incarnation = block.scheduler.status(txn).claim(State::Ready);
                Claim { txn, incarnation: incarnation.expect("nobody has begun") }
            };
            let (first, second) = (claim(0), claim(1));
            let owner = thread::spawn({
                let block = Arc::clone(&block);
                move || {
                    block.scheduler.finish(second);
                    block.commit_ready();
                }
            });
            if let Some(held) = block.baton.try_take() {
                block.finish_commit(first);
                while block.commit_head() {}
                drop(held);
            }
            block.commit_ready();
            owner.join().expect("no panic");
            assert_eq!(block.scheduler.head().get(), TXNS);
        });
    });
}
