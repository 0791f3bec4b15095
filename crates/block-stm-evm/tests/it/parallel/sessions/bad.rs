//! Databases that fail, blocks that are invalid, sessions that are dropped.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

use alloy_primitives::B256;
use block_stm_evm::{
    Block, Bundle, ExecutionError, PreState, Push, PushError, RollBackError, SessionError, Settled,
    UnsettledError, build_sequential,
    revm::{bytecode::opcode as op, primitives::hardfork::SpecId},
};

use super::{all_engines, assert_built, batches_of, engines, start};
use crate::parallel::{
    code::Code,
    faults::{Fault, Faulty},
    scene::*,
};

/// Payments, counting calls, a block hash, an invalid transaction, and bundles.
fn mixed() -> (Block, Vec<Push>, PreState) {
    let counts = Code::new().sload(0).push(1).ops(&[op::ADD]).sstore_top(0);
    let hashes = Code::new().push(99).ops(&[op::BLOCKHASH]).sstore_top(1);
    let mut state = state([counts, hashes]);
    state.insert_block_hash(99, B256::repeat_byte(9));
    let bundle = |txns| Push::from(Bundle::new(txns).expect("not empty"));
    let pushes = vec![
        transfer(eoa(0), 0, eoa(1), 5).into(),
        call(eoa(2), 0, contract(0), 0).into(),
        transfer(eoa(3), 7, eoa(1), 5).into(),
        bundle(vec![call(eoa(4), 0, contract(0), 0), call(eoa(5), 0, contract(1), 0)]),
        bundle(vec![call(eoa(6), 0, contract(0), 0), transfer(eoa(6), 5, eoa(7), 1)]),
        transfer(eoa(1), 0, eoa(6), 5).into(),
    ];
    (block(SpecId::CANCUN, []), pushes, state)
}

/// More reads than any session takes.
const READS: usize = 40;

#[test]
fn whichever_read_fails_the_session_fails_or_comes_out_right() {
    watched(|| {
        let (block, pushes, state) = mixed();
        let right = |lists| build_sequential(&block, &state, &pushes, lists).expect("right");
        let right = [right(false), right(true)];
        let mut failed = 0;
        for at in 0..READS {
            for engine in all_engines().filter(|engine| engine.threads() < 8) {
                for (batch, lists) in [(1, true), (1, false), (3, false), (usize::MAX, true)] {
                    let db = Faulty::at(state.clone(), at, false);
                    let session = start(engine, &block, db, batches_of(batch, lists));
                    for push in &pushes {
                        match session.push(push.clone()) {
                            Ok(_) | Err(PushError::Failed) => {}
                            Err(error) => panic!("read {at}: {error}"),
                        }
                    }
                    match session.finish() {
                        Ok(built) => {
                            let right = &right[usize::from(lists)];
                            assert_built(&built, right, &format!("read {at}"));
                        }
                        Err(SessionError::Execution(ExecutionError::Database {
                            source: Fault::OnFire,
                            ..
                        })) => {
                            // With more threads, a read that fails early may fail no block.
                            failed += usize::from(engine.threads() == 1);
                        }
                        Err(error) => panic!("read {at}: {error}"),
                    }
                }
            }
        }
        assert!(failed > 30, "only {failed} sessions failed on one thread");
    });
}

#[test]
fn whichever_read_panics_nothing_hangs_and_nothing_is_wrong() {
    watched(|| {
        let (block, pushes, state) = mixed();
        let right = build_sequential(&block, &state, &pushes, true).expect("right");
        for at in 0..READS {
            for engine in &engines()[1..3] {
                let db = Faulty::at(state.clone(), at, true);
                let session = start(engine, &block, db, batches_of(2, true));
                for push in &pushes {
                    let _failed_by_now = session.push(push.clone());
                }
                match catch_unwind(AssertUnwindSafe(|| session.finish())) {
                    Ok(Ok(built)) => assert_built(&built, &right, &format!("read {at}")),
                    Ok(Err(SessionError::Execution(ExecutionError::Panicked {
                        message, ..
                    }))) => assert_eq!(message, "disk exploded"),
                    Ok(Err(error)) => panic!("read {at}: {error}"),
                    // Before and after the transactions, panics are the caller's.
                    Err(payload) => assert_eq!(payload.downcast_ref(), Some(&"disk exploded")),
                }
            }
        }
    });
}

#[test]
fn a_session_that_failed_says_so_everywhere_and_why_in_the_end() {
    watched(|| {
        let (block, pushes, state) = mixed();
        let db = Faulty::failing_on(state, eoa(4));
        let session = start(&engines()[1], &block, db, batches_of(1, true));
        let mark = session.mark();
        let tickets: Vec<_> = pushes.iter().map(|push| session.push(push.clone())).collect();
        let last = tickets.iter().rev().find_map(|ticket| ticket.ok()).expect("one was in time");
        let _either = session.wait(last);
        while session.push(transfer(eoa(8), 0, eoa(9), 1)).is_ok() {}
        let late = session.push(transfer(eoa(8), 0, eoa(9), 1));
        assert_eq!(late, Err(PushError::Failed));
        assert_eq!(session.roll_back(mark), Err(RollBackError::Ended(PushError::Failed)));
        let failed = UnsettledError::Ended(PushError::Failed);
        assert_eq!(session.wait(last), Err(failed));
        let error = session.finish().expect_err("the account can't be read");
        // The bundle's first transaction is the fourth of all.
        assert_eq!(error.to_string(), "reading state for txn 3: disk on fire");
    });
}

#[test]
fn a_block_that_cannot_begin_or_end_is_an_error() {
    watched(|| {
        let (mut block, pushes, state) = mixed();
        block.parent_beacon_block_root = None;
        let session = start(&engines()[0], &block, Arc::new(state.clone()), batches_of(1, true));
        let _failed_by_now = session.push(pushes[0].clone());
        let error = session.finish().expect_err("no root").to_string();
        assert_eq!(error, "the parent beacon block root is missing");

        block.parent_beacon_block_root = Some(B256::ZERO);
        block.spec = SpecId::PRAGUE;
        block.system_contracts.withdrawal_requests = eoa(0);
        let session = start(&engines()[0], &block, Arc::new(state), batches_of(1, true));
        session.push(pushes[0].clone()).expect("open");
        let error = session.finish().expect_err("no contract").to_string();
        assert!(error.starts_with("system call to the withdrawal requests"), "{error}");
    });
}

#[test]
fn a_session_dropped_half_way_leaves_an_engine_that_is_ready() {
    watched(|| {
        let (block, pushes, state) = mixed();
        let right = build_sequential(&block, &state, &pushes, true).expect("right");
        let state = Arc::new(state);
        for engine in engines() {
            for pushed in 0..=pushes.len() {
                let session = start(engine, &block, Arc::clone(&state), batches_of(1, true));
                let pusher = session.pusher();
                let mark = session.mark();
                for push in &pushes[..pushed] {
                    session.push(push.clone()).expect("open");
                }
                drop(session);
                // The session's thread is gone, and the state with it.
                assert_eq!(Arc::strong_count(&state), 1);
                assert_eq!(pusher.push(pushes[0].clone()), Err(PushError::Over));
                let over = RollBackError::Ended(PushError::Over);
                assert_eq!(pusher.roll_back(mark), Err(over));
            }
            let session = start(engine, &block, Arc::clone(&state), batches_of(2, true));
            for push in &pushes {
                session.push(push.clone()).expect("open");
            }
            assert_built(&session.finish().expect("built"), &right, "after dropped ones");
        }
    });
}

#[test]
fn a_host_that_waits_learns_of_a_session_that_is_over() {
    watched(|| {
        let (block, pushes, state) = mixed();
        let session = start(&engines()[1], &block, Arc::new(state), batches_of(1, true));
        let ticket = session.push(pushes[0].clone()).expect("open");
        let pusher = session.pusher();
        let waiter = std::thread::spawn(move || (pusher.wait(ticket), pusher));
        let built = session.finish().expect("built");
        assert_eq!(built.txns.len(), 1);
        let (waited, pusher) = waiter.join().expect("no panic");
        assert!(matches!(waited, Ok(Settled::Taken { .. })));
        assert_eq!(pusher.settled(ticket), waited.map(Some));
        assert_eq!(pusher.push(pushes[1].clone()), Err(PushError::Over));
    });
}
