//! Scans: reading what a range of locations holds, and being right about what it does *not* hold.
//!
//! # The problem
//!
//! A scan answers two questions: what is at the locations that it visits, and that there is nothing
//! else in between. The first is judged as reads are. The second is not about any location that the
//! run knows: a lower transaction may write, later, where the scan found nothing to look at. Such a
//! location is a *phantom*.
//!
//! And a scan is to cost what it finds. In a queue, every transaction takes the first entry away:
//! the next scan had better not pass over all that were taken before.
//!
//! # The idea
//!
//! ```text
//! storage (next)      a     c           f       what was there before the block
//! present                b  c        e  f       a was deleted, b and e were written
//! pending                      d                about to be written
//! candidates             b  c  d     e
//! scanned             [--------------]          the VM broke off at e: f was not looked at
//! ```
//!
//! A scan goes along *candidates*, in order, each of which is read as a point
//! ([`View::read`](crate::View::read)), so that its value is judged, and can make an edge of the
//! conflict graph, like any other. Those that are absent are passed over.
//!
//! Candidates come from the block's [index](crate::mvmemory::Index). Its *present* locations are
//! those that hold something at the commit point: where the last committed write left something, or
//! where nothing is committed and the storage named the location. So what is deleted leaves the way
//! of the scans that follow. An optimistic run also looks at what is *pending*, written by
//! transactions in flight; of both lists it reads what the storage named or a lower transaction
//! wrote. The head looks at what is present alone. The sequential execution has a sorted set of
//! what is present.
//!
//! What the storage said of its order is remembered for the rest of the block
//! ([`Named`](crate::mvmemory::named::Named)). It is asked when a scan would go on beyond the last
//! location that it is known to name: from that location to the end of the range. Each location
//! that it names is listed before the answer is remembered. So two executions of the same scan on
//! the same state may differ in how many questions they ask, but the one that fails is the same.
//!
//! Where a run has scanned before, it looks at nothing again but at what it knows itself: what it
//! was shown, and what it wrote. So its scans agree with each other.
//!
//! In blocks with a conflict graph nothing is taken out of the index: the graph has an edge to
//! the transaction that deleted what a scan passed over.
//!
//! # The judge
//!
//! A run records the ranges that it scanned, as far as the VM let the scans go, and whether a
//! location was *covered*: a candidate when its surroundings were scanned for the first time. At
//! commit, besides the points:
//!
//! > If a location in a range that was scanned has a committed write that left something there, the
//! > run must have covered it.
//!
//! If so, the run stands. By the argument for points, every covered location holds what the run was
//! told. The others in the range have no committed write that left anything, so they hold nothing,
//! or what they held before the block and no transaction wrote. There the storage named every
//! location that held something. Each of these was listed before the scan went on beyond it, and is
//! taken out only when a committed write deletes it; so the scan had it as a candidate. The
//! sequential execution would have visited the same locations, and seen the same.
//!
//! The judge finds such locations in the list of what is present, which has all of them: the
//! committer lists a location when it commits something there, before the next transaction is
//! judged, and only the committer takes one out, when it commits a deletion.
//!
//! With a conflict graph the rule asks for committed writes of absent values, too. The VM would not
//! notice, but the graph would: the sequential execution reads such a location.
//!
//! # Case by case
//!
//! - *A lower transaction writes after the scan, where there was nothing.* When the run is judged,
//!   the write is committed, so the location is present, and not covered: stale.
//! - *It was present and deleted before the scan, and is written again after it.* The same: what
//!   was taken out is listed again.
//! - *It is deleted by a transaction in flight.* It is present still, so the scan reads that it is
//!   absent, and covers it. If the deletion is withdrawn, that is a point whose value has changed.
//! - *A covered value disappears, or changes and comes back.* A matter of points: equal values are
//!   the same value. The location remains covered either way.
//! - *The run wrote there before the scan.* It is a candidate as an own write, and covered. A blind
//!   write hides what lies below, so that the judge need not care; deltas rest on it, and reading
//!   them makes it a point.
//! - *The run wrote there after the scan.* Its access does not count as covered: had a lower
//!   transaction written there, the scan should have seen it.
//! - *Two scans overlap.* What the first one scanned, the second one does not look for again: it
//!   finds there what the run knows. A location is covered by the scan that came there first, or
//!   never.
//! - *The run reads a location between two scans of it.* If another transaction wrote there what
//!   the first one did not find, the second one ends the run: it is doomed unless that write is
//!   taken back, and the VM need not see two scans that disagree.
//! - *The VM breaks off.* The range ends with the location that was visited last. What lies beyond
//!   was not observed, and conflicts with nothing.
//! - *A panic ends the scan, and the VM catches it.* The run has failed, see [`View`](crate::View).
//! - *A lower transaction is invalid.* Its writes are withdrawn, not committed. If they were
//!   covered, they are points whose value has changed.
//! - *Deltas below.* They are candidates as any write, also where the value below them was never
//!   fetched; reading sums them up.
//! - *The run itself is invalid.* Its verdict depends on its scans, so it is judged the same.
//! - *A worker learns from the storage of a location that is deleted meanwhile, and lists it.* It
//!   is listed for nothing. The judge, or the head, takes it out when it comes by.
//!
//! Early validation applies the judge's rule to what is visible then, as a guess.
//!
//! # What it costs
//!
//! A candidate takes time that is logarithmic in the number of locations, and so does the judge for
//! it. What is absent at the commit point takes none. An optimistic scan may meet what others in
//! flight delete, or put in its way though they are higher. It passes over some of it, and over as
//! much again as it finds; one that would pass over more is left to the head, for which nothing of
//! that is there. Early validation looks at no more than the run did.
//!
//! # Code of the user's
//!
//! Locations are compared, cloned and hashed by the user's code, which may panic, or wait for
//! another task of the pool. None of it runs under a lock that anybody waits for: the index
//! compares without its lock, and the lock around what the storage named is only ever tried. An
//! order that contradicts itself leads scans astray, even in circles; they notice and end.

use std::fmt::Debug;
use std::ops::{Bound, ControlFlow};

use crate::contract::error::Failure;
use crate::contract::storage::Ordered;
use crate::contract::types::Types;
use crate::mvmemory::named::NamedSpan;
use crate::primitives::order::{Boundary, Ranked};

/// Why a scan fails on a block without an order.
pub(crate) const UNORDERED: &str =
    "a scan needs a block whose locations have an order, see Block::ordered";

/// Is shown each location that holds something.
pub(crate) type Visit<'v, V> =
    dyn FnMut(&<V as Types>::Location, &<V as Types>::Value) -> ControlFlow<()> + 'v;

/// The way of a scan along its candidates: how far it is, and what it knows of the storage's
/// locations.
pub(crate) struct Cursor<'a, L, V> {
    ordered: Ordered<'a, L, V>,
    from: Bound<Ranked<L, L>>,
    to: Bound<Ranked<L, L>>,
    /// What is left of the range begins here, behind the last candidate.
    rest: Bound<Ranked<L, L>>,
    /// The last location that the storage is known to name in the range, from its beginning on.
    named: Option<Ranked<L, L>>,
    /// Whether it names no other.
    all_named: bool,
    passed: CycleDetector<L>,
    answers: CycleDetector<L>,
}

/// The way of a scan over a VM's locations.
pub(crate) type CursorOf<'b, V> = Cursor<'b, <V as Types>::Location, <V as Types>::Value>;

/// A question to the storage: where it begins and ends.
pub(crate) type Question<L> = (Boundary<L>, Boundary<L>);

impl<'a, L: Clone + Eq + Debug, V> Cursor<'a, L, V> {
    /// A scan between the bounds; `None` if nothing can lie there.
    pub(crate) fn new(ordered: Ordered<'a, L, V>, from: Bound<&L>, to: Bound<&L>) -> Option<Self> {
        let own = |bound: Bound<&L>| bound.map(|location| ordered.order.rank(location.clone()));
        (!ordered.order.is_empty(from, to)).then(|| Self {
            ordered,
            from: own(from),
            to: own(to),
            rest: own(from),
            named: None,
            all_named: false,
            passed: CycleDetector::new(),
            answers: CycleDetector::new(),
        })
    }

    /// Where the range begins.
    pub(crate) fn start(&self) -> Boundary<L> {
        Boundary::below(self.from.clone())
    }

    /// Where the range ends.
    pub(crate) fn end(&self) -> Boundary<L> {
        Boundary::above(self.to.clone())
    }

    /// The end of what was passed, candidate by candidate.
    pub(crate) fn reached(&self) -> Boundary<L> {
        Boundary::below(self.rest.clone())
    }

    /// Whether a location lies in what was passed, or anywhere in the range.
    pub(crate) fn has_passed(&self, location: &L, or_will: bool) -> bool {
        let order = self.ordered.order;
        let passed = |rest: &Bound<Ranked<L, L>>| {
            order.is_below(location, rest.as_ref().map(|rest| &rest.location))
        };
        let is_within =
            if or_will { !order.is_above(location, self.to()) } else { passed(&self.rest) };
        is_within && !passed(&self.from)
    }

    /// What is left of the range begins here.
    pub(crate) const fn rest(&self) -> &Bound<Ranked<L, L>> {
        &self.rest
    }

    /// The upper bound of the range.
    pub(crate) fn to(&self) -> Bound<&L> {
        self.to.as_ref().map(|to| &to.location)
    }

    /// Learns what is known of the storage's locations from the range's beginning on, or from where
    /// the last question began.
    pub(crate) fn learn(&mut self, told: NamedSpan<L>) {
        self.all_named |= told.end >= self.end();
        if let Some(last) = told.known {
            let from = self.from.as_ref().map(|from| &from.location);
            if !self.ordered.order.is_below(&last, from) {
                self.named = Some(self.ordered.order.rank(last));
            }
        }
    }

    /// Whether the scan can go on to the candidate `next`, or to its end, before the storage is
    /// asked.
    pub(crate) fn may_pass(&self, next: Option<&L>) -> bool {
        let order = self.ordered.order;
        let named =
            |next| self.named.as_ref().is_some_and(|named| !order.is_less(&named.location, next));
        self.all_named || next.is_some_and(named)
    }

    /// Asks the storage for the location that it names next; with the question that was asked.
    ///
    /// None outside the range is taken: such a scan might never end.
    pub(crate) fn ask(&mut self) -> Result<(Question<L>, Option<L>), Failure> {
        let Ordered { storage, order } = self.ordered;
        let behind = self.named.clone().map(Bound::Excluded);
        let from = behind.unwrap_or_else(|| self.from.clone());
        let range = (from.as_ref().map(|from| &from.location), self.to());
        let question = || (Boundary::below(from.clone()), self.end());
        if order.is_empty(range.0, range.1) {
            let question = question();
            self.all_named = true;
            return Ok((question, None));
        }
        // Named by the range that is scanned: where the question begins depends on what is known.
        let scanned = (self.from.as_ref().map(|from| &from.location), self.to());
        let failure =
            |source| Failure::Storage { location: format!("the range {scanned:?}"), source };
        let answer = storage.next(range).map_err(failure)?;
        if let Some(location) = &answer
            && (order.is_below(location, range.0) || order.is_above(location, range.1))
        {
            let message = format!("the storage named {location:?}, which is not in {range:?}");
            return Err(failure(message.into()));
        }
        let question = question();
        let goes_round = answer.as_ref().is_some_and(|answer| self.answers.comes_round(answer));
        let answer = answer.filter(|_| !goes_round);
        self.all_named |= answer.is_none();
        Ok((question, answer))
    }

    /// Passes a candidate. Whether to go on: only a contradictory order leads to one that was
    /// passed before.
    pub(crate) fn pass(&mut self, candidate: L) -> bool {
        let goes_round = self.passed.comes_round(&candidate);
        self.rest = Bound::Excluded(self.ordered.order.rank(candidate));
        !goes_round
    }
}

/// Notices a walk that goes round in circles, after a few rounds (Brent's way: one place is
/// remembered, ever farther on).
struct CycleDetector<L> {
    mark: Option<L>,
    steps: u64,
    until: u64,
}

impl<L: Clone + Eq> CycleDetector<L> {
    const fn new() -> Self {
        Self { mark: None, steps: 0, until: 1 }
    }

    fn comes_round(&mut self, place: &L) -> bool {
        if self.mark.as_ref() == Some(place) {
            return true;
        }
        self.steps += 1;
        if self.steps == self.until {
            *self = Self { mark: Some(place.clone()), steps: 0, until: self.until * 2 };
        }
        false
    }
}
