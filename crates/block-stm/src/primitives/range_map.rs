//! A set of ranges that neither overlap nor touch, each with something that is known of it.

use std::collections::BTreeMap;
use std::ops::Bound;

use crate::primitives::order::{Boundary, Ranked};

pub(crate) struct RangeMap<L, T>(BTreeMap<Boundary<L>, Span<L, T>>);

/// A range, but for its beginning.
#[derive(Clone)]
pub(crate) struct Span<L, T> {
    pub(crate) end: Boundary<L>,
    pub(crate) known: T,
}

impl<L, T> Default for RangeMap<L, T> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<L: Clone, T> RangeMap<L, T> {
    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&Boundary<L>, &Boundary<L>)> {
        self.0.iter().map(|(start, span)| (start, &span.end))
    }

    /// The range that goes on from `at`.
    pub(crate) fn onward(&self, at: &Boundary<L>) -> Option<&Span<L, T>> {
        let (_, span) = self.0.range(..=at).next_back()?;
        (span.end > *at).then_some(span)
    }

    /// Whether a location lies in a range.
    pub(crate) fn holds(&self, location: Ranked<L, L>) -> bool {
        !self.0.is_empty() && self.onward(&Boundary::below(Bound::Included(location))).is_some()
    }

    /// Where the first range behind `at` begins.
    pub(crate) fn next_start(&self, at: &Boundary<L>) -> Option<&Boundary<L>> {
        self.0.range((Bound::Excluded(at), Bound::Unbounded)).next().map(|(start, _)| start)
    }

    /// Adds a range, and joins it with those that it overlaps or touches. Whether the joined one
    /// goes on beyond `end`.
    pub(crate) fn add(
        &mut self,
        start: Boundary<L>,
        end: Boundary<L>,
        known: T,
        mut join: impl FnMut(&mut T, T),
    ) -> bool {
        let (mut joined, mut goes_on) = (Span { end, known }, false);
        while let Some(next) = self.next_start(&start)
            && *next <= joined.end
        {
            let next = next.clone();
            // A contradictory order may not find it again.
            let Some(higher) = self.0.remove(&next) else { break };
            join(&mut joined.known, higher.known);
            if higher.end > joined.end {
                (joined.end, goes_on) = (higher.end, true);
            }
        }
        let below = self.0.range_mut(..=&start).next_back();
        if let Some((_, lower)) = below
            && lower.end >= start
        {
            join(&mut lower.known, joined.known);
            if joined.end >= lower.end {
                lower.end = joined.end;
                return goes_on;
            }
            return true;
        }
        self.0.insert(start, joined);
        goes_on
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::primitives::order::Order;

    fn below(at: u8) -> Boundary<u8> {
        Boundary::below(Bound::Included(Order::natural().rank(at)))
    }

    #[test]
    fn ranges_join_as_the_sets_of_what_they_hold() {
        for seed in 0..500_u32 {
            let (mut ranges, mut model) = (RangeMap::default(), BTreeSet::new());
            let mut state = seed.wrapping_mul(2_654_435_761) | 1;
            for _ in 0..8 {
                state ^= state << 13;
                state ^= state >> 17;
                state ^= state << 5;
                let (from, len) = (state as u8 % 30, 1 + (state >> 8) as u8 % 6);
                let added = [(from, from + len)].into_iter().collect::<Vec<_>>();
                let end = from + len;
                let goes_on = ranges.add(below(from), below(end), added, |a, b| a.extend(b));
                assert_eq!(goes_on, model.contains(&end), "{seed}: beyond {end}");
                model.extend(from..end);
            }
            for at in 0..40 {
                let onward = ranges.onward(&below(at));
                assert_eq!(onward.is_some(), model.contains(&at), "{seed}: {at}");
                if let Some(span) = onward {
                    let end = (at..).find(|at| !model.contains(at)).expect("it ends");
                    assert!(span.end == below(end), "{seed}: {at}");
                    let all = (span.known.iter()).all(|(from, to)| *from < end && *to <= end);
                    assert!(all, "{seed}: what is known came from another one");
                }
                let next = (at + 1..40).find(|n| model.contains(n) && !model.contains(&(n - 1)));
                assert!(ranges.next_start(&below(at)) == next.map(below).as_ref(), "{seed}: {at}");
            }
        }
    }
}
