//! The pipeline as its host sees it.

use block_stm_store::Store;

use crate::{
    BoxError, Outcome, PipelineError, Task, Watch, Workers, World,
    run::{Plan, run},
};

/// How long queues are, and how much is done at once. None of it changes a result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PipelineOptions {
    pub(crate) queue: usize,
    pub(crate) group: usize,
    pub(crate) flush: usize,
}

impl Default for PipelineOptions {
    fn default() -> Self {
        Self { queue: 2, group: 8, flush: 16 }
    }
}

impl PipelineOptions {
    /// How many blocks may wait before each stage; 2 if nothing is said.
    pub fn queue(self, blocks: usize) -> Self {
        Self { queue: blocks.max(1), ..self }
    }

    /// For how many blocks at the most the log is synchronised once; 8 if nothing is said. Only
    /// blocks that wait already are taken together.
    pub fn group(self, blocks: usize) -> Self {
        Self { group: blocks.max(1), ..self }
    }

    /// After how many durable blocks the flat state is written; 16 if nothing is said. Earlier
    /// where the store says that it is due. Twice as many may wait for it.
    pub fn flush(self, blocks: usize) -> Self {
        Self { flush: blocks.max(1), ..self }
    }
}

/// Brings blocks into a world and its store, several at the same time.
///
/// # Examples
///
/// ```
/// use std::num::NonZeroUsize;
///
/// use block_stm_pipeline::block_stm_chain::{ForkSchedule, Genesis};
/// use block_stm_pipeline::block_stm_evm::{PreState, revm::primitives::hardfork::SpecId};
/// use block_stm_pipeline::block_stm_store::{Options, disk::Folder};
/// use block_stm_pipeline::{Unwatched, Pipeline, PipelineOptions, Workers, World};
///
/// let folder = tempfile::tempdir()?;
/// let schedule = ForkSchedule::fixed(1, SpecId::OSAKA);
/// let genesis = Genesis::new(schedule, Default::default(), PreState::new());
/// let (mut world, store) =
///     World::open(Folder::create(folder.path())?, genesis, Options::default())?;
/// let workers = Workers::new(NonZeroUsize::MIN)?;
/// let pipeline = Pipeline::new(&workers, &store, PipelineOptions::default());
/// let (outcome, error) = pipeline.run(&mut world, [], &Unwatched);
/// assert!(outcome.blocks == 0 && error.is_none());
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Pipeline<'a> {
    workers: &'a Workers,
    store: &'a Store,
    options: PipelineOptions,
}

impl<'a> Pipeline<'a> {
    /// A pipeline that computes with `workers` and writes to `store`.
    pub fn new(workers: &'a Workers, store: &'a Store, options: PipelineOptions) -> Self {
        Self { workers, store, options }
    }

    /// Brings `blocks` into `world` and the store, up to the last one or the first that fails, and
    /// says what was done and why it stopped before the end. The world must be that of the store's
    /// newest block. World and store end with the last block that is durable.
    ///
    /// After an error of the store ([`Cause::Store`](crate::Cause::Store)) the store must be opened
    /// again.
    ///
    /// # Panics
    ///
    /// If a thread can't be started, or the host's `blocks` or `watch` panic.
    ///
    /// # Cost
    ///
    /// A thread for each stage, which waits for most of the time. Memory for the blocks in the
    /// queues, and for what they change.
    pub fn run<I>(
        &self,
        world: &mut World,
        blocks: I,
        watch: &dyn Watch,
    ) -> (Outcome, Option<PipelineError>)
    where
        I: IntoIterator<Item = Result<Task, BoxError>>,
        I::IntoIter: Send,
    {
        let Self { workers, store, options } = *self;
        run(Plan { workers, store, options, watch }, world, blocks.into_iter())
    }
}
