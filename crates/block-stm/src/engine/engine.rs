//! The front door: an engine with its threads, executing one block after another.

use std::fmt;
use std::sync::Arc;

use super::config::{BuildError, Config, Settings};
use super::crew::Crew;
use super::executed::Executed;
use super::lobby::Lobby;
use super::parallel::Source;
use super::sequential;
use super::spawn::{Conducted, Spawn};
use super::stack;
use super::working::Working;
use crate::contract::block::Block;
use crate::contract::error::Error;
use crate::contract::sink::CommitSink;
use crate::execution::machine::Executable;
use crate::judge::judge::WatchOf;
use crate::mvmemory::ChunkPool;
use crate::primitives::conductor;
use crate::primitives::sync::atomic::{AtomicUsize, Ordering};

/// Executes blocks in parallel on a persistent set of threads.
///
/// One engine serves any number of blocks, one after another or at the same time, from any thread. Between
/// blocks its threads sleep.
pub struct Engine {
    pool: Option<Arc<rayon::ThreadPool>>,
    settings: Settings,
    /// Where helpers are called for.
    lobby: Arc<Lobby>,
    /// Memory of earlier blocks.
    chunks: Arc<ChunkPool>,
}

impl Engine {
    /// An engine that is set up like this; starts its threads if it has its own.
    ///
    /// # Errors
    /// [`BuildError`] if a thread cannot be started.
    pub fn new(config: Config) -> Result<Self, BuildError> {
        let settings = Settings::of(&config);
        let lobby = Lobby::new(settings.threads - 1);
        let pool = match config.pool {
            Some(pool) => {
                stack::survey_borrowed(&pool);
                lobby.serve(&pool);
                Some(pool)
            }
            None if settings.threads == 1 => None,
            None => {
                let builder = rayon::ThreadPoolBuilder::new()
                    .num_threads(settings.threads - 1)
                    .thread_name(|n| format!("block-stm-{n}"));
                let pool = builder.build().map_err(|source| BuildError { source })?;
                stack::survey(&pool);
                let pool = Arc::new(pool);
                lobby.serve(&pool);
                Some(pool)
            }
        };
        let chunks = Arc::new(ChunkPool::new(config.kept_memory));
        Ok(Self { pool, settings, lobby, chunks })
    }

    /// The number of workers, the calling thread included.
    #[must_use]
    pub fn threads(&self) -> usize {
        self.settings.threads
    }

    /// Below how many transactions a block is executed on the calling thread alone; 0 also under a
    /// [conductor](crate::conductor), which is to see everything.
    ///
    /// For adapters that have a shorter way than the engine's for blocks that are not worth a second thread: where this is 0,
    /// they should not take it.
    #[must_use]
    pub fn inline_below(&self) -> usize {
        if conductor::present().is_some() { 0 } else { self.settings.inline_below }
    }

    /// Begins to wake the engine's threads for a block that will be executed in a moment.
    ///
    /// A thread that sleeps takes a while to come, which can pass while the caller prepares the block. A hint: never waits, and
    /// [`execute`](Self::execute) needs no such call.
    ///
    /// # Cost
    /// A task on the pool for each thread that can run.
    pub fn wake(&self) {
        let Some(pool) = self.pool.as_ref().filter(|_| conductor::present().is_none()) else {
            return;
        };
        let threads = self.settings.threads.min(self.settings.cores);
        self.lobby.wake(threads.saturating_sub(1), &**pool);
    }

    /// Calls `work` once with each number below `parts`, on the calling thread and the engine's others, as far as these are
    /// free. For what a host does with a block's result.
    ///
    /// # Panics
    /// If `work` panics, with its payload.
    pub fn share(&self, parts: usize, work: impl Fn(usize) + Sync) {
        let next = AtomicUsize::new(0);
        // ORDERING: Relaxed: hands out numbers.
        let part = || Some(next.fetch_add(1, Ordering::Relaxed)).filter(|part| *part < parts);
        let work_off = || std::iter::from_fn(part).for_each(&work);
        let helpers = (self.settings.threads - 1).min(parts.saturating_sub(1));
        match &self.pool {
            Some(pool) if helpers > 0 && conductor::present().is_none() => {
                let pool: &dyn Spawn = &**pool;
                Crew::gather(pool, &self.lobby, &|_, _| work_off(), |crew| {
                    (0..helpers).for_each(|_| crew.hire(helpers, 0));
                    work_off();
                });
            }
            _ => work_off(),
        }
    }

    /// Executes `block` on machines of this kind; `watch` makes what looks over the judge's shoulder.
    pub(crate) fn execute_with<V: Executable>(
        &self,
        block: &Block<'_, V>,
        sink: &mut dyn CommitSink<V>,
        watch: fn() -> Option<WatchOf<V>>,
    ) -> Result<Executed<V>, Error<V::Invalid>> {
        let helpers = self.settings.helpers_for(block.check_length()?);
        match (&self.pool, Working::start()) {
            (Some(pool), Some(_working)) if helpers > 0 => {
                let source = Source { pool: &**pool, lobby: &self.lobby };
                if conductor::present().is_some() {
                    // What a simulation leaves behind is its own.
                    let source = Source { pool: &Conducted, lobby: &Lobby::new(helpers) };
                    return source.execute(
                        block,
                        sink,
                        helpers,
                        self.settings,
                        &self.chunks,
                        watch(),
                    );
                }
                source.execute(block, sink, helpers, self.settings, &self.chunks, watch())
            }
            _ => sequential::execute(block, sink),
        }
    }
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine").field("settings", &self.settings).finish_non_exhaustive()
    }
}

impl Config {
    /// Builds the engine.
    ///
    /// # Errors
    /// As for [`Engine::new`].
    pub fn build(self) -> Result<Engine, BuildError> {
        Engine::new(self)
    }
}
