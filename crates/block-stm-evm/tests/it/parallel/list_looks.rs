//! What counts as a look at an account or a slot, by the sentences of EIP-7928.
//!
//! Each list is also compared with the definition, on all paths; here stands what comes of it.

use alloy_eips::{eip2930::AccessListItem, eip4895::Withdrawal};
use alloy_primitives::{Address, B256, U256, address};
use block_stm_evm::{
    Block, Rewards,
    alloy_eip7928::AccountChanges,
    revm::{
        bytecode::opcode as op,
        context::TxEnv,
        context_interface::{
            either::Either,
            transaction::{Authorization, RecoveredAuthority, RecoveredAuthorization},
        },
        primitives::hardfork::SpecId,
        state::{AccountInfo, Bytecode},
    },
};

use super::{
    code::Code,
    list_stories::{account, list_of},
    rebirths::{Before, GAS, Heir, Step, Story, toy},
    scene::*,
};

const NAMED: Address = Address::repeat_byte(0x77);
const SYSTEM: Address = address!("fffffffffffffffffffffffffffffffffffffffe");
const FORKS: [SpecId; 4] = [SpecId::SHANGHAI, SpecId::CANCUN, SpecId::OSAKA, SpecId::AMSTERDAM];

fn is_listed(list: &[AccountChanges], address: Address) -> bool {
    list.iter().any(|account| account.address == address)
}

/// The list of a block with one call of a contract that has 9 wei.
fn list_of_call(spec: SpecId, code: Code) -> Vec<AccountChanges> {
    let mut state = state([code]);
    set_balance(&mut state, contract(0), 9);
    list_of(&block(spec, [call(eoa(0), 0, contract(0), 0)]), &state)
}

/// What the list says of toy 0, in a block of one transaction with these steps.
fn toy_after(spec: SpecId, before: Before, steps: &[Step]) -> AccountChanges {
    let txns = vec![(GAS, steps.to_vec())];
    let story = Story { spec, net_metering: false, before: [before, Before::default()], txns };
    account(&list_of(&story.block(), &story.state()), toy(0)).clone()
}

#[test]
fn a_call_that_fails_is_a_look_and_a_creation_that_does_not_begin_is_none() {
    watched(|| {
        for spec in FORKS {
            let unpaid = Code::new().call(op::CALL, NAMED, 10, 0);
            let list = list_of_call(spec, unpaid);
            assert!(account(&list, NAMED).is_empty(), "{spec:?}");
            let list = list_of_call(spec, Code::new().create(&[], 10, None));
            assert!(!is_listed(&list, contract(0).create(1)), "{spec:?}");
            let list = list_of_call(spec, Code::new().create(&[], 9, None).revert());
            assert!(account(&list, contract(0).create(1)).is_empty(), "{spec:?}");
            assert!(!is_listed(&list, SYSTEM), "{spec:?}");
        }
    });
}

/// Where a payment overflows, revm takes the money from the payer and leaves the account untouched,
/// so that the change is dropped.
#[test]
fn a_payment_that_overflows_and_is_undone_changes_nothing() {
    watched(|| {
        for spec in FORKS {
            let pays = Code::new().call(op::CALL, NAMED, 2, 0).ops(&[op::INVALID]);
            let mut state = state([pays]);
            set_balance(&mut state, contract(0), 9);
            state.insert_account(NAMED, AccountInfo::default().with_balance(U256::MAX));
            let list = list_of(&block(spec, [call(eoa(0), 0, contract(0), 0)]), &state);
            assert!(account(&list, contract(0)).is_empty(), "{spec:?}");
            assert!(account(&list, NAMED).is_empty(), "{spec:?}");
        }
    });
}

#[test]
fn at_the_depth_limit_calls_look_and_creations_do_not() {
    watched(|| {
        // Calls itself with what it has but 300 gas; where that fails, names an account and creates
        // another one.
        let ends = Code::new().call(op::CALL, NAMED, 1, 0).create(&[], 1, None);
        let code = Code::new().push(0).push(0).push(0).push(0).push(0).ops(&[op::ADDRESS]);
        let code = code.push(300).ops(&[op::GAS, op::SUB, op::CALL]).if_even(ends);
        let mut state = state([code]);
        set_balance(&mut state, contract(0), 9);
        let mut calls = call(eoa(0), 0, contract(0), 0);
        calls.gas_limit = 1_000_000;
        let list = list_of(&block(SpecId::FRONTIER, [calls]), &state);
        assert!(account(&list, NAMED).is_empty());
        assert!(!is_listed(&list, contract(0).create(1)));
    });
}

#[test]
fn a_slot_that_is_read_in_vain_or_ends_as_it_was_is_read() {
    watched(|| {
        let before = Before { exists: true, balance: 0, slots: [5, 6] };
        let write = |value| Step::Write { toy: 0, key: 0, value };
        let stories: [&[Step]; 4] = [
            &[Step::ReadInVain { toy: 0, key: 0 }],
            &[Step::WriteInVain { toy: 0, key: 0, value: 9 }],
            &[write(9), write(5)],
            &[write(5)],
        ];
        for spec in FORKS.into_iter().chain([SpecId::FRONTIER, SpecId::ISTANBUL]) {
            for steps in stories {
                let toy = toy_after(spec, before, steps);
                assert_eq!(toy.storage_reads, [U256::ZERO], "{spec:?}: {steps:?}");
                assert!(!toy.has_changes(), "{spec:?}: {steps:?}");
            }
        }
    });
}

#[test]
fn what_is_made_and_destroyed_at_once_leaves_its_balance_alone() {
    watched(|| {
        let steps = [
            Step::Make { toy: 0, order: 0 },
            Step::Write { toy: 0, key: 1, value: 9 },
            Step::Destroy { toy: 0, to: Heir::Nobody },
        ];
        for spec in FORKS {
            for balance in [0, 2] {
                let before = Before { exists: false, balance, slots: [0, 0] };
                let toy = toy_after(spec, before, &steps);
                assert_eq!(toy.storage_reads, [U256::ZERO, U256::ONE], "{spec:?}");
                assert!(toy.nonce_changes.is_empty() && toy.code_changes.is_empty(), "{spec:?}");
                assert!(toy.storage_changes.is_empty(), "{spec:?}");
                assert_eq!(toy.balance_changes.len(), usize::from(balance > 0), "{spec:?}");
            }
        }
    });
}

#[test]
fn a_contract_that_is_its_own_heir_loses_all_before_cancun_and_nothing_since() {
    watched(|| {
        let before = Before { exists: true, balance: 3, slots: [5, 0] };
        for spec in FORKS {
            let toy = toy_after(spec, before, &[Step::Destroy { toy: 0, to: Heir::Itself }]);
            let lost = usize::from(!spec.is_enabled_in(SpecId::CANCUN));
            assert_eq!(toy.balance_changes.len(), lost, "{spec:?}");
            assert_eq!(toy.nonce_changes.len(), lost, "{spec:?}");
            assert_eq!(toy.code_changes.len(), lost, "{spec:?}");
            // Nobody has looked at its slot.
            assert_eq!(toy.storage_slots().count(), 0, "{spec:?}");
        }
    });
}

#[test]
fn what_a_transaction_announces_is_not_looked_at_by_that() {
    watched(|| {
        for spec in FORKS {
            let access_list = vec![
                AccessListItem { address: NAMED, storage_keys: vec![B256::ZERO] },
                AccessListItem { address: contract(0), storage_keys: vec![B256::ZERO] },
            ];
            let access_list = access_list.into();
            let txn = TxEnv { tx_type: 1, access_list, ..call(eoa(0), 0, contract(0), 0) };
            let list = list_of(&block(spec, [txn]), &state([Code::new().sload(1)]));
            assert!(!is_listed(&list, NAMED), "{spec:?}");
            assert_eq!(account(&list, contract(0)).storage_reads, [U256::ONE], "{spec:?}");
        }
    });
}

#[test]
fn accounts_that_are_asked_for_are_listed_whether_they_are_there_or_not() {
    watched(|| {
        let precompile = Address::with_last_byte(4);
        for spec in FORKS {
            for opcode in [op::EXTCODEHASH, op::EXTCODESIZE, op::BALANCE] {
                let list = list_of_call(spec, Code::new().push_address(NAMED).ops(&[opcode]));
                assert!(account(&list, NAMED).is_empty(), "{spec:?}, {opcode:#x}");
            }
            for (wei, changes) in [(0, 0), (2, 1)] {
                let list = list_of_call(spec, Code::new().call(op::CALL, precompile, wei, 1_000));
                let found = account(&list, precompile);
                assert_eq!(found.balance_changes.len(), changes, "{spec:?}");
            }
        }
    });
}

#[test]
fn who_is_credited_nothing_is_listed_for_a_withdrawal_and_not_for_a_reward() {
    watched(|| {
        for spec in FORKS {
            let with = |block: &mut Block, wei: u64| {
                let withdrawal = Withdrawal { address: NAMED, amount: wei, ..Default::default() };
                block.withdrawals = vec![withdrawal];
                block.rewards = Rewards::Given(vec![(BENEFICIARY, U256::from(wei))]);
            };
            let mut nothing = block(spec, []);
            with(&mut nothing, 0);
            let list = list_of(&nothing, &state([]));
            assert!(account(&list, NAMED).is_empty(), "{spec:?}");
            assert!(!is_listed(&list, BENEFICIARY), "{spec:?}");
            assert!(!is_listed(&list, SYSTEM), "{spec:?}");
            let mut something = block(spec, []);
            with(&mut something, 1);
            let list = list_of(&something, &state([]));
            for address in [NAMED, BENEFICIARY] {
                let changes = &account(&list, address).balance_changes;
                assert_eq!(changes[0].block_access_index.get(), 1, "{spec:?}");
            }
        }
    });
}

/// A call of `to` that carries an authorization of [`NAMED`] for `delegate`.
fn authorizing(to: Address, chain_id: u64, nonce: u64, delegate: Address) -> TxEnv {
    let chain_id = U256::from(chain_id);
    let authorization = Authorization { chain_id, address: delegate, nonce };
    let authority = RecoveredAuthority::Valid(NAMED);
    let authorization = RecoveredAuthorization::new_unchecked(authorization, authority);
    TxEnv {
        tx_type: 4,
        gas_priority_fee: Some(0),
        authorization_list: vec![Either::Right(authorization)],
        gas_limit: 2_000_000,
        ..call(eoa(0), 0, to, 0)
    }
}

#[test]
fn an_authority_is_listed_once_it_is_read_and_its_delegate_once_it_is_called() {
    watched(|| {
        for spec in [SpecId::PRAGUE, SpecId::OSAKA, SpecId::AMSTERDAM] {
            let (state, delegate) = (state([Code::new().sload(3)]), contract(0));
            let of = |txn| list_of(&block(spec, [txn]), &state);
            let list = of(authorizing(eoa(1), 0, 0, delegate));
            assert_eq!(account(&list, NAMED).code_changes.len(), 1, "{spec:?}");
            assert!(!is_listed(&list, delegate), "{spec:?}");
            let list = of(authorizing(NAMED, 1, 0, delegate));
            assert_eq!(account(&list, NAMED).storage_reads, [U256::from(3)], "{spec:?}");
            assert!(account(&list, delegate).is_empty(), "{spec:?}");
            // The nonce is wrong, which the account itself says.
            let list = of(authorizing(eoa(1), 0, 7, delegate));
            assert!(account(&list, NAMED).is_empty(), "{spec:?}");
            for (chain_id, nonce) in [(5, 0), (0, u64::MAX)] {
                let list = of(authorizing(eoa(1), chain_id, nonce, delegate));
                assert!(!is_listed(&list, NAMED), "{spec:?}");
            }
        }
    });
}

#[test]
fn a_delegate_is_listed_also_where_the_call_then_fails() {
    watched(|| {
        for spec in [SpecId::PRAGUE, SpecId::OSAKA, SpecId::AMSTERDAM] {
            let mut state = state([Code::new().call(op::CALL, NAMED, 1, 0)]);
            let code = Bytecode::new_eip7702(eoa(5));
            let info = AccountInfo::default().with_nonce(1).with_code(code);
            state.insert_account(NAMED, info);
            let list = list_of(&block(spec, [call(eoa(0), 0, contract(0), 0)]), &state);
            assert!(account(&list, NAMED).is_empty(), "{spec:?}");
            assert!(account(&list, eoa(5)).is_empty(), "{spec:?}");
        }
    });
}

#[test]
fn a_system_call_that_fails_has_looked_and_changes_nothing() {
    watched(|| {
        for spec in [SpecId::PRAGUE, SpecId::OSAKA, SpecId::AMSTERDAM] {
            let mut state = state([]);
            let history = block(spec, []).system_contracts.history;
            let code = Code::new().sload(1).sstore(2, 7).balance(NAMED).revert();
            let code = Bytecode::new_legacy(code.bytes().into());
            state.insert_account(history, AccountInfo::default().with_code(code));
            let list = list_of(&block(spec, []), &state);
            let found = account(&list, history);
            assert_eq!(found.storage_reads, [U256::ONE, U256::from(2)], "{spec:?}");
            assert!(!found.has_changes() && account(&list, NAMED).is_empty(), "{spec:?}");
        }
    });
}
