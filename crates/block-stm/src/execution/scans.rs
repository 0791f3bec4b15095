//! What a run has scanned, and what it knows in there by itself.

use std::collections::BTreeMap;

use crate::primitives::order::Ranked;
use crate::primitives::range_map::RangeMap;

pub(super) struct Scans<'b, L> {
    /// What was scanned, as far as the VM let the scans go.
    pub(super) ranges: RangeMap<L, ()>,
    /// The places of accesses in the order of their locations, but for those that a scan found
    /// absent.
    pub(super) own: BTreeMap<Ranked<&'b L, L>, usize>,
    /// How many accesses were sorted into `own`.
    pub(super) sorted: usize,
    /// Which of these the run has written to since.
    pub(super) rewritten: Vec<usize>,
}

impl<L> Default for Scans<'_, L> {
    fn default() -> Self {
        Self { ranges: RangeMap::default(), own: BTreeMap::new(), sorted: 0, rewritten: Vec::new() }
    }
}

impl<L: Clone> Scans<'_, L> {
    /// Forgets everything but the allocations.
    pub(super) fn clear(&mut self) {
        self.ranges.clear();
        self.own.clear();
        self.sorted = 0;
        self.rewritten.clear();
    }

    /// Notes that the run writes at one of its accesses.
    pub(super) fn note_write(&mut self, place: usize) {
        if place < self.sorted {
            self.rewritten.push(place);
        }
    }
}
