//! A builder that fills a block from a pool which another thread feeds, beside a sequential one
//! that is given the same order: the same block, and gas per second of both.

mod build;

use std::{
    error::Error,
    sync::{Arc, mpsc},
    thread,
    time::{Duration, Instant},
};

use block_stm_evm::{
    Block, BlockSession, PreState, Push, SessionBlock, SessionOptions,
    block_stm::{Config, Engine},
    build_sequential,
    revm::{
        context::{BlockEnv, TxEnv},
        primitives::{Address, TxKind, U256, hardfork::SpecId},
        state::{AccountInfo, Bytecode},
    },
};

use self::build::{Candidate, build};

const WORKS: Address = Address::repeat_byte(0xc0);
const REVERTS: Address = Address::repeat_byte(0xc1);

fn sender(n: u64) -> Address {
    Address::left_padding_from(&(n + 0x1_0000).to_be_bytes())
}

/// A state with funds for `senders`, a contract that hashes and counts for each caller, and one
/// that reverts.
fn state(senders: u64) -> PreState {
    let mut state = PreState::new();
    for n in 0..senders {
        let ether = AccountInfo::default().with_balance(U256::from(10_u64.pow(18)));
        state.insert_account(sender(n), ether);
    }
    // PUSH2 400, then as long as the top is not zero: JUMPDEST, KECCAK256 of the first word to the
    // first word, PUSH1 1 SWAP1 SUB DUP1 PUSH1 3 JUMPI; at last CALLER SLOAD PUSH1 1 ADD CALLER
    // SSTORE STOP.
    let works: &[u8] = &[
        0x61, 0x01, 0x90, 0x5b, 0x60, 0x20, 0x60, 0x00, 0x20, 0x60, 0x00, 0x52, 0x60, 0x01, 0x90,
        0x03, 0x80, 0x60, 0x03, 0x57, 0x33, 0x54, 0x60, 0x01, 0x01, 0x33, 0x55, 0x00,
    ];
    for (address, code) in [(WORKS, works), (REVERTS, &[0x60, 0x00, 0x60, 0x00, 0xfd])] {
        let code = Bytecode::new_legacy(code.to_vec().into());
        state.insert_account(address, AccountInfo::default().with_nonce(1).with_code(code));
    }
    state
}

/// The n-th that comes: a call, a payment or a bundle, some of which must be left out.
fn candidate(n: u64) -> Candidate {
    let txn = |nonce, to| TxEnv {
        caller: sender(n),
        nonce,
        kind: TxKind::Call(to),
        gas_limit: 150_000,
        gas_price: u128::from(10 + n * 7 % 50),
        ..TxEnv::default()
    };
    match n % 16 {
        0 => vec![txn(0, WORKS), txn(1, WORKS)],
        1 => vec![txn(0, WORKS), txn(1, REVERTS)],
        2 => vec![txn(3, WORKS)],
        3 => vec![txn(0, sender(n / 2))],
        _ => vec![txn(0, WORKS)],
    }
}

/// The block of a session that gets all at once, and how long that took.
fn at_once(
    engine: &Arc<Engine>,
    block: &Block,
    state: &Arc<PreState>,
    pushes: Vec<Push>,
) -> Result<(SessionBlock, Duration), Box<dyn Error>> {
    let start = Instant::now();
    let options = SessionOptions::default().access_list();
    let session = BlockSession::start(engine.clone(), block.clone(), state.clone(), options)?;
    for push in pushes {
        session.push(push)?;
    }
    Ok((session.finish()?, start.elapsed()))
}

/// Builds for `time` from a pool of `candidates`.
pub(crate) fn race(candidates: u64, time: Duration) -> Result<(), Box<dyn Error>> {
    let env = BlockEnv {
        gas_limit: 1_000_000_000,
        basefee: 7,
        beneficiary: Address::repeat_byte(0xbe),
        ..BlockEnv::default()
    };
    let block = Block::new(SpecId::SHANGHAI, env, Vec::new());
    let (state, engine) = (Arc::new(state(candidates)), Arc::new(Engine::new(Config::default())?));

    // Some are there when the builder begins, the others come meanwhile.
    let (sender, pool) = mpsc::channel();
    (0..candidates / 2).try_for_each(|n| sender.send(candidate(n)))?;
    let feeder = thread::spawn(move || {
        for n in candidates / 2..candidates {
            if n % 64 == 0 {
                thread::sleep(Duration::from_millis(1));
            }
            if sender.send(candidate(n)).is_err() {
                break;
            }
        }
    });
    let deadline = Instant::now() + time;
    let (built, mut tried) = build(engine.clone(), block.clone(), state.clone(), &pool, deadline)?;
    drop(pool);
    feeder.join().map_err(|_| "the feeder panicked")?;

    // What the deadline left out was never tried.
    tried.truncate(built.settled.len());
    let start = Instant::now();
    let sequential = build_sequential(&block, &*state, &tried, true)?;
    let sequential_time = start.elapsed();
    let (parallel, parallel_time) = at_once(&engine, &block, &state, tried)?;
    for (name, other) in [("the deadline", &built), ("all at once", &parallel)] {
        if (&other.result, &other.txns) != (&sequential.result, &sequential.txns) {
            return Err(format!("with {name}, the block is another one").into());
        }
    }

    let gas = built.result.gas_used;
    let speed = |time: Duration| gas as f64 / time.as_secs_f64() / 1e6;
    let (count, all) = (built.txns.len(), built.result.outcomes.len());
    println!(
        "{count} of {all} txns, {gas} gas, in {} batches, cut: {:?}",
        built.batches, built.cut
    );
    println!("sequential builder: {:8.1} Mgas/s", speed(sequential_time));
    println!("session:            {:8.1} Mgas/s", speed(parallel_time));
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    race(20_000, Duration::from_millis(400))
}
