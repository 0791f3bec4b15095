//! What lists say of single stories, and what becomes of a block with a right list and another
//! fault.

use alloy_primitives::{Address, U256};
use block_stm_evm::{
    Block, ExecutionError, InvalidTxn, InvalidTxnReason, PreState, Stage,
    access_list::{
        AccessListError, ListPart, check_list_length, execute_sequential_with_list,
        execute_with_access_list,
    },
    alloy_eip7928::{AccountChanges, BlockAccessList},
    revm::{bytecode::opcode as op, primitives::hardfork::SpecId, state::AccountInfo},
};

use super::{code::Code, faults::Faulty, lists::assert_same_lists, same::engines, scene::*};

pub(super) fn list_of(block: &Block, state: &PreState) -> BlockAccessList {
    let mut result = execute_sequential_with_list(block, state, InvalidTxn::Reject).expect("valid");
    let list = result.access_list.take().expect("it was asked for");
    let again = assert_same_lists(block, state, InvalidTxn::Reject, &Ok(result));
    assert_eq!(again.as_ref(), Some(&list));
    list
}

pub(super) fn account(list: &[AccountChanges], address: Address) -> &AccountChanges {
    list.iter().find(|account| account.address == address).expect("is listed")
}

/// A contract that counts its calls, called by three senders.
fn counting() -> (Block, PreState) {
    let counts = Code::new().sload(0).push(1).ops(&[op::ADD]).sstore_top(0);
    let txns = (0..3).map(|n| call(eoa(n), 0, contract(0), 0));
    (block(SpecId::CANCUN, txns), state([counts]))
}

#[test]
fn writes_of_what_was_there_are_reads() {
    watched(|| {
        // Stores what it has loaded.
        let same = Code::new().sload(3).sstore_top(3);
        let (block, state) =
            (block(SpecId::OSAKA, [call(eoa(0), 0, contract(0), 0)]), state([same]));
        let list = list_of(&block, &state);
        let touched = account(&list, contract(0));
        assert_eq!(touched.storage_reads, [U256::from(3)]);
        assert!(!touched.has_changes());
    });
}

#[test]
fn a_producer_without_a_fee_and_an_account_without_anything_are_listed() {
    watched(|| {
        let free = |mut txn: block_stm_evm::revm::context::TxEnv| {
            txn.gas_price = 0;
            txn
        };
        let nobody = Address::repeat_byte(0x77);
        let block = block(SpecId::OSAKA, [free(call(eoa(0), 0, nobody, 0))]);
        let list = list_of(&block, &state([]));
        for address in [BENEFICIARY, nobody] {
            assert!(account(&list, address).is_empty(), "{address}");
        }
        assert_eq!(account(&list, eoa(0)).nonce_changes.len(), 1);
        assert!(account(&list, eoa(0)).balance_changes.is_empty());
    });
}

#[test]
fn withdrawals_come_after_the_last_transaction() {
    watched(|| {
        let (mut block, state) = counting();
        let rich = Address::repeat_byte(0x77);
        let withdrawal = |amount| alloy_eips::eip4895::Withdrawal {
            address: rich,
            amount,
            ..Default::default()
        };
        block.withdrawals = vec![withdrawal(5), withdrawal(6)];
        let list = list_of(&block, &state);
        let [change] = account(&list, rich).balance_changes.as_slice() else {
            panic!("one change: {list:?}");
        };
        assert_eq!(change.block_access_index.get(), 4);
        assert_eq!(change.post_balance, U256::from(11_000_000_000_u64));
    });
}

#[test]
fn rewards_come_after_the_last_transaction() {
    watched(|| {
        for spec in [SpecId::FRONTIER, SpecId::BYZANTIUM, SpecId::LONDON] {
            let mut block = block(spec, [transfer(eoa(0), 0, eoa(1), 5)]);
            block.ommers = vec![block_stm_evm::Ommer { number: 99, beneficiary: eoa(9) }];
            let list = list_of(&block, &state([]));
            let changes = &account(&list, BENEFICIARY).balance_changes;
            let indexes: Vec<_> = changes.iter().map(|c| c.block_access_index.get()).collect();
            assert_eq!(indexes, [1, 2], "{spec:?}");
            assert_eq!(account(&list, eoa(9)).balance_changes[0].block_access_index.get(), 2);
        }
    });
}

#[test]
fn an_account_left_empty_is_removed_with_a_list_as_without() {
    watched(|| {
        let husk = Address::repeat_byte(0x77);
        for touched in [false, true] {
            let mut state = state([Code::new().push(1).ops(&[op::POP])]);
            state.insert_account(husk, AccountInfo::default());
            let to = if touched { husk } else { contract(0) };
            let block = block(SpecId::SHANGHAI, [call(eoa(0), 0, to, 0)]);
            list_of(&block, &state);
        }
    });
}

#[test]
fn an_invalid_transaction_is_named_where_the_list_is_right_up_to_it() {
    watched(|| {
        let (mut block, state) = counting();
        let list = list_of(&block, &state);
        block.txns[1].nonce = 7;
        for engine in engines() {
            let error = execute_with_access_list(engine, &block, &state, &list);
            let error = error.expect_err("the nonce is wrong");
            let AccessListError::Execution(ExecutionError::InvalidTxn { index: 1, .. }) = error
            else {
                panic!("{error}");
            };
        }
        // An earlier fault of the list comes first.
        let mut wrong = list.clone();
        let place = list.iter().position(|account| account.address == contract(0));
        wrong[place.expect("is listed")].storage_changes[0].changes[0].new_value = U256::from(9);
        for engine in engines() {
            let error = execute_with_access_list(engine, &block, &state, &wrong);
            let AccessListError::Wrong(place) = error.expect_err("is wrong") else {
                panic!("the list is wrong first");
            };
            assert_eq!(place.part, ListPart::Slot(U256::ZERO));
            assert_eq!(place.index.map(|index| index.get()), Some(1));
        }
    });
}

#[test]
fn the_block_must_have_room_for_each_transaction() {
    watched(|| {
        let (mut block, state) = counting();
        let list = list_of(&block, &state);
        block.env.gas_limit = 450_000;
        for engine in engines() {
            let error = execute_with_access_list(engine, &block, &state, &list);
            let error = error.expect_err("the third has no room");
            let AccessListError::Execution(ExecutionError::InvalidTxn { index, reason }) = error
            else {
                panic!("{error}");
            };
            assert!(matches!(reason, InvalidTxnReason::BlockGas { .. }));
            assert_eq!(index, 2);
        }
    });
}

#[test]
fn a_database_that_fails_or_panics_is_told() {
    watched(|| {
        let (block, state) = counting();
        let list = list_of(&block, &state);
        for engine in engines() {
            let failing = Faulty::failing_on(state.clone(), eoa(1));
            let error = execute_with_access_list(engine, &block, &failing, &list);
            let AccessListError::Execution(ExecutionError::Database { stage, .. }) =
                error.expect_err("fails")
            else {
                panic!("the database failed");
            };
            assert_eq!(stage, Stage::Txn(1));
            let panicking = Faulty::panicking_on(state.clone(), eoa(1));
            let error = execute_with_access_list(engine, &block, &panicking, &list);
            let AccessListError::Execution(ExecutionError::Panicked { stage, message }) =
                error.expect_err("panics")
            else {
                panic!("the database panicked");
            };
            assert_eq!((stage, message.as_str()), (Stage::Txn(1), "disk exploded"));
        }
    });
}

#[test]
fn a_list_may_have_an_item_for_two_thousand_gas() {
    let (block, state) = counting();
    let list = list_of(&block, &state);
    let items = list.iter().map(|account| 1 + account.storage_slots().count() as u64).sum::<u64>();
    assert_eq!(check_list_length(&list, items * 2_000), Ok(()));
    let error = check_list_length(&list, items * 2_000 - 1).expect_err("too long");
    let wanted = format!("the access list has {items} items, ");
    assert!(error.to_string().starts_with(&wanted), "{error}");
}
