//! The locations that have a cell, in their order: what a scan goes along.
//!
//! Only blocks made by [`Block::ordered`](crate::Block::ordered) have an index. The bound `Ord` is needed to make one,
//! and erased behind [`LocationIndex`], so that VMs without an order neither need it nor pay for it. The index only grows.
//!
//! A location is inserted *before* its cell is published (`table.rs`). So whoever finds a cell, and commits a write in
//! it, can rely on the location being in the index, even if the worker that made the cell has not moved since.
//! `scan.rs` builds on that.

use std::collections::BTreeSet;
use std::ops::Bound;

use crate::sync::Mutex;

/// A growing set of locations, in their order.
pub(crate) trait LocationIndex<L>: Send + Sync {
    /// Adds `location`, unless it is there.
    fn insert(&self, location: &L);

    /// The lowest location of the set between the bounds.
    fn next(&self, from: Bound<&L>, to: Bound<&L>) -> Option<L>;
}

impl<L> dyn LocationIndex<L> + '_ {
    /// The lowest location of the set between the bounds that fits.
    ///
    /// # Cost
    /// Logarithmic for each location on the way. The index is not locked while `fits` looks.
    pub(crate) fn next_that(
        &self,
        from: Bound<&L>,
        to: Bound<&L>,
        mut fits: impl FnMut(&L) -> bool,
    ) -> Option<L> {
        let mut location = self.next(from, to)?;
        while !fits(&location) {
            location = self.next(Bound::Excluded(&location), to)?;
        }
        Some(location)
    }
}

/// Locations with an order of their own.
pub(crate) struct Sorted<L>(Mutex<BTreeSet<L>>);

impl<L: Ord> Default for Sorted<L> {
    fn default() -> Self {
        Self(Mutex::new(BTreeSet::new()))
    }
}

impl<L: Ord + Clone + Send + Sync> LocationIndex<L> for Sorted<L> {
    fn insert(&self, location: &L) {
        let mut locations = self.0.lock();
        if !locations.contains(location) {
            locations.insert(location.clone());
        }
    }

    fn next(&self, from: Bound<&L>, to: Bound<&L>) -> Option<L> {
        if is_empty(L::cmp, from, to) {
            // `BTreeSet` panics at some of these.
            return None;
        }
        self.0.lock().range((from, to)).next().cloned()
    }
}

/// Whether nothing can lie between the bounds, since they cross or meet.
pub(crate) fn is_empty<L>(
    compare: fn(&L, &L) -> std::cmp::Ordering,
    from: Bound<&L>,
    to: Bound<&L>,
) -> bool {
    match (from, to) {
        (Bound::Unbounded, _) | (_, Bound::Unbounded) => false,
        (Bound::Included(from), Bound::Included(to)) => compare(from, to).is_gt(),
        (
            Bound::Included(from) | Bound::Excluded(from),
            Bound::Included(to) | Bound::Excluded(to),
        ) => compare(from, to).is_ge(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use Bound::{Excluded, Included, Unbounded};

    #[test]
    fn the_next_location_is_the_lowest_within_the_bounds() {
        let index = Sorted::default();
        [5, 1, 3, 3].iter().for_each(|location| index.insert(location));
        let next = |from, to| index.next(from, to);
        assert_eq!(next(Unbounded, Unbounded), Some(1));
        assert_eq!(next(Excluded(&1), Unbounded), Some(3));
        assert_eq!(next(Included(&4), Included(&5)), Some(5));
        assert_eq!(next(Included(&4), Excluded(&5)), None);
        let index: &dyn LocationIndex<i32> = &index;
        assert_eq!(index.next_that(Unbounded, Unbounded, |location| *location > 3), Some(5));
        assert_eq!(index.next_that(Unbounded, Excluded(&5), |location| *location > 3), None);
    }

    #[test]
    fn empty_and_inverted_ranges_hold_nothing() {
        let index = Sorted::default();
        [1, 2, 3].iter().for_each(|location| index.insert(location));
        for (from, to) in [
            (Included(&3), Included(&1)),
            (Excluded(&3), Excluded(&1)),
            (Included(&2), Excluded(&2)),
            (Excluded(&2), Included(&2)),
            (Excluded(&2), Excluded(&2)),
        ] {
            assert_eq!(index.next(from, to), None, "{from:?}, {to:?}");
        }
        assert_eq!(index.next(Included(&2), Included(&2)), Some(2));
    }
}
