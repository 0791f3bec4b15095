//! Contracts that are to be created where there is storage already (EIP-7610).

use alloy_primitives::{Address, B256, U256, keccak256};
use block_stm_evm::{
    Block, InvalidTxn, ParallelOptions, PreState, PreStateError, StateRef, execute_sequential,
    revm::{
        DatabaseRef,
        bytecode::opcode as op,
        context::TxEnv,
        database_interface::DBErrorMarker,
        primitives::{
            TxKind,
            hardfork::SpecId::{self, *},
        },
        state::{AccountInfo, Bytecode},
    },
};

use super::{
    code::Code,
    same::{assert_same, parallel_runs},
    scene::*,
};

const SPECS: [SpecId; 15] = [
    FRONTIER,
    HOMESTEAD,
    TANGERINE,
    SPURIOUS_DRAGON,
    BYZANTIUM,
    PETERSBURG,
    ISTANBUL,
    BERLIN,
    LONDON,
    MERGE,
    SHANGHAI,
    CANCUN,
    PRAGUE,
    OSAKA,
    AMSTERDAM,
];

/// Init code that leaves 1 in slot 2, and deploys a byte.
fn init() -> Vec<u8> {
    Code::deploying(Code::new().sstore(2, 1), &[op::STOP])
}

/// With gas for all that a fork may ask for the creation of a contract.
fn rich(txn: TxEnv) -> TxEnv {
    TxEnv { gas_limit: 2_000_000, ..txn }
}

/// A contract that creates one, and puts its address, or zero, into slot 9.
fn creator(salt: Option<u64>) -> Code {
    Code::new().create(&init(), 0, salt).sstore_top(9)
}

/// What is in slot 9 of the creator beforehand, so that a zero is a change.
fn with_creator(salt: Option<u64>) -> PreState {
    let mut state = state([creator(salt)]);
    state.insert_storage(contract(0), U256::from(9), U256::ONE);
    state
}

fn occupy(state: &mut PreState, address: Address, balance: u64) {
    state.insert_account(address, AccountInfo::default().with_balance(U256::from(balance)));
    state.insert_storage(address, U256::ONE, U256::from(7));
}

#[test]
fn no_transaction_creates_a_contract_over_storage() {
    watched(|| {
        let place = eoa(0).create(0);
        for spec in SPECS {
            let block = block(spec, [rich(create(eoa(0), 0, &init()))]);
            let free = assert_same(&block, &state([])).expect("valid");
            assert!(has_code(&free, place), "{spec:?}");
            for balance in [0, 5] {
                let mut state = state([]);
                occupy(&mut state, place, balance);
                let result = assert_same(&block, &state).expect("valid");
                assert_eq!(ends(&result), "h", "{spec:?}, {balance} wei");
                // All gas is gone, and the sender's nonce is raised.
                assert_eq!(result.gas_used, 2_000_000, "{spec:?}, {balance} wei");
                let sender = result.state.account(eoa(0)).and_then(|change| change.info.as_ref());
                assert_eq!(sender.map(|info| info.nonce), Some(1));
                assert!(result.state.account(place).is_none(), "{spec:?}, {balance} wei");
            }
        }
    });
}

#[test]
fn no_contract_creates_one_over_storage() {
    watched(|| {
        let by_nonce = contract(0).create(1);
        let by_salt = contract(0).create2(B256::ZERO, keccak256(init()));
        for spec in SPECS.into_iter().filter(|spec| spec.is_enabled_in(TANGERINE)) {
            for (salt, place) in [(None, by_nonce), (Some(0), by_salt)] {
                if salt.is_some() && !spec.is_enabled_in(PETERSBURG) {
                    continue;
                }
                let block = block(spec, [rich(call(eoa(0), 0, contract(0), 0))]);
                let mut state = with_creator(salt);
                let free = assert_same(&block, &state).expect("valid");
                assert!(has_code(&free, place) && slot(&free, place, 2) == Some(1), "{spec:?}");
                occupy(&mut state, place, 5);
                let result = assert_same(&block, &state).expect("valid");
                assert_eq!(slot(&result, contract(0), 9), Some(0), "{spec:?}, {salt:?}");
                assert!(result.state.account(place).is_none(), "{spec:?}, {salt:?}");
                let info =
                    result.state.account(contract(0)).and_then(|change| change.info.as_ref());
                assert_eq!(info.map(|info| info.nonce), Some(2), "{spec:?}, {salt:?}");
            }
        }
    });
}

/// An empty account is removed where it is touched, and its storage with it: a creation before that
/// collides, one after it does not.
#[test]
fn storage_that_goes_with_its_account_is_no_obstacle_any_more() {
    watched(|| {
        let place = contract(0).create2(B256::ZERO, keccak256(init()));
        let tries = |n: u8| rich(call(eoa(n), 0, contract(0), 0));
        for spec in SPECS.into_iter().filter(|spec| spec.is_enabled_in(PETERSBURG)) {
            let mut state = with_creator(Some(0));
            occupy(&mut state, place, 0);
            let tried = assert_same(&block(spec, [tries(0), tries(1)]), &state).expect("valid");
            assert!(!has_code(&tried, place), "{spec:?}");
            let story = [
                tries(0),
                tries(1),
                rich(call(eoa(2), 0, place, 0)),
                tries(3),
                // Over code, for once.
                tries(4),
            ];
            let result = assert_same(&block(spec, story), &state).expect("valid");
            assert!(has_code(&result, place), "{spec:?}");
            assert_eq!(slot(&result, place, 2), Some(1), "{spec:?}");
            let change = result.state.account(place).expect("changed");
            assert!(change.storage_wiped, "{spec:?}: the old slot is gone");
            // With money it stays, and so does what it has.
            set_balance(&mut state, place, 5);
            let block = block(spec, [tries(0), rich(call(eoa(2), 0, place, 0)), tries(3)]);
            let stays = assert_same(&block, &state).expect("valid");
            assert!(!has_code(&stays, place), "{spec:?}");
        }
    });
}

/// Before EIP-161 a contract has no nonce to begin with. What its init code leaves is storage
/// alone, if it deploys nothing. Its creator is destroyed, comes to be again, and creates at the
/// same place.
#[test]
fn storage_that_a_lower_transaction_left_is_an_obstacle() {
    watched(|| {
        let parent = eoa(0).create(0);
        let child = parent.create(0);
        let stores = Code::new().sstore(2, 1).bytes();
        let stores_zero = Code::new().sstore(2, 0).bytes();
        for (init, collides) in [(stores, true), (stores_zero, false)] {
            let dies = Code::new().create(&init, 0, None).ops(&[op::POP]).selfdestruct(eoa(5));
            let again = Code::new().create(&init, 0, None).sstore_top(9).bytes();
            let story = [rich(call(eoa(1), 0, parent, 0)), rich(create(eoa(0), 0, &again))];
            for spec in [FRONTIER, HOMESTEAD, TANGERINE] {
                let mut state = state([]);
                let code = Bytecode::new_legacy(dies.bytes().into());
                state.insert_account(parent, AccountInfo::default().with_code(code));
                let result = assert_same(&block(spec, story.clone()), &state).expect("valid");
                if collides {
                    assert_eq!(slot(&result, child, 2), Some(1), "{spec:?}");
                }
                // Before EIP-150 the collision takes all gas of the parent, too.
                let ends_so = if collides && !spec.is_enabled_in(TANGERINE) { "sh" } else { "ss" };
                assert_eq!(ends(&result), ends_so, "{spec:?}, {collides}");
                let found = slot(&result, parent, 9).is_some();
                assert_eq!(found, !collides, "{spec:?}");
            }
        }
    });
}

/// Many transactions try to create at one place, while others remove it, pay it and create there.
#[test]
fn what_becomes_of_the_place_is_judged_in_order() {
    watched(|| {
        let place = contract(0).create2(B256::ZERO, keccak256(init()));
        for touch in 0..12_u8 {
            let story = (0..12_u8).map(|n| match n {
                n if n == touch => rich(call(eoa(n), 0, place, u64::from(touch % 3))),
                n => rich(call(eoa(n), 0, contract(0), 0)),
            });
            for spec in [PETERSBURG, CANCUN, OSAKA] {
                let mut state = with_creator(Some(0));
                occupy(&mut state, place, 0);
                let result = assert_same(&block(spec, story.clone()), &state).expect("valid");
                // After the last one there is no creation; an account that is paid stays.
                let created = touch % 3 == 0 && touch < 11;
                assert_eq!(has_code(&result, place), created, "{spec:?}, {touch}");
            }
        }
    });
}

#[test]
fn a_set_code_transaction_without_a_destination_is_left_out_on_every_path() {
    watched(|| {
        let delegates = [(eoa(7), 0, contract(0))];
        let spoilt = TxEnv { kind: TxKind::Create, ..create(eoa(1), 0, &init()) };
        let story = [
            transfer(eoa(0), 0, eoa(2), 5),
            rich(delegating(spoilt, &delegates)),
            rich(delegating(call(eoa(1), 0, contract(0), 0), &delegates)),
        ];
        for spec in [PRAGUE, OSAKA, AMSTERDAM] {
            let result = assert_same(&block(spec, story.clone()), &state([creator(None)]));
            assert_eq!(ends(&result.expect("valid")), "s-s", "{spec:?}");
        }
    });
}

/// A database with an answer of its own.
struct Answers {
    state: PreState,
    answer: Result<Option<bool>, Unreadable>,
}

#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
#[error("the storage can't be read")]
struct Unreadable;

impl DBErrorMarker for Unreadable {}

impl DatabaseRef for Answers {
    type Error = Unreadable;

    fn basic_ref(&self, address: Address) -> Result<Option<AccountInfo>, Unreadable> {
        self.state.basic_ref(address).map_err(|_: PreStateError| Unreadable)
    }

    fn code_by_hash_ref(&self, hash: B256) -> Result<Bytecode, Unreadable> {
        self.state.code_by_hash_ref(hash).map_err(|_| Unreadable)
    }

    fn storage_ref(&self, address: Address, slot: U256) -> Result<U256, Unreadable> {
        self.state.storage_ref(address, slot).map_err(|_| Unreadable)
    }

    fn block_hash_ref(&self, number: u64) -> Result<B256, Unreadable> {
        self.state.block_hash_ref(number).map_err(|_| Unreadable)
    }
}

impl StateRef for Answers {
    fn has_storage_ref(&self, _address: Address) -> Result<Option<bool>, Unreadable> {
        self.answer
    }
}

fn blocks() -> impl Iterator<Item = Block> {
    let story = || [transfer(eoa(1), 0, eoa(2), 5), rich(create(eoa(0), 0, &init()))];
    [FRONTIER, LONDON, OSAKA].into_iter().map(move |spec| block(spec, story()))
}

#[test]
fn the_host_answers_and_one_that_cannot_is_taken_for_no() {
    watched(|| {
        let place = eoa(0).create(0);
        for block in blocks() {
            let mut state = state([]);
            state.insert_account(place, AccountInfo::default().with_balance(U256::ONE));
            for (answer, created) in [(None, true), (Some(false), true), (Some(true), false)] {
                let db = Answers { state: state.clone(), answer: Ok(answer) };
                let result = assert_same(&block, &db).expect("valid");
                assert_eq!(has_code(&result, place), created, "{answer:?}");
            }
        }
    });
}

#[test]
fn an_answer_that_fails_is_an_error_of_its_transaction() {
    watched(|| {
        for block in blocks() {
            let db = Answers { state: state([]), answer: Err(Unreadable) };
            // What does not exist has no storage, whatever the host says.
            let result = execute_sequential(&block, &db, InvalidTxn::Reject);
            assert!(result.is_ok());
            let mut state = state([]);
            let place = eoa(0).create(0);
            state.insert_account(place, AccountInfo::default().with_balance(U256::ONE));
            let db = Answers { state, answer: Err(Unreadable) };
            let message = "reading state for txn 1: the storage can't be read";
            for policy in [InvalidTxn::Reject, InvalidTxn::Skip] {
                let sequential = execute_sequential(&block, &db, policy).expect_err("unreadable");
                assert_eq!(sequential.to_string(), message);
                let options = ParallelOptions::default().policy(policy);
                for (path, executed) in parallel_runs(&block, &db, &options) {
                    let error = executed.expect_err(&path);
                    assert_eq!(error.to_string(), message, "{path}");
                }
            }
        }
    });
}
