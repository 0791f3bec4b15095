//! What the storage has said about the order of its locations: between which bounds every location
//! is known that it names.
//!
//! Such an answer holds for the rest of the block, like a value that was read. Without it, a scan
//! would have to ask for each location that the block has deleted, again and again.

use crate::primitives::order::{Boundary, Order, Side};
use crate::primitives::spans::Spans;

/// The answers so far.
pub(crate) struct Named<L> {
    order: Order<L>,
    /// With the last location that was named in each range, if any was.
    ranges: Spans<L, Option<L>>,
}

/// Up to where everything that the storage names is known, from somewhere on.
pub(crate) struct Ahead<L> {
    /// The last location that was named on the way.
    pub(crate) last: Option<L>,
    pub(crate) end: Boundary<L>,
}

impl<L: Clone> Named<L> {
    pub(crate) fn new(order: Order<L>) -> Self {
        Self { order, ranges: Spans::default() }
    }

    /// What is known from `at` on.
    pub(crate) fn onward(&self, at: &Boundary<L>) -> Option<Ahead<L>> {
        let span = self.ranges.onward(at)?;
        Some(Ahead { last: span.known.clone(), end: span.end.clone() })
    }

    /// The storage was asked for its first location between the cuts. What is known from there on.
    pub(crate) fn note(
        &mut self,
        from: Boundary<L>,
        to: Boundary<L>,
        answer: Option<&L>,
    ) -> Ahead<L> {
        let Self { order, ranges } = self;
        let ahead = Ahead::of(*order, to, answer);
        let later = |a: &mut Option<L>, b: Option<L>| {
            if b.as_ref().is_some_and(|b| a.as_ref().is_none_or(|a| order.is_less(a, b))) {
                *a = b;
            }
        };
        let goes_on = ranges.add(from.clone(), ahead.end.clone(), ahead.last.clone(), later);
        if goes_on { self.onward(&from).unwrap_or(ahead) } else { ahead }
    }
}

impl<L: Clone> Ahead<L> {
    /// What one answer says.
    pub(crate) fn of(order: Order<L>, to: Boundary<L>, answer: Option<&L>) -> Self {
        let named = |named: &L| Boundary::Beside(order.rank(named.clone()), Side::Behind);
        Self { last: answer.cloned(), end: answer.map_or(to, named) }
    }
}

#[cfg(test)]
mod tests {
    use std::ops::Bound;

    use super::*;

    #[test]
    fn what_was_asked_once_is_known_with_the_last_location_on_the_way() {
        let order = Order::natural();
        let at = |location: u8| Boundary::below(Bound::Included(order.rank(location)));
        let behind = |location: u8| Boundary::below(Bound::Excluded(order.rank(location)));
        let mut named = Named::new(order);
        let known = |named: &Named<u8>, from: &Boundary<u8>| {
            named.onward(from).map(|ahead| (ahead.last, ahead.end))
        };
        named.note(at(20), at(40), Some(&30));
        named.note(behind(30), at(40), None);
        assert!(known(&named, &at(20)) == Some((Some(30), at(40))), "up to where it was asked");
        assert!(known(&named, &at(10)).is_none() && known(&named, &at(40)).is_none());
        let ahead = named.note(Boundary::Start, Boundary::End, Some(&25));
        assert!((ahead.last, ahead.end) == (Some(30), at(40)), "what lies behind was known");
        let ahead = named.note(Boundary::Start, at(9), None);
        assert!((ahead.last, ahead.end) == (Some(30), at(40)), "nothing new");
        named.note(behind(30), Boundary::End, None);
        assert!(known(&named, &Boundary::Start) == Some((Some(30), Boundary::End)));
    }
}
