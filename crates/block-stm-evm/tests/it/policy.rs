//! Invalid transactions, failing databases and failing system calls.

use std::error::Error;

use alloy_primitives::{Address, B256, U256};
use block_stm_evm::{
    Block, ExecutionError, InvalidTxn, InvalidTxnReason, PreState, PreStateError, Stage, StateRef,
    SystemCallFailure, TxnOutcome, execute_sequential,
    revm::{
        DatabaseRef,
        context::{BlockEnv, TxEnv, result::InvalidTransaction},
        database_interface::DBErrorMarker,
        primitives::{TxKind, hardfork::SpecId},
        state::{AccountInfo, Bytecode},
    },
};

const BENEFICIARY: Address = Address::repeat_byte(0xbe);

fn account(index: u8) -> Address {
    Address::repeat_byte(index)
}

/// Accounts 1 to 9 with an ether each.
fn pre_state() -> PreState {
    let mut state = PreState::new();
    for index in 1..10 {
        let info = AccountInfo::default().with_balance(U256::from(10_u64.pow(18)));
        state.insert_account(account(index), info);
    }
    state
}

/// A transfer of `wei` from account `from` to account `from + 1`.
fn transfer(from: u8, nonce: u64, wei: u64) -> TxEnv {
    TxEnv {
        caller: account(from),
        nonce,
        kind: TxKind::Call(account(from + 1)),
        value: U256::from(wei),
        gas_limit: 21_000,
        gas_price: 10,
        ..TxEnv::default()
    }
}

fn block(txns: Vec<TxEnv>) -> Block {
    let env = BlockEnv {
        gas_limit: 100_000,
        beneficiary: BENEFICIARY,
        basefee: 7,
        ..BlockEnv::default()
    };
    Block::new(SpecId::SHANGHAI, env, txns)
}

#[test]
fn an_invalid_txn_is_rejected_by_place_and_reason() {
    let block = block(vec![transfer(1, 0, 5), transfer(2, 7, 5), transfer(3, 0, 5)]);
    let error = execute_sequential(&block, &pre_state(), InvalidTxn::Reject).expect_err("nonce");
    let ExecutionError::InvalidTxn { index, reason } = error else {
        panic!("{error}");
    };
    assert_eq!(index, 1);
    let nonce = InvalidTransaction::NonceTooHigh { tx: 7, state: 0 };
    assert_eq!(reason, InvalidTxnReason::Vm(nonce));
}

#[test]
fn a_skipped_txn_has_no_effect_at_all() -> Result<(), Box<dyn Error>> {
    // Unfunded, of a wrong nonce, without gas for its own data, and of a fee below the base fee.
    let mut poor = transfer(3, 0, 5);
    poor.gas_limit = 20_999;
    let mut cheap = transfer(4, 0, 5);
    cheap.gas_price = 6;
    let invalid = [transfer(2, 0, u64::MAX), transfer(1, 0, 5), poor, cheap];
    let mut txns = vec![transfer(1, 0, 5)];
    txns.extend(invalid);
    txns.push(transfer(2, 0, 5));
    let valid = block(vec![txns[0].clone(), txns[5].clone()]);

    let skipping = execute_sequential(&block(txns), &pre_state(), InvalidTxn::Skip)?;
    let expected = execute_sequential(&valid, &pre_state(), InvalidTxn::Reject)?;
    assert_eq!(skipping.receipts, expected.receipts);
    assert_eq!(skipping.state, expected.state);
    assert_eq!(skipping.state.digest(), expected.state.digest());
    assert_eq!(skipping.gas_used, 42_000);
    let skipped = skipping.outcomes.iter().map(|outcome| matches!(outcome, TxnOutcome::Skipped(_)));
    assert_eq!(skipped.collect::<Vec<_>>(), [false, true, true, true, true, false]);
    Ok(())
}

#[test]
fn gas_is_admitted_against_what_earlier_txns_used() -> Result<(), Box<dyn Error>> {
    let mut greedy = transfer(2, 0, 5);
    greedy.gas_limit = 79_001;
    let block = block(vec![transfer(1, 0, 5), greedy, transfer(3, 0, 5)]);
    let result = execute_sequential(&block, &pre_state(), InvalidTxn::Skip)?;
    let refused = InvalidTxnReason::BlockGas { gas_limit: 79_001, available: 79_000 };
    assert_eq!(result.outcomes[1], TxnOutcome::Skipped(refused));
    assert_eq!(result.gas_used, 42_000);
    assert_eq!(result.receipts[1].cumulative_gas_used, 42_000);
    let error = execute_sequential(&block, &pre_state(), InvalidTxn::Reject).expect_err("gas");
    let expected = "txn 1 is invalid: gas limit 79001 exceeds the 79000 that the block has left";
    assert_eq!(error.to_string(), expected);
    Ok(())
}

#[test]
fn an_empty_block_changes_nothing() -> Result<(), Box<dyn Error>> {
    let result = execute_sequential(&block(Vec::new()), &pre_state(), InvalidTxn::Reject)?;
    assert!(result.state.is_empty() && result.receipts.is_empty() && result.outcomes.is_empty());
    assert_eq!((result.gas_used, result.requests_hash()), (0, None));
    Ok(())
}

/// Fails when the account with this address is read.
struct Broken(PreState, Address);

#[derive(Debug, thiserror::Error)]
#[error("disk on fire")]
struct OnFire;

impl DBErrorMarker for OnFire {}

impl DatabaseRef for Broken {
    type Error = OnFire;

    fn basic_ref(&self, address: Address) -> Result<Option<AccountInfo>, OnFire> {
        if address == self.1 {
            return Err(OnFire);
        }
        self.0.basic_ref(address).map_err(|_| OnFire)
    }

    fn code_by_hash_ref(&self, hash: B256) -> Result<Bytecode, OnFire> {
        self.0.code_by_hash_ref(hash).map_err(|_| OnFire)
    }

    fn storage_ref(&self, address: Address, slot: U256) -> Result<U256, OnFire> {
        self.0.storage_ref(address, slot).map_err(|_| OnFire)
    }

    fn block_hash_ref(&self, number: u64) -> Result<B256, OnFire> {
        self.0.block_hash_ref(number).map_err(|_| OnFire)
    }
}

impl StateRef for Broken {}

#[test]
fn a_database_error_names_the_txn_and_is_never_skipped() {
    let txns = vec![transfer(1, 0, 5), transfer(5, 0, 5)];
    for culprit in [account(5), account(6)] {
        let db = Broken(pre_state(), culprit);
        let error = execute_sequential(&block(txns.clone()), &db, InvalidTxn::Skip);
        let error = error.expect_err("the database is broken");
        assert_eq!(error.to_string(), "reading state for txn 1: disk on fire");
    }
    // The beneficiary is read when the first fee is paid.
    let db = Broken(pre_state(), BENEFICIARY);
    let error = execute_sequential(&block(txns), &db, InvalidTxn::Skip).expect_err("broken");
    assert!(matches!(error, ExecutionError::Database { stage: Stage::Txn(0), .. }));
}

#[test]
fn a_block_hash_that_nobody_gave_is_an_error_with_its_number() {
    let mut state = pre_state();
    // BLOCKHASH(NUMBER - 1)
    let code = Bytecode::new_legacy([0x60, 0x01, 0x43, 0x03, 0x40, 0x00].into());
    state.insert_account(account(2), AccountInfo::default().with_code(code));
    let mut txn = transfer(1, 0, 0);
    txn.gas_limit = 50_000;
    let mut block = block(vec![txn]);
    block.env.number = U256::from(90);
    let error = execute_sequential(&block, &state, InvalidTxn::Reject).expect_err("no hash");
    let expected = "reading state for txn 0: the hash of block 89 is not in the pre-state";
    assert_eq!(error.to_string(), expected);
    state.insert_block_hash(89, B256::repeat_byte(1));
    assert!(execute_sequential(&block, &state, InvalidTxn::Reject).is_ok());
}

fn prague_block() -> Block {
    let mut block = block(Vec::new()).parent_beacon_block_root(B256::ZERO);
    block.spec = SpecId::PRAGUE;
    block
}

#[test]
fn prague_wants_its_request_contracts_to_be_there_and_to_work() -> Result<(), Box<dyn Error>> {
    let failure =
        |state: &PreState| match execute_sequential(&prague_block(), state, InvalidTxn::Skip) {
            Err(ExecutionError::SystemCall { contract, failure, .. }) => Some((contract, failure)),
            _ => None,
        };
    let mut state = pre_state();
    let missing = Some(("withdrawal requests", SystemCallFailure::NoCode));
    assert_eq!(failure(&state), missing);

    let contracts = prague_block().system_contracts;
    // Returns the byte 0xaa.
    let works = Bytecode::new_legacy([0x60, 0xaa, 0x5f, 0x53, 0x60, 0x01, 0x5f, 0xf3].into());
    let reverts = Bytecode::new_legacy([0x5f, 0x5f, 0xfd].into());
    state.insert_account(contracts.withdrawal_requests, AccountInfo::default().with_code(works));
    state.insert_account(
        contracts.consolidation_requests,
        AccountInfo::default().with_code(reverts.clone()),
    );
    let reverted = SystemCallFailure::Revert(Default::default());
    assert_eq!(failure(&state), Some(("consolidation requests", reverted)));

    // Nothing returned is no request; a failing history contract is none of the block's business.
    let stops = Bytecode::new_legacy([0x00].into());
    state.insert_account(contracts.consolidation_requests, AccountInfo::default().with_code(stops));
    state.insert_account(contracts.history, AccountInfo::default().with_code(reverts));
    let result = execute_sequential(&prague_block(), &state, InvalidTxn::Reject)?;
    let requests = result.requests.ok_or("Prague has requests")?.take();
    assert_eq!(requests, [alloy_primitives::Bytes::from_static(&[1, 0xaa])]);
    assert!(result.state.is_empty());
    Ok(())
}

/// A contract that goes on until no more than `left` gas is left.
fn burns_until(left: u32) -> Bytecode {
    // JUMPDEST PUSH4 left GAS GT PUSH1 0 JUMPI STOP
    let mut code = vec![0x5b, 0x63];
    code.extend(left.to_be_bytes());
    code.extend([0x5a, 0x11, 0x60, 0x00, 0x57, 0x00]);
    Bytecode::new_legacy(code.into())
}

/// What the system calls have to begin with: each contract writes what GAS says first.
fn gas_of_calls(spec: SpecId) -> [u64; 3] {
    let mut block = prague_block();
    block.spec = spec;
    let contracts = block.system_contracts;
    let mut state = pre_state();
    // GAS PUSH1 1 SSTORE STOP
    let writes = Bytecode::new_legacy([0x5a, 0x60, 0x01, 0x55, 0x00].into());
    let called =
        [contracts.beacon_roots, contracts.withdrawal_requests, contracts.consolidation_requests];
    for address in called {
        state.insert_account(address, AccountInfo::default().with_code(writes.clone()));
    }
    let result = execute_sequential(&block, &state, InvalidTxn::Reject).expect("calls succeed");
    called.map(|address| {
        let change = result.state.account(address).expect("a slot is written");
        // GAS itself takes two.
        change.storage[0].after.to::<u64>() + 2
    })
}

#[test]
fn a_system_call_has_30_million_gas_until_amsterdam_gives_it_more() {
    for spec in [SpecId::PRAGUE, SpecId::OSAKA] {
        assert_eq!(gas_of_calls(spec), [30_000_000; 3], "{spec:?}");
    }
    assert!(gas_of_calls(SpecId::AMSTERDAM)[0] > 30_000_000);
}

#[test]
fn a_system_contract_that_runs_out_of_gas_fails_the_block_for_that() {
    let stops = Bytecode::new_legacy([0x00].into());
    for spec in [SpecId::PRAGUE, SpecId::OSAKA] {
        let mut block = prague_block();
        block.spec = spec;
        let contracts = block.system_contracts;
        for (culprit, other, role) in [
            (
                contracts.withdrawal_requests,
                contracts.consolidation_requests,
                "withdrawal requests",
            ),
            (
                contracts.consolidation_requests,
                contracts.withdrawal_requests,
                "consolidation requests",
            ),
        ] {
            let mut state = pre_state();
            state.insert_account(other, AccountInfo::default().with_code(stops.clone()));
            // Leaves less than a round takes, or, with none to be left, never ends.
            for (left, ends) in [(60, true), (0, false)] {
                state.insert_account(culprit, AccountInfo::default().with_code(burns_until(left)));
                let executed = execute_sequential(&block, &state, InvalidTxn::Skip);
                match executed {
                    Ok(_) => assert!(ends, "{spec:?}, {role}"),
                    Err(ExecutionError::SystemCall { contract, failure, .. }) => {
                        assert!(!ends && contract == role, "{spec:?}, {role}");
                        assert!(matches!(failure, SystemCallFailure::Halt(_)), "{failure}");
                    }
                    Err(error) => panic!("{error}"),
                }
            }
        }
    }
}

#[test]
fn a_set_code_transaction_without_a_destination_is_refused() {
    let mut state = pre_state();
    let contracts = prague_block().system_contracts;
    for address in [contracts.withdrawal_requests, contracts.consolidation_requests] {
        let stops = Bytecode::new_legacy([0x00].into());
        state.insert_account(address, AccountInfo::default().with_code(stops));
    }
    let mut txn = transfer(1, 0, 5);
    (txn.tx_type, txn.kind, txn.chain_id) = (4, TxKind::Create, Some(1));
    (txn.gas_limit, txn.gas_priority_fee) = (90_000, Some(0));
    let mut block = prague_block();
    block.txns = vec![txn];
    let error = execute_sequential(&block, &state, InvalidTxn::Reject).expect_err("refused");
    let reason = InvalidTxnReason::SetCodeCreate;
    assert_eq!(error.to_string(), format!("txn 0 is invalid: {reason}"));
    let skipped = execute_sequential(&block, &state, InvalidTxn::Skip).expect("left out");
    assert_eq!(skipped.outcomes, [TxnOutcome::Skipped(reason)]);
}

#[test]
fn cancun_without_its_beacon_root_is_invalid() {
    let mut block = prague_block();
    block.parent_beacon_block_root = None;
    let error = execute_sequential(&block, &PreState::new(), InvalidTxn::Skip);
    let expected: Result<(), _> = Err("the parent beacon block root is missing".to_owned());
    let error = error.map(|_| ()).map_err(|error: ExecutionError<PreStateError>| error.to_string());
    assert_eq!(error, expected);
}
