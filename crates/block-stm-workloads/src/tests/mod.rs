//! Blocks executed in order by plain revm.

mod conflicts;
mod invariants;
mod success;

use block_stm_evm::{
    PreState,
    revm::{
        Context, DatabaseCommit, ExecuteEvm, MainBuilder, MainContext,
        context::result::ExecutionResult, database::CacheDB, state::EvmState,
    },
};

use crate::{Generated, Params, Workload};

/// What came of a block.
struct Run {
    results: Vec<ExecutionResult>,
    /// What each transaction loaded and changed.
    states: Vec<EvmState>,
    /// The state after the block.
    after: CacheDB<PreState>,
}

/// Executes a block in order.
fn run(generated: &Generated) -> Run {
    let block = &generated.block;
    let context = Context::mainnet()
        .with_cfg(block.cfg_env())
        .with_block(block.env.clone())
        .with_db(CacheDB::new(generated.pre_state.clone()));
    let mut evm = context.build_mainnet();
    let (mut results, mut states) = (Vec::new(), Vec::new());
    for (index, txn) in block.txns.iter().enumerate() {
        let run = evm.transact(txn.clone());
        let run = run.unwrap_or_else(|error| panic!("transaction {index} is invalid: {error}"));
        evm.ctx.journaled_state.database.commit(run.state.clone());
        results.push(run.result);
        states.push(run.state);
    }
    let after = evm.ctx.journaled_state.database;
    Run { results, states, after }
}

fn generate(workload: Workload, params: &Params) -> Generated {
    let generated = workload.generate(params);
    generated.expect("the test's parameters are in range")
}

/// Small blocks with many and few accounts and pools, without and with skew.
fn variety() -> impl Iterator<Item = Params> {
    let shapes =
        [(400, 8, 0.0), (200, 3, 0.7), (50, 4, 1.2), (10, 1, 0.0), (2, 2, 10.0), (1, 1, 1.0)];
    (1..).zip(shapes).map(|(seed, (accounts, pools, zipf))| Params {
        txns: 200,
        accounts,
        pools,
        zipf,
        seed,
    })
}
