//! What one incarnation wrote at one location.

use crate::primitives::sync::atomic::{AtomicBool, AtomicPtr, Ordering};
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::contract::value::Value;
use crate::primitives::ids::{TxnIndex, Version};
use crate::primitives::speculating::{self, discard};

/// A write: a whole value, or deltas in order.
#[derive(Clone, Debug)]
pub(crate) enum Payload<V: Value> {
    Value(V),
    Deltas(Deltas<V::Delta>),
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

/// An element of a write set, linked into the chain of its cell, a `C`, if it is shown.
pub(crate) struct Entry<C, V: Value> {
    version: Version,
    txn: TxnIndex,
    pub(super) cell: *const C,
    pub(super) next: AtomicPtr<Entry<C, V>>,
    estimate: AtomicBool,
    /// Whether it belongs into the cell's chain, where readers find it before it is committed.
    shown: bool,
    /// `None` for a hint: only the belief that there will be a write.
    payload: Option<Payload<V>>,
    /// What deltas came to, set by the committer; null before that. Apart from the entry, which
    /// mostly has no use for it.
    sum: AtomicPtr<V>,
}

impl<C, V: Value> Entry<C, V> {
    pub(crate) fn new(
        txn: TxnIndex,
        incarnation: u32,
        cell: *const C,
        payload: Option<Payload<V>>,
        shown: bool,
    ) -> Self {
        Self {
            version: Version::new(txn, incarnation),
            txn,
            cell,
            next: AtomicPtr::new(std::ptr::null_mut()),
            estimate: AtomicBool::new(payload.is_none()),
            shown,
            payload,
            sum: AtomicPtr::new(std::ptr::null_mut()),
        }
    }

    pub(crate) const fn version(&self) -> Version {
        self.version
    }

    pub(crate) const fn txn(&self) -> TxnIndex {
        self.txn
    }

    pub(crate) const fn is_shown(&self) -> bool {
        self.shown
    }

    /// Whether there is only the belief that there will be a write.
    pub(crate) const fn is_hint(&self) -> bool {
        self.payload.is_none()
    }

    pub(crate) fn is_estimate(&self) -> bool {
        // ORDERING: Relaxed: the mark is advice; the judge catches a run that reads past it.
        self.estimate.load(Ordering::Relaxed)
    }

    pub(crate) fn mark_estimate(&self) {
        // ORDERING: Relaxed: see `is_estimate`.
        self.estimate.store(true, Ordering::Relaxed);
    }

    /// The value written, unless it is made of deltas that are not summed up yet.
    pub(crate) fn value(&self) -> Option<&V> {
        match &self.payload {
            Some(Payload::Value(value)) => Some(value),
            // ORDERING: Acquire pairs with the Release in `set_sum`: the sum is seen whole.
            // SAFETY: set in `set_sum`, where the caller says that it lives as long as the entry.
            Some(Payload::Deltas(_)) => unsafe { self.sum.load(Ordering::Acquire).as_ref() },
            None => None,
        }
    }

    /// What an entry without a value makes of the value below it.
    pub(crate) fn apply_to(&self, below: &V) -> Option<V> {
        match &self.payload {
            Some(Payload::Deltas(deltas)) => deltas.apply_to(below),
            Some(Payload::Value(_)) | None => unreachable!("only deltas are summed up"),
        }
    }

    /// Fixes what the deltas came to.
    ///
    /// # Safety
    /// `sum` is shared from now on, and lives as long as the entry.
    pub(crate) unsafe fn set_sum(&self, sum: *mut V) {
        // ORDERING: Release publishes the sum to `value`.
        self.sum.store(sum, Ordering::Release);
    }

    /// Whether both write the same, whatever lies below.
    pub(crate) fn writes_same(&self, other: &Payload<V>) -> bool {
        match (&self.payload, other) {
            (Some(Payload::Value(a)), Payload::Value(b)) => compare(a, b),
            _ => false,
        }
    }
}

/// Whether the values are equal. If they cannot be compared, they are not: no sequential execution
/// would have tried.
fn compare<V: Value>(a: &V, b: &V) -> bool {
    let _speculating = speculating::start();
    catch_unwind(AssertUnwindSafe(|| a == b)).unwrap_or_else(|payload| {
        discard(payload);
        false
    })
}
