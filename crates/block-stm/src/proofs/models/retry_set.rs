//! Each transaction that is to be executed again is taken once, and none is lost.

use std::sync::Arc;

use loom::thread;

use super::explore;
use crate::primitives::ids::TxnIndex;
use crate::scheduler::retry_set::RetrySet;

/// Takes what there is, as bits.
fn take_all(retry_set: &RetrySet) -> u64 {
    let take = || retry_set.take_lowest(TxnIndex::new(0));
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
    // Caught: a bit set or cleared by a load and a store; the count raised also for a bit that was
    // set already.
    explore(|| {
        let retry_set = Arc::new(RetrySet::new(8));
        retry_set.insert(TxnIndex::new(5));
        let inserting = thread::spawn({
            let retry_set = Arc::clone(&retry_set);
            move || {
                retry_set.insert(TxnIndex::new(2));
                retry_set.insert(TxnIndex::new(5));
            }
        });
        let taking = thread::spawn({
            let retry_set = Arc::clone(&retry_set);
            move || retry_set.take_lowest(TxnIndex::new(0))
        });
        retry_set.insert(TxnIndex::new(3));
        inserting.join().expect("no panic");
        let first = taking.join().expect("no panic");
        let rest = take_all(&retry_set);
        assert!(retry_set.is_empty(), "the count is right once all is quiet");
        let all = rest | first.map_or(0, |txn| 1 << txn.get());
        assert_eq!(all, 0b10_1100, "none is lost");
        if let Some(first) = first.filter(|txn| txn.get() != 5) {
            assert_eq!(rest & (1 << first.get()), 0, "inserted once, taken once");
        }
    });
}
