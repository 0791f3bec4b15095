//! A transaction that waits for another one's write is executed again, whenever that write comes.
//!
//! The waiter raises the list's flag and then looks at the state; the writer sets the state and
//! then looks at the flag. These four accesses are `SeqCst`, and need the total order that is:
//! without it the models fail, as they should.

use std::sync::Arc;

use loom::thread;

use super::{explore, explore_within};
use crate::contract::limits::Limits;
use crate::primitives::sync::with_total_order;
use crate::scheduler::status::State;
use crate::scheduler::waiters::Awaited;
use crate::scheduler::{Claim, Scheduler};

/// A scheduler of three transactions; the first of them is the head, the others are claimed: a
/// writer and a reader.
fn started(limits: &'static Limits) -> (Arc<Scheduler<'static>>, Claim, Claim) {
    let scheduler = Scheduler::of(3, 3, 2, limits);
    let claim = || scheduler.claim_for_execution(&mut (0..0), |_| {}).expect("two can be started");
    let (writer, reader) = (claim(), claim());
    (Arc::new(scheduler), writer, reader)
}

fn no_limits() -> &'static Limits {
    Box::leak(Box::default())
}

#[test]
pub(crate) fn a_waiter_is_never_forgotten() {
    // The reader enters the writer's list while the writer finishes. Either the writer finds it in
    // the list, or the reader sees under the list's lock that the writer has finished.
    //
    // Caught: the state looked at before the lock is taken; the list emptied before the state is
    // set.
    let limits = no_limits();
    with_total_order(|| {
        explore(move || {
            let (scheduler, writer, reader) = started(limits);
            let finishing = thread::spawn({
                let scheduler = Arc::clone(&scheduler);
                move || scheduler.finish(writer)
            });
            let awaited = Awaited { writer: writer.txn, until: State::Executed };
            scheduler.release(reader, Some(awaited));
            finishing.join().expect("no panic");
            let again = Claim { txn: reader.txn, incarnation: 1 };
            assert_eq!(scheduler.claim_for_execution(&mut (0..0), |_| {}), Some(again));
            assert_eq!(scheduler.claim_for_execution(&mut (0..0), |_| {}), None, "and only once");
        })
    });
}

#[test]
fn a_waiter_for_the_commit_is_not_content_with_less() {
    // The writer is executed, and then committed, while the reader waits for the commit.
    //
    // Caught: as above, in `finish_commit`.
    let limits = no_limits();
    with_total_order(|| {
        explore(move || {
            let (scheduler, writer, reader) = started(limits);
            let finishing = thread::spawn({
                let scheduler = Arc::clone(&scheduler);
                move || {
                    scheduler.finish(writer);
                    let incarnation = scheduler.status(writer.txn).claim(State::Executed);
                    assert_eq!(incarnation, Some(0));
                    scheduler.finish_commit(writer);
                }
            });
            let awaited = Awaited { writer: writer.txn, until: State::Committed };
            scheduler.release(reader, Some(awaited));
            finishing.join().expect("no panic");
            assert_eq!(
                scheduler.claim_for_execution(&mut (0..0), |_| {}).map(|claim| claim.txn),
                Some(reader.txn)
            );
        })
    });
}

#[test]
fn a_sleeper_is_woken_for_a_released_waiter() {
    // A third worker has nothing to do and sleeps. Whoever puts the reader back into the queue
    // wakes it.
    //
    // Caught: the wake-up taken away from `release` or from `release_waiters`.
    let limits = no_limits();
    with_total_order(|| {
        explore_within(2, move || {
            let (scheduler, writer, reader) = started(limits);
            let finishing = thread::spawn({
                let scheduler = Arc::clone(&scheduler);
                move || scheduler.finish(writer)
            });
            let idle = thread::spawn({
                let scheduler = Arc::clone(&scheduler);
                move || {
                    loop {
                        if let Some(claim) = scheduler.claim_for_execution(&mut (0..0), |_| {}) {
                            return claim;
                        }
                        scheduler.idle(None, || scheduler.has_executions());
                    }
                }
            });
            let awaited = Awaited { writer: writer.txn, until: State::Executed };
            scheduler.release(reader, Some(awaited));
            finishing.join().expect("no panic");
            let claim = idle.join().expect("no panic");
            assert_eq!(claim, Claim { txn: reader.txn, incarnation: 1 });
        })
    });
}
