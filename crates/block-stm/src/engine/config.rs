//! How an engine is set up.

use std::fmt;
use std::num::NonZeroUsize;
use std::sync::Arc;

/// Settings of an [`Engine`](crate::Engine). Every one has a default that suits most hosts.
#[derive(Clone)]
pub struct Config {
    pub(crate) threads: Option<NonZeroUsize>,
    pub(crate) cores: Option<NonZeroUsize>,
    pub(crate) pool: Option<Arc<rayon::ThreadPool>>,
    pub(crate) inline_below: usize,
    pub(crate) window: Option<NonZeroUsize>,
    pub(crate) deltas: bool,
    pub(crate) kept_memory: usize,
}

/// Blocks shorter than this are executed on the caller's thread alone.
const INLINE_BELOW: usize = 4;

/// What a block of some 50,000 raw transfers takes.
const KEPT_MEMORY: usize = 64 << 20;

impl Default for Config {
    fn default() -> Self {
        Self {
            threads: None,
            cores: None,
            pool: None,
            inline_below: INLINE_BELOW,
            window: None,
            deltas: true,
            kept_memory: KEPT_MEMORY,
        }
    }
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config")
            .field("threads", &self.threads)
            .field("cores", &self.cores)
            .field("pool", &self.pool.as_ref().map(|pool| pool.current_num_threads()))
            .field("inline_below", &self.inline_below)
            .field("window", &self.window)
            .field("deltas", &self.deltas)
            .field("kept_memory", &self.kept_memory)
            .finish()
    }
}

impl Config {
    /// The number of workers, the calling thread included. Default: all that the machine offers.
    ///
    /// More workers than cores pay when storage is slow: they wait for it, the cores do not.
    #[must_use]
    pub fn threads(mut self, threads: NonZeroUsize) -> Self {
        self.threads = Some(threads);
        self
    }

    /// How many workers run at once while none of them waits for the storage. Default: all that the
    /// machine offers when the engine is built.
    ///
    /// More [`threads`](Self::threads) than these come only while others wait. So a number that is
    /// too large for the machine makes blocks slower, never wrong.
    #[must_use]
    pub fn cores(mut self, cores: NonZeroUsize) -> Self {
        self.cores = Some(cores);
        self
    }

    /// Borrows the host's thread pool instead of starting one.
    ///
    /// Up to `threads - 1` of its threads work for a block while it is executed, beside the calling
    /// thread. A pool that is busy elsewhere makes a block slower, never stuck: the calling thread
    /// alone can finish it.
    #[must_use]
    pub fn pool(mut self, pool: Arc<rayon::ThreadPool>) -> Self {
        self.pool = Some(pool);
        self
    }

    /// Blocks with fewer transactions are executed on the calling thread alone. Default: 4.
    ///
    /// With 0, several workers are put to use whatever that gains, which is for tests: transactions
    /// below a microsecond are not left to the calling thread where others only delay it, and
    /// adapters take no short cuts either, see
    /// [`Engine::inline_below`](crate::Engine::inline_below).
    #[must_use]
    pub fn inline_below(mut self, txns: usize) -> Self {
        self.inline_below = txns;
        self
    }

    /// The most transactions that may be started beyond the lowest uncommitted one. Default: grows
    /// with the threads.
    ///
    /// Within this bound the engine adapts: it looks ahead less when speculation fails.
    #[must_use]
    pub fn window(mut self, txns: NonZeroUsize) -> Self {
        self.window = Some(txns);
        self
    }

    /// Whether optimistic executions take deltas and assumptions for granted until commit. Default:
    /// yes.
    ///
    /// If not, [`add`](crate::View::add) and [`assume`](crate::View::assume) read what they depend
    /// on, and conflict with whatever changes it: results are the same, later. To measure what
    /// commutativity is worth, or to rule it out as a cause.
    #[must_use]
    pub fn deltas(mut self, deltas: bool) -> Self {
        self.deltas = deltas;
        self
    }

    /// The most memory, in bytes, that the engine keeps from one block for the next. Default: 64
    /// MiB.
    ///
    /// It keeps no more than its largest block took. Memory beyond this bound goes back to the
    /// allocator after each block.
    #[must_use]
    pub fn kept_memory(mut self, bytes: usize) -> Self {
        self.kept_memory = bytes;
        self
    }
}

/// A thread of the engine's pool could not be started.
#[derive(Debug, thiserror::Error)]
#[error("could not start the engine's threads: {source}")]
pub struct BuildError {
    pub(crate) source: rayon::ThreadPoolBuildError,
}

/// A [`Config`] with its gaps filled.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Settings {
    /// Workers, the caller included.
    pub(crate) threads: usize,
    pub(crate) inline_below: usize,
    pub(crate) window: u32,
    /// How many workers can run at once.
    pub(crate) cores: usize,
    pub(crate) deltas: bool,
    /// Whether short transactions are left to one worker where several gain nothing.
    pub(crate) measures: bool,
}

/// The default window, in transactions for each worker. Small windows fill up while the head's
/// owner is descheduled: on two busy cores, 16 cost a factor of three on 4 us transactions; 128
/// cost nothing where all conflict.
const WINDOW_PER_WORKER: usize = 128;

impl Settings {
    pub(crate) fn of(config: &Config) -> Self {
        let all = || std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
        let cores = config.cores.unwrap_or_else(all).get();
        let threads = config.threads.map_or(cores, NonZeroUsize::get);
        let window =
            config.window.map_or(threads.saturating_mul(WINDOW_PER_WORKER), NonZeroUsize::get);
        let window = u32::try_from(window).unwrap_or(u32::MAX);
        let Config { inline_below, deltas, .. } = *config;
        Self { threads, inline_below, window, cores, deltas, measures: inline_below > 0 }
    }

    /// How many helpers a block of `txns` transactions gets; none if the caller executes it alone.
    pub(crate) fn helpers_for(self, txns: usize) -> usize {
        if txns < self.inline_below { 0 } else { (self.threads - 1).min(txns.saturating_sub(1)) }
    }
}
