//! A virtual machine as those see it that execute transactions on it.

use super::backend::Backend;
use crate::contract::execution::{ExecutionOf, Interrupt};
use crate::contract::types::Types;

/// A VM with what one worker needs to execute on it: a context, and a view of the state. The seam
/// has the one implementation.
pub(crate) trait Machine<'b, V: Types> {
    /// A machine that sees the state through `backend`.
    fn new(vm: &'b V, backend: Backend<'b, V>) -> Self;

    /// What is inside the view, unless the VM has lost it.
    fn backend(&mut self) -> Option<&mut Backend<'b, V>>;

    /// Whether a panic came out of the view, which the VM may have caught.
    fn is_broken(&self) -> bool;

    /// Executes `txn` once.
    fn execute(&mut self, txn: &V::Txn) -> Result<ExecutionOf<V>, Interrupt>;

    /// Makes a new context for the next execution.
    fn drop_context(&mut self);

    /// Sees the state through `backend` from now on.
    fn replace_view(&mut self, backend: Backend<'b, V>);
}

/// A VM with its machines.
pub(crate) trait Executable: Types {
    type Machine<'b>: Machine<'b, Self>
    where
        Self: 'b;
}
