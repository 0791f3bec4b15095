//! What must hold at every commit, looked at in debug builds and where a conductor asks for it: a
//! second opinion on the judge's work.
//!
//! * *The prefix never shrinks:* transactions pass one by one, in order, none twice, none after the
//!   end.
//! * *No committed value changes:* where each committed value lies is remembered beside the memory,
//!   and compared whenever a transaction touches it, and at the end. Values and locations
//!   themselves are not compared: theirs is the host's code.
//! * *Below the head everything is final:* what a reader at the head finds is what is committed.
//! * *Nothing is lost, nothing leaks:* at the end, the locations with a committed value are those
//!   that were committed.

use std::collections::HashMap;
use std::fmt::Debug;
use std::ptr;

use crossbeam_epoch::Guard;
use foldhash::fast::RandomState;

use crate::contract::value::Value;
use crate::judge::watch::Watch;
use crate::mvmemory::{Cell, Count, Found};
use crate::primitives::conductor;
use crate::primitives::ids::TxnIndex;

/// What was committed so far, remembered beside the memory.
pub(crate) struct Invariants {
    /// The address of each location that was committed, and of its value.
    state: HashMap<usize, usize, RandomState>,
    passed: usize,
    ended: bool,
}

impl Invariants {
    /// A watch where there is time for one.
    pub(crate) fn watch<L: Debug + Send + Sync, V: Value>() -> Option<Box<dyn Watch<L, V>>> {
        let conducted = conductor::present().map(|conductor| conductor.checks_invariants());
        conducted.unwrap_or(cfg!(debug_assertions)).then(|| {
            let state = HashMap::default();
            Box::new(Self { state, passed: 0, ended: false }) as Box<dyn Watch<L, V>>
        })
    }

    fn is_as_committed<L: Debug, V: Value>(&self, cell: &Cell<L, V>) {
        let committed = cell.committed().filter(|(version, _)| version.txn().is_some());
        assert!(
            committed.map(|(_, value)| at(value)) == self.state.get(&at(cell.location())).copied(),
            "the committed value of {:?} changed",
            cell.location()
        );
    }
}

impl<L: Debug, V: Value> Watch<L, V> for Invariants {
    fn before_commit(&self, txn: TxnIndex, cells: &[&Cell<L, V>], guard: &Guard) {
        for cell in cells {
            self.is_as_committed(cell);
            // Without a writer, whether the base value is there or not: somebody may fetch it just
            // now.
            let committed = cell.committed().map(|(version, _)| version);
            let committed = committed.filter(|version| version.txn().is_some());
            let is_final = match cell.latest_below(txn, false, &Count::new(0), guard) {
                Found::Value(version, _) => version.is_some() && version == committed,
                Found::Base => committed.is_none(),
                Found::Unknown(_) => false,
            };
            assert!(is_final, "below the head, txn {txn}, {:?} is not final", cell.location());
        }
    }

    fn after_commit(&mut self, writes: &[(&L, &V)]) {
        self.state.extend(writes.iter().map(|(location, value)| (at(*location), at(*value))));
    }

    fn pass(&mut self, txn: TxnIndex) {
        assert!(!self.ended, "txn {txn} passes after the end");
        assert!(txn.as_usize() == self.passed, "txn {txn} passes after {} others", self.passed);
        self.passed += 1;
    }

    fn end(&mut self, whole: bool, txns: usize, touched: &[&Cell<L, V>]) {
        assert!(!self.ended, "the block ends twice");
        self.ended = true;
        assert!(!whole || self.passed == txns, "{} of {txns} txns passed", self.passed);
        assert!(touched.len() == self.state.len(), "locations were committed unseen, or lost");
        for cell in touched {
            self.is_as_committed(cell);
        }
    }
}

fn at<T>(thing: &T) -> usize {
    ptr::from_ref(thing).addr()
}
