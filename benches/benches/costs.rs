//! What does each operation of the engine cost, alone?
//!
//! Blocks of a VM that does nothing but read and write numbers. A cost per operation is the time of
//! a block with twice as many of them less the time of the same block with the plain number,
//! divided by the difference, so that all else cancels. Sides: executed in order; by the parallel
//! engine with its second worker absent; by two workers, where the wall time is shared by both.

use std::num::NonZeroUsize;
use std::time::{Duration, Instant};

use block_stm::{Block, Config, Engine};
use block_stm_benches::{Ahead, Case, Discard, Lone, PerOperation, Step, Steps, opening};
use block_stm_evm::{
    InvalidTxn, ParallelOptions, baseline::execute_plain, execute_parallel, execute_sequential,
};
use block_stm_workloads::Workload;
use criterion::{BenchmarkGroup, Criterion, criterion_group, criterion_main};

type Txns = Vec<Vec<Step>>;
type Group<'c> = BenchmarkGroup<'c, PerOperation>;

/// Transactions of a block, and operations of one kind in each.
const TXNS: u64 = 1_000;
const OPERATIONS: u64 = 20;

fn engine(threads: usize) -> Engine {
    let threads = NonZeroUsize::new(threads).expect("some threads");
    Engine::new(Config::default().threads(threads).inline_below(0)).expect("threads start")
}

/// The ways to execute a block.
struct Sides {
    sequential: Engine,
    alone: Lone,
    two_workers: Engine,
}

impl Sides {
    fn new() -> Self {
        Self { sequential: engine(1), alone: Lone::new(), two_workers: engine(2) }
    }

    fn all(&self) -> [(&'static str, &Engine); 3] {
        [
            ("sequential", &self.sequential),
            ("alone", self.alone.engine()),
            ("2 workers", &self.two_workers),
        ]
    }
}

/// How long one block takes.
fn time(engine: &Engine, txns: &Txns) -> Duration {
    let start = Instant::now();
    let executed = engine.execute(&Block::new(&Steps, txns, &opening), &mut Discard);
    let time = start.elapsed();
    assert_eq!(executed.expect("no errors").committed, txns.len());
    time
}

/// A block each transaction of which has its own steps.
fn block(steps: impl Fn(u64) -> Vec<Step>) -> Txns {
    (0..TXNS).map(steps).collect()
}

/// The first of `count` locations that only the transaction `txn` touches.
const fn own(txn: u64, count: u64) -> u64 {
    (1 << 32) + txn * count
}

/// The cost of one of the operations of which `block` has `OPERATIONS`, or twice that, in each
/// transaction.
fn difference(group: &mut Group<'_>, name: &str, sides: &Sides, block: impl Fn(u64) -> Txns) {
    let (single, double) = (block(OPERATIONS), block(2 * OPERATIONS));
    let operations = TXNS * OPERATIONS;
    for (side, engine) in sides.all() {
        let once = || {
            let single = PerOperation::of(time(engine, &single), operations);
            PerOperation::of(time(engine, &double), operations) - single
        };
        group.bench_function(format!("{name}, {side}"), |bencher| {
            bencher.iter_custom(|times| (0..times).map(|_| once()).sum());
        });
    }
}

fn accesses(criterion: &mut Criterion<PerOperation>) {
    let sides = &Sides::new();
    let mut group = criterion.benchmark_group("access");
    // From the storage, which is a function that returns a number.
    difference(&mut group, "first read", sides, |count| {
        block(|txn| vec![Step::Read(own(txn, count)..own(txn, count) + count)])
    });
    difference(&mut group, "repeated read", sides, |count| {
        block(|txn| vec![Step::Reread { location: own(txn, 1), times: count }])
    });
    // Each of these locations is written by the first transaction, and read by all others.
    difference(&mut group, "read of a shared value", sides, |count| {
        block(|txn| vec![if txn == 0 { Step::Write(0..count) } else { Step::Read(0..count) }])
    });
    difference(&mut group, "write", sides, |count| {
        block(|txn| vec![Step::Write(own(txn, count)..own(txn, count) + count)])
    });
    difference(&mut group, "write where all write", sides, |count| {
        block(|_| vec![Step::Write(0..count)])
    });
    difference(&mut group, "delta", sides, |count| {
        block(|txn| vec![Step::Add(own(txn, count)..own(txn, count) + count)])
    });
    difference(&mut group, "delta where all add", sides, |count| {
        block(|_| vec![Step::Add(0..count)])
    });
    group.finish();
}

/// Transactions that were executed ahead, by another worker, become final.
fn commits(criterion: &mut Criterion<PerOperation>) {
    let ahead = Ahead::new(TXNS as usize);
    let commit = |txns: &Txns| {
        let measured = (0..100).find_map(|_| ahead.commit_time(txns.clone()));
        measured.expect("in one of a hundred times, the helper is there")
    };
    let mut group = criterion.benchmark_group("commit");
    let empty = block(|_| Vec::new());
    group.bench_function("empty txn", |bencher| {
        let once = || PerOperation::of(commit(&empty), TXNS - 1);
        bencher.iter_custom(|times| (0..times).map(|_| once()).sum());
    });
    let mut difference = |name: &str, steps: fn(u64, u64) -> Step| {
        let [single, double] =
            [OPERATIONS, 2 * OPERATIONS].map(|count| block(|txn| vec![steps(txn, count)]));
        let operations = (TXNS - 1) * OPERATIONS;
        let once = || {
            let single = PerOperation::of(commit(&single), operations);
            PerOperation::of(commit(&double), operations) - single
        };
        group.bench_function(name, |bencher| {
            bencher.iter_custom(|times| (0..times).map(|_| once()).sum());
        });
    };
    difference("validation of a read", |txn, count| {
        Step::Read(own(txn, count)..own(txn, count) + count)
    });
    // Not by the first one, which is still being executed when the others read.
    difference("validation of a read of a shared value", |txn, count| match txn {
        1 => Step::Write(0..count),
        _ => Step::Read(0..count),
    });
    difference("write", |txn, count| Step::Write(own(txn, count)..own(txn, count) + count));
    difference("delta where all add", |_, count| Step::Add(0..count));
    group.finish();
}

/// What comes once for a transaction, a block or an engine.
fn fixed(criterion: &mut Criterion<PerOperation>) {
    const EMPTY_TXNS: u64 = 10_000;
    const BLOCKS: u64 = 100;
    let sides = &Sides::new();
    let mut group = criterion.benchmark_group("fixed");
    let empty: Txns = vec![Vec::new(); EMPTY_TXNS as usize];
    for (side, engine) in sides.all() {
        group.bench_function(format!("empty txn, {side}"), |bencher| {
            let once = || PerOperation::of(time(engine, &empty), EMPTY_TXNS);
            bencher.iter_custom(|times| (0..times).map(|_| once()).sum());
        });
    }
    // Blocks of less than two transactions have no work for a second worker, whatever the setting.
    for txns in [0, 1, 2] {
        let block: Txns = vec![Vec::new(); txns];
        let blocks = |engine| {
            let time = (0..BLOCKS).map(|_| time(engine, &block)).sum();
            PerOperation::of(time, BLOCKS)
        };
        for (side, engine) in sides.all() {
            group.bench_function(format!("block of {txns}, {side}"), |bencher| {
                bencher.iter_custom(|times| (0..times).map(|_| blocks(engine)).sum());
            });
        }
        let more = || blocks(&sides.two_workers) - blocks(&sides.sequential);
        group.bench_function(format!("block of {txns}, 2 workers less sequential"), |bencher| {
            bencher.iter_custom(|times| (0..times).map(|_| more()).sum());
        });
    }
    // A block of some work, on the engine that has executed others, and on one that is built for
    // it.
    let block = block(|txn| vec![Step::Write(own(txn, 1)..own(txn, 1) + 1)]);
    group.bench_function("block on a recycled engine", |bencher| {
        bencher.iter_custom(|times| {
            (0..times).map(|_| PerOperation::of(time(&sides.two_workers, &block), 1)).sum()
        });
    });
    group.bench_function("block on an engine of its own", |bencher| {
        let once = || {
            let start = Instant::now();
            time(&engine(2), &block);
            PerOperation::of(start.elapsed(), 1)
        };
        bencher.iter_custom(|times| (0..times).map(|_| once()).sum());
    });
    group.finish();
}

/// The smallest transactions of Ethereum: what the adapter and the engine cost beside revm shows
/// most.
fn transfers(criterion: &mut Criterion<PerOperation>) {
    const TRANSFERS: usize = 5_000;
    let case = Case::generate(Workload::Transfers, TRANSFERS);
    let sides = Sides::new();
    let options = ParallelOptions::default();
    let timed = |execute: &dyn Fn()| {
        let start = Instant::now();
        execute();
        PerOperation::of(start.elapsed(), TRANSFERS as u64)
    };
    let plain = || {
        let receipts = execute_plain(&case.block, &case.state, InvalidTxn::Reject);
        assert_eq!(receipts.expect("a valid block").len(), TRANSFERS);
    };
    let sequential = || {
        let result = execute_sequential(&case.block, &case.state, InvalidTxn::Reject);
        assert_eq!(result.expect("a valid block").receipts.len(), TRANSFERS);
    };
    let parallel = |engine: &Engine| {
        let executed = execute_parallel(engine, &case.block, &case.state, &options);
        assert_eq!(executed.expect("a valid block").result.receipts.len(), TRANSFERS);
    };
    let alone = || parallel(sides.alone.engine());
    let two_workers = || parallel(&sides.two_workers);
    let mut group = criterion.benchmark_group("transfer");
    let ways: [(&str, &dyn Fn()); 4] = [
        ("plain revm loop", &plain),
        ("sequential", &sequential),
        ("alone", &alone),
        ("2 workers", &two_workers),
    ];
    for (name, execute) in ways {
        group.bench_function(name, |bencher| {
            bencher.iter_custom(|times| (0..times).map(|_| timed(execute)).sum());
        });
    }
    group.bench_function("alone less plain revm loop", |bencher| {
        bencher.iter_custom(|times| (0..times).map(|_| timed(&alone) - timed(&plain)).sum());
    });
    group.finish();
}

criterion_group! {
    name = benches;
    config = Criterion::default().with_measurement(PerOperation).sample_size(20);
    targets = accesses, commits, fixed, transfers
}
criterion_main!(benches);
