//! The stages at work, each on a thread of its own.
//!
//! ```text
//! blocks -> prepare -> [ready] -> execute -> [executed] -> root -> [checked]
//!                                                           -> log -> [durable] -> flat
//! ```
//!
//! A stage that fails notes the block, closes the queue before it, so that the stages above stop,
//! and ends; its end closes the queue behind it, so that the stages below finish what they have.
//! State, trie and headers belong to one stage each. When all have ended, each is taken back to the
//! last durable block.

use std::{
    collections::VecDeque,
    sync::Arc,
    sync::atomic::{AtomicU64, Ordering},
    thread,
    time::Instant,
};

use alloy_primitives::{B256, Bytes};
use block_stm_chain::{BlockError, Line, Prepared, StateTrie};
use block_stm_evm::{BlockResult, PreState, StateChanges};
use block_stm_store::{FullBlock, Store};
use parking_lot::Mutex;

use crate::{
    BoxError, Cause, Durable, Outcome, PipelineError, PipelineOptions, Prover, Stage, StageStats,
    Task, Watch, Workers, World,
    queue::{Closing, Queue},
    record::record,
    world::BLOCK_HASHES,
};

/// What a run is made with.
#[derive(Clone, Copy)]
pub(crate) struct Plan<'a> {
    pub(crate) workers: &'a Workers,
    pub(crate) store: &'a Store,
    pub(crate) options: PipelineOptions,
    pub(crate) watch: &'a dyn Watch,
}

/// A block that can be executed.
pub(crate) struct Ready {
    pub(crate) rlp: Bytes,
    pub(crate) prepared: Prepared,
}

/// A block that was executed.
pub(crate) struct Executed {
    ready: Ready,
    pub(crate) result: BlockResult,
    /// What takes its changes back.
    inverse: Arc<StateChanges>,
    /// The changes up to each transaction and back, where receipts hold the state roots of these.
    within: Vec<(StateChanges, StateChanges)>,
}

/// What takes a block's changes back, by its number.
type Undo = VecDeque<(u64, Arc<StateChanges>)>;

/// The first block that failed, and how far blocks are durable.
struct Progress {
    failure: Mutex<Option<PipelineError>>,
    durable: AtomicU64,
}

impl Progress {
    /// Notes that a block failed, unless a lower one has.
    fn fail(&self, number: u64, stage: Stage, cause: impl Into<Cause>) {
        let mut failure = self.failure.lock();
        if failure.as_ref().is_none_or(|known| known.number > number) {
            *failure = Some(PipelineError { number, stage, cause: cause.into() });
        }
    }

    fn durable(&self) -> u64 {
        // ORDERING: Acquire: pairs with the Release in `is_durable`.
        self.durable.load(Ordering::Acquire)
    }

    fn is_durable(&self, number: u64) {
        // ORDERING: Release: pairs with the Acquire in `durable`.
        self.durable.store(number, Ordering::Release);
    }
}

/// The queues between the stages.
struct Queues {
    ready: Queue<Ready>,
    executed: Queue<Executed>,
    checked: Queue<Executed>,
    durable: Queue<u64>,
}

pub(crate) fn run(
    plan: Plan<'_>,
    world: &mut World,
    blocks: impl Iterator<Item = Result<Task, BoxError>> + Send,
) -> (Outcome, Option<PipelineError>) {
    let start = world.line.head().0;
    let progress = Progress { failure: Mutex::new(None), durable: AtomicU64::new(start) };
    let PipelineOptions { queue, flush, .. } = plan.options;
    let queues = Queues {
        ready: Queue::new(queue),
        executed: Queue::new(queue),
        checked: Queue::new(queue),
        durable: Queue::new(2 * flush),
    };
    let mut outcome = Outcome::default();
    let World { state, prover, line } = world;
    let undo = thread::scope(|scope| {
        let (progress, queues) = (&progress, &queues);
        let prepare =
            spawn(scope, "prepare", move || prepare(plan, progress, queues, line, blocks));
        let execute = spawn(scope, "execute", move || execute(plan, progress, queues, state));
        let root = spawn(scope, "root", move || root(plan, progress, queues, prover));
        let flat = spawn(scope, "flat", move || flat(plan, progress, queues));
        // The log is this thread's: it sees the end.
        let log = log(plan, progress, queues, &mut outcome);
        let (execute, undo) = join(execute);
        let (root, rooted) = join(root);
        outcome.stages = [join(prepare), execute, root, log, join(flat)];
        (undo, rooted)
    });
    let longest = [
        0,
        queues.ready.longest(),
        queues.executed.longest(),
        queues.checked.longest(),
        queues.durable.longest(),
    ];
    for (stats, longest) in outcome.stages.iter_mut().zip(longest) {
        stats.queue_max = longest;
    }
    let failure = progress.failure.into_inner();
    if failure.is_some() {
        take_back(world, plan.store.durable(), undo);
    }
    (outcome, failure)
}

fn spawn<'scope, R: Send + 'scope>(
    scope: &'scope thread::Scope<'scope, '_>,
    name: &str,
    stage: impl FnOnce() -> R + Send + 'scope,
) -> thread::ScopedJoinHandle<'scope, R> {
    let thread = thread::Builder::new().name(name.to_owned()).spawn_scoped(scope, stage);
    thread.expect("a thread can be started")
}

/// What a stage came to; its panic goes on here.
fn join<R>(stage: thread::ScopedJoinHandle<'_, R>) -> R {
    stage.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

/// Takes the world back to the block `durable`, of what came after it.
fn take_back(world: &mut World, durable: u64, (undo, rooted): (Undo, u64)) {
    let is_gone = world.line.go_back(durable);
    debug_assert!(is_gone, "as many headers are kept as blocks can be under way");
    let World { state, prover, line } = world;
    prover.take_back(line.head(), |trie| {
        for (number, inverse) in undo.iter().rev().filter(|(number, _)| *number > durable) {
            state.apply(inverse);
            if *number <= rooted {
                trie.apply(inverse);
            }
        }
    });
}

fn prepare(
    plan: Plan<'_>,
    progress: &Progress,
    queues: &Queues,
    line: &mut Line,
    mut blocks: impl Iterator<Item = Result<Task, BoxError>> + Send,
) -> StageStats {
    let _closing = Closing(&queues.ready);
    let mut stats = StageStats::default();
    while let Some(task) = stats.starve(|| blocks.next()) {
        let number = line.head().0.saturating_add(1);
        let begun = task.and_then(|task| {
            plan.watch.begins(Stage::Prepare, number)?;
            Ok(task)
        });
        let ready = match begun {
            Err(error) => Err(Cause::Host(error)),
            Ok(task) => {
                stats.work(|| plan.workers.install(|| ready(line, task))).map_err(Into::into)
            }
        };
        match ready {
            Ok(ready) => {
                stats.blocks += 1;
                if !stats.block(|| queues.ready.push(ready)) {
                    break;
                }
            }
            Err(cause) => {
                progress.fail(number, Stage::Prepare, cause);
                break;
            }
        }
    }
    stats
}

/// The first stage.
pub(crate) fn ready(line: &mut Line, task: Task) -> Result<Ready, BlockError> {
    let prepared = line.take(&task.rlp, task.senders)?;
    Ok(Ready { rlp: task.rlp, prepared })
}

fn execute(
    plan: Plan<'_>,
    progress: &Progress,
    queues: &Queues,
    state: &mut PreState,
) -> (StageStats, Undo) {
    let _closing = (Closing(&queues.executed), Closing(&queues.ready));
    let mut stats = StageStats::default();
    let mut undo = Undo::new();
    while let Some(ready) = stats.starve(|| queues.ready.pop()) {
        let number = ready.prepared.header.number;
        let durable = progress.durable();
        while undo.front().is_some_and(|(number, _)| *number <= durable) {
            undo.pop_front();
        }
        let executed = plan.watch.begins(Stage::Execute, number).map_err(Cause::Host);
        let executed = executed.and_then(|()| {
            let execute = |ready: &Ready, state: &PreState| {
                ready.prepared.execute(&plan.workers.engine, state)
            };
            Ok(stats.work(|| executed_with(ready, state, execute))?)
        });
        match executed {
            Ok(executed) => {
                stats.blocks += 1;
                undo.push_back((number, Arc::clone(&executed.inverse)));
                if !stats.block(|| queues.executed.push(executed)) {
                    break;
                }
            }
            Err(cause) => {
                progress.fail(number, Stage::Execute, cause);
                break;
            }
        }
    }
    (stats, undo)
}

/// The second stage: the state becomes that after the block.
pub(crate) fn executed_with(
    ready: Ready,
    state: &mut PreState,
    execute: impl FnOnce(&Ready, &PreState) -> Result<BlockResult, BlockError>,
) -> Result<Executed, BlockError> {
    let result = execute(&ready, state)?;
    let within = ready.prepared.changes_within(&result, state)?.unwrap_or_default();
    let within = within.into_iter().map(|changes| {
        let inverse = state.inverse(&changes);
        (changes, inverse)
    });
    let within = within.collect();
    let inverse = Arc::new(state.inverse(&result.state));
    state.apply(&result.state);
    let number = ready.prepared.header.number;
    state.insert_block_hash(number, ready.prepared.hash);
    state.remove_block_hashes_before(number.saturating_sub(2 * BLOCK_HASHES));
    Ok(Executed { ready, result, inverse, within })
}

/// The third stage, with the number of the last block that the trie has.
fn root(
    plan: Plan<'_>,
    progress: &Progress,
    queues: &Queues,
    prover: &Prover,
) -> (StageStats, u64) {
    let _closing = (Closing(&queues.checked), Closing(&queues.executed));
    let mut stats = StageStats::default();
    let mut rooted = 0;
    while let Some(mut executed) = stats.starve(|| queues.executed.pop()) {
        let number = executed.number();
        if let Err(error) = plan.watch.begins(Stage::Root, number) {
            progress.fail(number, Stage::Root, Cause::Host(error));
            break;
        }
        rooted = number;
        let checked = stats.work(|| plan.workers.install(|| executed.check(prover)));
        if let Err(error) = checked {
            progress.fail(number, Stage::Root, error);
            break;
        }
        stats.blocks += 1;
        if !stats.block(|| queues.checked.push(executed)) {
            break;
        }
    }
    (stats, rooted)
}

impl Executed {
    pub(crate) fn number(&self) -> u64 {
        self.ready.prepared.header.number
    }

    /// The third stage: the trie becomes that after the block, whether the block is right or not.
    pub(crate) fn check(&mut self, prover: &Prover) -> Result<(), BlockError> {
        let block = (self.number(), self.ready.prepared.hash);
        prover.advance(block, |trie| self.check_on(trie))
    }

    fn check_on(&mut self, trie: &mut StateTrie) -> Result<(), BlockError> {
        let roots: Vec<B256> = self
            .within
            .iter()
            .map(|(changes, inverse)| {
                let root = trie.apply(changes);
                trie.apply(inverse);
                root
            })
            .collect();
        if roots.is_empty() {
            let (result, prepared) = (&self.result, &self.ready.prepared);
            // The receipts are hashed beside the state.
            let (root, claims) =
                rayon::join(|| trie.apply(&result.state), || prepared.claims.differences(result));
            return prepared.check_with(claims, root);
        }
        self.result.set_state_roots(&roots);
        let root = trie.apply(&self.result.state);
        self.ready.prepared.check_with(self.ready.prepared.claims.differences(&self.result), root)
    }

    /// What the store keeps of it.
    pub(crate) fn record(&self) -> FullBlock {
        let Ready { rlp, prepared } = &self.ready;
        record(prepared, rlp, &self.result.receipts, (&self.result.state, &self.inverse))
    }

    pub(crate) fn done(&self) -> Durable {
        Durable {
            number: self.number(),
            txns: self.ready.prepared.txns.len(),
            gas_used: self.result.gas_used,
        }
    }
}

/// The fourth stage: records of all blocks that wait, and one synchronisation for them.
fn log(plan: Plan<'_>, progress: &Progress, queues: &Queues, outcome: &mut Outcome) -> StageStats {
    let _closing = (Closing(&queues.durable), Closing(&queues.checked));
    let start = Instant::now();
    let mut stats = StageStats::default();
    let mut failed = false;
    while let Some(first) = stats.starve(|| queues.checked.pop()) {
        let mut group = Vec::new();
        let mut next = Some(first);
        while let Some(executed) = next {
            let number = executed.number();
            let begun = plan.watch.begins(Stage::Log, number).map_err(Cause::Host);
            let appended =
                begun.and_then(|()| Ok(stats.work(|| plan.store.append(executed.record()))?));
            if let Err(cause) = appended {
                progress.fail(number, Stage::Log, cause);
                failed = true;
                break;
            }
            group.push(executed.done());
            let more = group.len() < plan.options.group;
            next = more.then(|| queues.checked.try_pop()).flatten();
        }
        let Some(last) = group.last() else { break };
        if let Err(error) = stats.work(|| plan.store.sync_log()) {
            progress.fail(group[0].number, Stage::Log, error);
            break;
        }
        progress.is_durable(last.number);
        outcome.syncs += 1;
        outcome.elapsed = start.elapsed();
        for block in &group {
            outcome.count(*block);
            plan.watch.durable(*block);
        }
        stats.blocks += group.len() as u64;
        // A flat state that failed is in the way of the next synchronisation alone.
        stats.block(|| group.iter().all(|block| queues.durable.push(block.number)));
        if failed {
            break;
        }
    }
    stats
}

/// The fifth stage: the flat state, in batches.
fn flat(plan: Plan<'_>, progress: &Progress, queues: &Queues) -> StageStats {
    let _closing = Closing(&queues.durable);
    let mut stats = StageStats::default();
    let mut waiting = 0;
    while let Some(number) = stats.starve(|| queues.durable.pop()) {
        waiting += 1;
        if waiting < plan.options.flush && !plan.store.is_flush_due() {
            continue;
        }
        let begun = plan.watch.begins(Stage::Flat, number).map_err(Cause::Host);
        let flushed = begun.and_then(|()| Ok(stats.work(|| plan.store.flush())?));
        if let Err(cause) = flushed {
            progress.fail(number + 1, Stage::Flat, cause);
            // Nothing new is taken; what is under way becomes durable if the store lets it.
            queues.ready.close();
            break;
        }
        stats.blocks += waiting as u64;
        waiting = 0;
    }
    stats
}
