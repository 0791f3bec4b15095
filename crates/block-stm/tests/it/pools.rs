//! Threads: borrowed pools, nested and shared use, pools that are busy elsewhere.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::channel;
use std::thread;

use block_stm::{Config, Engine};
use block_stm_testkit::Arm;
use block_stm_testkit::compare::same;
use block_stm_testkit::language::{LanguageBlock, Probe, Site};
use rayon::prelude::{IntoParallelIterator, ParallelIterator};
use rayon::{ThreadPool, ThreadPoolBuilder};

use crate::support::{engine, oracle, parallel, prove_with, tangle, timely};

fn pool(threads: usize) -> Arc<ThreadPool> {
    let pool = ThreadPoolBuilder::new().num_threads(threads).build();
    Arc::new(pool.expect("threads can be started"))
}

fn borrowing(pool: &Arc<ThreadPool>, threads: usize) -> Engine {
    let threads = NonZeroUsize::new(threads).expect("more than none");
    let config = Config::default().pool(Arc::clone(pool)).threads(threads).inline_below(0);
    Engine::new(config).expect("nothing to start")
}

/// Executes `block` some times and compares with the oracle.
fn assert_right(engine: &Engine, block: &LanguageBlock, times: usize) {
    let stage = block.stage();
    let expected = oracle(&stage);
    for _ in 0..times {
        if let Err(difference) = same(&expected, &parallel(engine, &stage)) {
            panic!("{difference}");
        }
    }
}

#[test]
fn an_engine_has_the_threads_that_were_asked_for() {
    assert_eq!(engine(1).threads(), 1);
    assert_eq!(engine(5).threads(), 5);
    assert!(Engine::new(Config::default()).expect("threads can be started").threads() >= 1);
    assert_eq!(borrowing(&pool(2), 3).threads(), 3);
}

#[test]
fn waking_threads_waits_for_nobody_and_changes_nothing() {
    timely(|| {
        engine(1).wake();
        let pool = pool(1);
        let (release, is_released) = channel::<()>();
        pool.spawn(move || assert!(is_released.recv().is_err(), "dropped"));
        let engine = borrowing(&pool, 3);
        // The pool's one thread is busy, and stays so.
        (0..100).for_each(|_| engine.wake());
        assert_right(&engine, &tangle(40), 1);
        drop(release);
        engine.wake();
        assert_right(&engine, &tangle(40), 10);
    });
}

#[test]
fn borrowed_pools_of_any_size() {
    timely(|| {
        for (pool_size, threads) in [(1, 1), (1, 2), (1, 8), (2, 3), (3, 2), (4, 5)] {
            let pool = pool(pool_size);
            assert_right(&borrowing(&pool, threads), &tangle(40), 10);
        }
    });
}

#[test]
fn called_from_inside_the_borrowed_pool() {
    timely(|| {
        for size in [1, 2, 4] {
            let pool = pool(size);
            let engine = borrowing(&pool, 4);
            for _ in 0..10 {
                pool.install(|| assert_right(&engine, &tangle(30), 2));
            }
        }
    });
}

#[test]
fn called_from_every_thread_of_the_borrowed_pool_at_once() {
    timely(|| {
        let pool = pool(3);
        let engine = borrowing(&pool, 4);
        pool.install(|| {
            (0..12_u16).into_par_iter().for_each(|n| assert_right(&engine, &tangle(20 + n), 3));
        });
    });
}

#[test]
fn two_blocks_at_once_on_one_engine() {
    timely(|| {
        let engine = engine(4);
        thread::scope(|scope| {
            for txns in [30, 50, 7] {
                let engine = &engine;
                scope.spawn(move || assert_right(engine, &tangle(txns), 30));
            }
        });
    });
}

/// Uses rayon inside executions.
#[derive(Debug)]
struct Nested;

impl Probe for Nested {
    fn operation(&self, site: Site) {
        let sum: u32 = (0..64_u32).into_par_iter().map(|n| n % 3).sum();
        assert_eq!(sum, 63, "at {site:?}");
    }
}

#[test]
fn parallel_iterators_inside_executions_do_not_deadlock() {
    timely(|| {
        for size in [1, 2, 3] {
            let pool = pool(size);
            let engine = borrowing(&pool, size + 1);
            assert_right(&engine, &tangle(30).probe(Nested), 10);
            pool.install(|| assert_right(&engine, &tangle(30).probe(Nested), 10));
        }
        assert_right(&engine(3), &tangle(30).probe(Nested), 10);
    });
}

/// Executes a whole block inside an execution.
#[derive(Debug)]
struct Recursive {
    engine: Engine,
}

impl Probe for Recursive {
    fn operation(&self, site: Site) {
        if site.op == 1 && site.txn.is_multiple_of(4) {
            assert_right(&self.engine, &tangle(6), 1);
        }
    }
}

/// Executes whole blocks inside an execution, which are executed on its thread alone, the second
/// one too.
#[derive(Debug)]
struct AloneInside {
    engine: Engine,
    /// Whether an engine executes the outer block. Inside the oracle, an engine may use its
    /// threads.
    inside_engine: AtomicBool,
}

impl Probe for AloneInside {
    fn reset(&self, arm: Option<Arm>) {
        self.inside_engine.store(arm.is_some(), Ordering::SeqCst);
    }

    fn operation(&self, site: Site) {
        if site.op > 0 || !self.inside_engine.load(Ordering::SeqCst) {
            return;
        }
        let stage = tangle(12).stage();
        let expected = oracle(&stage).stats;
        for time in 0..3 {
            let found = parallel(&self.engine, &stage).stats;
            assert_eq!(found, expected, "in txn {}, block {time}", site.txn);
        }
    }
}

#[test]
fn every_block_inside_an_execution_is_executed_on_its_thread_alone() {
    timely(|| {
        let inner = AloneInside { engine: engine(3), inside_engine: AtomicBool::new(false) };
        assert_right(&engine(2), &tangle(8).probe(inner), 5);
    });
}

#[test]
fn a_block_inside_an_execution_of_another() {
    timely(|| {
        let pool = pool(2);
        let inner = Recursive { engine: borrowing(&pool, 3) };
        assert_right(&borrowing(&pool, 3), &tangle(16).probe(inner), 5);
        let inner = Recursive { engine: engine(3) };
        assert_right(&engine(2), &tangle(16).probe(inner), 5);
    });
}

#[test]
fn a_pool_that_is_busy_until_the_block_is_done() {
    timely(|| {
        let pool = pool(2);
        let engine = borrowing(&pool, 3);
        let (is_busy, busy) = channel();
        let mut release = Vec::new();
        for _ in 0..2 {
            let (done, wait) = channel::<()>();
            let is_busy = is_busy.clone();
            release.push(done);
            pool.spawn(move || {
                is_busy.send(()).expect("the test listens");
                // Until the sender is dropped.
                assert!(wait.recv().is_err());
            });
        }
        (0..2).for_each(|_| busy.recv().expect("both threads get busy"));
        assert_right(&engine, &tangle(30), 3);
        drop(release);
    });
}

#[test]
fn one_thread_is_enough() {
    timely(|| {
        assert_right(&engine(1), &tangle(60), 3);
        let tiny =
            Engine::new(Config::default().threads(NonZeroUsize::MIN)).expect("nothing to start");
        assert_right(&tiny, &tangle(3), 3);
    });
}

#[test]
fn short_blocks_are_executed_by_the_caller_alone() {
    timely(|| {
        let threads = NonZeroUsize::new(4).expect("more than none");
        let engine = Engine::new(Config::default().threads(threads).inline_below(10));
        let engine = engine.expect("threads can be started");
        let stage = tangle(9).stage();
        assert_eq!(parallel(&engine, &stage).stats, oracle(&stage).stats);
        assert_right(&engine, &tangle(10), 5);
    });
}

#[test]
fn engines_come_and_go() {
    timely(|| {
        for round in 0..20 {
            let engine = engine(1 + round % 5);
            assert_right(&engine, &tangle(12), 2);
        }
    });
}

#[test]
fn many_rounds_on_one_engine() {
    let arms = [2, 4].map(|threads| Arm::of(threads, None));
    let checker = block_stm_testkit::Checker::new(arms).expect("threads can be started");
    prove_with(&Arc::new(checker.rounds(1_000)), &tangle(12));
}
