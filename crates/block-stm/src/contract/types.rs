//! The types that a virtual machine names, as all layers know them.

use std::fmt::{Debug, Display};
use std::hash::Hash;

use super::value::Value;

/// The types of a [`Vm`](crate::Vm), and what its transactions weigh: all that the engine knows of
/// it but for its executions.
///
/// Every [`Vm`](crate::Vm) has them. Hosts implement that trait, never this one.
#[diagnostic::on_unimplemented(message = "`{Self}` is not a `Vm`", note = "implement `Vm`")]
pub trait Types: Sync + Sized {
    /// See [`Vm::Txn`](crate::Vm::Txn).
    type Txn: Sync;
    /// See [`Vm::Location`](crate::Vm::Location).
    type Location: Clone + Eq + Hash + Debug + Send + Sync + 'static;
    /// See [`Vm::Value`](crate::Vm::Value).
    type Value: Value;
    /// See [`Vm::Output`](crate::Vm::Output).
    type Output: Send;
    /// See [`Vm::Invalid`](crate::Vm::Invalid).
    type Invalid: Debug + Display + Send;

    /// See [`Vm::weight`](crate::Vm::weight).
    fn weight(&self, txn: &Self::Txn, output: &Self::Output) -> u64;
}

/// The deltas of a VM's values.
pub(crate) type DeltaOf<V> = <<V as Types>::Value as Value>::Delta;
/// The predicates of a VM's values.
pub(crate) type PredicateOf<V> = <<V as Types>::Value as Value>::Predicate;
