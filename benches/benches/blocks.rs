//! How long does a block take, with plain revm, with our sequential path, and in parallel?
//!
//! One group per block; the sides stand one below the other. Results are checked to be equal first.

use std::num::NonZeroUsize;

use block_stm::{Config, Engine};
use block_stm_benches::{Case, real_block, workloads};
use block_stm_evm::{
    InvalidTxn, ParallelOptions, baseline::execute_plain, execute_parallel, execute_sequential,
};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};

/// A block of October 2022 with every kind of DeFi in it.
const REAL_BLOCK: u64 = 15_752_489;
const TXNS: usize = 2_000;

fn blocks(criterion: &mut Criterion) {
    let engines = engines();
    for case in real_block(REAL_BLOCK).into_iter().chain(workloads(TXNS)) {
        compare(criterion, &case, &engines);
    }
}

/// One engine for each number of workers: 2, 4, ... up to what the machine has, and at least 2.
fn engines() -> Vec<Engine> {
    let cores = std::thread::available_parallelism().map_or(1, NonZeroUsize::get).max(2);
    let powers = std::iter::successors(Some(2), |threads| Some(threads * 2));
    let threads = powers.take_while(|&threads| threads <= cores);
    let config = |threads| Engine::new(Config::default().threads(threads)).expect("threads start");
    threads.filter_map(NonZeroUsize::new).map(config).collect()
}

fn compare(criterion: &mut Criterion, case: &Case, engines: &[Engine]) {
    let plain =
        || execute_plain(&case.block, &case.state, InvalidTxn::Reject).expect("a valid block");
    let sequential =
        || execute_sequential(&case.block, &case.state, InvalidTxn::Reject).expect("a valid block");
    let options = ParallelOptions::default();
    let parallel = |engine| {
        execute_parallel(engine, &case.block, &case.state, &options).expect("a valid block")
    };
    let expected = sequential();
    assert_eq!(plain(), expected.receipts);
    for engine in engines {
        assert_eq!(parallel(engine).result, expected);
    }

    let mut group = criterion.benchmark_group(&case.name);
    group.throughput(Throughput::Elements(case.block.txns.len() as u64));
    group.sample_size(20);
    group.bench_function("plain revm loop", |bencher| bencher.iter(plain));
    group.bench_function("sequential", |bencher| bencher.iter(sequential));
    for engine in engines {
        let id = BenchmarkId::new("parallel, threads", engine.threads());
        group.bench_function(id, |bencher| bencher.iter(|| parallel(engine)));
    }
    group.finish();
}

criterion_group!(benches, blocks);
criterion_main!(benches);
