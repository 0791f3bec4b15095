//! Each transaction that is to be executed again is taken once, and none is lost.

use std::sync::Arc;

use loom::thread;

use super::explore;
use crate::primitives::ids::TxnIndex;
use crate::scheduler::redo::Redo;

/// Takes what there is, as bits.
fn take_all(redo: &Redo) -> u64 {
    let take = || redo.take_lowest(TxnIndex::new(0));
    std::iter::from_fn(take).fold(0, |taken, txn| {
        let bit = 1 << txn.get();
        assert_eq!(taken & bit, 0, "taken twice");
        taken | bit
    })
}

#[test]
fn what_is_inserted_is_taken_once() {
    // Two insert into one word, one of them takes at the same time as a third.
    //
    // Caught: a bit set or cleared by a load and a store; the count raised also for a bit that was set already.
    explore(|| {
        let redo = Arc::new(Redo::new(8));
        redo.insert(TxnIndex::new(5));
        let inserting = thread::spawn({
            let redo = Arc::clone(&redo);
            move || {
                redo.insert(TxnIndex::new(2));
                redo.insert(TxnIndex::new(5));
            }
        });
        let taking = thread::spawn({
            let redo = Arc::clone(&redo);
            move || redo.take_lowest(TxnIndex::new(0))
        });
        redo.insert(TxnIndex::new(3));
        inserting.join().expect("no panic");
        let first = taking.join().expect("no panic");
        let rest = take_all(&redo);
        assert!(redo.is_empty(), "the count is right once all is quiet");
        let all = rest | first.map_or(0, |txn| 1 << txn.get());
        assert_eq!(all, 0b10_1100, "none is lost");
        if let Some(first) = first.filter(|txn| txn.get() != 5) {
            assert_eq!(rest & (1 << first.get()), 0, "inserted once, taken once");
        }
    });
}
