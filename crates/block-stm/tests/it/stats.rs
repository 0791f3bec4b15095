//! Statistics: consistent in every run, and telling what they should. That they add up is part of
//! every check.

use block_stm::Stats;
use block_stm_testkit::Arm;
use block_stm_testkit::faults::{Hold, Jitter};
use block_stm_testkit::language::{LanguageBlock, Op};

use crate::support::{engine, increment, oracle, parallel, simulated, slot, tangle, timely, value};

fn measured(threads: usize, block: &LanguageBlock) -> Stats {
    let stats = parallel(&engine(threads), &block.stage()).stats;
    stats.expect("the block has a result")
}

#[test]
fn the_oracle_executes_each_txn_once() {
    let stats = oracle(&tangle(25).stage()).stats.expect("the block has a result");
    assert_eq!((stats.executions, stats.head_executions, stats.committed), (25, 25, 25));
    assert_eq!((stats.aborts.total(), stats.workers), (0, 1));
    assert!((stats.executions_per_txn() - 1.0).abs() < f64::EPSILON);
    let empty = oracle(&LanguageBlock::default().stage()).stats.expect("the block has a result");
    assert_eq!(empty, Stats::default());
    assert!(empty.executions_per_txn().abs() < f64::EPSILON);
}

#[test]
fn independent_txns_are_executed_about_once() {
    timely(|| {
        let block = LanguageBlock::new((0..500).map(increment));
        for threads in [2, 4, 8] {
            let stats = measured(threads, &block);
            assert_eq!((stats.committed, stats.executions), (500, 500), "{stats:?}");
            assert_eq!(stats.base_reads, 500);
        }
    });
}

#[test]
fn a_stale_execution_counts_as_an_abort() {
    // All others read ahead of the held one, and so are executed twice.
    let mut programs = vec![vec![Op::Write(slot(0), value(1))]];
    programs.extend((0..8).map(|_| vec![Op::Read(slot(0))]));
    let stats = simulated(2, &LanguageBlock::new(programs).probe(Hold::new(0, 8)));
    assert_eq!(stats.executions, 9 + stats.aborts.total());
    assert_eq!(stats.aborts.commit_validation + stats.aborts.early_validation, 8, "{stats:?}");
}

#[test]
fn the_lag_stays_within_the_window() {
    timely(|| {
        for window in [1, 2, 3, 10] {
            let engine = Arm::of(4, Some(window)).engine();
            let engine = engine.expect("threads can be started");
            for seed in 0..5 {
                let block = tangle(60).probe(Jitter { seed, often: 10 });
                let stats = parallel(&engine, &block.stage()).stats.expect("a result");
                assert!(stats.commit_lag_max <= window as u64, "window {window}: {stats:?}");
            }
        }
    });
}

#[test]
fn a_dependent_block_wastes_little() {
    let txns = 2_000;
    let block = LanguageBlock::new((0..txns).map(|_| increment(0)));
    for workers in 1..=8 {
        let stats = simulated(workers, &block);
        // Were every worker wrong about every transaction, it could hardly be more.
        assert!(stats.executions <= txns * (workers as u64 + 1), "{workers} workers: {stats:?}");
    }
}

#[test]
fn statistics_of_blocks_add_up() {
    let stats = oracle(&tangle(5).stage()).stats.expect("the block has a result");
    let mut sum = stats;
    sum += stats;
    assert_eq!((sum.committed, sum.executions, sum.base_reads), (10, 10, 2 * stats.base_reads));
    assert_eq!(sum.commit_lag_max, stats.commit_lag_max);
}
