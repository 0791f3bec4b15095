//! Blocks that parallel executors are known to get wrong, or never to finish.

use alloy_primitives::{Address, U256};
use block_stm_evm::{
    Block, ExecutionError, InvalidTxn, ParallelOptions, PreState, Stage, execute_sequential,
    revm::{
        context::TxEnv,
        primitives::hardfork::SpecId,
        state::{AccountInfo, Bytecode},
    },
};

use super::{
    code::Code,
    faults::Faulty,
    same::{assert_same, assert_same_under, parallel_runs},
    scene::*,
};

/// Contracts that set slot 0 to 1 and to 2.
fn delegates() -> PreState {
    state([Code::new().sstore(0, 1), Code::new().sstore(0, 2)])
}

#[test]
fn an_account_is_delegated_again_and_then_called() {
    watched(|| {
        let authority = eoa(9);
        let block = block(
            SpecId::PRAGUE,
            [
                delegating(call(eoa(0), 0, eoa(1), 0), &[(authority, 0, contract(0))]),
                call(eoa(2), 0, authority, 0),
                delegating(call(eoa(3), 0, eoa(4), 0), &[(authority, 1, contract(1))]),
                call(eoa(5), 0, authority, 0),
            ],
        );
        let result = assert_same(&block, &delegates()).expect("valid");
        assert_eq!(ends(&result), "ssss");
        assert_eq!(slot(&result, authority, 0), Some(2));
    });
}

#[test]
fn a_delegation_is_cleared_and_the_account_called() {
    watched(|| {
        let authority = eoa(9);
        let block = block(
            SpecId::PRAGUE,
            [
                delegating(call(eoa(0), 0, authority, 0), &[(authority, 0, contract(0))]),
                delegating(call(eoa(1), 0, eoa(4), 0), &[(authority, 1, Address::ZERO)]),
                call(eoa(2), 0, authority, 7),
            ],
        );
        let result = assert_same(&block, &delegates()).expect("valid");
        assert_eq!(slot(&result, authority, 0), Some(1));
        assert!(!has_code(&result, authority));
        assert_eq!(
            result.receipts[2].cumulative_gas_used - result.receipts[1].cumulative_gas_used,
            21_000
        );
    });
}

#[test]
fn a_delegated_account_that_sends_payments_keeps_its_delegation() {
    watched(|| {
        let authority = eoa(9);
        let block = block(
            SpecId::PRAGUE,
            [
                delegating(call(eoa(0), 0, eoa(1), 0), &[(authority, 0, contract(0))]),
                transfer(authority, 1, eoa(2), 5),
                transfer(authority, 2, eoa(3), 5),
                call(eoa(4), 0, authority, 0),
            ],
        );
        let result = assert_same(&block, &delegates()).expect("valid");
        assert_eq!(ends(&result), "ssss");
        assert!(has_code(&result, authority));
        assert_eq!(slot(&result, authority, 0), Some(1));
    });
}

/// Four payments with `invalid` at the head, in the middle and at the end.
fn with_invalid(spec: SpecId, invalid: &TxEnv, state: &PreState, reason: &str) {
    for place in [0, 2, 4] {
        let mut txns: Vec<_> = (0..4).map(|n| transfer(eoa(n), 0, eoa(n + 5), 3)).collect();
        txns.insert(place, invalid.clone());
        let block = block(spec, txns);
        let error = assert_same_under(&block, state, InvalidTxn::Reject).expect_err("invalid");
        assert!(error.starts_with(&format!("txn {place} is invalid: ")), "{error}");
        assert!(error.contains(reason), "{error}");
        let result = assert_same_under(&block, state, InvalidTxn::Skip).expect("skipped");
        assert_eq!(ends(&result).find('-'), Some(place));
        assert_eq!(result.receipts.len(), 4);
    }
}

#[test]
fn a_nonce_is_too_high_or_too_low() {
    watched(|| {
        let mut state = state([]);
        let used = AccountInfo::default().with_balance(U256::from(ETHER)).with_nonce(5);
        state.insert_account(eoa(10), used);
        let sends = |nonce| transfer(eoa(10), nonce, eoa(11), 1);
        with_invalid(SpecId::CANCUN, &sends(6), &state, "nonce 6 too high, expected 5");
        with_invalid(SpecId::CANCUN, &sends(4), &state, "nonce 4 too low, expected 5");
        with_invalid(SpecId::CANCUN, &sends(u64::MAX), &state, "nonce overflow");
        state.insert_account(eoa(10), AccountInfo::default().with_nonce(u64::MAX));
        with_invalid(SpecId::CANCUN, &sends(u64::MAX), &state, "nonce overflow");
    });
}

#[test]
fn a_sender_has_too_little() {
    watched(|| {
        let mut state = state([]);
        set_balance(&mut state, eoa(10), TRANSFER_FEE + 6);
        with_invalid(SpecId::CANCUN, &transfer(eoa(10), 0, eoa(11), 7), &state, "lack of funds");
        let absent = transfer(Address::repeat_byte(0xaa), 0, eoa(11), 0);
        with_invalid(SpecId::CANCUN, &absent, &state, "lack of funds");
        with_invalid(SpecId::HOMESTEAD, &absent, &state, "lack of funds");
    });
}

#[test]
fn a_sender_has_code() {
    watched(|| {
        let mut state = state([Code::new().sstore(0, 1)]);
        set_balance(&mut state, contract(0), ETHER);
        let sends = transfer(contract(0), 1, eoa(11), 7);
        with_invalid(
            SpecId::CANCUN,
            &sends,
            &state,
            "reject transactions from senders with deployed code",
        );
    });
}

#[test]
fn a_sender_gets_its_code_within_the_block() {
    watched(|| {
        let child = eoa(0).create(0);
        let deploys = Code::deploying(Code::new(), &[0]);
        let mut state = state([]);
        set_balance(&mut state, child, ETHER);
        let txns = [
            transfer(child, 0, eoa(3), 1),
            create(eoa(0), 0, &deploys),
            transfer(child, 1, eoa(3), 1),
        ];
        // The child has sent, so nothing can be created there.
        let result = assert_same(&block(SpecId::CANCUN, txns.clone()), &state).expect("skipped");
        assert_eq!(ends(&result), "shs");
        let [_, creates, sends] = txns;
        let result = assert_same(&block(SpecId::CANCUN, [creates, sends]), &state);
        assert_eq!(ends(&result.expect("skipped")), "s-");
    });
}

#[test]
fn the_gas_limit_is_below_the_intrinsic_gas() {
    watched(|| {
        let mut poor = transfer(eoa(10), 0, eoa(11), 7);
        poor.gas_limit = 20_999;
        with_invalid(SpecId::CANCUN, &poor, &state([]), "gas");
        let mut foreign = transfer(eoa(10), 0, eoa(11), 7);
        foreign.chain_id = Some(99);
        with_invalid(SpecId::CANCUN, &foreign, &state([]), "chain");
    });
}

/// Four payments between different accounts.
fn payments() -> Block {
    block(SpecId::CANCUN, (0..4).map(|n| transfer(eoa(n), 0, eoa(n + 5), 3)))
}

#[test]
fn the_database_fails_on_a_sender() {
    watched(|| {
        for n in 0..4 {
            let db = Faulty::failing_on(state([]), eoa(n));
            let error = assert_same(&payments(), &db).expect_err("a broken database");
            assert_eq!(error, format!("reading state for txn {n}: disk on fire"));
        }
    });
}

#[test]
fn the_database_fails_on_the_beneficiary() {
    watched(|| {
        let db = Faulty::failing_on(state([]), BENEFICIARY);
        let error = assert_same(&payments(), &db).expect_err("a broken database");
        assert_eq!(error, "reading state for txn 0: disk on fire");
    });
}

#[test]
fn the_database_panics_in_a_worker() {
    watched(|| {
        for (n, victim) in [(0, eoa(0)), (2, eoa(2)), (3, eoa(8)), (0, BENEFICIARY)] {
            for policy in [InvalidTxn::Reject, InvalidTxn::Skip] {
                let db = Faulty::panicking_on(state([]), victim);
                let options = ParallelOptions::default().policy(policy);
                for (path, result) in parallel_runs(&payments(), &db, &options) {
                    let error = result.map(|executed| executed.result).expect_err(&path);
                    let ExecutionError::Panicked { stage, message } = error else {
                        panic!("{path}: {error}");
                    };
                    assert_eq!((stage, &*message), (Stage::Txn(n), "disk exploded"), "{path}");
                }
            }
        }
        // The engines still work.
        assert!(assert_same(&payments(), &state([])).is_ok());
    });
}

#[test]
fn code_that_is_missing_is_an_error_of_the_txn_that_runs_it() {
    watched(|| {
        let mut state = state([]);
        let code_hash = Bytecode::new_legacy([1, 2, 3].into()).hash_slow();
        let info = AccountInfo { code_hash, code: None, ..AccountInfo::default() };
        state.insert_account(contract(0), info);
        let block = block(
            SpecId::CANCUN,
            [transfer(eoa(0), 0, eoa(1), 1), call(eoa(2), 0, contract(0), 0)],
        );
        let error = assert_same(&block, &state).expect_err("missing code");
        assert!(error.starts_with("reading state for txn 1: the code with hash"), "{error}");
        assert!(execute_sequential(&block, &state, InvalidTxn::Skip).is_err());
    });
}
