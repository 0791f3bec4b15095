//! Sinks of hosts: told the same, and obeyed in the same way, on every path.

use std::{
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use alloy_primitives::{I256, U256};
use block_stm::{Admission, CancelToken, Cut, Flow, Limits};
use block_stm_evm::{
    Attempts, Block, BlockResult, BlockSink, ExecutedTxn, ExecutionError, FinalTxn, InvalidTxn,
    InvalidTxnReason, ParallelOptions, PreState, Receipt, RefuseReverted, StateRef, StreamReceipts,
    TxnOutcome,
    baseline::execute_with_oracle_and,
    execute_parallel_with, execute_sequential, execute_sequential_with,
    revm::{bytecode::opcode as op, context::TxEnv, primitives::hardfork::SpecId, state::EvmState},
};

use super::{
    code::Code,
    faults::Faulty,
    same::{Held, engines},
    scene::*,
};

/// A call to a sink, with what it was told.
#[derive(Clone, Debug, PartialEq)]
enum Call {
    Admit(usize),
    Settle(usize, bool, u64, I256),
    Commit(usize, TxnOutcome, Option<Receipt>, I256, Option<EvmState>),
}

/// Notes what it is told, and answers as its seed says.
#[derive(Clone, Debug)]
struct Noting {
    seed: u64,
    states: bool,
    calls: Vec<Call>,
}

impl Noting {
    fn new(seed: u64, states: bool) -> Self {
        Self { seed, states, calls: Vec::new() }
    }

    /// A number below 16 for each place and kind of call; all of a seed of zero are 15.
    fn draw(&self, index: usize, kind: u64) -> u64 {
        if self.seed == 0 {
            return 15;
        }
        let mixed = (self.seed ^ kind << 32 ^ index as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        (mixed >> 40) % 16
    }

    fn answer(&self, index: usize, kind: u64) -> Admission<InvalidTxnReason> {
        match self.draw(index, kind) {
            0 | 1 => Admission::Refuse(InvalidTxnReason::Refused(format!("for {kind}"))),
            2 if index > 3 => Admission::Cut,
            _ => Admission::Admit,
        }
    }
}

impl BlockSink for Noting {
    fn wants_state(&self) -> bool {
        self.states
    }

    fn admit(&mut self, index: usize, _txn: &TxEnv) -> Admission<InvalidTxnReason> {
        self.calls.push(Call::Admit(index));
        self.answer(index, 1)
    }

    fn settle(&mut self, executed: ExecutedTxn<'_>) -> Admission<InvalidTxnReason> {
        let ExecutedTxn { index, result, gain, .. } = executed;
        self.calls.push(Call::Settle(index, result.is_success(), result.tx_gas_used(), gain));
        self.answer(index, 2)
    }

    fn commit(&mut self, txn: FinalTxn<'_>) -> Flow {
        for account in txn.state.iter().flat_map(EvmState::values) {
            let (before, after) = (account.original_info(), &account.info);
            if before.code_hash != after.code_hash && !account.info.is_empty_code_hash() {
                assert!(account.is_selfdestructed() || after.code.is_some(), "code is given");
            }
        }
        let receipt = txn.receipt.cloned();
        let call = Call::Commit(txn.index, txn.outcome.clone(), receipt, txn.gain, txn.state);
        self.calls.push(call);
        if self.draw(txn.index, 3) == 0 { Flow::Cut } else { Flow::Continue }
    }
}

type Told = (Vec<Call>, Result<(BlockResult, Option<Cut>), String>);

fn sequentially<DB: StateRef>(block: &Block, db: &DB, policy: InvalidTxn, sink: &Noting) -> Told {
    let mut sink = sink.clone();
    let result = execute_sequential_with(block, db, policy, &mut sink);
    (sink.calls, result.map_err(|error| error.to_string()))
}

/// What the sink is told on each other path, and what comes of it.
fn told<DB: StateRef + Sync>(
    block: &Block,
    db: &DB,
    policy: InvalidTxn,
    sink: &Noting,
) -> Vec<(String, Told)> {
    let options = ParallelOptions::default().policy(policy);
    let mut paths = Vec::new();
    let mut oracle = sink.clone();
    let result = execute_with_oracle_and(block, db, &options, &mut oracle);
    paths.push(("on the oracle".to_owned(), (oracle.calls, result)));
    for engine in engines() {
        let mut sink = sink.clone();
        let result = execute_parallel_with(engine, block, db, &options, &mut sink);
        paths.push((format!("with {} workers", engine.threads()), (sink.calls, result)));
        if engine.threads() > 1 {
            let (held, mut sink) = (Held::new(db, block), Noting { calls: vec![], ..sink });
            let result = execute_parallel_with(engine, block, &held, &options, &mut sink);
            paths.push((format!("held, {} workers", engine.threads()), (sink.calls, result)));
        }
    }
    let ended = |(path, (calls, result)): (_, (_, Result<_, ExecutionError<DB::Error>>))| {
        let result =
            result.map(|executed: block_stm_evm::ParallelResult| (executed.result, executed.cut));
        (path, (calls, result.map_err(|error| error.to_string())))
    };
    paths.into_iter().map(ended).collect()
}

/// Checks that sinks that answer as `seed` says see the same and bring about the same everywhere.
pub(super) fn assert_same_calls<DB: StateRef + Sync>(block: &Block, db: &DB, seed: u64) {
    for (policy, seed) in [(InvalidTxn::Reject, 0), (InvalidTxn::Skip, 0), (InvalidTxn::Skip, seed)]
    {
        let sink = Noting::new(seed, true);
        let (calls, result) = sequentially(block, db, policy, &sink);
        for (path, (told, came_to)) in told(block, db, policy, &sink) {
            for (place, (told, expected)) in told.iter().zip(&calls).enumerate() {
                assert_eq!(told, expected, "{path}, {policy:?}, call {place}");
            }
            assert_eq!(told.len(), calls.len(), "{path}, {policy:?}");
            assert_eq!(came_to, result, "{path}, {policy:?}");
        }
    }
}

/// Checks that a sink that agrees to everything is told the same everywhere, states included.
pub(super) fn assert_same_told<DB: StateRef + Sync>(block: &Block, db: &DB) {
    let sink = Noting::new(0, true);
    let (calls, result) = sequentially(block, db, InvalidTxn::Reject, &sink);
    assert!(result.is_ok() && calls.len() == 3 * block.txns.len());
    for engine in engines() {
        let (mut sink, options) = (sink.clone(), ParallelOptions::default());
        let executed = execute_parallel_with(engine, block, db, &options, &mut sink);
        let executed = executed.map(|executed| (executed.result, executed.cut));
        let executed = executed.map_err(|error| error.to_string());
        assert_eq!(executed, result, "{} workers", engine.threads());
        for (place, (told, expected)) in sink.calls.iter().zip(&calls).enumerate() {
            assert_eq!(told, expected, "{} workers, call {place}", engine.threads());
        }
        assert_eq!(sink.calls.len(), calls.len());
    }
}

/// Checks that a sink that agrees to everything is told the same where attempts stand, states
/// included, and that the block comes out the same. How many stood, with each engine.
pub(super) fn assert_same_by_attempts<DB: StateRef + Sync>(
    block: &Block,
    db: &DB,
    policy: InvalidTxn,
    attempts: &Attempts,
) -> Vec<usize> {
    let sink = Noting::new(0, true);
    let (calls, result) = sequentially(block, db, policy, &sink);
    let options = ParallelOptions::default().policy(policy).attempts(attempts);
    let by = |engine| {
        let mut sink = sink.clone();
        let executed = execute_parallel_with(engine, block, db, &options, &mut sink);
        let executed = executed.map(|e| (e.attempts_stood, (e.result, e.cut)));
        let executed = executed.map_err(|error| error.to_string());
        for (place, (told, expected)) in sink.calls.iter().zip(&calls).enumerate() {
            assert_eq!(told, expected, "by attempts, {policy:?}, call {place}");
        }
        assert_eq!(sink.calls.len(), calls.len(), "by attempts, {policy:?}");
        let stood = executed.as_ref().map_or(0, |(stood, _)| *stood);
        assert_eq!(executed.map(|(_, result)| result), result, "by attempts, {policy:?}");
        stood
    };
    engines().iter().map(by).collect()
}

/// Counting calls of one contract among payments, one of which is invalid; some to the beneficiary.
fn mixed() -> (Block, PreState) {
    let counts = Code::new().sload(0).push(1).ops(&[op::ADD]).sstore_top(0);
    let reverts = Code::new().push(0).push(0).ops(&[op::REVERT]);
    let state = state([counts, reverts]);
    let mut txns = vec![transfer(eoa(3), 7, eoa(1), 5)];
    for n in 0..3 {
        txns.push(call(eoa(n), 0, contract(0), 0));
        txns.push(call(eoa(n), 1, contract(1), 0));
        txns.push(transfer(eoa(n), 2, BENEFICIARY, 11));
    }
    (block(SpecId::CANCUN, txns), state)
}

#[test]
fn a_sink_is_told_of_every_txn_in_order() {
    watched(|| {
        let (block, state) = mixed();
        let sink = Noting::new(0, true);
        let (calls, result) = sequentially(&block, &state, InvalidTxn::Skip, &sink);
        let (result, cut) = result.expect("skips");
        assert_eq!(cut, None);
        let plain = execute_sequential(&block, &state, InvalidTxn::Skip).expect("skips");
        assert_eq!(result, plain);
        // The invalid one is not settled.
        assert_eq!(calls.len(), 3 * block.txns.len() - 1);
        let gains = calls.iter().filter_map(|call| match call {
            Call::Commit(3 | 6 | 9, _, _, gain, _) => Some(*gain),
            _ => None,
        });
        // Eleven wei, and the fee of a payment.
        let price = block.txns[3].gas_price - u128::from(block.env.basefee);
        let gain = I256::try_from(11 + 21_000 * price).expect("small");
        assert!(gains.eq([gain; 3]));
        assert_same_calls(&block, &state, 0x5eed);
    });
}

#[test]
fn states_are_not_made_for_a_sink_that_wants_none() {
    watched(|| {
        let (block, state) = mixed();
        let sink = Noting::new(0, false);
        let (calls, _) = sequentially(&block, &state, InvalidTxn::Skip, &sink);
        for (path, (told, _)) in told(&block, &state, InvalidTxn::Skip, &sink) {
            assert_eq!(told, calls, "{path}");
            let none = |call: &Call| !matches!(call, Call::Commit(.., Some(_)));
            assert!(told.iter().all(none), "{path}");
        }
    });
}

#[test]
fn a_refusal_fails_a_block_that_rejects() {
    watched(|| {
        let (mut block, state) = mixed();
        block.txns.remove(0);
        for engine in engines() {
            let mut sink = RefuseReverted::new(Noting::new(0, false), |_| false);
            let options = ParallelOptions::default();
            let result = execute_parallel_with(engine, &block, &state, &options, &mut sink);
            let error = result.map(|executed| executed.result).expect_err("one reverts");
            assert_eq!(error.to_string(), "txn 1 is invalid: refused: it failed in the vm");
        }
    });
}

#[test]
fn what_reverts_is_left_out_but_where_it_may() {
    watched(|| {
        let (block, state) = mixed();
        for engine in engines() {
            let mut sink = RefuseReverted::new(Noting::new(0, true), |index| index == 5);
            let options = ParallelOptions::default().policy(InvalidTxn::Skip);
            let executed = execute_parallel_with(engine, &block, &state, &options, &mut sink);
            let result = executed.expect("skips").result;
            let skipped = (0..).zip(&result.outcomes);
            let skipped = skipped.filter(|(_, end)| matches!(end, TxnOutcome::Skipped(_)));
            // Without its second transaction, a sender's third has the wrong nonce.
            assert!(skipped.map(|(index, _)| index).eq([0, 2, 3, 8, 9]), "{:?}", result.outcomes);
            let mut rest = block.clone();
            rest.txns = [1, 4, 5, 6, 7].map(|index: usize| block.txns[index].clone()).into();
            let expected = execute_sequential(&rest, &state, InvalidTxn::Reject).expect("valid");
            assert_eq!(result.state, expected.state);
            assert_eq!(result.receipts, expected.receipts);
        }
    });
}

/// Waits in the middle of the block until its receipts were seen elsewhere.
struct Waiting {
    stream: StreamReceipts,
    seen: mpsc::Receiver<()>,
}

impl BlockSink for Waiting {
    fn commit(&mut self, txn: FinalTxn<'_>) -> Flow {
        let index = txn.index;
        let flow = self.stream.commit(txn);
        if index == 4 {
            self.seen.recv_timeout(Duration::from_secs(60)).expect("receipts come at once");
        }
        flow
    }
}

#[test]
fn receipts_are_streamed_while_the_block_runs() {
    watched(|| {
        let (block, state) = mixed();
        for engine in engines() {
            let (sender, receipts) = mpsc::channel();
            let (tell, seen) = mpsc::channel();
            let listener = thread::spawn(move || {
                let mut all = Vec::new();
                for (index, receipt) in receipts {
                    all.push(receipt);
                    if index == 4 {
                        tell.send(()).expect("the block waits");
                    }
                }
                all
            });
            let mut sink = Waiting { stream: StreamReceipts::new(sender), seen };
            let options = ParallelOptions::default().policy(InvalidTxn::Skip);
            let executed = execute_parallel_with(engine, &block, &state, &options, &mut sink);
            drop(sink);
            let streamed = listener.join().expect("listens to the end");
            assert_eq!(streamed, executed.expect("skips").result.receipts);
        }
    });
}

/// Cuts, or cancels, through a token when a transaction is committed.
struct Stops(CancelToken, usize, bool);

impl BlockSink for Stops {
    fn commit(&mut self, txn: FinalTxn<'_>) -> Flow {
        match (txn.index == self.1, self.2) {
            (true, true) => self.0.cut(),
            (true, false) => self.0.cancel(),
            (false, _) => {}
        }
        Flow::Continue
    }
}

#[test]
fn a_block_that_is_cut_through_its_token_ends_with_what_is_committed() {
    watched(|| {
        let (block, state) = mixed();
        for at in 0..block.txns.len() - 1 {
            let mut begin = block.clone();
            begin.txns.truncate(at + 1);
            let expected = execute_sequential(&begin, &state, InvalidTxn::Skip).expect("skips");
            for (engine, keep) in engines().iter().flat_map(|e| [(e, true), (e, false)]) {
                let token = CancelToken::new();
                let limits = Limits { cancel: Some(token.clone()), ..Limits::default() };
                let options = ParallelOptions::default().policy(InvalidTxn::Skip).limits(limits);
                let mut sink = Stops(token, at, keep);
                let result = execute_parallel_with(engine, &block, &state, &options, &mut sink);
                match result {
                    Ok(executed) => {
                        assert!(keep);
                        assert_eq!(executed.cut, Some(Cut::Token));
                        assert_eq!(executed.result, expected);
                    }
                    Err(ExecutionError::Cancelled { committed }) => {
                        assert!(!keep && committed == at + 1);
                    }
                    Err(error) => panic!("{error}"),
                }
            }
        }
    });
}

#[test]
fn with_a_sink_whichever_read_fails_the_block_fails_or_comes_out_right() {
    watched(|| {
        let (block, state) = mixed();
        let sink = Noting::new(0, true);
        let (calls, right) = sequentially(&block, &state, InvalidTxn::Skip, &sink);
        let mut failed = 0;
        for at in 0..30 {
            for engine in engines() {
                let db = Faulty::at(state.clone(), at, false);
                let mut sink = sink.clone();
                let options = ParallelOptions::default().policy(InvalidTxn::Skip);
                let result = execute_parallel_with(engine, &block, &db, &options, &mut sink);
                assert!(calls.starts_with(&sink.calls), "read {at}");
                match result {
                    Ok(executed) => {
                        assert_eq!(right, Ok((executed.result, executed.cut)), "read {at}");
                    }
                    Err(ExecutionError::Database { .. }) => {
                        // With more threads, a read that fails ahead of its turn may fail no block.
                        failed += usize::from(engine.threads() == 1);
                    }
                    Err(error) => panic!("read {at}: {error}"),
                }
            }
        }
        assert!(failed > 6, "only {failed} blocks failed on one thread");
    });
}

#[test]
fn a_beneficiary_that_is_full_gains_nothing() {
    watched(|| {
        let (block, mut state) = mixed();
        let mut full = state.account(&BENEFICIARY).map(|account| account.info.clone());
        full.get_or_insert_default().balance = U256::MAX;
        state.insert_account(BENEFICIARY, full.expect("just set"));
        let start = Instant::now();
        assert_same_calls(&block, &state, 3);
        assert!(start.elapsed() < Duration::from_secs(60));
    });
}
