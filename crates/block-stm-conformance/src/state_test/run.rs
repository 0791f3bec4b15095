//! One case: its block, executed in parallel, against what the test says.

use alloy_primitives::{B256, Log, keccak256};
use block_stm::Engine;
use block_stm_evm::{
    BlockResult, InvalidTxn, ParallelOptions, StateChanges, TxnOutcome, execute_parallel,
};

use super::{Rules, StateTest, Variant, companion};
use crate::{
    Rejection,
    exception::{Compared, Exception},
};

impl StateTest {
    /// The state root that `variant` and its companion lead to in a block, what it changes, and the
    /// exceptions that were not compared, if all is as it must be.
    pub(super) fn run_variant(
        &self,
        variant: &Variant,
        rules: &Rules,
        engine: &Engine,
    ) -> (Option<B256>, Option<StateChanges>, Result<Vec<String>, String>) {
        let gas_price = variant.txn.as_ref().map_or(0, |txn| txn.gas_price);
        let mut txns = vec![companion(variant.sender, gas_price)];
        if let Ok(txn) = &variant.txn {
            txns.insert(0, txn.clone());
        }
        let options = ParallelOptions::default().policy(InvalidTxn::Skip);
        let executed = execute_parallel(engine, &rules.block(txns), &self.pre, &options);
        let result = match executed {
            Ok(executed) => executed.result,
            Err(error) => return (None, None, Err(format!("it can't be executed: {error}"))),
        };
        let root = self.trie.clone().apply(&result.state);
        let checked = check(variant, &result, root);
        (Some(root), Some(result.state), checked)
    }
}

fn check(variant: &Variant, result: &BlockResult, root: B256) -> Result<Vec<String>, String> {
    let compared = check_outcome(variant, result)?;
    let logs: Vec<&Log> = result.receipts.iter().flat_map(|receipt| &receipt.logs).collect();
    let logs = keccak256(alloy_rlp::encode(logs));
    if root != variant.post.hash {
        return Err(format!("the state root is {root}, not {}", variant.post.hash));
    }
    if logs != variant.post.logs {
        return Err(format!("the hash of the logs is {logs}, not {}", variant.post.logs));
    }
    let exception = variant.exception.as_ref().filter(|_| compared == Compared::Not);
    Ok(exception.map(ToString::to_string).into_iter().collect())
}

/// The transaction is executed unless it must be rejected; its companion never is.
fn check_outcome(variant: &Variant, result: &BlockResult) -> Result<Compared, String> {
    let (compared, companion) = match (&variant.txn, result.outcomes.as_slice()) {
        (Ok(_), [first, companion]) => (check_first(&variant.exception, first)?, companion),
        (Err(class), [companion]) => (check_class(&variant.exception, *class)?, companion),
        (_, outcomes) => return Err(format!("there are {} outcomes", outcomes.len())),
    };
    match companion {
        TxnOutcome::Skipped(_) => Ok(compared),
        TxnOutcome::Executed { .. } => Err("its invalid companion is executed".to_owned()),
    }
}

fn check_first(
    exception: &Option<Exception<Rejection>>,
    outcome: &TxnOutcome,
) -> Result<Compared, String> {
    match (exception, outcome) {
        (None, TxnOutcome::Executed { .. }) => Ok(Compared::Same),
        (None, TxnOutcome::Skipped(reason)) => Err(format!("it is rejected: {reason}")),
        (Some(exception), TxnOutcome::Executed { .. }) => {
            Err(format!("it is executed, but must be rejected: {exception}"))
        }
        (Some(exception), TxnOutcome::Skipped(reason)) => {
            exception.compare(reason, |class| *class == Rejection::of(reason))
        }
    }
}

/// For a transaction that can't be encoded.
fn check_class(
    exception: &Option<Exception<Rejection>>,
    class: Rejection,
) -> Result<Compared, String> {
    let reason = match class {
        Rejection::AuthorizationFormat => "a number of an authorization is too large for its field",
        _ => "a number is too large for its field",
    };
    match exception {
        None => Err(format!("it is rejected: {reason}")),
        // No balance covers so much, which a test may call a lack of funds.
        Some(exception) => exception.compare(&reason, |expected| {
            *expected == class
                || (class == Rejection::Overflow && *expected == Rejection::PaymentOverflow)
        }),
    }
}
