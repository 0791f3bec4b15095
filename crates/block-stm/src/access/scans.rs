//! What a run has scanned, and what it knows in there by itself.

use std::collections::BTreeMap;
use std::ops::{Bound, ControlFlow};

use crossbeam_epoch::Guard;

use super::{CellOf, FEW, Run};
use crate::canary::{Canary, sings};
use crate::ids::{TxnIndex, Version};
use crate::mvmemory::{Count, Found, Index, MvMemory, Which};
use crate::order::{Cut, Order, Ranked};
use crate::spans::Spans;
use crate::vm::{Vm, is_present};

type MemoryOf<V> = MvMemory<<V as Vm>::Location, <V as Vm>::Value>;
type IndexOf<V> = Index<<V as Vm>::Location, <V as Vm>::Value>;

pub(super) struct Scans<'b, L> {
    /// What was scanned, as far as the VM let the scans go.
    ranges: Spans<L, ()>,
    /// The places of accesses in the order of their locations, but for those that a scan found
    /// absent.
    own: BTreeMap<Ranked<&'b L, L>, usize>,
    /// How many accesses were sorted into `own`.
    sorted: usize,
    /// Which of these the run has written to since.
    rewritten: Vec<usize>,
}

impl<L> Default for Scans<'_, L> {
    fn default() -> Self {
        Self { ranges: Spans::default(), own: BTreeMap::new(), sorted: 0, rewritten: Vec::new() }
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

impl<'b, V: Vm> Run<'b, V> {
    /// Notes that a scan begins.
    pub(crate) fn begin_scan(&mut self, order: Order<V::Location>) {
        let Scans { own, sorted, rewritten, .. } = &mut self.scans;
        let new = *sorted..self.accesses.len();
        *sorted = self.accesses.len();
        for place in rewritten.drain(..).chain(new) {
            own.insert(order.rank(self.accesses[place].cell.location()), place);
        }
    }

    /// Notes that the scan under way ends, and how far it went.
    pub(crate) fn end_scan(&mut self, start: Cut<V::Location>, end: Cut<V::Location>) {
        self.scans.ranges.add(start, end, (), |(), ()| {});
    }

    /// How many ranges were scanned.
    pub(crate) fn scanned(&self) -> usize {
        self.scans.ranges.len()
    }

    /// The end of what was scanned from `at` on.
    pub(crate) fn scanned_onward(&self, at: &Cut<V::Location>) -> Option<&Cut<V::Location>> {
        self.scans.ranges.onward(at).map(|span| &span.end)
    }

    /// Where the next range behind `at` begins that was scanned.
    pub(crate) fn next_scanned(&self, at: &Cut<V::Location>) -> Option<&Cut<V::Location>> {
        self.scans.ranges.next_start(at)
    }

    /// The place of the first access between the bounds to a location that the run knows by itself.
    pub(crate) fn next_own(
        &self,
        from: &Bound<Ranked<V::Location, V::Location>>,
        to: Bound<&V::Location>,
    ) -> Option<usize> {
        let from = from.as_ref().map(Ranked::by_ref);
        let own = self.scans.own.range((from, Bound::Unbounded));
        let mut own = own.take_while(|(location, _)| !location.is_above(to));
        own.find(|(_, place)| self.knows(**place)).map(|(_, place)| *place)
    }

    /// Notes that the scan under way has the location as a candidate and has read it. `false` if
    /// that contradicts an earlier scan, which should have had it. One that the index led to was
    /// never scanned before.
    pub(crate) fn cover(
        &mut self,
        place: usize,
        is_listed: bool,
        order: Order<V::Location>,
    ) -> bool {
        let access = &mut self.accesses[place];
        access.is_covered |=
            is_listed || !self.scans.ranges.holds(order.rank(access.cell.location().clone()));
        let others_wrote =
            access.seen.as_ref().is_some_and(|seen| seen.version != Some(Version::BASE));
        access.is_covered || !others_wrote
    }

    /// Notes that a scan found the location absent: no later one need look at it, unless the run
    /// writes there.
    pub(crate) fn pass_over(&mut self, place: usize, order: Order<V::Location>) {
        if place < self.scans.sorted {
            self.scans.own.remove(&order.rank(self.accesses[place].cell.location()));
        }
    }

    /// Whether a scan missed something that was written: it is in a range that was scanned, and was
    /// no candidate there. The judge of scans, beside [`validate`](Run::validate) for what they
    /// visited; see `scan.rs`.
    pub(crate) fn misses(&self, memory: &'b MemoryOf<V>) -> bool {
        let Some(index) = memory.index().filter(|_| !sings(Canary::SkipPhantoms)) else {
            return false;
        };
        let is_missed = |cell: &CellOf<V>| match cell.committed_write() {
            Some(value) if index.keeps_deleted() || is_present(value) => !self.covers(cell),
            Some(_) => {
                index.put_right(cell);
                false
            }
            // As the storage says: the scan had it.
            None => false,
        };
        self.any_scanned(index, Which::Held, usize::MAX, is_missed)
    }

    /// The same as a guess, before everything below `txn` is final.
    pub(crate) fn misses_now(
        &self,
        memory: &'b MemoryOf<V>,
        txn: TxnIndex,
        pinned: &Guard,
    ) -> bool {
        let Some(index) = memory.index() else { return false };
        let trust_hints = false;
        let is_missed = |cell: &CellOf<V>| {
            !self.covers(cell)
                && match cell.latest_below(txn, trust_hints, &Count::new(0), pinned) {
                    Found::Value(_, value) => index.keeps_deleted() || is_present(&value),
                    Found::Base => false,
                    Found::Unsettled(_) => true,
                }
        };
        // No more is looked at than the scans themselves did.
        let at_most = FEW + self.accesses.len();
        self.any_scanned(index, Which::Held, at_most, is_missed)
            || self.any_scanned(index, Which::Pending, at_most, is_missed)
    }

    /// Whether there is such a location in what was scanned, among the first ones of a list.
    fn any_scanned(
        &self,
        index: &'b IndexOf<V>,
        which: Which,
        mut at_most: usize,
        is_such: impl Fn(&CellOf<V>) -> bool,
    ) -> bool {
        let mut any = false;
        for (start, end) in self.scans.ranges.iter() {
            index.walk(which, start.as_lower(), end.as_upper(), |cell| {
                any = is_such(cell);
                at_most -= 1;
                if any || at_most == 0 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            });
            if any || at_most == 0 {
                break;
            }
        }
        any
    }

    fn covers(&self, cell: &CellOf<V>) -> bool {
        self.find(cell).is_some_and(|place| self.accesses[place].is_covered)
    }

    /// Whether the run knows what is there: it was shown it, or wrote it.
    fn knows(&self, place: usize) -> bool {
        let access = &self.accesses[place];
        access.seen.is_some() || access.own.is_some()
    }
}
