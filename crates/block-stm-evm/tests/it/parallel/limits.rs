//! Gas limits, cuts, cancelling, hints and the conflict graph.

use alloy_primitives::U256;
use block_stm::{CancelToken, Cut, Limits};
use block_stm_evm::{
    ExecutionError, InvalidTxn, Location, ParallelOptions, TxnHints, execute_sequential,
    revm::{bytecode::opcode as op, context::TxEnv, primitives::hardfork::SpecId},
};

use super::{
    code::Code,
    same::{assert_same, assert_same_under, parallel_runs},
    scene::*,
};

#[test]
fn the_block_runs_out_of_gas_in_the_middle() {
    watched(|| {
        for spec in [SpecId::LONDON, SpecId::OSAKA, SpecId::AMSTERDAM] {
            let mut block = block(spec, (0..6).map(|n| call(eoa(n), 0, eoa(n + 8), 1)));
            // Room for a call that may use 400,000 gas after two that used 21,000 each.
            block.env.gas_limit = 450_000;
            let error = assert_same_under(&block, &state([]), InvalidTxn::Reject);
            let error = error.expect_err("no room");
            assert!(error.starts_with("txn 3 is invalid: gas limit 400000 exceeds"), "{error}");
            let result = assert_same(&block, &state([])).expect("skipped");
            assert_eq!(ends(&result), "sss---", "{spec:?}");
        }
    });
}

#[test]
fn blobs_are_admitted_in_block_order() {
    watched(|| {
        let blobs = |n, count| TxEnv {
            tx_type: 3,
            blob_hashes: vec![U256::ONE.wrapping_shl(248).into(); count],
            max_fee_per_blob_gas: 1,
            gas_priority_fee: Some(0),
            ..transfer(eoa(n), 0, eoa(9), 1)
        };
        let mut block = block(SpecId::CANCUN, [blobs(0, 4), blobs(1, 3), blobs(2, 2)]);
        block.env.set_blob_excess_gas_and_price(0, 3_338_477);
        let result = assert_same(&block, &state([])).expect("skipped");
        assert_eq!(ends(&result), "s-s");
        assert_eq!(result.blob_gas_used, 6 << 17);
    });
}

#[test]
fn a_cut_block_is_the_block_of_its_first_transactions() {
    watched(|| {
        let txns: Vec<_> = (0..6).map(|n| transfer(eoa(n), 0, eoa(9), 1)).collect();
        let whole = block(SpecId::CANCUN, txns.clone());
        let first = block(SpecId::CANCUN, txns[..3].to_vec());
        let expected = execute_sequential(&first, &state([]), InvalidTxn::Reject).expect("valid");
        let by_gas = Limits { max_weight: Some(3 * 21_000 + 1), ..Limits::default() };
        let by_count = Limits { max_txns: Some(3), ..Limits::default() };
        for (limits, cut) in [(by_gas, Cut::Weight), (by_count, Cut::Count)] {
            let options = ParallelOptions::default().limits(limits);
            for (path, executed) in parallel_runs(&whole, &state([]), &options) {
                let executed = executed.expect(&path);
                assert_eq!(executed.cut, Some(cut), "{path}");
                assert_eq!(executed.result, expected, "{path}");
            }
        }
    });
}

#[test]
fn a_cancelled_block_says_so() {
    let token = CancelToken::new();
    token.cancel();
    let limits = Limits { cancel: Some(token), ..Limits::default() };
    let options = ParallelOptions::default().limits(limits);
    let block = block(SpecId::CANCUN, [transfer(eoa(0), 0, eoa(9), 1)]);
    for (path, executed) in parallel_runs(&block, &state([]), &options) {
        let error = executed.map(|executed| executed.result).expect_err(&path);
        assert!(matches!(error, ExecutionError::Cancelled { committed: 0 }), "{path}: {error}");
    }
}

/// Claims that everybody writes slot 0 of the first contract and the account of the first sender.
struct Claims;

impl TxnHints for Claims {
    fn declare(&self, _index: usize, _txn: &TxEnv, declare: &mut dyn FnMut(Location)) {
        declare(Location::Slot { address: contract(0), wipes: 0, key: U256::ZERO });
        declare(Location::Account(eoa(0)));
    }
}

#[test]
fn hints_change_nothing_and_the_graph_names_the_slot() {
    watched(|| {
        let counts = Code::new().sload(0).push(1).ops(&[op::ADD]).sstore_top(0);
        let mut txns: Vec<_> = (0..6).map(|n| call(eoa(n), 0, contract(0), 0)).collect();
        // Fees, payments and nonces are no conflicts.
        txns.extend((0..6).map(|n| transfer(eoa(n), 1, eoa(9), 1)));
        let block = block(SpecId::CANCUN, txns);
        let state = state([counts]);
        let expected = execute_sequential(&block, &state, InvalidTxn::Reject).expect("valid");
        assert_eq!(slot(&expected, contract(0), 0), Some(6));
        let options = ParallelOptions::default().hints(&Claims).conflict_graph();
        for (path, executed) in parallel_runs(&block, &state, &options) {
            let executed = executed.expect(&path);
            assert_eq!(executed.result, expected, "{path}");
            let edges = executed.conflict_graph.expect("asked for").edges;
            assert_eq!(edges.len(), 5, "{path}: {edges:?}");
            for edge in edges {
                let name = edge.location.to_string();
                assert_eq!(name, format!("slot 0x0 of {}", contract(0)), "{path}");
            }
        }
    });
}
