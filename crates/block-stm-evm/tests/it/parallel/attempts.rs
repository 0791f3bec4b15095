//! Work done before a block: it stands where it is right, costs a look where it is not, and never
//! changes a result.

use std::{error::Error, sync::Arc};

use alloy_primitives::U256;
use block_stm_chain::import::{import_chain, import_folder};
use block_stm_evm::{
    Attempt, Attempts, Block, BlockSession, ExecutionError, InvalidTxn, ParallelOptions, PreState,
    Push, SessionOptions,
    access_list::execute_sequential_with_list,
    build_sequential, execute_parallel, execute_sequential,
    revm::{bytecode::opcode as op, primitives::hardfork::SpecId},
};
use proptest::{collection::vec, prelude::*};

use super::{
    code::Code,
    decode::Case,
    faults::{Fault, Faulty},
    same::engines,
    scene::*,
    sinks::assert_same_by_attempts,
};
use crate::fixtures;

/// Checks everything that a block returns with attempts against what it returns without; how many
/// stood with one worker.
fn assert_same_with(block: &Block, state: &PreState, attempts: &Attempts) -> usize {
    let mut stood = 0;
    for policy in [InvalidTxn::Reject, InvalidTxn::Skip] {
        stood = assert_same_by_attempts(block, state, policy, attempts)[0];
        let expected = execute_sequential_with_list(block, state, policy);
        let expected = expected.map_err(|error| error.to_string());
        let options = ParallelOptions::default().policy(policy).access_list().attempts(attempts);
        for engine in engines() {
            let executed = execute_parallel(engine, block, state, &options);
            let executed = executed.map(|executed| executed.result);
            assert_eq!(executed.map_err(|error| error.to_string()), expected, "{policy:?}");
        }
    }
    stood
}

/// What the block itself did, executed by each engine.
fn kept(block: &Block, state: &PreState) -> Vec<Attempts> {
    let options = ParallelOptions::default().policy(InvalidTxn::Skip).keep_attempts();
    let kept = |engine| {
        let executed = execute_parallel(engine, block, state, &options).ok()?;
        Some(executed.attempts.expect("it was asked for"))
    };
    engines().iter().filter_map(kept).collect()
}

/// Checks a block with attempts made on its state, by itself, on the state after it, and at the
/// wrong places.
fn assert_attempts_change_nothing(block: &Block, state: &PreState) {
    let engine = &engines()[1];
    assert_same_with(block, state, &Attempts::ahead(engine, block, state));
    for own in kept(block, state) {
        let count = own.count();
        let stood = assert_same_by_attempts(block, state, InvalidTxn::Skip, &own);
        assert!(stood.iter().all(|stood| *stood == count), "{stood:?} of {count} stood");
    }
    let Ok(after) = execute_sequential(block, state, InvalidTxn::Skip) else { return };
    let mut later = state.clone();
    later.apply(&after.state);
    assert_same_with(block, state, &Attempts::ahead(engine, block, &later));
    for own in kept(block, &later) {
        assert_same_with(block, state, &own);
        let moved: Attempts = own.iter().skip(1).map(|attempt| attempt.cloned()).collect();
        assert_eq!(assert_same_with(block, state, &moved), 0, "those of others");
    }
}

fn case() -> impl Strategy<Value = Case> {
    vec(any::<u8>(), 40..260).prop_map(|bytes| Case::decode(&bytes))
}

proptest! {
    #[test]
    fn random_attempts_change_nothing(case in case()) {
        let state = case.state();
        let mut block = case.block(&state);
        // Two that are equal are each other's.
        let mut seen = Vec::new();
        block.txns.retain(|txn| {
            let is_new = !seen.contains(txn);
            seen.push(txn.clone());
            is_new
        });
        watched(move || assert_attempts_change_nothing(&block, &state));
    }

    #[test]
    fn attempts_of_another_block_change_nothing(
        case in case(),
        order in vec(any::<prop::sample::Index>(), 14),
    ) {
        let state = case.state();
        let block = case.block(&state);
        watched(move || {
            // The same transactions in another order, as far as they are valid there.
            let mut other = block.clone();
            for (place, with) in order.iter().enumerate().take(other.txns.len()) {
                let with = with.index(other.txns.len());
                other.txns.swap(place, with);
            }
            for own in kept(&other, &state) {
                let find = |txn| own.iter().flatten().find(|attempt| attempt.txn() == txn).cloned();
                let attempts: Attempts = block.txns.iter().map(find).collect();
                assert_same_with(&block, &state, &attempts);
            }
        });
    }
}

/// Calls of a contract that counts, and of one that counts for each caller.
fn counting() -> (Block, PreState) {
    let counts = Code::new().sload(0).push(1).ops(&[op::ADD]).sstore_top(0);
    let own = Code::new().ops(&[op::CALLER, op::SLOAD]).push(1);
    let own = own.ops(&[op::ADD, op::CALLER, op::SSTORE]);
    let calls = (0..6).flat_map(|n| [(n, 0, 0), (n, 1, 1)]);
    let txns = calls.map(|(n, nonce, to)| call(eoa(n), nonce, contract(to), 0));
    (block(SpecId::CANCUN, txns), state([counts, own]))
}

#[test]
fn an_attempt_stands_where_what_it_read_is_still_there() {
    watched(|| {
        let (block, state) = counting();
        let attempts = Attempts::ahead(&engines()[2], &block, &state);
        assert_eq!(attempts.count(), 12);
        // Of those that count together, the first; of the others, all.
        for stood in assert_same_by_attempts(&block, &state, InvalidTxn::Reject, &attempts) {
            assert_eq!(stood, 1 + 6);
        }
    });
}

#[test]
fn an_attempt_under_other_rules_or_at_another_txn_is_left_aside() {
    watched(|| {
        let (block, state) = counting();
        let engine = &engines()[1];
        let attempts = |block: &Block| Attempts::ahead(engine, block, &state);
        let stood = |attempts: &Attempts| assert_same_with(&block, &state, attempts);
        assert_eq!(stood(&attempts(&block)), 7);
        let mut other = block.clone();
        other.env.timestamp += U256::ONE;
        assert_eq!(stood(&attempts(&other)), 0, "a second later");
        other.env = block.env.clone();
        other.spec = SpecId::SHANGHAI;
        assert_eq!(stood(&attempts(&other)), 0, "before Cancun");
        let mut other = block.clone();
        other.txns.iter_mut().for_each(|txn| txn.gas_price += 1);
        assert_eq!(stood(&attempts(&other)), 0, "at another price");
        let none: Vec<Option<Attempt>> = Vec::new();
        assert_eq!(stood(&none.into_iter().collect()), 0, "none");
    });
}

#[test]
fn an_attempt_does_not_stand_where_what_it_pays_no_longer_fits() {
    watched(|| {
        let mut state = state([Code::new().ops(&[op::STOP])]);
        let block = block(SpecId::CANCUN, [call(eoa(0), 0, contract(0), 5)]);
        let attempts = Attempts::ahead(&engines()[1], &block, &state);
        assert_eq!(assert_same_with(&block, &state, &attempts), 1);
        let mut rich = state.account(&contract(0)).expect("there").info.clone();
        for (balance, stood) in [(U256::MAX - U256::from(5), 1), (U256::MAX - U256::from(4), 0)] {
            rich.balance = balance;
            state.insert_account(contract(0), rich.clone());
            assert_eq!(assert_same_with(&block, &state, &attempts), stood);
        }
    });
}

#[test]
fn ordinary_payments_have_no_attempts_and_invalid_txns_neither() {
    let txns = [transfer(eoa(0), 0, eoa(1), 1), call(eoa(1), 7, contract(0), 0)];
    let block = block(SpecId::CANCUN, txns);
    let attempts = Attempts::ahead(&engines()[1], &block, &state([Code::new()]));
    assert_eq!(attempts.iter().count(), 2);
    assert_eq!(attempts.count(), 0);
}

#[test]
fn with_attempts_whichever_read_fails_the_block_fails_or_comes_out_right() {
    watched(|| {
        let (block, state) = counting();
        let right = execute_sequential(&block, &state, InvalidTxn::Reject).expect("right");
        let attempts = Attempts::ahead(&engines()[1], &block, &state);
        let options = ParallelOptions::default().attempts(&attempts);
        let mut failed = 0;
        for at in 0..40 {
            for engine in engines() {
                let db = Faulty::at(state.clone(), at, false);
                match execute_parallel(engine, &block, &db, &options) {
                    Ok(executed) => assert_eq!(executed.result, right, "read {at}"),
                    Err(ExecutionError::Database { source: Fault::OnFire, .. }) => {
                        // With more threads, a read that fails ahead of its turn may fail no block.
                        failed += usize::from(engine.threads() == 1);
                    }
                    Err(error) => panic!("read {at}: {error}"),
                }
            }
        }
        assert!(failed > 12, "only {failed} blocks failed on one thread");
        // On a state that can't be read there are none, and no error.
        for at in 0..12 {
            let db = Faulty::at(state.clone(), at, false);
            let attempts = Attempts::ahead(&engines()[1], &block, &db);
            assert!(attempts.count() < 12);
            assert_same_with(&block, &state, &attempts);
        }
    });
}

#[test]
fn attempts_are_pushed_into_blocks_that_grow() {
    watched(|| {
        let (block, state) = counting();
        let state = Arc::new(state);
        let mut empty = block.clone();
        empty.txns.clear();
        let engine = Arc::new(block_stm::Engine::new(block_stm::Config::default()).expect("ok"));
        let mut other = block.clone();
        other.env.timestamp += U256::ONE;
        for (made_in, stand) in [(&block, 7), (&other, 0)] {
            let attempts = Attempts::ahead(&engine, made_in, &*state);
            let pushes: Vec<_> = attempts.iter().flatten().cloned().map(Push::from).collect();
            let expected = build_sequential(&empty, &*state, &pushes, true).expect("valid");
            let options = SessionOptions::default().access_list();
            let begin = |options| {
                let (engine, empty) = (Arc::clone(&engine), empty.clone());
                BlockSession::start(engine, empty, Arc::clone(&state), options)
            };
            let session = begin(options).expect("a thread starts");
            for push in &pushes {
                session.push(push.clone()).expect("open");
            }
            let built = session.finish().expect("valid");
            assert_eq!(built.result, expected.result);
            assert_eq!(built.txns, block.txns);
            assert_eq!(built.attempts_stood, stand);
        }
    });
}

#[test]
fn attempts_at_mainnet_blocks_change_nothing() -> Result<(), Box<dyn Error>> {
    let test = "attempts_at_mainnet_blocks_change_nothing";
    let Some(root) = fixtures::folder(test, "mainnet") else { return Ok(()) };
    let (mut txns, mut all, mut stood) = (0, 0, 0);
    for entry in std::fs::read_dir(root)? {
        let imported = import_folder(&entry?.path())?;
        let (block, state) = (&imported.block, &imported.pre_state);
        let attempts = Attempts::ahead(&engines()[1], block, state);
        txns += block.txns.len();
        all += attempts.count();
        stood += assert_same_by_attempts(block, state, InvalidTxn::Reject, &attempts)[0];
        for own in &kept(block, state)[1..2] {
            let stood = assert_same_by_attempts(block, state, InvalidTxn::Reject, own);
            assert!(stood.iter().all(|stood| *stood == own.count()), "{}", imported.name);
        }
    }
    println!("{txns} txns, {all} attempts at them, {stood} stood");
    assert!(stood * 2 > all && stood < all, "{stood} of {all}");
    Ok(())
}

#[test]
fn attempts_at_a_chain_through_all_forks_change_nothing() -> Result<(), Box<dyn Error>> {
    let test = "attempts_at_a_chain_through_all_forks_change_nothing";
    let Some(folder) = fixtures::folder(test, "chain") else { return Ok(()) };
    let chain = import_chain(&folder)?;
    let mut state = chain.genesis;
    for block in &chain.blocks {
        assert_same_with(
            &block.block,
            &state,
            &Attempts::ahead(&engines()[1], &block.block, &state),
        );
        for own in kept(&block.block, &state) {
            assert_same_with(&block.block, &state, &own);
        }
        let result = execute_sequential(&block.block, &state, InvalidTxn::Reject)?;
        state.apply(&result.state);
    }
    Ok(())
}
