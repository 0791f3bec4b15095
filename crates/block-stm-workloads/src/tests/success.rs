//! Transactions are valid, and succeed unless they are meant to revert.

use std::collections::HashMap;

use super::*;

#[test]
fn exactly_the_planned_transactions_revert() {
    for workload in Workload::ALL {
        for params in variety() {
            let generated = generate(workload, &params);
            let results = run(&generated).results;
            let failed: Vec<usize> = (0..)
                .zip(&results)
                .filter_map(|(index, result)| (!result.is_success()).then_some(index))
                .collect();
            assert_eq!(failed, generated.planned_reverts, "{workload} {params:?}");
            let rate = 1.0 - failed.len() as f64 / results.len() as f64;
            assert!(rate >= 0.95, "{workload} {params:?}: {rate}");
        }
    }
}

#[test]
fn with_keys_everything_goes_the_same_way_and_every_sender_has_one() {
    for workload in Workload::ALL {
        let params = Params { txns: 200, accounts: 100, zipf: 1.0, ..Params::default() };
        let named = generate(workload, &params);
        let keyed = workload.generate_with_keys(&params).expect("valid parameters");
        assert!(named.secret_keys.is_empty());
        let keys = &keyed.secret_keys;
        assert!(keyed.block.txns.iter().all(|txn| keys.contains_key(&txn.caller)), "{workload}");
        assert_eq!(keyed.planned_reverts, named.planned_reverts, "{workload}");
        let ends = |generated| -> Vec<bool> {
            run(generated).results.iter().map(|result| result.is_success()).collect()
        };
        assert_eq!(ends(&keyed), ends(&named), "{workload}");
    }
}

#[test]
fn contract_workloads_do_have_reverts() {
    use Workload::{Amm, Erc20, Lending, Mixed, Nft, Orders};
    for workload in [Erc20, Amm, Lending, Nft, Orders, Mixed] {
        let txns = 1_000;
        let generated = generate(workload, &Params { txns, ..Params::default() });
        assert!(!generated.planned_reverts.is_empty(), "{workload}");
    }
}

#[test]
fn gas_limits_are_tight_and_fit_the_block() {
    for workload in Workload::ALL {
        for params in variety() {
            let generated = generate(workload, &params);
            let block = &generated.block;
            let limits: u64 = block.txns.iter().map(|txn| txn.gas_limit).sum();
            assert!(limits <= block.env.gas_limit);
            assert!(block.env.gas_limit >= 30_000_000);
            let used: u64 = run(&generated).results.iter().map(|result| result.tx_gas_used()).sum();
            // A lone account finds all its slots in use, which is what takes least.
            assert!(2 * limits < 5 * used, "{workload} {params:?}: {limits} for {used}");
        }
    }
}

#[test]
fn nonces_count_up_for_each_sender_in_block_order() {
    for workload in Workload::ALL {
        for params in variety() {
            let mut next = HashMap::new();
            for txn in generate(workload, &params).block.txns {
                let nonce = next.entry(txn.caller).or_insert(0);
                assert_eq!(txn.nonce, *nonce);
                *nonce += 1;
            }
        }
    }
}

#[test]
fn gas_limits_of_calls_leave_a_tenth() {
    for workload in Workload::ALL {
        for params in variety() {
            let generated = generate(workload, &params);
            let run = run(&generated);
            for (txn, result) in generated.block.txns.iter().zip(&run.results) {
                // Refunds come after the transaction and don't lower what it needs.
                let (spent, limit) = (result.gas().total_gas_spent(), txn.gas_limit);
                let call = !txn.data.is_empty();
                assert!(!call || spent * 11 <= limit * 10, "{workload}: {spent} of {limit}");
            }
        }
    }
}
