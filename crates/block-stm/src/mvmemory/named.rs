//! What the storage has said about the order of its locations: between which bounds every location
//! is known that it names.
//!
//! Such an answer holds for the rest of the block, like a value that was read. Without it, a scan
//! would have to ask for each location that the block has deleted, again and again.

use crate::primitives::order::{Boundary, Order};
use crate::primitives::range_map::{RangeMap, Span};

/// The answers so far.
pub(crate) struct Named<L> {
    order: Order<L>,
    /// With the last location that was named in each range, if any was.
    ranges: RangeMap<L, Option<L>>,
}

/// Up to where everything that the storage names is known, from somewhere on, with the last
/// location that it named on the way.
pub(crate) type NamedSpan<L> = Span<L, Option<L>>;

impl<L: Clone> Named<L> {
    pub(crate) fn new(order: Order<L>) -> Self {
        Self { order, ranges: RangeMap::default() }
    }

    /// What is known from `at` on.
    pub(crate) fn onward(&self, at: &Boundary<L>) -> Option<NamedSpan<L>> {
        self.ranges.onward(at).cloned()
    }

    /// The storage was asked for its first location between the boundaries. What is known from
    /// there on.
    pub(crate) fn note(
        &mut self,
        from: Boundary<L>,
        to: Boundary<L>,
        answer: Option<&L>,
    ) -> NamedSpan<L> {
        let Self { order, ranges } = self;
        let told = told(*order, to, answer);
        let later = |a: &mut Option<L>, b: Option<L>| {
            if b.as_ref().is_some_and(|b| a.as_ref().is_none_or(|a| order.is_less(a, b))) {
                *a = b;
            }
        };
        let goes_on = ranges.add(from.clone(), told.end.clone(), told.known.clone(), later);
        if goes_on { self.onward(&from).unwrap_or(told) } else { told }
    }
}

/// What one answer says.
pub(crate) fn told<L: Clone>(order: Order<L>, to: Boundary<L>, answer: Option<&L>) -> NamedSpan<L> {
    let end = answer.map_or(to, |named| Boundary::Behind(order.rank(named.clone())));
    Span { end, known: answer.cloned() }
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
            named.onward(from).map(|span| (span.known, span.end))
        };
        named.note(at(20), at(40), Some(&30));
        named.note(behind(30), at(40), None);
        assert!(known(&named, &at(20)) == Some((Some(30), at(40))), "up to where it was asked");
        assert!(known(&named, &at(10)).is_none() && known(&named, &at(40)).is_none());
        let span = named.note(Boundary::Start, Boundary::End, Some(&25));
        assert!((span.known, span.end) == (Some(30), at(40)), "what lies behind was known");
        let span = named.note(Boundary::Start, at(9), None);
        assert!((span.known, span.end) == (Some(30), at(40)), "nothing new");
        named.note(behind(30), Boundary::End, None);
        assert!(known(&named, &Boundary::Start) == Some((Some(30), Boundary::End)));
    }
}
