//! Which transactions read what an earlier one of the block wrote.

use std::collections::HashSet;

use alloy_primitives::{Address, U256};

use super::*;

/// A place in the state: a slot, or an account's balance and nonce.
type Location = (Address, Option<U256>);

/// The places of the transactions that touch a location that an earlier one changed, the
/// beneficiary's aside.
fn dependent(generated: &Generated) -> Vec<usize> {
    let beneficiary = generated.block.env.beneficiary;
    let mut written: HashSet<Location> = HashSet::new();
    let mut dependent = Vec::new();
    for (index, state) in run(generated).states.iter().enumerate() {
        let (touched, changed) = locations(state, beneficiary);
        if touched.iter().any(|location| written.contains(location)) {
            dependent.push(index);
        }
        written.extend(changed);
    }
    dependent
}

/// What a transaction loaded, and what of it it changed.
fn locations(state: &EvmState, beneficiary: Address) -> (Vec<Location>, Vec<Location>) {
    let (mut touched, mut changed) = (Vec::new(), Vec::new());
    for (address, account) in state.iter().filter(|(address, _)| **address != beneficiary) {
        touched.push((*address, None));
        if account.info != account.original_info() {
            changed.push((*address, None));
        }
        for (slot, value) in &account.storage {
            touched.push((*address, Some(*slot)));
            if value.is_changed() {
                changed.push((*address, Some(*slot)));
            }
        }
    }
    (touched, changed)
}

fn params(accounts: usize, pools: usize) -> Params {
    Params { txns: 100, accounts, pools, zipf: 0.0, seed: 5 }
}

#[test]
fn transfers_and_payments_of_enough_accounts_are_independent() {
    for workload in [Workload::Transfers, Workload::Erc20] {
        let generated = generate(workload, &params(200, 3));
        assert_eq!(dependent(&generated), [0; 0], "{workload}");
    }
}

#[test]
fn fewer_accounts_make_transfers_depend_on_one_another() {
    for workload in [Workload::Transfers, Workload::Erc20] {
        let generated = generate(workload, &params(60, 1));
        assert!(dependent(&generated).len() > 20, "{workload}");
    }
}

#[test]
fn the_beneficiary_is_nobody_else() {
    for workload in Workload::ALL {
        let generated = generate(workload, &params(200, 3));
        let beneficiary = generated.block.env.beneficiary;
        assert!(generated.pre_state.account(&beneficiary).is_none());
        let txns = generated.block.txns;
        assert!(txns.iter().all(|txn| txn.caller != beneficiary));
        assert!(txns.iter().all(|txn| txn.kind.to() != Some(&beneficiary)));
    }
}

#[test]
fn in_a_chain_all_but_the_first_depend() {
    let generated = generate(Workload::Chain, &params(1, 1));
    assert_eq!(dependent(&generated), (1..100).collect::<Vec<_>>());
}

#[test]
fn one_contract_makes_almost_all_transactions_depend() {
    for workload in [Workload::Amm, Workload::Lending, Workload::Nft] {
        let generated = generate(workload, &params(1_000, 1));
        assert!(dependent(&generated).len() > 90, "{workload}");
    }
    // Deposits and withdrawals meet no other transaction.
    let orders = generate(Workload::Orders, &params(1_000, 1));
    assert!(dependent(&orders).len() > 70);
}

#[test]
fn more_pools_make_fewer_dependent() {
    for workload in [Workload::Lending, Workload::Nft] {
        let few = dependent(&generate(workload, &params(1_000, 2))).len();
        let many = dependent(&generate(workload, &params(1_000, 1_000))).len();
        assert!(2 * many < few, "{workload}: {many} and {few}");
    }
}
