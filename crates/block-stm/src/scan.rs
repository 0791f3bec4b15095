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

use std::cmp::Ordering;
use std::fmt::Debug;
use std::ops::{Bound, ControlFlow};

use crate::error::Failure;
use crate::mvmemory::{LocationIndex, Sorted, is_empty};
use crate::vm::{OrderedStorage, Vm};

/// Why a scan fails on a block without an order.
pub(crate) const UNORDERED: &str =
    "a scan needs a block whose locations have an order, see Block::ordered";

/// Is shown each location that holds something.
pub(crate) type Visit<'v, V> =
    dyn FnMut(&<V as Vm>::Location, &<V as Vm>::Value) -> ControlFlow<()> + 'v;

/// A range with bounds of its own.
pub(crate) type Span<L> = (Bound<L>, Bound<L>);

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

/// The order of locations, as a value: whoever holds one need not know that they are `Ord`.
pub(crate) struct Order<L> {
    compare: fn(&L, &L) -> Ordering,
    index: fn() -> Box<dyn LocationIndex<L>>,
}

impl<L> Clone for Order<L> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<L> Copy for Order<L> {}

impl<L: Ord + Clone + Send + Sync + 'static> Order<L> {
    /// The order that the type has.
    pub(crate) fn natural() -> Self {
        Self { compare: L::cmp, index: || Box::new(Sorted::default()) }
    }
}

impl<L> Order<L> {
    /// An empty index.
    pub(crate) fn index(self) -> Box<dyn LocationIndex<L>> {
        (self.index)()
    }

    fn is_empty(self, from: Bound<&L>, to: Bound<&L>) -> bool {
        is_empty(self.compare, from, to)
    }

    pub(crate) fn contains(self, (from, to): &Span<L>, location: &L) -> bool {
        let here = Bound::Included(location);
        !self.is_empty(from.as_ref(), here) && !self.is_empty(here, to.as_ref())
    }
}

/// The way of a scan along its candidates.
pub(crate) struct Course<'a, L, V> {
    ordered: Ordered<'a, L, V>,
    /// What is left of the range, behind the last candidate.
    rest: Span<L>,
    stored: Ahead<L>,
    written: Ahead<L>,
}

/// What one of the two sources of candidates has next.
enum Ahead<L> {
    /// It has to be asked.
    Unknown,
    Location(L),
    Nothing,
}

impl<L> Ahead<L> {
    fn from(answer: Option<L>) -> Self {
        answer.map_or(Self::Nothing, Self::Location)
    }

    const fn is_unknown(&self) -> bool {
        matches!(self, Self::Unknown)
    }

    /// Uses up the location if it is this one.
    fn pass(&mut self, compare: fn(&L, &L) -> Ordering, location: &L) {
        if matches!(self, Self::Location(next) if compare(next, location).is_eq()) {
            *self = Self::Unknown;
        }
    }
}

impl<'a, L: Clone + Debug, V> Course<'a, L, V> {
    /// A scan between the bounds; `None` if nothing can lie there.
    pub(crate) fn new(ordered: Ordered<'a, L, V>, from: Bound<&L>, to: Bound<&L>) -> Option<Self> {
        let rest = (from.cloned(), to.cloned());
        (!ordered.order.is_empty(from, to)).then_some(Self {
            ordered,
            rest,
            stored: Ahead::Unknown,
            written: Ahead::Unknown,
        })
    }

    /// What is left of the range.
    pub(crate) const fn rest(&self) -> &Span<L> {
        &self.rest
    }

    /// Whether the storage has to be asked before the scan can go on.
    pub(crate) const fn needs_storage(&self) -> bool {
        self.stored.is_unknown()
    }

    /// The next candidate. `written` finds the lowest location between two bounds that a lower transaction, or the
    /// scanning one, wrote.
    pub(crate) fn next(
        &mut self,
        written: impl FnOnce(Bound<&L>, Bound<&L>) -> Option<L>,
    ) -> Result<Option<L>, Failure> {
        let (from, to) = (self.rest.0.as_ref(), self.rest.1.as_ref());
        if self.stored.is_unknown() {
            self.stored = Ahead::from(ask(self.ordered, from, to)?);
        }
        if self.written.is_unknown() {
            self.written = Ahead::from(written(from, to));
        }
        let compare = self.ordered.order.compare;
        let next = match (&self.stored, &self.written) {
            (Ahead::Location(a), Ahead::Location(b)) => {
                if compare(a, b).is_le() {
                    a
                } else {
                    b
                }
            }
            (Ahead::Location(only), _) | (_, Ahead::Location(only)) => only,
            _ => return Ok(None),
        };
        let next = next.clone();
        self.stored.pass(compare, &next);
        self.written.pass(compare, &next);
        self.rest.0 = Bound::Excluded(next.clone());
        Ok(Some(next))
    }
}

/// Asks the storage for its next location, and takes none outside the range: such a scan might never end.
fn ask<L: Debug, V>(
    Ordered { storage, order }: Ordered<'_, L, V>,
    from: Bound<&L>,
    to: Bound<&L>,
) -> Result<Option<L>, Failure> {
    if order.is_empty(from, to) {
        return Ok(None);
    }
    let failure =
        |source| Failure::Storage { location: format!("the range {:?}", (from, to)), source };
    let answer = storage.next((from, to)).map_err(failure)?;
    match answer {
        Some(location)
            if order.is_empty(from, Bound::Included(&location))
                || order.is_empty(Bound::Included(&location), to) =>
        {
            Err(failure(format!("the storage named {location:?}, which is not in it").into()))
        }
        answer => Ok(answer),
    }
}
