//! The order of locations as a value, and places in it.
//!
//! Only [`Block::ordered`](crate::Block::ordered) asks for locations that are `Ord`. Everything
//! below it has the comparison in a field, so that VMs without an order neither need one nor pay
//! for it.

use std::borrow::Borrow;
use std::cmp::Ordering;
use std::ops::Bound;

/// How locations compare.
pub(crate) struct Order<L>(fn(&L, &L) -> Ordering);

impl<L> Clone for Order<L> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<L> Copy for Order<L> {}

impl<L: Ord> Order<L> {
    /// The order that the type has.
    pub(crate) fn natural() -> Self {
        Self(L::cmp)
    }
}

impl<L> Order<L> {
    #[cfg(test)]
    pub(crate) const fn by(compare: fn(&L, &L) -> Ordering) -> Self {
        Self(compare)
    }

    /// `location` with its order.
    pub(crate) const fn rank<B>(self, location: B) -> Ranked<B, L> {
        Ranked { location, order: self }
    }

    pub(crate) fn is_less(self, a: &L, b: &L) -> bool {
        self.0(a, b).is_lt()
    }

    /// Whether nothing can lie between the bounds, since they cross or meet.
    pub(crate) fn is_empty(self, from: Bound<&L>, to: Bound<&L>) -> bool {
        match (from, to) {
            (Bound::Unbounded, _) | (_, Bound::Unbounded) => false,
            (Bound::Included(from), Bound::Included(to)) => self.0(from, to).is_gt(),
            (
                Bound::Included(from) | Bound::Excluded(from),
                Bound::Included(to) | Bound::Excluded(to),
            ) => self.0(from, to).is_ge(),
        }
    }

    /// Whether `location` lies before everything above the bound.
    pub(crate) fn is_below(self, location: &L, from: Bound<&L>) -> bool {
        self.is_empty(from, Bound::Included(location))
    }

    /// Whether `location` lies behind everything below the bound.
    pub(crate) fn is_above(self, location: &L, to: Bound<&L>) -> bool {
        self.is_empty(Bound::Included(location), to)
    }
}

/// A location, owned or borrowed, that knows its order.
pub(crate) struct Ranked<B, L> {
    pub(crate) location: B,
    order: Order<L>,
}

impl<L> Ranked<L, L> {
    pub(crate) const fn by_ref(&self) -> Ranked<&L, L> {
        Ranked { location: &self.location, order: self.order }
    }
}

impl<B: Borrow<L>, L> Ranked<B, L> {
    /// Whether the location lies behind everything below the bound.
    pub(crate) fn is_above(&self, to: Bound<&L>) -> bool {
        self.order.is_above(self.location.borrow(), to)
    }
}

impl<B: Clone, L> Clone for Ranked<B, L> {
    fn clone(&self) -> Self {
        Self { location: self.location.clone(), order: self.order }
    }
}

impl<B: Borrow<L>, L> PartialEq for Ranked<B, L> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl<B: Borrow<L>, L> Eq for Ranked<B, L> {}

impl<B: Borrow<L>, L> PartialOrd for Ranked<B, L> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<B: Borrow<L>, L> Ord for Ranked<B, L> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.order.0(self.location.borrow(), other.location.borrow())
    }
}

/// A place between locations, where a range begins or ends.
pub(crate) enum Boundary<L> {
    /// Before all locations.
    Start,
    /// Just before this one.
    Before(Ranked<L, L>),
    /// Just behind this one.
    Behind(Ranked<L, L>),
    /// Behind all locations.
    End,
}

impl<L> PartialEq for Boundary<L> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl<L> Eq for Boundary<L> {}

impl<L> PartialOrd for Boundary<L> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<L> Ord for Boundary<L> {
    fn cmp(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Start, Self::Start) | (Self::End, Self::End) => Ordering::Equal,
            (Self::Start, _) | (_, Self::End) => Ordering::Less,
            (_, Self::Start) | (Self::End, _) => Ordering::Greater,
            (Self::Before(a), Self::Before(b)) | (Self::Behind(a), Self::Behind(b)) => a.cmp(b),
            (Self::Before(a), Self::Behind(b)) => a.cmp(b).then(Ordering::Less),
            (Self::Behind(a), Self::Before(b)) => a.cmp(b).then(Ordering::Greater),
        }
    }
}

impl<L: Clone> Clone for Boundary<L> {
    fn clone(&self) -> Self {
        match self {
            Self::Start => Self::Start,
            Self::Before(location) => Self::Before(location.clone()),
            Self::Behind(location) => Self::Behind(location.clone()),
            Self::End => Self::End,
        }
    }
}

impl<L> Boundary<L> {
    /// Where a range with this lower bound begins.
    pub(crate) fn below(from: Bound<Ranked<L, L>>) -> Self {
        match from {
            Bound::Unbounded => Self::Start,
            Bound::Included(first) => Self::Before(first),
            Bound::Excluded(below) => Self::Behind(below),
        }
    }

    /// Where a range with this upper bound ends.
    pub(crate) fn above(to: Bound<Ranked<L, L>>) -> Self {
        match to {
            Bound::Unbounded => Self::End,
            Bound::Included(last) => Self::Behind(last),
            Bound::Excluded(above) => Self::Before(above),
        }
    }

    /// The lower bound of a range that begins here, which is not the end.
    pub(crate) fn as_lower(&self) -> Bound<&L> {
        match self {
            Self::Before(first) => Bound::Included(&first.location),
            Self::Behind(below) => Bound::Excluded(&below.location),
            Self::Start | Self::End => Bound::Unbounded,
        }
    }

    /// The upper bound of a range that ends here, which is not the start.
    pub(crate) fn as_upper(&self) -> Bound<&L> {
        match self {
            Self::Before(above) => Bound::Excluded(&above.location),
            Self::Behind(last) => Bound::Included(&last.location),
            Self::Start | Self::End => Bound::Unbounded,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use Bound::{Excluded, Included, Unbounded};

    #[test]
    fn bounds_that_cross_or_meet_hold_nothing() {
        let order = Order::natural();
        for (from, to) in [
            (Included(&3), Included(&1)),
            (Excluded(&3), Excluded(&1)),
            (Included(&2), Excluded(&2)),
            (Excluded(&2), Included(&2)),
            (Excluded(&2), Excluded(&2)),
        ] {
            assert!(order.is_empty(from, to), "{from:?}, {to:?}");
        }
        assert!(!order.is_empty(Included(&2), Included(&2)));
        assert!(!order.is_empty(Unbounded, Excluded(&2)));
    }

    #[test]
    fn cuts_lie_as_their_bounds_do() {
        let order = Order::natural();
        let bounds = |at: i32| [Included(order.rank(at)), Excluded(order.rank(at))];
        let lower: Vec<_> = (1..3).flat_map(bounds).map(Boundary::below).collect();
        assert!(lower.is_sorted() && Boundary::Start < lower[0] && lower[3] < Boundary::End);
        assert!(lower.iter().map(Boundary::as_lower).eq([
            Included(&1),
            Excluded(&1),
            Included(&2),
            Excluded(&2)
        ]));
        let upper: Vec<_> = (1..3).flat_map(bounds).map(Boundary::above).collect();
        assert!(upper.iter().map(Boundary::as_upper).eq([
            Included(&1),
            Excluded(&1),
            Included(&2),
            Excluded(&2)
        ]));
        assert!(upper[0] == lower[1] && upper[1] == lower[0], "up to 1 ends where above 1 begins");
    }
}
