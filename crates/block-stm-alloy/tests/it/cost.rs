//! What this crate's executor costs beside alloy-evm's, and beside the engine without alloy-evm.
//!
//! Prints a table, of a single round unless the environment has more in `BLOCK_STM_ROUNDS`; figures
//! are those of a release build:
//!
//! ```sh
//! BLOCK_STM_ROUNDS=15 cargo test --release -p block-stm-alloy --test it cost -- --nocapture
//! ```

use std::{
    error::Error,
    fs,
    num::NonZeroUsize,
    sync::Arc,
    time::{Duration, Instant},
};

use block_stm_alloy::block_stm::{Config, Engine};
use block_stm_chain::import::import_folder;
use block_stm_evm::{ParallelOptions, execute_parallel};

use crate::{
    blocks::fixtures,
    given::Given,
    same::{Ours, bundled, ours, sharing, theirs},
};

/// The median of what `run` takes.
fn median(rounds: usize, mut run: impl FnMut()) -> Duration {
    let mut times: Vec<_> = (0..rounds)
        .map(|_| {
            let start = Instant::now();
            run();
            start.elapsed()
        })
        .collect();
    times.sort();
    times[rounds / 2]
}

/// Seconds for all blocks, and the logarithms of what each takes beside alloy-evm's executor.
#[derive(Clone, Copy, Default)]
struct Sum {
    seconds: f64,
    logs: f64,
}

#[test]
fn real_blocks() -> Result<(), Box<dyn Error>> {
    let Some(root) = fixtures("real_blocks", "mainnet") else { return Ok(()) };
    let rounds = std::env::var("BLOCK_STM_ROUNDS").ok().map(|rounds| rounds.parse());
    let rounds: NonZeroUsize = rounds.transpose()?.unwrap_or(NonZeroUsize::MIN);
    let threads = std::thread::available_parallelism()?;
    let engine: Arc<Engine> = Arc::new(Engine::new(Config::default().threads(threads))?);
    let mut sums = [Sum::default(); 4];
    let mut blocks = 0;
    for entry in fs::read_dir(root)? {
        let imported = import_folder(&entry?.path())?;
        let given = Given::new(&imported.block, &imported.pre_state);
        let executor = |ours: &Ours| median(rounds.get(), || drop(bundled(ours, &given)));
        let options = ParallelOptions::default();
        let times = [
            median(rounds.get(), || drop(bundled(&theirs(&given), &given))),
            executor(&ours(&given, &engine)),
            executor(&sharing(&given, &engine)),
            median(rounds.get(), || {
                let executed = execute_parallel(&engine, &given.block, &*given.state, &options);
                let result = executed.expect("valid").result;
                drop(result.state.to_bundle(&*given.state));
            }),
        ];
        let base = times[0].as_secs_f64();
        for (sum, time) in sums.iter_mut().zip(times) {
            sum.seconds += time.as_secs_f64();
            sum.logs += (base / time.as_secs_f64()).ln();
        }
        blocks += 1;
    }
    assert!(blocks >= 40, "only {blocks} blocks");
    println!("{blocks} mainnet blocks, {threads} threads, median of {rounds}");
    let names = [
        "EthBlockExecutor",
        "BlockStmExecutor on its database",
        "BlockStmExecutor with_states",
        "execute_parallel and to_bundle",
    ];
    for (name, sum) in names.iter().zip(sums) {
        let mean = (sum.logs / f64::from(blocks)).exp();
        let all = sums[0].seconds / sum.seconds;
        println!("{name:36} {:8.1} ms  {all:.2}x over all, {mean:.2}x mean", sum.seconds * 1e3);
    }
    Ok(())
}
