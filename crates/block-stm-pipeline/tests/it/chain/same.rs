//! The same as one block after another, with any number of threads.

use block_stm_pipeline::{Stage, Unwatched, decode_receipts, one_by_one};
use block_stm_workloads::Workload;

use super::{TestResult, assert_at, made, open, run, workers};

const BLOCKS: u64 = 12;

/// The headers say what sequential execution led to: a run without an error is equal to it.
#[test]
fn any_number_of_threads_leads_to_the_sequential_roots() -> TestResult {
    for workload in [Workload::Erc20, Workload::Mixed, Workload::Chain] {
        let made = made(workload, BLOCKS as usize)?;
        for (threads, recover) in [(1, false), (2, true), (4, false)] {
            let folder = tempfile::tempdir()?;
            let (mut world, store) = open(folder.path(), &made)?;
            let mut tasks = made.tasks.clone();
            tasks.iter_mut().filter(|_| recover).for_each(|task| task.senders = None);
            let workers = workers(threads)?;
            let (outcome, error) = run(&workers, (&mut world, &store), &tasks, &Unwatched);
            assert!(error.is_none(), "{workload}, {threads} threads: {error:?}");
            assert_eq!((outcome.blocks, outcome.txns), (BLOCKS, 40 * BLOCKS));
            assert!(outcome.gas_used > 0 && outcome.syncs <= BLOCKS);
            assert_at(&world, &store, &made, BLOCKS);
            // Queues never hold more than they may.
            for (stage, most) in [(Stage::Execute, 2), (Stage::Root, 2), (Stage::Log, 2)] {
                let longest = outcome.stage(stage).queue_max;
                assert!((1..=most).contains(&longest), "{stage}: {longest}");
            }
            assert!(outcome.stage(Stage::Flat).queue_max <= 4);
            store.check()?;
        }
    }
    Ok(())
}

#[test]
fn a_store_goes_on_where_it_was_left() -> TestResult {
    let made = made(Workload::Mixed, BLOCKS as usize)?;
    let folder = tempfile::tempdir()?;
    let workers = workers(2)?;
    for (from, to) in [(0, 5), (5, 6), (6, BLOCKS)] {
        // It is not closed: the flat state lags behind.
        let (mut world, store) = open(folder.path(), &made)?;
        assert_at(&world, &store, &made, from);
        let tasks = &made.tasks[from as usize..to as usize];
        let (_, error) = run(&workers, (&mut world, &store), tasks, &Unwatched);
        assert!(error.is_none(), "{error:?}");
        assert_at(&world, &store, &made, to);
    }
    let (world, store) = open(folder.path(), &made)?;
    assert_at(&world, &store, &made, BLOCKS);
    let snapshot = store.snapshot()?;
    for number in made.genesis.header.number + 1..=snapshot.number() {
        let receipts = snapshot.receipts(number)?.ok_or("its receipts are there")?;
        let receipts = decode_receipts(&receipts)?;
        let block = snapshot.block(number)?.ok_or("it is there")?;
        assert_eq!((receipts.len(), block.txns.len()), (40, 40));
        assert_eq!(snapshot.txn(&block.txns[39])?, Some((number, 39)));
    }
    Ok(())
}

#[test]
fn one_stage_after_another_leads_to_the_same_store() -> TestResult {
    let made = made(Workload::Mixed, 5)?;
    let folder = tempfile::tempdir()?;
    let (mut world, store) = open(folder.path(), &made)?;
    let tasks = made.tasks.iter().cloned().map(Ok);
    let (outcome, error) = one_by_one(&workers(1)?, (&mut world, &store), tasks, (2, &Unwatched));
    assert!(error.is_none(), "{error:?}");
    assert_eq!((outcome.blocks, outcome.syncs), (5, 5));
    assert!(outcome.stages.iter().all(|stage| !stage.busy.is_zero()));
    assert_at(&world, &store, &made, 5);
    Ok(())
}
