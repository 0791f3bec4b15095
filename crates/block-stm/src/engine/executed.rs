//! What a block came to.

use crate::contract::conflicts::ConflictGraph;
use crate::contract::limits::Cut;
use crate::contract::stats::Stats;
use crate::contract::types::Types;
use crate::mvmemory::final_state::FinalState;

/// A block's result beside what its sink received.
#[derive(Debug)]
#[non_exhaustive]
pub struct Executed<V: Types> {
    /// How many transactions the sink was given: all, unless the block was cut.
    pub committed: usize,
    /// Why the block ended before its last transaction, if it did.
    pub cut: Option<Cut>,
    /// Every location that a transaction wrote, with its final value.
    pub state: FinalState<V::Location, V::Value>,
    /// Who read from whom, if the block asked for it.
    pub conflict_graph: Option<ConflictGraph<V::Location>>,
    /// What the execution cost.
    pub stats: Stats,
}
