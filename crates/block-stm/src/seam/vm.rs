//! The virtual machine.

use std::fmt::{Debug, Display};
use std::hash::Hash;

use super::view::View;
use crate::contract::execution::{Execution, Interrupt};
use crate::contract::types::Types;
use crate::contract::value::Value;

/// A virtual machine that executes one transaction at a time against a [`View`].
///
/// The engine calls [`execute`](Vm::execute) from several threads, for several transactions at
/// once, and any number of times for the same one. An execution must be a pure function of the
/// transaction and of what the view answers; whatever else it touches would break determinism.
pub trait Vm: Sync + Sized {
    /// One entry of the block.
    type Txn: Sync;
    /// What is read and written: an address, a storage slot, a key.
    type Location: Clone + Eq + Hash + Debug + Send + Sync + 'static;
    /// What a location holds.
    type Value: Value;
    /// What a transaction leaves behind beside its writes: a receipt, gas used, logs.
    type Output: Send;
    /// Why a transaction may not stand in the block.
    type Invalid: Debug + Display + Send;
    /// What a worker builds once and uses for many executions: an interpreter, buffers.
    ///
    /// Never shared between threads. It is thrown away after a panic.
    type Context<'b>
    where
        Self: 'b;

    /// Builds a worker's context.
    fn context(&self) -> Self::Context<'_>;

    /// Executes `txn` once.
    ///
    /// # Errors
    /// An [`Interrupt`] from the view is handed on as it came, at once: the run is doomed or cannot
    /// go on. An execution that swallows one is thrown away all the same.
    fn execute<'b>(
        &'b self,
        context: &mut Self::Context<'b>,
        txn: &Self::Txn,
        view: &mut View<'b, Self>,
    ) -> Result<Execution<Self::Output, Self::Invalid>, Interrupt>;

    /// What a committed transaction counts towards
    /// [`Limits::max_weight`](crate::Limits::max_weight).
    fn weight(&self, txn: &Self::Txn, output: &Self::Output) -> u64 {
        let _ = (txn, output);
        0
    }
}

impl<V: Vm> Types for V {
    type Txn = V::Txn;
    type Location = V::Location;
    type Value = V::Value;
    type Output = V::Output;
    type Invalid = V::Invalid;

    fn weight(&self, txn: &V::Txn, output: &V::Output) -> u64 {
        Vm::weight(self, txn, output)
    }
}
