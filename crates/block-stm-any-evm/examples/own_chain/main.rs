//! A chain of our own: deposits that mint, fees to three vaults, precompiles that read the state.
//!
//! Blocks that are full of conflicts are executed in a plain loop, and in parallel, with the same
//! factory of EVMs. Every result and every account is the same.

mod evm;
mod handler;
mod txn;

use std::{error::Error, num::NonZeroUsize};

use alloy_evm::{
    Evm, EvmEnv, EvmError, EvmFactory,
    revm::{
        DatabaseCommit,
        bytecode::opcode as op,
        context::{BlockEnv, CfgEnv, TxEnv},
        context_interface::result::ResultAndState,
        database::{CacheDB, EmptyDB, State},
        primitives::{Address, TxKind, U256, hardfork::SpecId},
        state::{AccountInfo, Bytecode},
    },
};
use block_stm_any_evm::{
    FinalTxn, InvalidTxn, TxnSink, Txns,
    block_stm::{Config, Engine, Flow, InvalidPolicy, Stats},
    execute,
};

use self::{
    evm::{OwnEvmFactory, PRICE, PRICES, TREASURY},
    handler::{BASE_FEES, DATA_FEES},
    txn::OwnTxn,
};

/// Who gets the tips.
const TIPS: Address = Address::repeat_byte(0xf0);
/// Contracts that store what a precompile tells them, and the price that they are told.
const APPS: [(Address, Address); 2] =
    [(Address::repeat_byte(0xd0), PRICE), (Address::repeat_byte(0xd1), TREASURY)];
const USERS: u64 = 12;

type Came = Vec<Result<ResultAndState, String>>;

fn user(n: u64) -> Address {
    Address::with_last_byte(0x10 + (n % USERS) as u8)
}

/// Calls the precompile with the input, and adds what it says to slot 0.
fn app(precompile: Address) -> Bytecode {
    let mut code = vec![op::PUSH0, op::CALLDATALOAD, op::PUSH0, op::MSTORE];
    code.extend([op::PUSH1, 32, op::PUSH0, op::PUSH1, 32, op::PUSH0, op::PUSH20]);
    code.extend(precompile);
    code.extend([op::GAS, op::STATICCALL, op::POP, op::PUSH0, op::MLOAD]);
    code.extend([op::PUSH0, op::SLOAD, op::ADD, op::PUSH0, op::SSTORE]);
    Bytecode::new_legacy(code.into())
}

/// Stores the second word of the input in the slot that the first one names.
fn prices() -> Bytecode {
    let code = [op::PUSH1, 32, op::CALLDATALOAD, op::PUSH0, op::CALLDATALOAD, op::SSTORE];
    Bytecode::new_legacy(code.to_vec().into())
}

fn genesis() -> CacheDB<EmptyDB> {
    let mut state = CacheDB::new(EmptyDB::default());
    for n in 0..USERS {
        state.insert_account_info(user(n), AccountInfo::from_balance(U256::from(10_000_000)));
    }
    for (address, precompile) in APPS {
        let info = AccountInfo::default().with_nonce(1).with_code(app(precompile));
        state.insert_account_info(address, info);
    }
    let info = AccountInfo::default().with_nonce(1).with_code(prices());
    state.insert_account_info(PRICES, info);
    state
}

fn env() -> EvmEnv {
    let block_env = BlockEnv { beneficiary: TIPS, basefee: 7, ..BlockEnv::default() };
    EvmEnv { cfg_env: CfgEnv::new_with_spec(SpecId::OSAKA), block_env }
}

/// A block that `seed` leads to, and what its transactions are.
fn block(seed: u64, length: usize) -> Vec<OwnTxn> {
    let mut random = seed;
    // SplitMix64.
    let mut below = |most: u64| {
        random = random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (random ^ (random >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % most
    };
    let word = |number: u64| U256::from(number).to_be_bytes::<32>();
    let mut nonces = [0; USERS as usize];
    let mut txns = Vec::with_capacity(length);
    while txns.len() < length {
        let from = below(USERS);
        let nonce = &mut nonces[from as usize];
        let (to, value, data) = match below(10) {
            // Mints, and pays on; sometimes more than there is, which fails and mints all the same.
            0 | 1 => {
                let (mint, value) = (U256::from(below(1_000)), U256::from(below(20_000_000)));
                txns.push(OwnTxn::deposit(user(from), mint, user(below(USERS)), value));
                *nonce += 1;
                continue;
            }
            2 => (PRICES, 0, [word(below(3)), word(below(1_000))].concat()),
            3 | 4 => (APPS[0].0, 0, word(below(3)).to_vec()),
            5 => (APPS[1].0, 0, Vec::new()),
            6 => ([TIPS, BASE_FEES, DATA_FEES][below(3) as usize], below(2), Vec::new()),
            _ => (user(below(USERS)), below(9_000), vec![1; below(5) as usize]),
        };
        let txn = TxEnv {
            caller: user(from),
            nonce: *nonce,
            kind: TxKind::Call(to),
            value: U256::from(value),
            data: data.into(),
            gas_limit: 100_000,
            gas_price: 7 + u128::from(below(3)),
            ..TxEnv::default()
        };
        // One in forty has a nonce that was used, and is left out.
        *nonce += u64::from(below(40) > 0);
        txns.push(txn.into());
    }
    txns
}

/// The plain loop.
fn looped(txns: &[OwnTxn], state: &CacheDB<EmptyDB>) -> Came {
    let mut db = State::builder().with_database_ref(state).build();
    let one = |txn: &OwnTxn| {
        let mut evm = OwnEvmFactory.create_evm(&mut db, env());
        let result = evm.transact_raw(txn.clone()).map_err(|error| {
            error.try_into_invalid_tx_err().expect("the state is in memory").to_string()
        })?;
        evm.db_mut().commit(result.state.clone());
        Ok(result)
    };
    txns.iter().map(one).collect()
}

#[derive(Default)]
struct Keep(Came);

impl<I> TxnSink<OwnEvmFactory, I> for Keep {
    fn commit(&mut self, txn: FinalTxn<alloy_evm::revm::context::result::HaltReason, I>) -> Flow {
        self.0.push(Ok(txn.result));
        Flow::Continue
    }

    fn skip(&mut self, _index: usize, reason: InvalidTxn) {
        self.0.push(Err(reason.to_string()));
    }
}

fn in_parallel(
    engine: &Engine,
    txns: &[OwnTxn],
    state: &CacheDB<EmptyDB>,
) -> Result<(Came, Stats), Box<dyn Error>> {
    let (env, vaults) = (env(), [TIPS, BASE_FEES, DATA_FEES]);
    let txns = Txns::new(&OwnEvmFactory, &env, txns).vaults(&vaults);
    let mut keep = Keep::default();
    let executed = execute(engine, &txns.policy(InvalidPolicy::Skip), state, &mut keep)?;
    Ok((keep.0, executed.stats))
}

/// Executes the block of `seed` in a loop and with each engine. The first difference is an error.
pub(crate) fn compare(seed: u64, length: usize, engines: &[Engine]) -> Result<(), Box<dyn Error>> {
    let (txns, state) = (block(seed, length), genesis());
    let expected = looped(&txns, &state);
    let done = expected.iter().flatten().count();
    for engine in engines {
        let (came, stats) = in_parallel(engine, &txns, &state)?;
        for (place, (came, expected)) in came.iter().zip(&expected).enumerate() {
            if came != expected {
                return Err(format!("seed {seed}, txn {place}: {came:?}, not {expected:?}").into());
            }
        }
        if came.len() != expected.len() {
            return Err(format!("seed {seed}: {} txns, not {}", came.len(), length).into());
        }
        println!(
            "seed {seed}, {} threads: {done} txns and {} invalid ones, the same, {} executions",
            engine.threads(),
            length - done,
            stats.executions,
        );
    }
    Ok(())
}

/// Engines with 1, 2, 4 and 8 threads.
pub(crate) fn engines() -> Result<Vec<Engine>, Box<dyn Error>> {
    let threads = [1, 2, 4, 8].into_iter().filter_map(NonZeroUsize::new);
    let config = |threads| Config::default().threads(threads).inline_below(0);
    Ok(threads.map(|threads| Engine::new(config(threads))).collect::<Result<_, _>>()?)
}

pub(crate) fn main() -> Result<(), Box<dyn Error>> {
    let engines = engines()?;
    (1..=5).try_for_each(|seed| compare(seed, 300, &engines))
}
