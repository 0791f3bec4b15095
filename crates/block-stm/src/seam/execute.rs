//! Executing a block, in parallel and sequentially.

use super::vm::Vm;
use crate::contract::block::Block;
use crate::contract::error::Error;
use crate::contract::sink::CommitSink;
use crate::engine::executed::Executed;
use crate::engine::{Engine, sequential};
use crate::proofs::watch::Invariants;

impl Engine {
    /// Executes `block`, handing each transaction to `sink` as it becomes final.
    ///
    /// # Errors
    /// See [`Error`]. The engine is ready for the next block in any case.
    ///
    /// # Panics
    /// If the sink, the hints, a value's methods or [`Vm::weight`] panic; the panic is the original
    /// one. Panics of the VM or of the storage during an execution are errors instead, provided
    /// that panics unwind.
    pub fn execute<V: Vm>(
        &self,
        block: &Block<'_, V>,
        sink: &mut dyn CommitSink<V>,
    ) -> Result<Executed<V>, Error<V::Invalid>> {
        self.execute_with(block, sink, Invariants::watch)
    }
}

/// Executes `block` sequentially on the caller's thread.
///
/// # Errors
/// See [`Error`].
///
/// # Panics
/// Only if the sink or [`Vm::weight`] panics.
pub fn execute_sequential<V: Vm>(
    block: &Block<'_, V>,
    sink: &mut dyn CommitSink<V>,
) -> Result<Executed<V>, Error<V::Invalid>> {
    sequential::execute(block, sink)
}
