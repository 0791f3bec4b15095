//! Accounts that are observed, paid, created and destroyed within one block.

use alloy_primitives::{Address, B256, U256, keccak256};
use block_stm_evm::{
    Block, InvalidTxn, ParallelOptions, PreState, execute_sequential,
    revm::{
        bytecode::opcode as op,
        primitives::hardfork::SpecId,
        state::{AccountInfo, Bytecode},
    },
};

use super::{
    code::Code,
    same::{assert_same, parallel_runs},
    scene::*,
};

const ABSENT: Address = Address::repeat_byte(0xaa);

/// Runtime code that destroys itself in favour of the sender when paid, and else counts in slot 1.
fn mortal() -> Vec<u8> {
    let counts = Code::new().sload(1).push(1).ops(&[op::ADD]).sstore_top(1).ops(&[op::STOP]);
    let start = Code::new().ops(&[op::CALLVALUE]);
    let dies_at = start.bytes().len() + 3 + counts.bytes().len();
    let start = start.push(dies_at as u64).ops(&[op::JUMPI]).ops(&counts.bytes());
    start.ops(&[op::JUMPDEST, op::ORIGIN, op::SELFDESTRUCT]).bytes()
}

/// A factory of mortal contracts, and the only address where it creates one.
fn factory() -> (Code, Address) {
    let init = Code::deploying(Code::new(), &mortal());
    let child = contract(0).create2(B256::ZERO, keccak256(&init));
    (Code::new().create(&init, 0, Some(0)).ops(&[op::POP]), child)
}

#[test]
fn a_contract_is_created_destroyed_and_created_again() {
    watched(|| {
        let (factory, child) = factory();
        let story = [
            call(eoa(0), 0, contract(0), 0),
            call(eoa(1), 0, child, 0),
            call(eoa(2), 0, child, 0),
            call(eoa(3), 0, child, 1),
            call(eoa(4), 0, child, 0),
            call(eoa(5), 0, contract(0), 0),
            call(eoa(6), 0, child, 0),
        ];
        for spec in [SpecId::PETERSBURG, SpecId::LONDON, SpecId::SHANGHAI] {
            let block = block(spec, story.clone());
            let result = assert_same(&block, &state([factory.clone()])).expect("valid");
            assert_eq!(slot(&result, child, 1), Some(1), "{spec:?}");
        }
        // Since EIP-6780 it survives, and nothing can be created over it.
        let result = assert_same(&block(SpecId::CANCUN, story), &state([factory])).expect("valid");
        assert_eq!(slot(&result, child, 1), Some(4));
    });
}

#[test]
fn a_contract_from_before_the_block_is_destroyed_and_created_again() {
    watched(|| {
        let (factory, child) = factory();
        let mut state = state([factory]);
        let info =
            AccountInfo::default().with_nonce(1).with_code(Bytecode::new_legacy(mortal().into()));
        state.insert_account(child, info);
        state.insert_storage(child, U256::ONE, U256::from(41));
        state.insert_storage(child, U256::from(9), U256::from(99));
        let story =
            [call(eoa(0), 0, child, 1), call(eoa(1), 0, contract(0), 0), call(eoa(2), 0, child, 0)];
        let result = assert_same(&block(SpecId::SHANGHAI, story.clone()), &state).expect("valid");
        let change = result.state.account(child).expect("changed");
        assert!(change.storage_wiped);
        assert_eq!(slot(&result, child, 1), Some(1));
        assert_eq!(change.storage.len(), 1);

        let result = assert_same(&block(SpecId::PRAGUE, story), &state).expect("valid");
        assert_eq!(slot(&result, child, 1), Some(42));
    });
}

#[test]
fn a_contract_lives_for_one_transaction() {
    watched(|| {
        let dies = [op::CALLER, op::SELFDESTRUCT];
        let child = contract(0).create2(B256::ZERO, keccak256(dies));
        let code = Code::new().create(&dies, 1, Some(0)).ops(&[op::POP]);
        let observer = Code::new().balance(child).push(1).ops(&[op::ADD]).sstore_top(0);
        for spec in [SpecId::PETERSBURG, SpecId::SHANGHAI, SpecId::CANCUN, SpecId::AMSTERDAM] {
            let story = [
                call(eoa(0), 0, contract(0), 1),
                call(eoa(1), 0, contract(1), 0),
                call(eoa(2), 0, contract(0), 1),
                transfer(eoa(3), 0, child, 5),
                call(eoa(4), 0, contract(0), 1),
                call(eoa(5), 0, contract(1), 0),
            ];
            let state = state([code.clone(), observer.clone()]);
            let result = assert_same(&block(spec, story), &state).expect("valid");
            assert!(ends(&result).starts_with("ss"), "{spec:?}");
        }
    });
}

/// A contract that stores a number about an account, plus one, in slot 0.
fn observer(what: impl FnOnce(Code) -> Code) -> Code {
    what(Code::new()).push(1).ops(&[op::ADD]).sstore_top(0)
}

#[test]
fn balances_are_observed_between_payments() {
    watched(|| {
        let target = eoa(9);
        let codes = [observer(|code| code.balance(target)), observer(|code| code.balance(ABSENT))];
        let story = [
            transfer(eoa(0), 0, target, 5),
            call(eoa(1), 0, contract(0), 0),
            transfer(eoa(2), 0, target, 6),
            transfer(eoa(2), 1, ABSENT, 7),
            call(eoa(3), 0, contract(1), 0),
            transfer(target, 0, eoa(4), 100),
            transfer(eoa(2), 2, ABSENT, 8),
        ];
        for spec in [SpecId::HOMESTEAD, SpecId::BYZANTIUM, SpecId::CANCUN] {
            let result = assert_same(&block(spec, story.clone()), &state(codes.clone()));
            let result = result.expect("valid");
            assert_eq!(slot(&result, contract(0), 0), Some(ETHER + 5 + 1));
            assert_eq!(slot(&result, contract(1), 0), Some(7 + 1));
            assert_eq!(balance(&result, target), Some(ETHER + 11 - 100 - TRANSFER_FEE));
        }
    });
}

#[test]
fn a_contract_observes_its_own_balance() {
    watched(|| {
        let own = observer(|code| code.ops(&[op::SELFBALANCE]));
        let story = (0..6).map(|n| call(eoa(n), 0, contract(0), 2));
        let result = assert_same(&block(SpecId::CANCUN, story), &state([own])).expect("valid");
        assert_eq!(slot(&result, contract(0), 0), Some(13));
    });
}

#[test]
fn code_hashes_tell_who_is_there() {
    watched(|| {
        // 1 if there is nobody.
        let asks = |of| {
            let code = Code::new().push_address(of).ops(&[op::EXTCODEHASH, op::ISZERO]);
            code.push(1).ops(&[op::ADD]).sstore_top(0)
        };
        let child = eoa(3).create(0);
        let story = [
            transfer(eoa(0), 0, ABSENT, 1),
            call(eoa(1), 0, contract(0), 0),
            call(eoa(2), 0, contract(1), 0),
            create(eoa(3), 0, &Code::deploying(Code::new(), &[0])),
            call(eoa(4), 0, contract(1), 0),
        ];
        let state = state([asks(ABSENT), asks(child)]);
        let result = assert_same(&block(SpecId::CANCUN, story.clone()), &state).expect("valid");
        assert_eq!(slot(&result, contract(0), 0), Some(1));
        assert_eq!(slot(&result, contract(1), 0), Some(1));

        let [_, asks_early, ..] = story;
        let result = assert_same(&block(SpecId::CANCUN, [asks_early]), &state).expect("valid");
        assert_eq!(slot(&result, contract(0), 0), Some(2));
    });
}

#[test]
fn the_beneficiary_is_observed_sends_and_is_paid() {
    watched(|| {
        let coinbase = observer(|code| code.ops(&[op::COINBASE, op::BALANCE]));
        let mut state = state([coinbase]);
        set_balance(&mut state, BENEFICIARY, ETHER);
        let story = [
            transfer(eoa(0), 0, eoa(1), 1),
            call(eoa(1), 0, contract(0), 0),
            transfer(BENEFICIARY, 0, eoa(2), 50),
            transfer(eoa(2), 0, BENEFICIARY, 7),
            transfer(eoa(3), 0, eoa(4), 1),
            call(BENEFICIARY, 1, contract(0), 0),
        ];
        for spec in [SpecId::ISTANBUL, SpecId::CANCUN] {
            let block = block(spec, story.clone());
            let result = assert_same(&block, &state).expect("valid");
            let call_fee = result.receipts[1].cumulative_gas_used - 21_000;
            let seen = slot(&result, contract(0), 0).expect("observed");
            // Its last call has paid for all of its gas by then, and gets back what is left later.
            let fees = 4 * TRANSFER_FEE + call_fee * 10;
            assert_eq!(seen, ETHER + fees - TRANSFER_FEE - 50 + 7 - 4_000_000 + 1);
        }
    });
}

#[test]
fn a_sender_lives_on_what_lower_transactions_pay() {
    watched(|| {
        let poor = |n: u8| Address::repeat_byte(0xd0 + n);
        let funds = TRANSFER_FEE + 5;
        let story = [
            transfer(eoa(0), 0, poor(0), 2 * funds),
            transfer(poor(0), 0, poor(1), funds),
            transfer(poor(1), 0, poor(2), 5),
            // One wei is missing; later it is there.
            transfer(poor(2), 0, eoa(1), 0),
            transfer(eoa(2), 0, poor(2), TRANSFER_FEE - 5),
            transfer(poor(2), 0, eoa(1), 0),
            transfer(poor(2), 1, eoa(1), 0),
        ];
        let result = assert_same(&block(SpecId::CANCUN, story), &state([])).expect("skipped");
        assert_eq!(ends(&result), "sss-ss-");
        assert_eq!(balance(&result, poor(2)), Some(0));
        assert_eq!(balance(&result, poor(0)), Some(5));
    });
}

#[test]
fn a_contract_pays_as_long_as_it_can() {
    watched(|| {
        // Passes 3 wei on, and counts successes in slot 0.
        let pays = Code::new().call(op::CALL, eoa(9), 3, 0).sload(0).ops(&[op::ADD]).sstore_top(0);
        let story = (0..6).map(|n| call(eoa(n), 0, contract(0), u64::from(n % 2)));
        let mut state = state([pays]);
        set_balance(&mut state, contract(0), 7);
        let result = assert_same(&block(SpecId::CANCUN, story), &state).expect("valid");
        // 7, -3, +1 -3, +0, +1 = 3 -3, +0, +1.
        assert_eq!(slot(&result, contract(0), 0), Some(3));
        assert_eq!(balance(&result, contract(0)), Some(1));
    });
}

#[test]
fn a_balance_is_full() {
    watched(|| {
        let mut state = state([]);
        let full = AccountInfo::default().with_balance(U256::MAX - U256::from(3));
        state.insert_account(ABSENT, full);
        let story = [
            transfer(eoa(0), 0, ABSENT, 2),
            transfer(eoa(1), 0, ABSENT, 2),
            transfer(eoa(2), 0, ABSENT, 1),
            transfer(eoa(3), 0, ABSENT, 1),
        ];
        let result = assert_same(&block(SpecId::CANCUN, story.clone()), &state).expect("valid");
        assert_eq!(ends(&result), "shsh");
        // A fee that does not fit is lost.
        let mut rich = block(SpecId::CANCUN, story);
        rich.env.beneficiary = ABSENT;
        assert_same(&rich, &state).expect("valid");
    });
}

#[test]
fn only_the_first_payment_to_a_new_account_costs_more() {
    watched(|| {
        let forwards = Code::new().call(op::CALL, ABSENT, 1, 0).ops(&[op::POP]);
        let touches = Code::new().call(op::CALL, ABSENT, 0, 0).ops(&[op::POP]);
        let story = [
            call(eoa(0), 0, contract(1), 0),
            call(eoa(1), 0, contract(0), 1),
            call(eoa(2), 0, contract(0), 1),
            call(eoa(3), 0, contract(1), 0),
        ];
        let specs = [SpecId::FRONTIER, SpecId::TANGERINE, SpecId::SPURIOUS_DRAGON, SpecId::CANCUN];
        for spec in specs.into_iter().chain([SpecId::OSAKA, SpecId::AMSTERDAM]) {
            let state = state([forwards.clone(), touches.clone()]);
            let result = assert_same(&block(spec, story.clone()), &state).expect("valid");
            let mut used = result.receipts.iter().map(|receipt| receipt.cumulative_gas_used);
            let mut last = 0;
            let [touch, first, second, _] = std::array::from_fn(|_| {
                let total = used.next().unwrap_or_default();
                let gas = total - last;
                last = total;
                gas
            });
            // Before EIP-161, a mere touch brings the account into being.
            let touch_creates = !spec.is_enabled_in(SpecId::SPURIOUS_DRAGON);
            assert_eq!(first > second, !touch_creates, "{spec:?}");
            assert_eq!(touch > 45_000, touch_creates, "{spec:?}: {touch}");
        }
    });
}

#[test]
fn empty_accounts_come_and_go_by_the_rules_of_the_time() {
    watched(|| {
        const HUSK: Address = Address::repeat_byte(0xee);
        let mut state = state([]);
        state.insert_account(HUSK, AccountInfo::default());
        state.insert_storage(HUSK, U256::ONE, U256::ONE);
        let story = [
            transfer(eoa(0), 0, HUSK, 0),
            transfer(eoa(1), 0, ABSENT, 0),
            transfer(eoa(2), 0, HUSK, 0),
        ];
        let free = |block: &mut Block| {
            block.txns.iter_mut().for_each(|txn| txn.gas_price = 0);
        };
        let run = |spec, beneficiary| {
            let mut block = block(spec, story.clone());
            block.env.beneficiary = beneficiary;
            free(&mut block);
            assert_same(&block, &state).expect("valid")
        };
        for beneficiary in [BENEFICIARY, HUSK, ABSENT] {
            let before = run(SpecId::HOMESTEAD, beneficiary);
            assert!(before.state.account(HUSK).is_none_or(|change| change.info.is_some()));
            assert!(before.state.account(ABSENT).is_some_and(|change| change.info.is_some()));
            // After the transactions, the beneficiary gets its reward.
            let since = run(SpecId::SPURIOUS_DRAGON, beneficiary);
            let husk = since.state.account(HUSK).expect("cleared at least");
            assert!(husk.storage_wiped);
            assert_eq!(husk.info.is_some(), beneficiary == HUSK);
            assert_eq!(since.state.account(ABSENT).is_some(), beneficiary == ABSENT);
        }
    });
}

#[test]
fn a_creator_needs_the_endowment() {
    watched(|| {
        // Endows each creation with 2 wei and is paid 1 by each call: every other creation
        // succeeds.
        let creates = Code::new().create(&[], 2, None).ops(&[op::ISZERO, op::ISZERO]);
        let creates = creates.sload(0).ops(&[op::ADD]).sstore_top(0);
        for spec in [SpecId::HOMESTEAD, SpecId::SHANGHAI, SpecId::AMSTERDAM] {
            let story = (0..6).map(|n| call(eoa(n), 0, contract(0), 1));
            let result = assert_same(&block(spec, story), &state([creates.clone()]));
            assert_eq!(slot(&result.expect("valid"), contract(0), 0), Some(3), "{spec:?}");
        }
    });
}

#[test]
fn a_creation_collides_with_one_from_a_lower_transaction() {
    watched(|| {
        let (factory, child) = factory();
        let mut state = state([factory]);
        // Funds that are there beforehand stay.
        state.insert_account(child, AccountInfo::default().with_balance(U256::from(5)));
        let story = [
            call(eoa(0), 0, contract(0), 0),
            call(eoa(1), 0, contract(0), 0),
            call(eoa(2), 0, child, 0),
        ];
        let result = assert_same(&block(SpecId::CANCUN, story), &state).expect("valid");
        assert_eq!(slot(&result, child, 1), Some(1));
        assert_eq!(balance(&result, child), Some(5));
        assert!(result.state.account(child).is_some_and(|change| change.storage_wiped));
    });
}

/// Checks that the judge never finds anything wrong with an execution, whatever the schedule.
fn assert_free_of_conflicts(block: &Block, state: &PreState) {
    let expected = execute_sequential(block, state, InvalidTxn::Reject).expect("valid");
    for _ in 0..4 {
        for (path, executed) in parallel_runs(block, state, &ParallelOptions::default()) {
            let executed = executed.expect(&path);
            assert_eq!(executed.result, expected, "{path}");
            let aborts = executed.stats.aborts;
            assert_eq!((aborts.commit_validation, aborts.assumption), (0, 0), "{path}: {aborts:?}");
        }
    }
}

#[test]
fn what_commutes_does_not_conflict() {
    watched(|| {
        let one_sender = (0..40).map(|n| transfer(eoa(0), n, eoa(1), 1));
        assert_free_of_conflicts(&block(SpecId::CANCUN, one_sender), &state([]));
        let one_new_account = (0..20).map(|n| transfer(eoa(n), 0, ABSENT, 1));
        assert_free_of_conflicts(&block(SpecId::CANCUN, one_new_account), &state([]));
        let one_beneficiary = (0..20).map(|n| transfer(eoa(n), 0, eoa((n + 1) % 20), 1));
        assert_free_of_conflicts(&block(SpecId::CANCUN, one_beneficiary), &state([]));
        // Each caller has a slot of its own, and the contract takes and passes on value.
        let own_slot = Code::new().push(1).ops(&[op::CALLER, op::SSTORE]);
        let own_slot = own_slot.call(op::CALL, eoa(19), 1, 0).ops(&[op::POP]);
        let one_contract = (0..18).map(|n| call(eoa(n), 0, contract(0), 3));
        assert_free_of_conflicts(&block(SpecId::CANCUN, one_contract), &state([own_slot]));
    });
}

#[test]
fn what_the_pre_block_and_post_block_steps_touch_is_seen_by_both_sides() {
    watched(|| {
        // The history contract stores its caller's input in slot 0; a transaction reads it and adds
        // one.
        let mut state = state([]);
        let own = block(SpecId::PRAGUE, []).system_contracts;
        let stores = Code::new().push(0).ops(&[op::CALLDATALOAD]).sload(0).ops(&[op::ADD]);
        let code =
            Bytecode::new_legacy(stores.push(1).ops(&[op::ADD]).sstore_top(0).bytes().into());
        state.insert_account(own.history, AccountInfo::default().with_code(code));
        // The queue returns how often it was called, in one byte.
        let counts = Code::new().sload(0).push(1).ops(&[op::ADD, op::DUP1]).sstore_top(0);
        let returns = counts.push(0).ops(&[op::MSTORE]).push(1).push(31).ops(&[op::RETURN]);
        let code = Bytecode::new_legacy(returns.bytes().into());
        state.insert_account(own.withdrawal_requests, AccountInfo::default().with_code(code));
        let story = (0..5).map(|n| {
            let to = if n % 2 == 0 { own.history } else { own.withdrawal_requests };
            call(eoa(n), 0, to, 0)
        });
        let mut block = block(SpecId::PRAGUE, story);
        block.parent_hash = B256::with_last_byte(100);
        block.withdrawals = vec![alloy_eips::eip4895::Withdrawal {
            index: 0,
            validator_index: 0,
            address: ABSENT,
            amount: 3,
        }];
        let result = assert_same(&block, &state).expect("valid");
        assert_eq!(slot(&result, own.history, 0), Some(100 + 1 + 3));
        let requests = result.requests.clone().expect("Prague").take();
        assert_eq!(requests, [alloy_primitives::Bytes::from_static(&[1, 3])]);
        assert_eq!(balance(&result, ABSENT), Some(3_000_000_000));
    });
}
