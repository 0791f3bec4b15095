//! What one incarnation wrote at one location.

use crate::sync::atomic::{AtomicBool, AtomicPtr, Ordering};
use std::panic::{AssertUnwindSafe, catch_unwind};

use super::cell::Cell;
use crate::error::discard;
use crate::ids::{TxnIndex, Version};
use crate::speculating::Speculating;
use crate::vm::Value;

/// A write: a whole value, deltas in order, or only the belief that there will be a write.
#[derive(Clone, Debug)]
pub(crate) enum Payload<V: Value> {
    Value(V),
    Deltas(Deltas<V::Delta>),
    Hint,
}

/// One delta or several, in the order in which they were made; nearly always one.
#[derive(Clone, Debug)]
pub(crate) enum Deltas<D> {
    One(D),
    Many(Vec<D>),
}

impl<D> Deltas<D> {
    pub(crate) fn push(&mut self, delta: D) {
        match self {
            Self::Many(deltas) => deltas.push(delta),
            Self::One(_) => {
                let Self::One(first) = std::mem::replace(self, Self::Many(Vec::new())) else {
                    unreachable!("matched just above");
                };
                *self = Self::Many(vec![first, delta]);
            }
        }
    }

    pub(crate) fn as_slice(&self) -> &[D] {
        match self {
            Self::One(delta) => std::slice::from_ref(delta),
            Self::Many(deltas) => deltas,
        }
    }

    /// `value` after all deltas, or `None` if one of them does not apply.
    pub(crate) fn apply_to<V: Value<Delta = D>>(&self, value: &V) -> Option<V> {
        let (first, rest) = self.as_slice().split_first()?;
        rest.iter().try_fold(value.apply(first)?, |value, delta| value.apply(delta))
    }
}

/// An element of a write set, linked into its cell's chain if it is shown.
pub(crate) struct Entry<L, V: Value> {
    version: Version,
    txn: TxnIndex,
    pub(super) cell: *const Cell<L, V>,
    pub(super) next: AtomicPtr<Entry<L, V>>,
    estimate: AtomicBool,
    /// Whether it belongs into the cell's chain, where readers find it before it is committed.
    shown: bool,
    payload: Payload<V>,
    /// What deltas came to, set by the committer; null before that. Apart from the entry, which mostly has no use for it.
    sum: AtomicPtr<V>,
}

impl<L, V: Value> Entry<L, V> {
    pub(super) fn new(
        txn: TxnIndex,
        incarnation: u32,
        cell: &Cell<L, V>,
        payload: Payload<V>,
        shows_deltas: bool,
    ) -> Self {
        let is_delta = matches!(payload, Payload::Deltas(_));
        Self {
            version: Version::new(txn, incarnation),
            txn,
            cell,
            next: AtomicPtr::new(std::ptr::null_mut()),
            estimate: AtomicBool::new(matches!(payload, Payload::Hint)),
            shown: !is_delta || shows_deltas || cell.shows_deltas(),
            payload,
            sum: AtomicPtr::new(std::ptr::null_mut()),
        }
    }

    pub(super) const fn version(&self) -> Version {
        self.version
    }

    pub(super) const fn txn(&self) -> TxnIndex {
        self.txn
    }

    pub(super) const fn is_shown(&self) -> bool {
        self.shown
    }

    pub(super) const fn payload(&self) -> &Payload<V> {
        &self.payload
    }

    pub(super) fn is_estimate(&self) -> bool {
        // ORDERING: Relaxed: the mark is advice; the judge catches whoever reads past it.
        self.estimate.load(Ordering::Relaxed)
    }

    pub(super) fn mark_estimate(&self) {
        // ORDERING: Relaxed: see `is_estimate`.
        self.estimate.store(true, Ordering::Relaxed);
    }

    /// The value written, unless it is made of deltas that are not summed up yet.
    pub(super) fn settled_value(&self) -> Option<&V> {
        match &self.payload {
            Payload::Value(value) => Some(value),
            // ORDERING: Acquire pairs with the Release in `settle`: the sum is seen whole.
            // SAFETY: set in `settle`, where the caller says that it lives as long as the entry.
            Payload::Deltas(_) => unsafe { self.sum.load(Ordering::Acquire).as_ref() },
            Payload::Hint => None,
        }
    }

    /// What an entry that is not settled makes of the value below it.
    pub(super) fn apply_to(&self, below: &V) -> Option<V> {
        match &self.payload {
            Payload::Deltas(deltas) => deltas.apply_to(below),
            Payload::Value(_) | Payload::Hint => unreachable!("only deltas are summed up"),
        }
    }

    /// Fixes what the deltas came to.
    ///
    /// # Safety
    /// `sum` is shared from now on, and lives as long as the entry.
    pub(super) unsafe fn settle(&self, sum: *mut V) {
        // ORDERING: Release publishes the sum to `settled_value`.
        self.sum.store(sum, Ordering::Release);
    }

    /// Whether both write the same, whatever lies below.
    pub(super) fn writes_same(&self, other: &Payload<V>) -> bool {
        match (&self.payload, other) {
            (Payload::Value(a), Payload::Value(b)) => compare(a, b),
            _ => false,
        }
    }
}

/// Whether the values are equal. If they cannot be compared, they are not: no sequential execution would have tried.
fn compare<V: Value>(a: &V, b: &V) -> bool {
    let _speculating = Speculating::start();
    catch_unwind(AssertUnwindSafe(|| a == b)).unwrap_or_else(|payload| {
        discard(payload);
        false
    })
}
