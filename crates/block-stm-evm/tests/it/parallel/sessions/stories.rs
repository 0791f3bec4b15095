//! One thing at a time: bundles, gas, marks, deadlines, bounds, threads.

use std::{
    num::NonZeroUsize,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use alloy_primitives::{Address, B256, I256, U256};
use block_stm::Cut;
use block_stm_evm::{
    Block, Bundle, InvalidTxnReason, PreState, PreStateError, Push, PushError, RollBackError,
    SessionOptions, Settled, StateRef, UnsettledError, build_sequential,
    revm::{
        DatabaseRef,
        bytecode::opcode as op,
        primitives::hardfork::SpecId,
        state::{AccountInfo, Bytecode},
    },
};

use super::{assert_built, assert_valid, batches_of, engines, pushes, start};
use crate::parallel::{code::Code, scene::*};

/// A contract that counts, and one that reverts.
fn counting() -> PreState {
    let counts = Code::new().sload(0).push(1).ops(&[op::ADD]).sstore_top(0);
    let reverts = Code::new().push(0).push(0).ops(&[op::REVERT]);
    state([counts, reverts])
}

fn taken(settled: &Settled) -> bool {
    matches!(settled, Settled::Taken { .. })
}

#[test]
fn a_bundle_stands_or_falls_as_a_whole() {
    watched(|| {
        let state = counting();
        let block = block(SpecId::CANCUN, []);
        let bundle = |txns: Vec<_>| Bundle::new(txns).expect("not empty");
        let pushes: Vec<Push> = vec![
            call(eoa(0), 0, contract(0), 0).into(),
            // Falls with its second member, which reverts.
            bundle(vec![call(eoa(0), 1, contract(0), 0), call(eoa(1), 0, contract(1), 0)]).into(),
            // Stands with one that may, and sees what those before it left.
            bundle(vec![
                call(eoa(0), 1, contract(0), 0),
                call(eoa(1), 0, contract(1), 0),
                call(eoa(0), 2, contract(0), 0),
            ])
            .allow_reverts([1])
            .expect("a member")
            .into(),
            // Falls with its third member, which is invalid.
            bundle(vec![
                call(eoa(2), 0, contract(0), 0),
                transfer(eoa(2), 1, BENEFICIARY, 7),
                transfer(eoa(2), 1, eoa(3), 1),
            ])
            .into(),
            bundle(vec![transfer(eoa(2), 0, BENEFICIARY, 7), transfer(eoa(2), 1, eoa(3), 1)])
                .into(),
        ];
        let expected = build_sequential(&block, &state, &pushes, true).expect("built");
        let became: Vec<_> = expected.settled.iter().map(|(_, settled)| settled.clone()).collect();
        assert_eq!(became.iter().map(taken).collect::<Vec<_>>(), [true, false, true, false, true]);
        let reason =
            InvalidTxnReason::Bundle { member: 1, reason: Box::new(InvalidTxnReason::Failed) };
        assert_eq!(became[1], Settled::LeftOut(reason));
        // Seven wei, and two fees.
        let gain = I256::try_from(7 + 2 * TRANSFER_FEE).expect("small");
        let last = Settled::Taken { first: 4, txns: 2, gas_used: 42_000, gain };
        assert_eq!(became[4], last);
        assert_eq!(ends(&expected.result), "s--srs---ss");
        assert_eq!(slot(&expected.result, contract(0), 0), Some(3));
        assert_valid(&expected, &block, &state);
        let state = Arc::new(state);
        for engine in engines() {
            for batch in [1, usize::MAX] {
                let session = start(engine, &block, Arc::clone(&state), batches_of(batch, true));
                for push in &pushes {
                    session.push(push.clone()).expect("open");
                }
                assert_built(&session.finish().expect("built"), &expected, "stories");
            }
        }
    });
}

#[test]
fn gas_is_admitted_in_order_by_limit_and_by_use() {
    watched(|| {
        for spec in [SpecId::LONDON, SpecId::OSAKA, SpecId::AMSTERDAM] {
            let mut block = block(spec, []);
            block.env.gas_limit = 500_000;
            let calls = |from, nonces: std::ops::Range<u64>| {
                nonces.map(|nonce| call(eoa(from), nonce, eoa(9), 1)).collect::<Vec<_>>()
            };
            let bundle = |txns| Push::from(Bundle::new(txns).expect("not empty"));
            // Each may use 400,000 and uses 21,000: there is room for five.
            let pushes = vec![
                bundle(calls(0, 0..3)),
                call(eoa(1), 0, eoa(9), 1).into(),
                // Its second is the sixth.
                bundle(calls(2, 0..3)),
                bundle(calls(3, 0..2)),
                call(eoa(4), 0, eoa(9), 1).into(),
                transfer(eoa(5), 0, eoa(9), 1).into(),
            ];
            let state = Arc::new(state([]));
            let expected = build_sequential(&block, &state, &pushes, true).expect("built");
            if spec != SpecId::AMSTERDAM {
                assert_eq!(ends(&expected.result), "ssss-----ss", "{spec:?}");
            }
            assert_valid(&expected, &block, &state);
            for engine in engines() {
                let session =
                    start(engine, &block, Arc::clone(&state), batches_of(usize::MAX, true));
                for push in &pushes {
                    session.push(push.clone()).expect("open");
                }
                assert_built(&session.finish().expect("built"), &expected, &format!("{spec:?}"));
            }
        }
    });
}

#[test]
fn what_comes_after_a_mark_can_be_taken_back_again_and_again() {
    watched(|| {
        let state = Arc::new(counting());
        let block = block(SpecId::CANCUN, []);
        for engine in engines() {
            let session = start(engine, &block, Arc::clone(&state), batches_of(usize::MAX, true));
            session.push(call(eoa(0), 0, contract(0), 0)).expect("open");
            let mark = session.mark();
            for waits in [true, false, true] {
                let later = session.push(call(eoa(0), 1, contract(0), 0)).expect("open");
                let inner = session.mark();
                let last = session.push(transfer(eoa(0), 2, eoa(1), 5)).expect("open");
                if waits {
                    assert!(taken(&session.wait(last).expect("executed")));
                }
                session.roll_back(mark).expect("it is there");
                assert_eq!(session.wait(later), Err(UnsettledError::Unknown));
                assert_eq!(session.roll_back(inner), Err(RollBackError::Unknown));
            }
            session.push(transfer(eoa(0), 1, eoa(2), 5)).expect("open");
            let built = session.finish().expect("built");
            let left = [call(eoa(0), 0, contract(0), 0), transfer(eoa(0), 1, eoa(2), 5)];
            let left = left.map(Push::from);
            let expected = build_sequential(&block, &*state, &left, true).expect("built");
            assert_built(&built, &expected, "rolled back");
        }
    });
}

/// A state of which each account takes a while to read.
struct Slow(PreState, Duration);

impl DatabaseRef for Slow {
    type Error = PreStateError;

    fn basic_ref(&self, address: Address) -> Result<Option<AccountInfo>, PreStateError> {
        thread::sleep(self.1);
        self.0.basic_ref(address)
    }

    fn code_by_hash_ref(&self, hash: B256) -> Result<Bytecode, PreStateError> {
        self.0.code_by_hash_ref(hash)
    }

    fn storage_ref(&self, address: Address, slot: U256) -> Result<U256, PreStateError> {
        self.0.storage_ref(address, slot)
    }

    fn block_hash_ref(&self, number: u64) -> Result<B256, PreStateError> {
        self.0.block_hash_ref(number)
    }
}

impl StateRef for Slow {}

/// Payments, each to an account that no other one pays.
fn many() -> Block {
    let payee = |n: u8| Address::left_padding_from(&[0x50, n]);
    let pay = |n: u8| transfer(eoa(n % 20), u64::from(n / 20), payee(n), 1);
    block(SpecId::SHANGHAI, (0..200).map(pay))
}

#[test]
fn at_the_deadline_the_block_is_what_was_executed() {
    watched(|| {
        let block = many();
        for engine in &engines()[..3] {
            let slow = Arc::new(Slow(state([]), Duration::from_millis(2)));
            let options = SessionOptions::default()
                .deadline(Instant::now() + Duration::from_millis(25))
                .batch(NonZeroUsize::new(5).expect("not zero"));
            let session = start(engine, &block, Arc::clone(&slow), options);
            let tickets = session.push_all(block.txns.clone());
            // Pushing itself takes no time to speak of.
            let tickets = tickets.expect("pushed in time");
            let last = *tickets.last().expect("some");
            let late = UnsettledError::Ended(PushError::Deadline);
            let became = session.wait(last);
            let begun = Instant::now();
            let refused = session.push(transfer(eoa(0), 10, eoa(1), 1));
            let built = session.finish().expect("what was executed");
            assert!(begun.elapsed() < Duration::from_secs(20));
            assert_eq!((became, refused), (Err(late), Err(PushError::Deadline)));
            assert_eq!(built.cut, Some(Cut::Deadline));
            let executed = built.settled.len();
            assert!(executed < block.txns.len());
            let first = &pushes(&block)[..executed];
            let expected = build_sequential(&block, &slow.0, first, false).expect("built");
            assert_eq!((built.result, built.txns), (expected.result, expected.txns));
        }
    });
}

#[test]
fn a_session_without_pushes_ends_in_time_and_refuses_later_ones() {
    watched(|| {
        let block = block(SpecId::SHANGHAI, []);
        let deadline = Instant::now() + Duration::from_millis(10);
        let options = SessionOptions::default().deadline(deadline);
        let session = start(&engines()[1], &block, Arc::new(state([])), options);
        thread::sleep(Duration::from_millis(15));
        let refused = session.push(transfer(eoa(0), 0, eoa(1), 1));
        assert_eq!(refused, Err(PushError::Deadline));
        let pusher = session.pusher();
        let built = session.finish().expect("an empty block");
        assert_eq!((built.txns.len(), built.cut), (0, None));
        let refused = pusher.push(transfer(eoa(0), 0, eoa(1), 1));
        assert_eq!(refused, Err(PushError::Deadline));
    });
}

#[test]
fn a_block_that_is_cut_keeps_what_was_executed() {
    watched(|| {
        let block = many();
        let slow = Arc::new(Slow(state([]), Duration::from_millis(1)));
        let options = SessionOptions::default().batch(NonZeroUsize::new(4).expect("not zero"));
        let session = start(&engines()[2], &block, Arc::clone(&slow), options);
        let tickets = session.push_all(block.txns.clone()).expect("open");
        session.wait(tickets[5]).expect("executed");
        session.cut();
        assert_eq!(session.push(transfer(eoa(0), 10, eoa(1), 1)), Err(PushError::Cut));
        let built = session.finish().expect("what was executed");
        let executed = built.settled.len();
        assert!(executed >= 6);
        let expected = build_sequential(&block, &slow.0, &pushes(&block)[..executed], false);
        let expected = expected.expect("built");
        assert_eq!((built.result, built.txns), (expected.result, expected.txns));
    });
}

#[test]
fn no_more_waits_than_may_and_pushes_wait_for_room() {
    watched(|| {
        let block = many();
        let slow = Arc::new(Slow(state([]), Duration::from_millis(1)));
        let options = SessionOptions::default().capacity(NonZeroUsize::new(4).expect("not zero"));
        let session = start(&engines()[1], &block, Arc::clone(&slow), options);
        let mut full = 0;
        for push in pushes(&block) {
            match session.try_push(push.clone()) {
                Err(PushError::Full) => {
                    full += 1;
                    session.push(push).expect("waits for room");
                }
                pushed => drop(pushed.expect("open")),
            }
            assert!(session.pending() <= 4);
        }
        assert!(full > 0);
        // Too large for any room, and alone.
        let large = (0..6).map(|n| transfer(eoa(n), 10, eoa(9), 1)).collect();
        let large = Push::from(Bundle::new(large).expect("not empty"));
        session.push(large.clone()).expect("taken alone");
        let built = session.finish().expect("built");
        let all = [pushes(&block), vec![large]].concat();
        let expected = build_sequential(&block, &slow.0, &all, false).expect("built");
        assert_built(&built, &expected, "in a small room");
    });
}

#[test]
fn threads_push_at_once_and_stand_in_the_order_of_their_tickets() {
    watched(|| {
        let block = block(SpecId::SHANGHAI, []);
        let state = Arc::new(counting());
        for engine in engines() {
            let session = start(engine, &block, Arc::clone(&state), batches_of(usize::MAX, true));
            let push_all = |n: u8, pusher: block_stm_evm::Pusher| {
                let txns = (0..20).map(move |nonce| call(eoa(n), nonce, contract(n % 2), 0));
                let pushed = txns.map(|txn| (pusher.push(txn.clone()).expect("open"), txn));
                pushed.collect::<Vec<_>>()
            };
            let pushers = (0..4).map(|n| {
                let pusher = session.pusher();
                thread::spawn(move || push_all(n, pusher))
            });
            let pushers: Vec<_> = pushers.collect();
            let mut pushed: Vec<_> =
                pushers.into_iter().flat_map(|p| p.join().expect("pushes")).collect();
            pushed.sort_by_key(|(ticket, _)| *ticket);
            let built = session.finish().expect("built");
            let pushes: Vec<_> = pushed.into_iter().map(|(_, txn)| Push::from(txn)).collect();
            let expected = build_sequential(&block, &*state, &pushes, true).expect("built");
            assert_built(&built, &expected, "from four threads");
        }
    });
}

#[test]
fn the_transactions_of_the_block_come_first() {
    watched(|| {
        let whole = many();
        let state = Arc::new(state([]));
        let options = SessionOptions::default().access_list();
        let session = block_stm_evm::BlockSession::start(
            Arc::clone(&engines()[1]),
            whole.clone(),
            Arc::clone(&state),
            options,
        );
        let session = session.expect("a thread starts");
        session.push(transfer(eoa(0), 10, eoa(1), 1)).expect("open");
        let mut all = pushes(&whole);
        all.push(transfer(eoa(0), 10, eoa(1), 1).into());
        let expected = build_sequential(&whole, &*state, &all, true).expect("built");
        assert_built(&session.finish().expect("built"), &expected, "from a block");
    });
}
