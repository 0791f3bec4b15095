//! Scans: reading what a range of locations holds, and being right about what it does *not* hold.
//!
//! # The problem
//!
//! A scan answers two questions: what is at the locations that it visits, and that there is nothing else in between.
//! The first is judged as reads are. The second is not about any location that the run knows: a lower
//! transaction may write, later, where the scan found nothing to look at. Such a location is a *phantom*.
//!
//! # The idea
//!
//! ```text
//! storage (next)      a     c           f       what was there before the block
//! index               a  b     d  e     f       every location that has a cell
//! candidates          a  b  c  d        f       e was only touched by higher txns
//! present             a     c  d        f       b holds an absent value
//! scanned             [----------]              the VM broke off at d: f was not looked at
//! ```
//!
//! A scan goes along *candidates*, in order: the locations that the storage names, merged with those that a lower
//! transaction or the run itself has written. Each is then read as a point ([`View::read`](crate::View::read)), so that
//! its value is judged, and can make an edge of the conflict graph, like any other; those that are absent are passed over.
//!
//! In the sequential execution the written locations are known. In a parallel one they come from the block's
//! [index](crate::mvmemory::LocationIndex): those that the run has accessed before (so that a scan never contradicts an
//! earlier read), and those with a version below the run. At the head, those with a committed one.
//!
//! Locations that are in the index because of higher transactions alone are not read: the sequential execution would not
//! ask the storage for them, and the storage may fail. For the same reason both executions ask for the storage's
//! [next](OrderedStorage::next) location only when the last one was used up.
//!
//! # The judge
//!
//! A run records the range of each of its scans, as far as the VM let it go, and with each access the number of the
//! first scan that *covered* it, that is: had it as a candidate. At commit, besides the points:
//!
//! > If a location in the range of scan `j` has a committed write, the run must have covered it by scan `j` at the latest.
//!
//! If so, the run stands. By the argument for points, every covered location holds what the run was told. The others in
//! the range have no committed write, so they hold what they held before the block. There the storage named every
//! location that held something, the same ones in every execution, and these were covered. So the sequential execution
//! would have visited the same locations, and seen the same.
//!
//! The rule asks for committed writes of absent values, too. The VM would not notice, but the conflict graph would: the
//! sequential execution reads such a location.
//!
//! # Case by case
//!
//! - *A lower transaction writes after the scan, where there was no cell.* The location goes into the index before the
//!   cell is published, and the cell is published before the write. When the run is judged, the write is committed,
//!   so the location is in the index, and not covered: stale.
//! - *The cell was made by another worker.* Whoever finds a cell finds it after the location was inserted. An index that
//!   is filled after the publication would lose here: its worker may sleep in between while the write of another one
//!   is committed.
//! - *A covered value disappears, or changes and comes back.* A matter of points: equal values are the same value. The
//!   location remains covered either way.
//! - *The run wrote there before the scan.* It is a candidate as an own write, and covered. A blind write hides what
//!   lies below, so that the judge need not care; deltas rest on it, and reading them makes it a point.
//! - *The run wrote there after the scan.* Its access does not count as covered: had a lower transaction written there, the
//!   scan should have seen it.
//! - *Two scans overlap.* Where the first scan found no candidate and the second one does, the access has the second
//!   one's number, and does not excuse the first. Where the first one covered, the second one did as well, since the
//!   run had accessed the location by then.
//! - *The VM breaks off.* The range ends with the location that was visited last. What lies beyond was not observed, and
//!   conflicts with nothing.
//! - *A panic ends the scan, and the VM catches it.* The judge asks for the whole range, which the scan did not see to its end, so that
//!   nothing the VM may have learnt from the panic goes unjudged. A later scan does not contradict it.
//! - *A lower transaction is invalid.* Its writes are withdrawn, not committed. If they were covered, they are points
//!   whose value has changed.
//! - *Deltas below.* They are candidates as any write, also where the value below them was never fetched; reading sums
//!   them up.
//! - *The run itself is invalid.* Its verdict depends on its scans, so it is judged the same.
//!
//! A scan that meets a write where an earlier one of the same run found no candidate ends the run at once: it is
//! doomed unless that write is taken back, and the VM need not see two scans of one range that disagree.
//! Early validation applies the judge's rule to what is visible then, as a guess.
//!
//! # What it does not do
//!
//! The storage is asked anew in every scan; nothing remembers its answers. The judge looks at each location of the index
//! in the range, whoever touched it. The index is one sorted set under one lock, which blocks without an order do not have.

use std::fmt::Debug;
use std::ops::{Bound, ControlFlow};

use crate::error::Failure;
use crate::named::Ahead;
use crate::order::{Cut, Order, Ranked};
use crate::vm::{OrderedStorage, Vm};

/// Why a scan fails on a block without an order.
pub(crate) const UNORDERED: &str =
    "a scan needs a block whose locations have an order, see Block::ordered";

/// Is shown each location that holds something.
pub(crate) type Visit<'v, V> =
    dyn FnMut(&<V as Vm>::Location, &<V as Vm>::Value) -> ControlFlow<()> + 'v;

/// What makes a block's locations scannable.
pub(crate) struct Ordered<'a, L, V> {
    pub(crate) storage: &'a dyn OrderedStorage<L, V>,
    pub(crate) order: Order<L>,
}

impl<L, V> Clone for Ordered<'_, L, V> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<L, V> Copy for Ordered<'_, L, V> {}

/// The way of a scan along its candidates: how far it is, and what it knows of the storage's locations.
pub(crate) struct Course<'a, L, V> {
    ordered: Ordered<'a, L, V>,
    from: Bound<Ranked<L, L>>,
    to: Bound<Ranked<L, L>>,
    /// What is left of the range begins here, behind the last candidate.
    rest: Bound<Ranked<L, L>>,
    /// The last location that the storage is known to name in the range, from its beginning on.
    named: Option<Ranked<L, L>>,
    /// Whether it names no other.
    all_named: bool,
    passed: Rounds<L>,
    answers: Rounds<L>,
}

/// A question to the storage: where it begins and ends.
pub(crate) type Question<L> = (Cut<L>, Cut<L>);

impl<'a, L: Clone + Eq + Debug, V> Course<'a, L, V> {
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
            passed: Rounds::new(),
            answers: Rounds::new(),
        })
    }

    /// Where the range begins.
    pub(crate) fn start(&self) -> Cut<L> {
        Cut::below(self.from.clone())
    }

    /// Where the range ends.
    pub(crate) fn end(&self) -> Cut<L> {
        Cut::above(self.to.clone())
    }

    /// The end of what was passed, candidate by candidate.
    pub(crate) fn reached(&self) -> Cut<L> {
        Cut::below(self.rest.clone())
    }

    /// What is left of the range begins here.
    pub(crate) const fn rest(&self) -> &Bound<Ranked<L, L>> {
        &self.rest
    }

    /// The upper bound of the range.
    pub(crate) fn to(&self) -> Bound<&L> {
        self.to.as_ref().map(|to| &to.location)
    }

    /// Learns what is known of the storage's locations from the range's beginning on, or from where the last question began.
    pub(crate) fn learn(&mut self, Ahead { last, end }: Ahead<L>) {
        self.all_named |= end >= self.end();
        if let Some(last) = last {
            let from = self.from.as_ref().map(|from| &from.location);
            if !self.ordered.order.is_below(&last, from) {
                self.named = Some(self.ordered.order.rank(last));
            }
        }
    }

    /// Whether the scan can go on to the candidate `next`, or to its end, before the storage is asked.
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
        let question = || (Cut::below(from.clone()), self.end());
        if order.is_empty(range.0, range.1) {
            return Ok((question(), None));
        }
        let failure =
            |source| Failure::Storage { location: format!("the range {range:?}"), source };
        let answer = storage.next(range).map_err(failure)?;
        if let Some(location) = &answer
            && (order.is_below(location, range.0) || order.is_above(location, range.1))
        {
            let message = format!("the storage named {location:?}, which is not in it");
            return Err(failure(message.into()));
        }
        let question = question();
        let goes_round = answer.as_ref().is_some_and(|answer| self.answers.comes_round(answer));
        Ok((question, answer.filter(|_| !goes_round)))
    }

    /// Passes a candidate. Whether to go on: only a contradictory order leads to one that was passed before.
    pub(crate) fn pass(&mut self, candidate: L) -> bool {
        let goes_round = self.passed.comes_round(&candidate);
        self.rest = Bound::Excluded(self.ordered.order.rank(candidate));
        !goes_round
    }
}

/// Notices a walk that goes round in circles, after a few rounds (Brent's way: one place is remembered, ever farther on).
struct Rounds<L> {
    mark: Option<L>,
    steps: u64,
    until: u64,
}

impl<L: Clone + Eq> Rounds<L> {
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
