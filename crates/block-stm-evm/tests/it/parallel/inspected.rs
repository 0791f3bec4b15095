//! The states before transactions, from lists and from executions, against those that the plain
//! loop goes through; and inspectors on them.

use std::{
    collections::BTreeSet,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::atomic::{AtomicUsize, Ordering},
};

use alloy_primitives::{Address, B256, U256};
use block_stm::{Engine, Flow};
use block_stm_evm::{
    Block, ExecutionError, InvalidTxn, PreState, StateRef, TxnOutcome,
    access_list::execute_sequential_with_list,
    execute_sequential,
    inspect::{StateBefore, TxnStates, inspect_block, inspect_txns},
    revm::{
        DatabaseRef, Inspector, MainBuilder, bytecode::opcode as op, context::ContextTr,
        interpreter::Interpreter, primitives::hardfork::SpecId, state::AccountInfo,
    },
    steps::{BlockState, apply_pre_block, context_for, execute_observed},
};
use proptest::{collection::vec, prelude::*};

use super::{
    code::Code, decode::Case, faults::Faulty, list_rebirths::story, same::engines, scene::*,
};

/// The state before each transaction, one after another.
fn states_in_order<'a>(block: &Block, state: &'a PreState) -> Vec<BlockState<&'a PreState>> {
    let mut evm = context_for(block, BlockState::new(state)).build_mainnet();
    apply_pre_block(block, &mut evm).expect("valid");
    let mut states = vec![evm.ctx.db().clone()];
    let told = |state: &BlockState<_>| states.push(state.clone());
    execute_observed(block, state, InvalidTxn::Reject, told).expect("valid");
    states
}

/// Accounts with the slots that matter.
fn places(block: &Block, state: &PreState) -> Vec<(Address, BTreeSet<U256>)> {
    let result = execute_sequential_with_list(block, state, InvalidTxn::Reject).expect("valid");
    let mut places = std::collections::BTreeMap::<Address, BTreeSet<U256>>::new();
    for account in result.access_list.iter().flatten() {
        places.entry(account.address).or_default().extend(account.storage_slots());
    }
    for (address, account) in state.accounts() {
        places.entry(*address).or_default().extend(account.storage.keys());
    }
    places.entry(Address::repeat_byte(0x99)).or_default();
    let few = [0, 1, 2].map(U256::from);
    places.into_iter().map(|(address, slots)| (address, &slots | &few.into())).collect()
}

fn account<DB: DatabaseRef>(db: &DB, address: Address) -> Option<(U256, u64, B256, Vec<u8>)> {
    let info = db.basic_ref(address).expect("can be read")?;
    let AccountInfo { balance, nonce, code_hash, code, .. } = info;
    if info_is_codeless(code_hash) {
        return Some((balance, nonce, B256::ZERO, Vec::new()));
    }
    let code = code.or_else(|| db.code_by_hash_ref(code_hash).ok()).expect("is known");
    Some((balance, nonce, code_hash, code.original_byte_slice().to_vec()))
}

fn info_is_codeless(hash: B256) -> bool {
    hash.is_zero() || hash == alloy_primitives::KECCAK256_EMPTY
}

fn assert_same_state<DB: StateRef + Sync>(
    what: &str,
    before: StateBefore<'_, DB>,
    expected: &BlockState<&PreState>,
    places: &[(Address, BTreeSet<U256>)],
) {
    for (address, slots) in places {
        assert_eq!(account(&before, *address), account(expected, *address), "{what}: {address}");
        for slot in slots {
            let value = before.storage_ref(*address, *slot).ok();
            assert_eq!(
                value,
                expected.storage_ref(*address, *slot).ok(),
                "{what}: {address} {slot}"
            );
        }
        let info = expected.basic_ref(*address).expect("in memory").unwrap_or_default();
        // It is asked of no other.
        if info.nonce == 0 && info_is_codeless(info.code_hash) {
            let has = |answer: Option<bool>| answer.unwrap_or(false);
            let found = has(before.has_storage_ref(*address).expect("can be read"));
            let expected = has(expected.has_storage_ref(*address).expect("in memory"));
            assert_eq!(found, expected, "{what}: storage of {address}");
        }
    }
}

/// Checks the states of a valid block, and says whether its list has all of them.
fn assert_same_states(block: &Block, state: &PreState) -> bool {
    let expected = states_in_order(block, state);
    let places = places(block, state);
    let list = execute_sequential_with_list(block, state, InvalidTxn::Reject).expect("valid");
    let list = list.access_list.expect("asked for");
    let mut all = true;
    for engine in engines() {
        let (executed, result) = TxnStates::executed(engine, block, state).expect("valid");
        assert_eq!(Some(result), execute_sequential(block, state, InvalidTxn::Reject).ok());
        let listed = TxnStates::listed(engine, block, state, &list);
        all &= listed.is_some();
        for (txn, expected) in expected.iter().enumerate().take(block.txns.len().max(1)) {
            let what = format!("{:?}, txn {txn}", block.spec);
            assert_same_state(&format!("{what}, told"), executed.before(txn), expected, &places);
            if let Some(listed) = &listed {
                assert_same_state(
                    &format!("{what}, listed"),
                    listed.before(txn),
                    expected,
                    &places,
                );
            }
        }
    }
    all
}

/// The block without its invalid transactions.
fn valid(block: &Block, state: &PreState) -> Option<Block> {
    let skipped = execute_sequential(block, state, InvalidTxn::Skip).ok()?;
    let (mut valid, mut outcomes) = (block.clone(), skipped.outcomes.iter());
    valid.txns.retain(|_| matches!(outcomes.next(), Some(TxnOutcome::Executed { .. })));
    Some(valid)
}

proptest! {
    #[test]
    fn states_of_random_blocks_are_those_of_the_loop(bytes in vec(any::<u8>(), 40..260)) {
        let case = Case::decode(&bytes);
        let state = case.state();
        let block = case.block(&state);
        watched(move || {
            if let Some(block) = valid(&block, &state) {
                assert_same_states(&block, &state);
            }
        });
    }

    #[test]
    fn states_of_random_rebirths_are_those_of_the_loop(story in story()) {
        let (block, state) = (story.block(), story.state());
        watched(move || {
            if let Some(block) = valid(&block, &state) {
                let listed = assert_same_states(&block, &state);
                assert_eq!(listed, block.spec.is_enabled_in(SpecId::SPURIOUS_DRAGON));
            }
        });
    }
}

/// An account without anything ceases to exist when it is touched, which no list says.
#[test]
fn a_list_that_does_not_say_who_exists_is_not_taken() {
    watched(|| {
        let husk = Address::repeat_byte(0xe0);
        let mut state = state([]);
        state.insert_account(husk, AccountInfo::default());
        state.insert_storage(husk, U256::ONE, U256::ONE);
        let block = block(SpecId::SHANGHAI, [transfer(eoa(0), 0, husk, 0)]);
        assert!(!assert_same_states(&block, &state));
        state.remove_account(&husk);
        assert!(assert_same_states(&block, &state));
    });
}

#[test]
fn the_list_of_another_block_is_not_taken() {
    watched(|| {
        let (block, state) = counting();
        let list = execute_sequential_with_list(&block, &state, InvalidTxn::Reject);
        let list = list.expect("valid").access_list.expect("asked for");
        let engine = &engines()[1];
        assert!(TxnStates::listed(engine, &block, &state, &list).is_some());
        let mut shorter = block.clone();
        shorter.txns.truncate(3);
        assert!(TxnStates::listed(engine, &shorter, &state, &list).is_none());
        let twice = [list.clone(), list].concat();
        assert!(TxnStates::listed(engine, &block, &state, &twice).is_none());
    });
}

/// Counts the steps that it sees.
#[derive(Debug, Default)]
struct Notes {
    steps: u64,
}

impl<CTX> Inspector<CTX> for Notes {
    fn step(&mut self, _: &mut Interpreter, _: &mut CTX) {
        self.steps += 1;
    }
}

/// Each adds one to slot 0 of one contract, as often as its place says.
fn counting() -> (Block, PreState) {
    let count = Code::new().sload(0).push(1).ops(&[op::ADD]).sstore_top(0);
    let codes = (1..=6).map(|n| (0..n).fold(Code::new(), |code, _| code.ops(&count.bytes())));
    let state = state(codes);
    let txns = (0..12).map(|n| call(eoa(n), 0, contract(n % 6), 0));
    (block(SpecId::CANCUN, txns), state)
}

fn steps(engine: &Engine, in_flight: usize) -> Vec<(usize, u64, U256)> {
    let (block, state) = counting();
    let mut found = Vec::new();
    inspect_block(
        engine,
        &block,
        &state,
        in_flight,
        |_| Notes::default(),
        |txn| {
            let slot = txn.before.storage_ref(contract(txn.index as u8 % 6), U256::ZERO)?;
            assert!(txn.result.result.is_success());
            Ok((txn.index, txn.inspector.steps, slot))
        },
        &mut |seen| {
            found.push(seen);
            Flow::Continue
        },
    )
    .expect("valid");
    found
}

#[test]
fn each_transaction_has_an_inspector_of_its_own_and_the_state_before_it() {
    watched(|| {
        let expected: Vec<_> = (0..12_usize)
            .map(|n| {
                let adds = n as u64 % 6 + 1;
                let before = if n < 6 { 0 } else { adds };
                // SLOAD, ADD and SSTORE with three pushes, and the STOP behind the code.
                (n, 6 * adds + 1, U256::from(before))
            })
            .collect();
        for engine in engines() {
            for in_flight in [0, 1, 3, 100] {
                assert_eq!(steps(engine, in_flight), expected);
            }
        }
    });
}

#[test]
fn a_taker_may_end_it() {
    watched(|| {
        let (block, state) = counting();
        for engine in engines() {
            let mut taken = Vec::new();
            let result = inspect_block(
                engine,
                &block,
                &state,
                4,
                |_| Notes::default(),
                |txn| Ok(txn.index),
                &mut |index| {
                    taken.push(index);
                    if index == 5 { Flow::Cut } else { Flow::Continue }
                },
            );
            assert_eq!(taken, [0, 1, 2, 3, 4, 5]);
            assert_eq!(result.expect("valid").receipts.len(), 12, "the block's own result");
        }
    });
}

#[test]
fn a_panic_where_a_transaction_is_inspected_names_it() {
    watched(|| {
        let (block, state) = counting();
        for engine in engines() {
            let mut taken = 0;
            let result = inspect_block(
                engine,
                &block,
                &state,
                4,
                |_| Notes::default(),
                |txn| {
                    assert!(txn.index < 7, "of the host");
                    Ok(())
                },
                &mut |()| {
                    taken += 1;
                    Flow::Continue
                },
            );
            let error = result.expect_err("it panicked").to_string();
            assert_eq!((taken, error.as_str()), (7, "panic in txn 7: of the host"));
            let panicked = catch_unwind(AssertUnwindSafe(|| {
                let take = &mut |()| -> Flow { panic!("the taker") };
                inspect_block(engine, &block, &state, 4, |_| Notes::default(), |_| Ok(()), take)
            }));
            assert!(panicked.is_err());
        }
    });
}

#[test]
fn an_invalid_block_is_not_inspected() {
    watched(|| {
        let (mut block, state) = counting();
        block.txns[9].nonce = 7;
        for engine in engines() {
            let inspected = AtomicUsize::new(0);
            let result = inspect_block(
                engine,
                &block,
                &state,
                4,
                |_| {
                    inspected.fetch_add(1, Ordering::Relaxed);
                    Notes::default()
                },
                |_| Ok(()),
                &mut |()| Flow::Continue,
            );
            assert!(matches!(result, Err(ExecutionError::InvalidTxn { index: 9, .. })));
            assert_eq!(inspected.into_inner(), 0);
        }
        // States of another block: what is wrong shows where it is executed.
        let (right, _) = counting();
        let engine = &engines()[2];
        let (states, _) = TxnStates::executed(engine, &right, &state).expect("valid");
        let mut taken = 0;
        let mut take = |()| {
            taken += 1;
            Flow::Continue
        };
        let inspector = |_| Notes::default();
        let result = inspect_txns(engine, &block, &states, 4, inspector, |_| Ok(()), &mut take);
        assert!(matches!(result, Err(ExecutionError::InvalidTxn { index: 9, .. })));
        assert_eq!(taken, 9);
    });
}

/// Whichever read fails, the block does or nothing has asked for it.
#[test]
fn a_state_that_fails_at_any_read_is_an_error_or_does_not_matter() {
    watched(|| {
        let (block, state) = counting();
        let husk = Address::repeat_byte(0xe0);
        let mut with_husk = state.clone();
        with_husk.insert_account(husk, AccountInfo::default());
        let mut husks = block.clone();
        husks.txns.push(transfer(eoa(12), 0, husk, 0));
        for (block, state) in [(&block, &state), (&husks, &with_husk)] {
            let mut fine = 0;
            for at in 0..200 {
                for panics in [false, true] {
                    for engine in [&engines()[0], &engines()[2]] {
                        let db = Faulty::at(state.clone(), at, panics);
                        let mut taken = Vec::new();
                        let run = || {
                            inspect_block(
                                engine,
                                block,
                                &db,
                                4,
                                |_| Notes::default(),
                                |txn| Ok(txn.inspector.steps),
                                &mut |steps| {
                                    taken.push(steps);
                                    Flow::Continue
                                },
                            )
                        };
                        let result = catch_unwind(AssertUnwindSafe(run));
                        if let Ok(Ok(result)) = result {
                            fine += 1;
                            assert_eq!(taken.len(), result.receipts.len());
                        }
                        assert!(
                            taken.iter().take(6).zip(1..).all(|(steps, n)| *steps == 6 * n + 1)
                        );
                    }
                }
            }
            assert!(fine > 0, "reads never end");
        }
    });
}
