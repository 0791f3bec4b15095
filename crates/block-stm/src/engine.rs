//! The front door: an engine with its threads, executing one block after another.

use std::cell::Cell;
use std::fmt;
use std::num::NonZeroUsize;
use std::sync::Arc;

use crate::access::CellOf;
use crate::block::Block;
use crate::commit::Committer;
use crate::conductor::{self, Conducted};
use crate::config::{BuildError, Config};
use crate::conflicts::{Conflict, ConflictGraph};
use crate::crew::Crew;
use crate::error::Error;
use crate::final_state::FinalState;
use crate::job::{Job, Slot, Tally};
use crate::ledger::Ledger;
use crate::limits::Cut;
use crate::mvmemory::{ChunkPool, MvMemory};
use crate::pool::{Lobby, Spawn};
use crate::scheduler::Scheduler;
use crate::scheduler::baton::Baton;
use crate::sequential::execute_sequential;
use crate::sink::CommitSink;
use crate::speculative::MemoryOf;
use crate::stack;
use crate::stats::Stats;
use crate::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use crate::sync::{self, Mutex};
use crate::vm::Vm;
use crate::watch::Watch;
use crate::worker::{Role, Worker};

/// A block's result beside what its sink received.
#[derive(Debug)]
#[non_exhaustive]
pub struct Executed<V: Vm> {
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

/// A [`Config`] with its gaps filled.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Settings {
    /// Workers, the caller included.
    threads: usize,
    inline_below: usize,
    window: u32,
    /// How many workers can run at once.
    cores: usize,
    deltas: bool,
}

/// The default window, in transactions for each worker. Small windows fill up while the head's owner is
/// descheduled: on two busy cores, 16 cost a factor of three on 4 us transactions; 128 cost nothing where all conflict.
const WINDOW_PER_WORKER: usize = 128;

impl Settings {
    fn of(config: &Config) -> Self {
        let all = || std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
        let cores = config.cores.unwrap_or_else(all).get();
        let threads = config.threads.map_or(cores, NonZeroUsize::get);
        let window =
            config.window.map_or(threads.saturating_mul(WINDOW_PER_WORKER), NonZeroUsize::get);
        let window = u32::try_from(window).unwrap_or(u32::MAX);
        Self { threads, inline_below: config.inline_below, window, cores, deltas: config.deltas }
    }

    /// How many helpers a block of `txns` transactions gets; none if the caller executes it alone.
    fn helpers_for(self, txns: usize) -> usize {
        if txns < self.inline_below { 0 } else { (self.threads - 1).min(txns.saturating_sub(1)) }
    }
}

sync::thread_local! {
    /// Whether this thread works for a block. A thread that waits inside an execution may be handed another
    /// helper's task, which had better not start there; a block executed inside an execution is executed on its thread alone.
    static WORKING: Cell<bool> = const { Cell::new(false) };
}

/// Marks the thread as working until dropped.
struct Working(());

impl Working {
    /// `None` if the thread works already.
    fn start() -> Option<Self> {
        // Not `then_some`: a value that is made and dropped would take the mark off.
        (!WORKING.with(|working| working.replace(true))).then(|| Self(()))
    }
}

impl Drop for Working {
    fn drop(&mut self) {
        WORKING.with(|working| working.set(false));
    }
}

impl Engine {
    pub(crate) fn with(config: Config) -> Result<Self, BuildError> {
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

    /// Executes `block`, handing each transaction to `sink` as it becomes final.
    ///
    /// # Errors
    /// See [`Error`]. The engine is ready for the next block in any case.
    ///
    /// # Panics
    /// If the sink, the hints, a value's methods or [`Vm::weight`] panic; the panic is the original one.
    /// Panics of the VM or of the storage during an execution are errors instead, provided that panics unwind.
    pub fn execute<V: Vm>(
        &self,
        block: &Block<'_, V>,
        sink: &mut dyn CommitSink<V>,
    ) -> Result<Executed<V>, Error<V::Invalid>> {
        let helpers = self.settings.helpers_for(block.check_length()?);
        match (&self.pool, Working::start()) {
            (Some(pool), Some(_working)) if helpers > 0 => {
                let (settings, chunks) = (self.settings, &self.chunks);
                if conductor::present().is_some() {
                    // What a simulation leaves behind is its own.
                    let source = (&Conducted as &dyn Spawn, &Lobby::new(helpers));
                    return execute_parallel(block, sink, source, helpers, settings, chunks);
                }
                let source = (&**pool as &dyn Spawn, &self.lobby);
                execute_parallel(block, sink, source, helpers, settings, chunks)
            }
            _ => execute_sequential(block, sink),
        }
    }
}

/// Executes `block` with helpers from anywhere.
#[cfg(all(test, not(any(loom, shuttle))))]
pub(crate) fn execute_on<V: Vm>(
    pool: &dyn Spawn,
    config: &Config,
    block: &Block<'_, V>,
    sink: &mut dyn CommitSink<V>,
) -> Result<Executed<V>, Error<V::Invalid>> {
    let settings = Settings::of(config);
    let helpers = settings.helpers_for(block.check_length()?);
    let chunks = Arc::new(ChunkPool::new(0));
    execute_parallel(block, sink, (pool, &Lobby::new(helpers)), helpers, settings, &chunks)
}

fn execute_parallel<V: Vm>(
    block: &Block<'_, V>,
    sink: &mut dyn CommitSink<V>,
    source: (&dyn Spawn, &Arc<Lobby>),
    helpers: usize,
    settings: Settings,
    chunks: &Arc<ChunkPool>,
) -> Result<Executed<V>, Error<V::Invalid>> {
    let memory = MvMemory::new(block.txns.len(), chunks);
    let memory = match block.ordered {
        Some(ordered) => memory.indexed(ordered.order, block.conflict_graph, chunks),
        None => memory,
    };
    let (committed, cut, touched, edges, stats) =
        execute_on_memory(block, sink, source, helpers, settings, &memory)?;
    Ok(Executed {
        committed,
        cut,
        // SAFETY: what the committer touched are cells of this memory, and it touched them by committing writes.
        state: unsafe { FinalState::in_memory(memory, touched) },
        conflict_graph: edges.map(|edges| ConflictGraph { edges }),
        stats: Stats { committed: committed as u64, ..stats },
    })
}

/// What is left of an execution beside the memory: how many transactions were committed, the cut, the cells with a committed
/// write, conflicts, counters.
type Left<V> =
    (usize, Option<Cut>, Vec<*const CellOf<V>>, Option<Vec<Conflict<<V as Vm>::Location>>>, Stats);

fn execute_on_memory<V: Vm>(
    block: &Block<'_, V>,
    sink: &mut dyn CommitSink<V>,
    (pool, lobby): (&dyn Spawn, &Arc<Lobby>),
    helpers: usize,
    settings: Settings,
    memory: &MemoryOf<V>,
) -> Result<Left<V>, Error<V::Invalid>> {
    let txns = block.txns.len();
    let workers = helpers as u32 + 1;
    // A conductor's workers have a core each, as far as it wants them to.
    let cores = if conductor::present().is_some() { workers } else { settings.cores as u32 };
    let (scheduler, window) =
        Scheduler::new(txns as u32, settings.window, workers, cores, &block.limits);
    let in_flight = txns.min(settings.window as usize).next_power_of_two();
    let ledger = Ledger::new(block, sink);
    let watch = Watch::new();
    let job = Job {
        block,
        memory,
        scheduler: &scheduler,
        slots: (0..in_flight).map(|_| Slot::new()).collect(),
        baton: Baton::new(Committer::new(block, ledger, window, watch)),
        tally: Mutex::new(Tally::default()),
        workers: AtomicU32::new(0),
        hint_distance: settings.window,
        deltas: settings.deltas,
    };
    job.declare_first();
    // Under a conductor, all workers are on the caller's thread.
    let conducted = scheduler.is_conducted();
    let help = |crew: &Crew<'_>, seat| {
        let working = if conducted { None } else { Working::start() };
        if conducted || working.is_some() {
            Worker::work_for(&job, crew, Role::Helper, seat);
        }
    };
    Crew::gather(pool, lobby, &help, |crew| Worker::work_for(&job, crew, Role::Caller, 0));
    let stats = job.finish_stats();
    let end = job.baton.into_inner().finish();
    let touched = end.touched.into_iter().map(std::ptr::from_ref).collect();
    Ok((end.committed, end.end?, touched, end.edges, stats))
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine").field("settings", &self.settings).finish_non_exhaustive()
    }
}
