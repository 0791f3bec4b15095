//! The engine: its threads, and how they take a block from its first transaction to its last.

pub(crate) mod call_queue;
pub(crate) mod config;
pub(crate) mod executed;
pub(crate) mod helpers;
pub(crate) mod job;
pub(crate) mod parallel;
pub(crate) mod scope;
pub(crate) mod sequential;
pub(crate) mod stack;
pub(crate) mod worker;
pub(crate) mod working;

use std::fmt;
use std::sync::Arc;

use self::call_queue::{CallQueue, Spawn, Task};
use self::config::{BuildError, Config, Settings};
use self::executed::Executed;
use self::helpers::Helpers;
use crate::contract::block::Block;
use crate::contract::error::Error;
use crate::contract::sink::CommitSink;
use crate::execution::machine::Executable;
use crate::judge::commit::WatchOf;
use crate::mvmemory::ChunkPool;
use crate::primitives::conductor;
use crate::primitives::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use crate::scheduler::window::Pause;

/// Executes blocks in parallel on a persistent set of threads.
///
/// One engine serves any number of blocks, one after another or at the same time, from any thread.
/// Between blocks its threads sleep.
pub struct Engine {
    settings: Settings,
    /// Where helpers are called for, if there are any, and the pool that they come from.
    helpers: Option<(Arc<CallQueue>, Arc<Spawn>)>,
    /// Memory of earlier blocks.
    chunks: Arc<ChunkPool>,
    /// How the last block left the window, if it was shut.
    pause: AtomicU64,
}

impl Engine {
    /// An engine that is set up like this; starts its threads if it has its own.
    ///
    /// # Errors
    /// [`BuildError`] if a thread cannot be started.
    pub fn new(config: Config) -> Result<Self, BuildError> {
        let settings = Settings::of(&config);
        let pool = match config.pool {
            Some(pool) => {
                stack::survey_borrowed(&pool);
                Some(pool)
            }
            None if settings.threads == 1 => None,
            None => {
                let builder = rayon::ThreadPoolBuilder::new()
                    .num_threads(settings.threads - 1)
                    .thread_name(|n| format!("block-stm-{n}"));
                let pool = builder.build().map_err(|source| BuildError { source })?;
                stack::survey(&pool);
                Some(Arc::new(pool))
            }
        };
        let helpers = pool.map(|pool| {
            let spawn = stack::spawn_on(pool);
            (CallQueue::new(settings.threads - 1, &spawn), spawn)
        });
        let chunks = Arc::new(ChunkPool::new(config.kept_memory));
        Ok(Self { settings, helpers, chunks, pause: AtomicU64::new(0) })
    }

    /// The number of workers, the calling thread included.
    #[must_use]
    pub fn threads(&self) -> usize {
        self.settings.threads
    }

    /// How many cores the engine takes the machine to have.
    #[must_use]
    pub fn cores(&self) -> usize {
        self.settings.cores
    }

    /// Below how many transactions a block is executed on the calling thread alone; 0 also under a
    /// [conductor](crate::conductor), which is to see everything.
    ///
    /// For adapters that have a shorter way than the engine's for blocks that are not worth a
    /// second thread: where this is 0, they should not take it.
    #[must_use]
    pub fn inline_below(&self) -> usize {
        if conductor::present().is_some() { 0 } else { self.settings.inline_below }
    }

    /// Begins to wake the engine's threads for a block that will be executed in a moment.
    ///
    /// A thread that sleeps takes a while to come, which can pass while the caller prepares the
    /// block. A hint: never waits, and [`execute`](Self::execute) needs no such call.
    ///
    /// # Cost
    /// A task on the pool for each thread that can run.
    pub fn wake(&self) {
        if let (Some((call_queue, _)), None) = (&self.helpers, conductor::present()) {
            let threads = self.settings.threads.min(self.settings.cores);
            call_queue.wake(threads.saturating_sub(1));
        }
    }

    /// Calls `work` once with each number below `parts`, on the calling thread and the engine's
    /// others, as far as these are free. For what a host does with a block's result.
    ///
    /// # Panics
    /// If `work` panics, with its payload.
    pub fn share(&self, parts: usize, work: impl Fn(usize) + Sync) {
        let next = AtomicUsize::new(0);
        // ORDERING: Relaxed: hands out numbers.
        let part = || Some(next.fetch_add(1, Ordering::Relaxed)).filter(|part| *part < parts);
        let work_off = || std::iter::from_fn(part).for_each(&work);
        let wanted = (self.settings.threads - 1).min(parts.saturating_sub(1));
        match &self.helpers {
            Some((call_queue, _)) if wanted > 0 && conductor::present().is_none() => {
                Helpers::gather(call_queue, &|_, _| work_off(), |helpers| {
                    (0..wanted).for_each(|_| helpers.hire(wanted, 0));
                    work_off();
                });
            }
            _ => work_off(),
        }
    }

    /// Executes `block` on machines of this kind; `watch` makes what looks over the judge's
    /// shoulder.
    pub(crate) fn execute_with<V: Executable>(
        &self,
        block: &Block<'_, V>,
        sink: &mut dyn CommitSink<V>,
        watch: fn() -> Option<WatchOf<V>>,
    ) -> Result<Executed<V>, Error<V::Invalid>> {
        let helpers = self.settings.helpers_for(block.check_length()?);
        match (&self.helpers, working::start()) {
            (Some((call_queue, _)), Some(_mark)) if helpers > 0 => {
                let execute = |call_queue: &_, sink| {
                    let (settings, chunks) = (self.settings, &self.chunks);
                    // ORDERING: Relaxed: advice only, also below.
                    let pause = &mut Pause::from_word(self.pause.load(Ordering::Relaxed));
                    let executed = parallel::execute(
                        block,
                        sink,
                        settings,
                        call_queue,
                        chunks,
                        pause,
                        watch(),
                    );
                    self.pause.store(pause.map_or(0, Pause::to_word), Ordering::Relaxed);
                    executed
                };
                match conductor::present() {
                    None => execute(call_queue, sink),
                    Some(_) => {
                        // What a simulation leaves behind is its own.
                        let spawn: Arc<Spawn> = Arc::new(spawn_conducted);
                        execute(&CallQueue::new(helpers, &spawn), sink)
                    }
                }
            }
            _ => sequential::execute(block, sink),
        }
    }
}

/// Helpers come from the conductor.
fn spawn_conducted(task: Task) {
    if let Some(conductor) = conductor::present() {
        conductor.spawn(Box::new(move || task(true)));
    }
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine").field("settings", &self.settings).finish_non_exhaustive()
    }
}
