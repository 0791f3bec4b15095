//! A builder: takes candidates by what they offer, leaves out what is invalid, fails or does not
//! fit, and stops when its time is over. What it has by then is a block.

use std::{
    error::Error,
    time::{Duration, Instant},
};

use block_stm_evm::{
    Block, BlockSink, ExecutedTxn, FinalTxn, InvalidTxn, InvalidTxnReason, ParallelOptions,
    PreState, RefuseReverted, TxnOutcome,
    block_stm::{Admission, Config, Engine, Flow, Limits},
    execute_parallel_with, execute_sequential,
    revm::{
        context::{BlockEnv, TxEnv},
        primitives::{Address, I256, TxKind, U256, hardfork::SpecId},
        state::{AccountInfo, Bytecode},
    },
};

/// What the builder earns, and what it insists on.
struct Earnings {
    least: I256,
    total: I256,
}

impl BlockSink for Earnings {
    fn settle(&mut self, executed: ExecutedTxn<'_>) -> Admission<InvalidTxnReason> {
        if executed.gain < self.least {
            return Admission::Refuse(InvalidTxnReason::Refused("it pays too little".to_owned()));
        }
        Admission::Admit
    }

    fn commit(&mut self, txn: FinalTxn<'_>) -> Flow {
        self.total += txn.gain;
        Flow::Continue
    }
}

const COUNTER: Address = Address::repeat_byte(0xc0);
const REVERTS: Address = Address::repeat_byte(0xc1);

fn sender(n: u64) -> Address {
    Address::left_padding_from(&(n + 0x1_0000).to_be_bytes())
}

/// A state with funds for all, a contract that counts for each caller, and one that reverts.
fn state() -> PreState {
    let mut state = PreState::new();
    for n in 0..600 {
        let ether = AccountInfo::default().with_balance(U256::from(10_u64.pow(18)));
        state.insert_account(sender(n), ether);
    }
    // CALLER SLOAD PUSH1 1 ADD CALLER SSTORE STOP, and PUSH1 0 PUSH1 0 REVERT
    let counts: &[u8] = &[0x33, 0x54, 0x60, 0x01, 0x01, 0x33, 0x55, 0x00];
    for (address, code) in [(COUNTER, counts), (REVERTS, &[0x60, 0x00, 0x60, 0x00, 0xfd])] {
        let code = Bytecode::new_legacy(code.to_vec().into());
        state.insert_account(address, AccountInfo::default().with_nonce(1).with_code(code));
    }
    state
}

/// What came in: payments and calls at various prices, some that revert, some with a wrong nonce.
fn candidates() -> Vec<TxEnv> {
    let candidate = |n: u64| TxEnv {
        caller: sender(n),
        nonce: u64::from(n % 97 == 5),
        kind: TxKind::Call(match n % 3 {
            0 => COUNTER,
            _ if n % 41 == 7 => REVERTS,
            _ => sender(n + 1),
        }),
        value: U256::from(n % 3),
        gas_limit: 60_000,
        gas_price: u128::from(10 + n * 7 % 50),
        ..TxEnv::default()
    };
    (0..600).map(candidate).collect()
}

pub(crate) fn main() -> Result<(), Box<dyn Error>> {
    let mut txns = candidates();
    txns.sort_by_key(|txn| std::cmp::Reverse(txn.gas_price));
    let env = BlockEnv {
        gas_limit: 12_000_000,
        basefee: 7,
        beneficiary: Address::repeat_byte(0xbe),
        ..BlockEnv::default()
    };
    let block = Block::new(SpecId::SHANGHAI, env, txns);
    let (state, engine) = (state(), Engine::new(Config::default())?);

    let deadline = Some(Instant::now() + Duration::from_millis(1_500));
    let limits = Limits { deadline, ..Limits::default() };
    let options = ParallelOptions::default().policy(InvalidTxn::Skip).limits(limits);
    let least = I256::try_from(21_000 * 5)?;
    let mut sink = RefuseReverted::new(Earnings { least, total: I256::ZERO }, |_index| false);
    let built = execute_parallel_with(&engine, &block, &state, &options, &mut sink)?;

    // What was taken is a block that any validator accepts, with the same result.
    let mut outcomes = built.result.outcomes.iter();
    let mut taken = block.clone();
    taken.txns.retain(|_| matches!(outcomes.next(), Some(TxnOutcome::Executed { .. })));
    let validated = execute_sequential(&taken, &state, InvalidTxn::Reject)?;
    if validated.state != built.result.state || validated.receipts != built.result.receipts {
        return Err("a validator comes to something else".into());
    }
    let (count, gas, cut) = (taken.txns.len(), built.result.gas_used, built.cut);
    let earned = sink.into_inner().total;
    println!("{count} of {} candidates, {gas} gas, {earned} wei, cut: {cut:?}", block.txns.len());
    Ok(())
}
