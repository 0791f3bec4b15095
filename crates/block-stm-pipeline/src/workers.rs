//! The threads that compute.

use std::{num::NonZeroUsize, sync::Arc};

use block_stm_evm::block_stm::{BuildError, Config, Engine};
use rayon::{ThreadPool, ThreadPoolBuildError, ThreadPoolBuilder};

/// One pool of threads, and an engine that borrows it.
#[derive(Debug)]
pub struct Workers {
    pub(crate) engine: Engine,
    pub(crate) pool: Arc<ThreadPool>,
}

/// The threads can't be started.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WorkersError {
    /// Those of the pool.
    #[error("could not start threads: {0}")]
    Pool(#[from] ThreadPoolBuildError),
    /// The engine's.
    #[error(transparent)]
    Engine(#[from] BuildError),
}

impl Workers {
    /// A pool of so many threads.
    ///
    /// # Errors
    ///
    /// A thread can't be started.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::num::NonZeroUsize;
    /// use block_stm_pipeline::Workers;
    ///
    /// assert_eq!(Workers::new(NonZeroUsize::MIN)?.threads(), 1);
    /// # Ok::<_, Box<dyn std::error::Error>>(())
    /// ```
    pub fn new(threads: NonZeroUsize) -> Result<Self, WorkersError> {
        let name = |index| format!("pipeline-{index}");
        let pool = ThreadPoolBuilder::new().num_threads(threads.get()).thread_name(name).build()?;
        let pool = Arc::new(pool);
        let config = Config::default().threads(threads).pool(Arc::clone(&pool));
        Ok(Self { engine: Engine::new(config)?, pool })
    }

    /// How many threads compute.
    pub fn threads(&self) -> usize {
        self.pool.current_num_threads()
    }

    /// Runs `work` on the pool, as rayon's current one.
    pub fn install<R: Send>(&self, work: impl FnOnce() -> R + Send) -> R {
        self.pool.install(work)
    }
}
