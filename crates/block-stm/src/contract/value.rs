//! What a location holds.

use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::primitives::speculating::{self, discard};

/// What a location holds, with the commutative updates and the assertions that it understands.
///
/// Equal values must be the same to all: to [`apply`](Value::apply),
/// [`satisfies`](Value::satisfies), [`is_absent`](Value::is_absent) and the VM. An execution that
/// read one of them stands if the other one is committed.
///
/// A VM without deltas or predicates names [`std::convert::Infallible`] for both.
pub trait Value: Clone + Eq + Send + Sync + 'static {
    /// A commutative update, such as "add 5".
    type Delta: Clone + Send + Sync + 'static;
    /// An assertion, such as "at least 7".
    type Predicate: Clone + Send + Sync + 'static;

    /// The value after `delta`, or `None` where it does not apply (overflow, underflow).
    ///
    /// Must be a pure function. It decides; nothing ever wraps behind its back.
    fn apply(&self, delta: &Self::Delta) -> Option<Self>;

    /// Whether `predicate` holds for this value. Must be a pure function.
    fn satisfies(&self, predicate: &Self::Predicate) -> bool;

    /// Whether the location holds nothing: it was deleted, or never written. Must be a pure
    /// function.
    ///
    /// A [`scan`](crate::View::scan) passes over such locations. Nothing else asks.
    fn is_absent(&self) -> bool {
        false
    }
}

/// Whether scans have to look at a location with this value: one that panics when it is asked does
/// so to them.
pub(crate) fn is_present<V: Value>(value: &V) -> bool {
    let _speculating = speculating::start();
    let is_absent = catch_unwind(AssertUnwindSafe(|| value.is_absent()));
    !is_absent.unwrap_or_else(|payload| {
        discard(payload);
        false
    })
}
