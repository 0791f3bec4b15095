//! How the record of a run keeps what its scans looked at.

use std::ops::Bound;

use super::run::Run;
use super::scans::Scans;
use crate::contract::types::Types;
use crate::primitives::ids::Version;
use crate::primitives::order::{Boundary, Order, Ranked};

impl<'b, V: Types> Run<'b, V> {
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
    pub(crate) fn end_scan(&mut self, start: Boundary<V::Location>, end: Boundary<V::Location>) {
        self.scans.ranges.add(start, end, (), |(), ()| {});
    }

    /// How many ranges were scanned.
    pub(crate) fn scanned(&self) -> usize {
        self.scans.ranges.len()
    }

    /// The end of what was scanned from `at` on.
    pub(crate) fn scanned_onward(
        &self,
        at: &Boundary<V::Location>,
    ) -> Option<&Boundary<V::Location>> {
        self.scans.ranges.onward(at).map(|span| &span.end)
    }

    /// Where the next range behind `at` begins that was scanned.
    pub(crate) fn next_scanned(
        &self,
        at: &Boundary<V::Location>,
    ) -> Option<&Boundary<V::Location>> {
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

    /// Whether the run knows what is there: it was shown it, or wrote it.
    fn knows(&self, place: usize) -> bool {
        let access = &self.accesses[place];
        access.seen.is_some() || access.own.is_some()
    }
}
