//! What a speed-up can be held against: the hardware, and the block's own dependencies.
//!
//! **The hardware.** Each thread executes its share of the transactions on plain revm, on the state
//! before the block, with a cache of its own, and no thread looks for conflicts. The results are
//! wrong, and thrown away; the time is what cores, caches and memory allow an executor over
//! `CacheDB`. So that transactions do not fail for want of those before them, nonces are not
//! checked and every sender is rich. Contracts may still take other ways than in the block: the gas
//! of this execution stands beside its time.
//!
//! **The dependencies.** What each transaction takes, measured in order, and the conflict graph
//! make the longest chain that must be executed one after another. No schedule of these executions
//! is faster than all of them over that chain, or than the number of threads.

use std::{
    collections::HashSet,
    hint::black_box,
    num::NonZeroUsize,
    time::{Duration, Instant},
};

use block_stm::{Config, ConflictGraph, Engine};
use block_stm_evm::{
    Block, ParallelOptions, StateRef, execute_parallel,
    revm::{
        Context, DatabaseCommit, DatabaseRef, ExecuteEvm, MainBuilder, MainContext, MainnetEvm,
        context::{CfgEnv, ContextTr, TxEnv},
        database::CacheDB,
        handler::MainnetContext,
        primitives::{Address, B256, StorageKey, StorageValue, U256},
        state::{AccountInfo, Bytecode},
    },
    steps::apply_pre_block,
};
use rayon::{ThreadPool, ThreadPoolBuilder};

use crate::{args::CommonArgs, error::CliError, medians::median_time};

/// The bounds of one block with one number of threads.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Bounds {
    /// The median time of the execution without any coordination.
    pub(crate) hardware: Duration,
    /// Transactions that failed in it, as revm found them invalid or the state could not be read.
    pub(crate) failed: usize,
    /// The gas that it used, in that of the block.
    pub(crate) gas_share: f64,
    /// What all transactions take, in the most costly chain of dependencies, but at most the number
    /// of threads.
    pub(crate) graph: f64,
}

/// Measures bounds, on threads that are kept from block to block.
#[derive(Debug)]
pub(crate) struct Bounder {
    pool: ThreadPool,
    /// For conflict graphs, which are the same for every number of threads.
    engine: Engine,
    repeat: usize,
}

impl Bounder {
    /// Starts the threads.
    ///
    /// # Errors
    ///
    /// A thread that can't be started.
    pub(crate) fn new(threads: NonZeroUsize, repeat: usize) -> Result<Self, CliError> {
        let pool = ThreadPoolBuilder::new().num_threads(threads.get()).build();
        let engine = Engine::new(Config::default().threads(NonZeroUsize::MIN))?;
        Ok(Self { pool: pool.map_err(CliError::Threads)?, engine, repeat })
    }

    /// [`new`](Self::new), if the options ask for bounds.
    pub(crate) fn if_wanted(
        args: &CommonArgs,
        threads: NonZeroUsize,
    ) -> Result<Option<Self>, CliError> {
        args.bounds.then(|| Self::new(threads, args.repeat)).transpose()
    }

    /// The bounds of `block` on the state `state`.
    ///
    /// # Errors
    ///
    /// The block can't be executed, for this reason.
    pub(crate) fn bounds<DB>(&self, block: &Block, state: &DB) -> Result<Bounds, String>
    where
        DB: StateRef + Sync,
    {
        let (costs, gas) = costs(block, state, self.repeat)?;
        let options = ParallelOptions::default().conflict_graph();
        let executed = execute_parallel(&self.engine, block, state, &options);
        let executed = executed.map_err(|error| error.to_string())?;
        let conflicts = executed.conflict_graph.ok_or("no conflict graph")?;
        let threads = self.pool.current_num_threads();
        let senders = block.txns.iter().map(|txn| txn.caller).collect();
        let rich = &Rich { state, senders };
        let mut times = Vec::with_capacity(self.repeat);
        let mut all = Share::default();
        // The first one warms up, and does not count.
        for _ in 0..=self.repeat {
            let start = Instant::now();
            let shares =
                self.pool.broadcast(|context| share(block, rich, context.index(), threads));
            times.push(start.elapsed());
            all = shares.into_iter().fold(Share::default(), Share::and);
        }
        Ok(Bounds {
            hardware: median_time(&times[1..]),
            failed: all.failed,
            gas_share: all.gas as f64 / gas.max(1) as f64,
            graph: graph_bound(&conflicts, &costs, threads),
        })
    }
}

/// What executing each transaction takes at its place in the block, in nanoseconds, and the gas of
/// all: the shortest of `repeat` times, after a first one that warms up.
///
/// # Errors
///
/// The block can't be executed, for this reason.
pub(crate) fn costs<DB: StateRef>(
    block: &Block,
    state: &DB,
    repeat: usize,
) -> Result<(Vec<u64>, u64), String> {
    let mut costs = vec![u64::MAX; block.txns.len()];
    let mut gas = 0;
    for _ in 0..=repeat {
        let mut evm = evm(block, block.cfg_env(), state);
        apply_pre_block(block, &mut evm).map_err(|error| error.to_string())?;
        gas = 0;
        for (txn, cost) in block.txns.iter().zip(&mut costs) {
            let start = Instant::now();
            gas += execute(&mut evm, txn)?;
            *cost = (*cost).min(start.elapsed().as_nanos() as u64);
        }
    }
    Ok((costs, gas))
}

/// How much faster so many threads can be at transactions of these costs.
fn graph_bound<L>(conflicts: &ConflictGraph<L>, costs: &[u64], threads: usize) -> f64 {
    let chain = conflicts.critical_path_of(costs).max(1) as f64;
    let total = costs.iter().sum::<u64>().max(1) as f64;
    (total / chain).min(threads as f64)
}

/// The plain revm of a user.
pub(crate) type Evm<DB> = MainnetEvm<MainnetContext<DB>>;

/// revm over a cache, before the block's first transaction.
pub(crate) fn evm<DB: StateRef>(block: &Block, cfg: CfgEnv, state: DB) -> Evm<CacheDB<DB>> {
    let context =
        Context::mainnet().with_db(CacheDB::new(state)).with_block(block.env.clone()).with_cfg(cfg);
    let mut evm = context.build_mainnet();
    block.adapt_instructions(&mut evm.instruction);
    evm
}

/// Executes one transaction, and says what gas it used.
fn execute<DB: StateRef>(evm: &mut Evm<CacheDB<DB>>, txn: &TxEnv) -> Result<u64, String> {
    let result = evm.transact_one(txn.clone());
    // Also after an error: the journal must not leak into the next transaction.
    let changes = evm.finalize();
    let result = result.map_err(|error| error.to_string())?;
    evm.ctx.db_mut().commit(changes);
    Ok(black_box(result).tx_gas_used())
}

/// What one thread did.
#[derive(Clone, Copy, Debug, Default)]
struct Share {
    gas: u64,
    failed: usize,
}

impl Share {
    fn and(self, other: Self) -> Self {
        Self { gas: self.gas + other.gas, failed: self.failed + other.failed }
    }
}

/// Executes every `step`-th transaction from `first` on, whatever the others do.
fn share<DB: StateRef>(block: &Block, state: &DB, first: usize, step: usize) -> Share {
    let mut cfg = block.cfg_env();
    cfg.disable_nonce_check = true;
    let mut evm = evm(block, cfg, state);
    let mut share = Share::default();
    if apply_pre_block(block, &mut evm).is_err() {
        share.failed = block.txns.len();
        return share;
    }
    for txn in block.txns.iter().skip(first).step_by(step) {
        match execute(&mut evm, txn) {
            Ok(gas) => share.gas += gas,
            Err(_) => share.failed += 1,
        }
    }
    share
}

/// A state in which every account that exists or sends has money beyond all needs.
#[derive(Debug)]
struct Rich<'a, DB> {
    state: &'a DB,
    senders: HashSet<Address>,
}

/// Far above all ether, and far below what overflows.
const RICHES: U256 = U256::from_limbs([0, 0, 1, 0]);

impl<DB: StateRef> DatabaseRef for Rich<'_, DB> {
    type Error = DB::Error;

    fn basic_ref(&self, address: Address) -> Result<Option<AccountInfo>, Self::Error> {
        let mut info = self.state.basic_ref(address)?;
        if info.is_none() && self.senders.contains(&address) {
            info = Some(AccountInfo::default());
        }
        if let Some(info) = &mut info {
            info.balance = info.balance.saturating_add(RICHES);
        }
        Ok(info)
    }

    fn code_by_hash_ref(&self, hash: B256) -> Result<Bytecode, Self::Error> {
        self.state.code_by_hash_ref(hash)
    }

    fn storage_ref(&self, address: Address, slot: StorageKey) -> Result<StorageValue, Self::Error> {
        self.state.storage_ref(address, slot)
    }

    fn block_hash_ref(&self, number: u64) -> Result<B256, Self::Error> {
        self.state.block_hash_ref(number)
    }
}

impl<DB: StateRef> StateRef for Rich<'_, DB> {
    fn has_storage_ref(&self, address: Address) -> Result<Option<bool>, Self::Error> {
        self.state.has_storage_ref(address)
    }
}

#[cfg(test)]
mod tests {
    use block_stm_workloads::{Params, Workload};

    use super::*;

    fn bounds(workload: Workload, threads: usize, pools: usize) -> Bounds {
        let params = Params { txns: 60, accounts: 120, pools, ..Params::default() };
        let generated = workload.generate(&params).expect("in range");
        let threads = NonZeroUsize::new(threads).expect("some threads");
        let bounder = Bounder::new(threads, 1).expect("threads start");
        bounder.bounds(&generated.block, &generated.pre_state).expect("a valid block")
    }

    #[test]
    fn independent_transactions_are_bound_by_the_threads_alone() {
        let bounds = bounds(Workload::Transfers, 4, 1);
        assert_eq!((bounds.failed, bounds.gas_share), (0, 1.0));
        assert!(bounds.graph > 1.0 && bounds.graph <= 4.0, "{bounds:?}");
        assert!(!bounds.hardware.is_zero());
    }

    /// Each of these pays with what the one before brought, to an account that did not exist.
    #[test]
    fn no_transaction_fails_for_want_of_the_ones_before_it() {
        let bounds = bounds(Workload::Chain, 3, 1);
        assert_eq!((bounds.failed, bounds.gas_share), (0, 1.0));
    }

    #[test]
    fn trades_on_one_market_are_a_chain() {
        // All cost the same: what they really cost is a matter of the moment.
        let graph = |threads, pools| {
            let params = Params { txns: 60, accounts: 120, pools, ..Params::default() };
            let generated = Workload::Amm.generate(&params).expect("in range");
            let engine =
                Engine::new(Config::default().threads(NonZeroUsize::MIN)).expect("it starts");
            let options = ParallelOptions::default().conflict_graph();
            let (block, state) = (&generated.block, &generated.pre_state);
            let executed = execute_parallel(&engine, block, state, &options).expect("valid");
            let conflicts = executed.conflict_graph.expect("asked for");
            graph_bound(&conflicts, &vec![1; block.txns.len()], threads)
        };
        let (one, many) = (graph(16, 1), graph(16, 64));
        assert!((1.0..2.0).contains(&one), "{one}");
        assert!(many > one, "{many}");
        assert_eq!(graph(1, 64), 1.0);
    }
}
