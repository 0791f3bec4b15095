//! Variants of tests that start from one state in one block, in parallel and one after another.

use std::collections::BTreeMap;

use alloy_primitives::{Address, U256};
use block_stm::Engine;
use block_stm_evm::{
    Block, BlockResult, InvalidTxn, ParallelOptions, PreState, execute_parallel, execute_sequential,
};

use super::{Fork, Rules, StateTest, Variant};
use crate::CaseReport;

/// Variants that can be in one block.
#[derive(Debug)]
pub(super) struct Group<'a> {
    /// The first test of the group, and its fork.
    test: &'a StateTest,
    fork: &'a Fork,
    rules: &'a Rules,
    variants: Vec<&'a Variant>,
}

/// A block of several variants, and the state before it.
#[derive(Debug)]
struct Joined {
    block: Block,
    pre: PreState,
}

/// What each sender gets beside what it has, so that it can pay for more than one: 2^100 wei.
const ALLOWANCE: U256 = U256::from_limbs([0, 1 << 36, 0, 0]);

/// The variants of `forks` by the state that they start from and the rules; groups of one are left
/// out, and transactions that can't be encoded.
pub(super) fn groups<'a>(forks: &[(&'a StateTest, &'a Fork)]) -> Vec<Group<'a>> {
    let mut groups = BTreeMap::<_, Vec<Group<'a>>>::new();
    for &(test, fork) in forks {
        let Ok(rules) = &fork.rules else { continue };
        let alike = groups.entry((&fork.name, test.root)).or_default();
        let variants = fork.variants.iter().filter(|variant| variant.txn.is_ok());
        match alike.iter_mut().find(|group| group.rules == rules) {
            Some(group) => group.variants.extend(variants),
            None => {
                alike.push(Group { test, fork, rules, variants: variants.collect() });
            }
        }
    }
    let groups = groups.into_values().flatten();
    groups.filter(|group| group.variants.len() > 1).collect()
}

impl Group<'_> {
    /// Whether the group's block has the same result in parallel and one after another, as a case
    /// of its first test.
    pub(super) fn report(&self, engine: &Engine) -> CaseReport {
        let result = self.joined().run(engine).map(|()| Vec::new());
        CaseReport::ran(&self.test.name, &self.fork.name, result).of_variant("joined")
    }

    /// The block of all variants, of which the valid ones of one sender have consecutive nonces.
    fn joined(&self) -> Joined {
        let mut pre = self.test.pre.clone();
        let mut txns = Vec::with_capacity(self.variants.len());
        let mut gas_limit = 0_u64;
        let mut valid = BTreeMap::<Address, u64>::new();
        for variant in &self.variants {
            let Ok(txn) = &variant.txn else { continue };
            let mut txn = txn.clone();
            let before = valid.entry(txn.caller).or_default();
            txn.nonce = txn.nonce.saturating_add(*before);
            *before += u64::from(variant.exception.is_none());
            gas_limit = gas_limit.saturating_add(txn.gas_limit);
            txns.push(txn);
        }
        for sender in valid.into_keys() {
            if let Some(account) = pre.account(&sender) {
                let mut info = account.info.clone();
                info.balance = info.balance.saturating_add(ALLOWANCE);
                pre.insert_account(sender, info);
            }
        }
        let mut block = self.rules.block(txns);
        block.env.gas_limit = block.env.gas_limit.max(gas_limit);
        Joined { block, pre }
    }
}

impl Joined {
    /// Compares everything that the two executions lead to.
    fn run(&self, engine: &Engine) -> Result<(), String> {
        let options = ParallelOptions::default().policy(InvalidTxn::Skip);
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
