//! Executing a block on every path and comparing.

use std::{
    num::NonZeroUsize,
    sync::{
        OnceLock,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

use alloy_primitives::{Address, B256, U256};
use block_stm_evm::{
    Block, BlockResult, ExecutionError, InvalidTxn, ParallelOptions, ParallelResult, StateRef,
    baseline::execute_with_oracle,
    execute_parallel, execute_sequential,
    revm::{
        DatabaseRef,
        state::{AccountInfo, Bytecode},
    },
};

use super::lists::assert_same_lists;
use block_stm::{Config, Engine};

/// Engines with 1, 2, 4 and 8 workers that execute even the shortest block in parallel.
pub(super) fn engines() -> &'static [Engine] {
    static ENGINES: OnceLock<Vec<Engine>> = OnceLock::new();
    ENGINES.get_or_init(|| {
        let engine = |threads| {
            let threads = NonZeroUsize::new(threads).expect("not zero");
            Engine::new(Config::default().threads(threads).cores(threads).inline_below(0))
                .expect("threads start")
        };
        [1, 2, 4, 8].map(engine).into()
    })
}

/// Each way of executing a block in parallel, with its name.
pub(super) fn parallel_runs<DB: StateRef + Sync>(
    block: &Block,
    db: &DB,
    options: &ParallelOptions<'_>,
) -> impl Iterator<Item = (String, Result<ParallelResult, ExecutionError<DB::Error>>)> {
    let oracle = std::iter::once_with(move || {
        ("on the oracle".to_owned(), execute_with_oracle(block, db, options))
    });
    static ALONE: OnceLock<Engine> = OnceLock::new();
    let alone = std::iter::once_with(move || {
        let one = || Engine::new(Config::default().threads(NonZeroUsize::MIN)).expect("no threads");
        ("alone".to_owned(), execute_parallel(ALONE.get_or_init(one), block, db, options))
    });
    oracle.chain(alone).chain(engines().iter().map(move |engine| {
        let name = format!("with {} workers", engine.threads());
        (name, execute_parallel(engine, block, db, options))
    }))
}

/// Checks that every path comes to the same as the baseline, and returns that.
///
/// # Panics
///
/// If one does not.
pub(super) fn assert_same_under<DB: StateRef + Sync>(
    block: &Block,
    db: &DB,
    policy: InvalidTxn,
) -> Result<BlockResult, String> {
    let expected = execute_sequential(block, db, policy).map_err(|error| error.to_string());
    let options = ParallelOptions::default().policy(policy);
    let check = |path: String, executed: Result<ParallelResult, ExecutionError<DB::Error>>| {
        let result = executed.map(|executed| executed.result).map_err(|error| error.to_string());
        assert_eq!(digest(&result), digest(&expected), "{path}, {policy:?}");
        assert_eq!(result, expected, "{path}, {policy:?}");
        assert_new_code_is_given(&result, db);
    };
    for (path, executed) in parallel_runs(block, db, &options) {
        check(path, executed);
    }
    for engine in &engines()[1..] {
        let held = Held::new(db, block);
        let path = format!("upside down with {} workers", engine.threads());
        check(path, execute_parallel(engine, block, &held, &options));
    }
    let _list = assert_same_lists(block, db, policy, &expected);
    expected
}

/// Holds the first transaction at the read of its sender until others have read on, or for a
/// moment.
///
/// So they run ahead of the writes that they should have seen.
pub(super) struct Held<'a, DB> {
    db: &'a DB,
    sender: Option<Address>,
    reads: AtomicU32,
}

impl<'a, DB> Held<'a, DB> {
    const MOMENT: Duration = Duration::from_micros(300);

    pub(super) fn new(db: &'a DB, block: &Block) -> Self {
        let sender = block.txns.first().map(|txn| txn.caller);
        Self { db, sender, reads: AtomicU32::new(0) }
    }
}

impl<DB: StateRef> DatabaseRef for Held<'_, DB> {
    type Error = DB::Error;

    fn basic_ref(&self, address: Address) -> Result<Option<AccountInfo>, DB::Error> {
        if self.sender == Some(address) {
            let start = Instant::now();
            while self.reads.load(Ordering::Relaxed) < 6 && start.elapsed() < Self::MOMENT {
                std::thread::yield_now();
            }
        }
        self.reads.fetch_add(1, Ordering::Relaxed);
        self.db.basic_ref(address)
    }

    fn code_by_hash_ref(&self, hash: B256) -> Result<Bytecode, DB::Error> {
        self.db.code_by_hash_ref(hash)
    }

    fn storage_ref(&self, address: Address, slot: U256) -> Result<U256, DB::Error> {
        self.db.storage_ref(address, slot)
    }

    fn block_hash_ref(&self, number: u64) -> Result<B256, DB::Error> {
        self.db.block_hash_ref(number)
    }
}

impl<DB: StateRef> StateRef for Held<'_, DB> {
    fn has_storage_ref(&self, address: Address) -> Result<Option<bool>, DB::Error> {
        self.db.has_storage_ref(address)
    }
}

/// Checks the block under both policies, and returns the baseline's result when invalid
/// transactions are skipped.
pub(super) fn assert_same<DB: StateRef + Sync>(
    block: &Block,
    db: &DB,
) -> Result<BlockResult, String> {
    let _rejecting = assert_same_under(block, db, InvalidTxn::Reject);
    assert_same_under(block, db, InvalidTxn::Skip)
}

/// Checks that code comes with each account whose code was changed; equality of results leaves that
/// out.
fn assert_new_code_is_given<E, DB: StateRef>(result: &Result<BlockResult, E>, db: &DB) {
    for change in result.as_ref().ok().into_iter().flat_map(|result| result.state.iter()) {
        let Some(info) = &change.info else { continue };
        let before = db.basic_ref(change.address).ok().flatten().unwrap_or_default();
        if info.code_hash != before.code_hash && !info.is_empty_code_hash() {
            let code = info.code.as_ref().expect("changed code is given");
            assert_eq!(code.hash_slow(), info.code_hash);
        }
    }
}

fn digest<E>(result: &Result<BlockResult, E>) -> Option<[u8; 32]> {
    result.as_ref().ok().map(|result| result.state.digest())
}
