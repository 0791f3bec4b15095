//! What speculation wastes is bounded by the work, however many threads there are: by counts, not
//! by times.

use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use block_stm::{Block, Config, Engine, Stats};
use block_stm_testkit::waste::{Forget, Shape, Toil, opening, shapes, simulate};

use crate::support::timely;

const THREADS: [usize; 4] = [2, 8, 32, 64];

/// The most executions for each transaction, and the most versions looked at for each execution.
const MOST_EXECUTIONS: f64 = 2.0;
const MOST_VERSIONS: f64 = 60.0;

fn number(n: usize) -> NonZeroUsize {
    NonZeroUsize::new(n).expect("not zero")
}

fn assert_bounded(shape: &Shape, threads: usize, stats: &Stats) {
    let Shape { name, txns } = shape;
    assert_eq!(stats.committed, txns.len() as u64, "{name}");
    let executions = stats.executions_per_txn();
    assert!(executions < MOST_EXECUTIONS, "{name}, {threads} threads: {executions} per txn");
    let versions = stats.versions as f64 / stats.executions as f64;
    assert!(versions < MOST_VERSIONS, "{name}, {threads} threads: {versions} versions");
    let looks = stats.early_validations as f64 / stats.committed as f64;
    assert!(looks < 4.0, "{name}, {threads} threads: {looks} validations ahead");
}

#[test]
fn waste_does_not_grow_with_simulated_cores() {
    for shape in shapes(1_500) {
        for workers in THREADS {
            let (stats, _) = simulate(&shape.txns, number(workers), 1_000);
            assert_bounded(&shape, workers, &stats);
        }
    }
}

#[test]
fn waste_does_not_grow_with_threads() {
    timely(|| {
        for threads in THREADS {
            let config = Config::default().threads(number(threads)).inline_below(0);
            let engine = Engine::new(config).expect("threads can be started");
            for shape in shapes(1_500) {
                let toil = Toil::default();
                let block = Block::new(&toil, &shape.txns, &opening);
                let executed = engine.execute(&block, &mut Forget).expect("no errors");
                assert_bounded(&shape, threads, &executed.stats);
            }
        }
    });
}

#[test]
fn a_block_whose_transactions_depend_on_each_other_is_executed_once() {
    let dependent = [
        "one hot slot",
        "reads one slot, writes the other",
        "all add and read",
        "a hot slot and a sum",
        "short: one hot slot",
        "short: each reads from the last",
    ];
    let shapes = shapes(1_500);
    for name in dependent {
        let shape = shapes.iter().find(|shape| shape.name == name).expect("there is one");
        let (_, alone) = simulate(&shape.txns, number(2), 1_000);
        for workers in THREADS {
            let (stats, time) = simulate(&shape.txns, number(workers), 1_000);
            // The first helpers try some of the first.
            let most = shape.txns.len() as u64 + 8;
            assert!(stats.executions <= most, "{name}, {workers}: {stats:?}");
            assert!(time <= alone + 10_000, "{name}, {workers}: {time} ns, with two {alone} ns");
        }
    }
}

#[test]
fn what_can_run_at_once_does() {
    let shapes = shapes(1_500);
    let find = |name| shapes.iter().find(|shape| shape.name == name).expect("there is one");
    let time = |shape: &Shape, workers| simulate(&shape.txns, number(workers), 1_000).1 as f64;
    // Each needs the one before, so that they are executed as the sequential execution does.
    let one_by_one = time(find("one hot slot"), 2);
    for (name, workers, least) in [
        ("independent", 2, 1.45),
        ("independent", 8, 4.7),
        ("all add, every 16th reads", 8, 4.9),
        ("reads from 64 below", 8, 4.5),
        ("reads from 8 below", 8, 2.9),
        ("two slots in turn", 8, 1.05),
    ] {
        let speed_up = one_by_one / time(find(name), workers);
        assert!(speed_up > least, "{name}, {workers} workers: {speed_up}");
    }
}

#[test]
fn there_is_room_for_more_than_the_cores_while_some_wait_for_the_storage() {
    timely(|| {
        let independent = &shapes(400)[0];
        let (waiting, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let slow = |location: &u64| {
            // ORDERING: SeqCst throughout: speed is no matter.
            most.fetch_max(waiting.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            thread::sleep(Duration::from_micros(500));
            waiting.fetch_sub(1, Ordering::SeqCst);
            opening(location)
        };
        let config = Config::default().threads(number(16)).cores(number(2)).inline_below(0);
        let engine = Engine::new(config).expect("threads can be started");
        let toil = Toil::default();
        let executed = engine.execute(&Block::new(&toil, &independent.txns, &slow), &mut Forget);
        assert_eq!(executed.expect("no errors").stats.executions, 400);
        assert!(most.load(Ordering::SeqCst) > 8, "{most:?} of 16 waited at once");
    });
}
