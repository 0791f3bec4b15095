//! One case: its block, executed in parallel, against what the test says.

use alloy_primitives::{B256, Log, keccak256};
use block_stm::Engine;
use block_stm_evm::{
    Block, BlockResult, InvalidTxn, ParallelOptions, StateChanges, TxnOutcome, execute_parallel,
};

use super::{StateTest, Variant};
use crate::Rejection;

impl StateTest {
    /// The state root that `block`, which is `variant` and its companion, leads to, what it changes, and whether all is as
    /// it must be.
    pub(super) fn run_variant(
        &self,
        variant: &Variant,
        block: &Block,
        engine: &Engine,
    ) -> (Option<B256>, Option<StateChanges>, Result<(), String>) {
        let options = ParallelOptions::default().with_policy(InvalidTxn::Skip);
        let executed = execute_parallel(engine, block, &self.pre, &options);
        let result = match executed {
            Ok(executed) => executed.result,
            Err(error) => return (None, None, Err(format!("it can't be executed: {error}"))),
        };
        let root = self.trie.clone().apply(&result.state);
        let checked = check(variant, &result, root);
        (Some(root), Some(result.state), checked)
    }
}

fn check(variant: &Variant, result: &BlockResult, root: B256) -> Result<(), String> {
    check_outcome(variant, result)?;
    let logs: Vec<&Log> = result.receipts.iter().flat_map(|receipt| &receipt.logs).collect();
    let logs = keccak256(alloy_rlp::encode(logs));
    if root != variant.post.hash {
        return Err(format!("the state root is {root}, not {}", variant.post.hash));
    }
    if logs != variant.post.logs {
        return Err(format!("the hash of the logs is {logs}, not {}", variant.post.logs));
    }
    Ok(())
}

/// The first transaction is executed unless it must be rejected; its companion never is.
fn check_outcome(variant: &Variant, result: &BlockResult) -> Result<(), String> {
    let [first, companion] = result.outcomes.as_slice() else {
        return Err(format!("2 txns have {} outcomes", result.outcomes.len()));
    };
    let exception = variant.post.expect_exception.as_deref().unwrap_or_default();
    match (&variant.rejection, first) {
        (None, TxnOutcome::Executed { .. }) => {}
        (None, TxnOutcome::Skipped(reason)) => return Err(format!("it is rejected: {reason}")),
        (Some(_), TxnOutcome::Executed { .. }) => {
            return Err(format!("it is executed, but must be rejected: {exception}"));
        }
        (Some(expected), TxnOutcome::Skipped(reason)) => {
            if !expected.contains(&Rejection::of(reason)) {
                return Err(format!("it must be rejected for {exception}, not for this: {reason}"));
            }
        }
    }
    match companion {
        TxnOutcome::Skipped(_) => Ok(()),
        TxnOutcome::Executed { .. } => Err("its invalid companion is executed".to_owned()),
    }
}
