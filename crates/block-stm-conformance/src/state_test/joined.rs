//! All variants of a test in one block, in parallel and one after another.

use alloy_primitives::U256;
use block_stm::Engine;
use block_stm_evm::{
    Block, BlockResult, InvalidTxn, ParallelOptions, PreState, execute_parallel, execute_sequential,
};

use super::{Rules, Variant};

/// A block of several variants, and the state before it.
#[derive(Debug)]
pub(super) struct Joined {
    block: Block,
    pre: PreState,
}

/// What the sender gets beside what it has, so that it can pay for more than one: 2^100 wei.
const ALLOWANCE: U256 = U256::from_limbs([0, 1 << 36, 0, 0]);

/// The block of all `variants`, whose valid ones have consecutive nonces.
pub(super) fn joined(pre: &PreState, rules: &Rules, variants: &[Variant]) -> Joined {
    let mut pre = pre.clone();
    let mut txns = Vec::with_capacity(variants.len());
    let mut gas_limit = 0_u64;
    let mut valid = 0;
    for variant in variants {
        let mut txn = variant.txn.clone();
        txn.nonce = txn.nonce.saturating_add(valid);
        valid += u64::from(variant.rejection.is_none());
        gas_limit = gas_limit.saturating_add(txn.gas_limit);
        txns.push(txn);
    }
    if let Some(first) = variants.first()
        && let Some(sender) = pre.account(&first.txn.caller)
    {
        let mut info = sender.info.clone();
        info.balance = info.balance.saturating_add(ALLOWANCE);
        pre.insert_account(first.txn.caller, info);
    }
    let mut block = rules.block(txns);
    block.env.gas_limit = block.env.gas_limit.max(gas_limit);
    Joined { block, pre }
}

impl Joined {
    /// Compares everything that the two executions lead to.
    pub(super) fn run(&self, engine: &Engine) -> Result<(), String> {
        let options = ParallelOptions::default().with_policy(InvalidTxn::Skip);
        let parallel = execute_parallel(engine, &self.block, &self.pre, &options);
        let sequential = execute_sequential(&self.block, &self.pre, InvalidTxn::Skip);
        match (parallel, sequential) {
            (Ok(parallel), Ok(sequential)) => compare(&parallel.result, &sequential),
            (parallel, sequential) => {
                let parallel = parallel.map(drop).map_err(|error| error.to_string());
                let sequential = sequential.map(drop).map_err(|error| error.to_string());
                if parallel == sequential {
                    return Ok(());
                }
                Err(format!("in parallel it ends with {parallel:?}, else with {sequential:?}"))
            }
        }
    }
}

fn compare(parallel: &BlockResult, sequential: &BlockResult) -> Result<(), String> {
    if parallel == sequential {
        return Ok(());
    }
    let outcomes = parallel.outcomes.iter().zip(&sequential.outcomes).enumerate();
    for (index, (parallel, sequential)) in outcomes {
        if parallel != sequential {
            return Err(format!(
                "txn {index} ends in parallel as {parallel:?}, else as {sequential:?}"
            ));
        }
    }
    let receipts = parallel.receipts.iter().zip(&sequential.receipts).enumerate();
    for (index, (parallel, sequential)) in receipts {
        if parallel != sequential {
            return Err(format!(
                "receipt {index} is in parallel {parallel:?}, else {sequential:?}"
            ));
        }
    }
    let changes = (parallel.state.sorted(), sequential.state.sorted());
    let different = changes.0.iter().zip(&changes.1).find(|(parallel, other)| parallel != other);
    Err(match different {
        Some((parallel, other)) => format!("the state is in parallel {parallel:?}, else {other:?}"),
        None => format!(
            "{} accounts change in parallel, else {}; gas {} and {}",
            changes.0.len(),
            changes.1.len(),
            parallel.gas_used,
            sequential.gas_used
        ),
    })
}
