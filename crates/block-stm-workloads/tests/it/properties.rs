//! What holds for all parameters.

use block_stm_evm::revm::primitives::eip7825::TX_GAS_LIMIT_CAP;
use block_stm_workloads::{Params, Workload};
use proptest::prelude::*;

fn params() -> impl Strategy<Value = Params> {
    let zipf = prop_oneof![Just(0.0), Just(1.0), Just(10.0), 0.0..10.0];
    (0_usize..60, 1_usize..100, 1_usize..10, zipf, any::<u64>()).prop_map(
        |(txns, accounts, pools, zipf, seed)| Params { txns, accounts, pools, zipf, seed },
    )
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 64,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn a_block_has_as_many_transactions_as_asked_for(params in params()) {
        for workload in Workload::ALL {
            let generated = workload.generate(&params).expect("in range");
            let block = generated.block;
            prop_assert_eq!(block.txns.len(), params.txns);
            let limits: u64 = block.txns.iter().map(|txn| txn.gas_limit).sum();
            prop_assert!(limits <= block.env.gas_limit);
            prop_assert!(block.txns.iter().all(|txn| txn.gas_limit <= TX_GAS_LIMIT_CAP));
            prop_assert!(generated.planned_reverts.iter().all(|index| *index < params.txns));
        }
    }
}

#[test]
fn no_transactions_are_an_empty_block() {
    for workload in Workload::ALL {
        let txns = 0;
        let empty = workload.generate(&Params { txns, ..Params::default() });
        let block = empty.expect("in range").block;
        assert!(block.txns.is_empty());
        assert_eq!(block.env.gas_limit, 30_000_000);
    }
}

#[test]
fn wide_populations_cost_nothing() {
    for workload in Workload::ALL {
        for zipf in [0.0, 0.9] {
            let params = Params {
                txns: 50,
                accounts: Params::ACCOUNTS_MAX,
                pools: Params::POOLS_MAX,
                zipf,
                seed: 9,
            };
            let generated = workload.generate(&params).expect("in range");
            assert!(generated.pre_state.len() < 2_000, "{workload}");
        }
    }
}

#[test]
fn a_parameter_out_of_range_is_an_error() {
    let zipf = f64::NAN;
    let params = Params { zipf, ..Params::default() };
    for workload in Workload::ALL {
        assert!(workload.generate(&params).is_err());
    }
}
