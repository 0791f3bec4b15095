//! A stage that fails: what is before the block is durable, and nothing from it on is there.

use block_stm_pipeline::{BoxError, Cause, Stage, Unwatched, Watch};
use block_stm_workloads::Workload;

use super::{TestResult, assert_at, made, open, run, workers};

/// Lets one block fail in one stage.
struct Failing(Stage, u64);

impl Watch for Failing {
    fn begins(&self, stage: Stage, number: u64) -> Result<(), BoxError> {
        if (stage, number) == (self.0, self.1) { Err("no more of this".into()) } else { Ok(()) }
    }
}

#[test]
fn a_failure_in_any_stage_stops_cleanly() -> TestResult {
    let made = made(Workload::Mixed, 10)?;
    let start = made.genesis.header.number;
    let workers = workers(2)?;
    for stage in [Stage::Prepare, Stage::Execute, Stage::Root, Stage::Log] {
        for at in [1, 6] {
            let folder = tempfile::tempdir()?;
            let (mut world, store) = open(folder.path(), &made)?;
            let watch = Failing(stage, start + at);
            let (outcome, error) = run(&workers, (&mut world, &store), &made.tasks, &watch);
            let error = error.ok_or("it fails")?;
            assert_eq!((error.number, error.stage), (start + at, stage), "{error}");
            assert!(matches!(error.cause, Cause::Host(_)), "{error}");
            let message = format!("block {}, {stage}: no more of this", start + at);
            assert_eq!(error.to_string(), message);
            assert_eq!(outcome.blocks, at - 1);
            assert_at(&world, &store, &made, at - 1);
            // World and store are as if the block had never come: it can come again.
            let rest = &made.tasks[at as usize - 1..];
            let (outcome, error) = run(&workers, (&mut world, &store), rest, &Unwatched);
            assert!(error.is_none(), "{error:?}");
            assert_eq!(outcome.blocks, 11 - at);
            assert_at(&world, &store, &made, 10);
            store.check()?;
        }
    }
    Ok(())
}

#[test]
fn a_flat_state_that_fails_leaves_what_is_durable() -> TestResult {
    let made = made(Workload::Transfers, 10)?;
    let start = made.genesis.header.number;
    let folder = tempfile::tempdir()?;
    let (mut world, store) = open(folder.path(), &made)?;
    let watch = Failing(Stage::Flat, start + 4);
    let (outcome, error) = run(&workers(2)?, (&mut world, &store), &made.tasks, &watch);
    let error = error.ok_or("it fails")?;
    assert_eq!((error.number, error.stage), (start + 5, Stage::Flat), "{error}");
    assert!(outcome.blocks >= 4);
    assert_at(&world, &store, &made, outcome.blocks);
    Ok(())
}

#[test]
fn blocks_that_can_not_be_had_end_the_run() -> TestResult {
    let made = made(Workload::Transfers, 3)?;
    let folder = tempfile::tempdir()?;
    let (mut world, store) = open(folder.path(), &made)?;
    let workers = workers(2)?;
    let pipeline = block_stm_pipeline::Pipeline::new(&workers, &store, Default::default());
    let tasks = made.tasks.iter().cloned().map(Ok);
    let tasks = tasks.chain([Err("the file ends here".into())]);
    let (_, error) = pipeline.run(&mut world, tasks, &Unwatched);
    let error = error.ok_or("it fails")?;
    assert_eq!(error.stage, Stage::Prepare);
    assert!(error.to_string().ends_with("the file ends here"), "{error}");
    assert_at(&world, &store, &made, 3);
    Ok(())
}
