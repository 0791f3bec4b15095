//! Executing a block on every path and comparing.

use std::{num::NonZeroUsize, sync::OnceLock};

use block_stm::{Config, Engine};
use block_stm_evm::{
    Block, BlockResult, ExecutionError, InvalidTxn, ParallelOptions, ParallelResult,
    execute_parallel, execute_sequential, execute_with_oracle, revm::DatabaseRef,
};

/// Engines with 1, 2, 4 and 8 workers that execute even the shortest block in parallel.
pub(super) fn engines() -> &'static [Engine] {
    static ENGINES: OnceLock<Vec<Engine>> = OnceLock::new();
    ENGINES.get_or_init(|| {
        let engine = |threads| {
            let threads = NonZeroUsize::new(threads).expect("not zero");
            Config::default().threads(threads).inline_below(0).build().expect("threads start")
        };
        [1, 2, 4, 8].map(engine).into()
    })
}

/// Each way of executing a block in parallel, with its name.
pub(super) fn parallel_runs<DB: DatabaseRef + Sync>(
    block: &Block,
    db: &DB,
    options: &ParallelOptions<'_>,
) -> impl Iterator<Item = (String, Result<ParallelResult, ExecutionError<DB::Error>>)> {
    let oracle = std::iter::once_with(move || {
        ("on the oracle".to_owned(), execute_with_oracle(block, db, options))
    });
    oracle.chain(engines().iter().map(move |engine| {
        let name = format!("with {} workers", engine.threads());
        (name, execute_parallel(engine, block, db, options))
    }))
}

/// Checks that every path comes to the same as the baseline, and returns that.
///
/// # Panics
///
/// If one does not.
pub(super) fn assert_same_under<DB: DatabaseRef + Sync>(
    block: &Block,
    db: &DB,
    policy: InvalidTxn,
) -> Result<BlockResult, String> {
    let expected = execute_sequential(block, db, policy).map_err(|error| error.to_string());
    let options = ParallelOptions::default().with_policy(policy);
    for (path, executed) in parallel_runs(block, db, &options) {
        let result = executed.map(|executed| executed.result).map_err(|error| error.to_string());
        assert_eq!(digest(&result), digest(&expected), "{path}, {policy:?}");
        assert_eq!(result, expected, "{path}, {policy:?}");
    }
    expected
}

/// Checks the block under both policies, and returns the baseline's result when invalid transactions are skipped.
pub(super) fn assert_same<DB: DatabaseRef + Sync>(
    block: &Block,
    db: &DB,
) -> Result<BlockResult, String> {
    let _rejecting = assert_same_under(block, db, InvalidTxn::Reject);
    assert_same_under(block, db, InvalidTxn::Skip)
}

fn digest<E>(result: &Result<BlockResult, E>) -> Option<[u8; 32]> {
    result.as_ref().ok().map(|result| result.state.digest())
}
