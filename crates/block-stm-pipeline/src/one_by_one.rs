//! The same stages one after another on one thread: what a pipeline is measured against.

use std::time::Instant;

use block_stm_store::Store;

use crate::{
    BoxError, Cause, Outcome, PipelineError, Stage, StageStats, Task, Watch, Workers, World,
    run::{executed_with, ready},
};

/// Brings `blocks` into `world` and the store, one after another and one stage after another, on a
/// single thread: revm in a plain loop, the incremental root, a record in the log for each block
/// and a synchronisation for each record. After each `flush` blocks, or when the store says so, the
/// flat state is written.
///
/// Ends as [`Pipeline::run`](crate::Pipeline::run) does, but a block that fails may leave the world
/// behind it: only the store is as if it had not come.
///
/// # Panics
///
/// If `workers` has more than one thread, or the host's `blocks` or `watch` panic.
pub fn one_by_one(
    workers: &Workers,
    (world, store): (&mut World, &Store),
    blocks: impl IntoIterator<Item = Result<Task, BoxError>, IntoIter: Send>,
    (flush, watch): (u64, &dyn Watch),
) -> (Outcome, Option<PipelineError>) {
    assert_eq!(workers.threads(), 1, "one thread");
    let mut outcome = Outcome::default();
    let start = Instant::now();
    let blocks = blocks.into_iter();
    let error = workers.install(|| {
        for task in blocks {
            let number = world.head().0.saturating_add(1);
            let done = task.map_err(|error| at(Stage::Prepare)(Cause::Host(error)));
            let done =
                done.and_then(|task| block((world, store), (task, number), watch, &mut outcome));
            if let Err(failed) = done {
                let (stage, cause) = *failed;
                return Some(PipelineError { number, stage, cause });
            }
            outcome.elapsed = start.elapsed();
            if (outcome.blocks % flush.max(1) == 0 || store.is_flush_due())
                && let Err(error) = timed(&mut outcome, Stage::Flat, || store.flush())
            {
                let cause = error.into();
                return Some(PipelineError { number: number + 1, stage: Stage::Flat, cause });
            }
        }
        None
    });
    (outcome, error)
}

fn timed<R>(outcome: &mut Outcome, stage: Stage, work: impl FnOnce() -> R) -> R {
    let stats: &mut StageStats = &mut outcome.stages[stage as usize];
    stats.blocks += 1;
    stats.work(work)
}

/// A failure in a stage, in a box: it is larger than what else a block comes to.
type Failed = Box<(Stage, Cause)>;

fn at(stage: Stage) -> impl Fn(Cause) -> Failed {
    move |cause| Box::new((stage, cause))
}

fn block(
    (world, store): (&mut World, &Store),
    (task, number): (Task, u64),
    watch: &dyn Watch,
    outcome: &mut Outcome,
) -> Result<(), Failed> {
    let World { state, prover, line } = world;
    let begins = |stage| watch.begins(stage, number).map_err(Cause::Host).map_err(at(stage));
    begins(Stage::Prepare)?;
    let ready = timed(outcome, Stage::Prepare, || ready(line, task));
    let ready = ready.map_err(Cause::from).map_err(at(Stage::Prepare))?;
    begins(Stage::Execute)?;
    let executed = timed(outcome, Stage::Execute, || {
        executed_with(ready, state, |ready, state| ready.prepared.execute_sequential(state))
    });
    let mut executed = executed.map_err(Cause::from).map_err(at(Stage::Execute))?;
    begins(Stage::Root)?;
    let checked = timed(outcome, Stage::Root, || executed.check(prover));
    checked.map_err(Cause::from).map_err(at(Stage::Root))?;
    begins(Stage::Log)?;
    let durable = timed(outcome, Stage::Log, || {
        store.append(executed.record())?;
        store.sync_log()
    });
    durable.map_err(Cause::from).map_err(at(Stage::Log))?;
    outcome.syncs += 1;
    outcome.count(executed.done());
    watch.durable(executed.done());
    Ok(())
}
