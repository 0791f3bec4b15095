//! Stories of contracts that are destroyed and made again, told in single steps.
//!
//! A *toy* does to its slots what it is asked to, and destroys itself where it is asked to. The
//! *factory* makes toys at addresses that depend on nothing but a salt, from Constantinople on.
//! Each transaction calls a contract of its own, which goes through its steps. So a slot can be
//! written, wiped with its account and met again by the next creation, all in one transaction or in
//! several.

use alloy_primitives::{Address, B256, U256, keccak256};
use block_stm_evm::{
    Block, PreState,
    revm::{bytecode::opcode as op, primitives::hardfork::SpecId, state::AccountInfo},
};

use super::{code::Code, scene};

/// What a transaction does, one after the other.
#[derive(Clone, Copy, Debug)]
pub(super) enum Step {
    /// The factory makes the toy, which is given `order` wei: with 7 it destroys itself at once,
    /// else it stores half of them in the slot that the last bit says.
    Make {
        toy: u8,
        order: u64,
    },
    Read {
        toy: u8,
        key: u64,
    },
    Write {
        toy: u8,
        key: u64,
        value: u64,
    },
    /// Reads, in a call that fails.
    ReadInVain {
        toy: u8,
        key: u64,
    },
    /// Writes, in a call that fails.
    WriteInVain {
        toy: u8,
        key: u64,
        value: u64,
    },
    Destroy {
        toy: u8,
        to: Heir,
    },
    Pay {
        toy: u8,
        wei: u64,
    },
    /// Asks for the hash of its code.
    Look {
        toy: u8,
    },
}

/// Who gets what a toy leaves.
#[derive(Clone, Copy, Debug)]
pub(super) enum Heir {
    Itself,
    Other,
    Nobody,
}

/// A toy before the block.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Before {
    pub(super) exists: bool,
    pub(super) balance: u64,
    pub(super) slots: [u64; 2],
}

/// A block, and the toys before it.
#[derive(Clone, Debug)]
pub(super) struct Story {
    pub(super) spec: SpecId,
    /// Constantinople's SSTORE, for Petersburg.
    pub(super) net_metering: bool,
    pub(super) before: [Before; 2],
    /// Gas limit and steps.
    pub(super) txns: Vec<(u64, Vec<Step>)>,
}

pub(super) const GAS: u64 = 5_000_000;
const STEP_GAS: u64 = 600_000;
const FACTORY: Address = Address::repeat_byte(0xfa);
const NOBODY: Address = Address::repeat_byte(0x77);

/// Told apart by the number of bytes that come with a call.
mod call {
    pub(super) const READ: u64 = 32;
    pub(super) const READ_IN_VAIN: u64 = 33;
    pub(super) const WRITE: u64 = 64;
    pub(super) const WRITE_IN_VAIN: u64 = 65;
    pub(super) const DESTROY: u64 = 96;
}

/// Toys 0 and 1 are made with a salt, the others with the factory's nonce.
pub(super) fn toy(n: u8) -> Address {
    match n {
        0 | 1 => FACTORY.create2(B256::with_last_byte(n), keccak256(init())),
        _ => FACTORY.create(u64::from(n - 1)),
    }
}

/// The toy's code.
fn toy_code() -> Vec<u8> {
    let argument = |code: Code, n: u64| code.push(32 * n).ops(&[op::CALLDATALOAD]);
    let read = argument(Code::new(), 0).ops(&[op::SLOAD]);
    let write = argument(argument(Code::new(), 1), 0).ops(&[op::SSTORE]);
    let destroy = argument(Code::new(), 2).ops(&[op::SELFDESTRUCT]);
    Code::new()
        .ops(&[op::CALLDATASIZE])
        .if_equal(call::READ, read.clone().ops(&[op::STOP]))
        .if_equal(call::READ_IN_VAIN, read.ops(&[op::INVALID]))
        .if_equal(call::WRITE, write.clone().ops(&[op::STOP]))
        .if_equal(call::WRITE_IN_VAIN, write.ops(&[op::INVALID]))
        .if_equal(call::DESTROY, destroy)
        .ops(&[op::STOP])
        .bytes()
}

/// What makes a toy.
fn init() -> Vec<u8> {
    let store = Code::new().push(2).ops(&[op::CALLVALUE, op::DIV]);
    let store = store.push(1).ops(&[op::CALLVALUE, op::AND, op::SSTORE]);
    let code = toy_code();
    let deploy = Code::new().push(code.len() as u64).push(0).ops(&[op::RETURN]);
    Code::new()
        .ops(&[op::CALLVALUE])
        .if_equal(7, Code::new().ops(&[op::ORIGIN, op::SELFDESTRUCT]))
        .ops(&store.bytes())
        .with_data(&code, deploy)
        .bytes()
}

/// Makes the toy whose salt is the first word that comes with the call, with as much wei as comes,
/// too.
fn factory(spec: SpecId) -> Code {
    let init = init();
    let size = init.len() as u64;
    let create = match spec.is_enabled_in(SpecId::PETERSBURG) {
        true => Code::new().push(0).ops(&[op::CALLDATALOAD]).push(size).push(0),
        false => Code::new().push(size).push(0),
    };
    let opcode = if spec.is_enabled_in(SpecId::PETERSBURG) { op::CREATE2 } else { op::CREATE };
    Code::new().with_data(&init, create.ops(&[op::CALLVALUE, opcode, op::STOP]))
}

impl Step {
    fn append(self, code: Code, spec: SpecId) -> Code {
        let asks = |code: Code, to: Address, wei: u64, size: u64, words: &[U256]| {
            let mut code = code;
            for (n, word) in (0..).zip(words) {
                code = code.push_bytes(&word.to_be_bytes::<32>()).push(32 * n).ops(&[op::MSTORE]);
            }
            let code = code.push(0).push(0).push(size).push(0).push(wei);
            code.push_address(to).push(STEP_GAS).ops(&[op::CALL, op::POP])
        };
        let number = |value: u64| U256::from(value);
        match self {
            Self::Make { toy, order } => asks(code, FACTORY, order, 32, &[number(toy.into())]),
            Self::Read { toy: n, key } => asks(code, toy(n), 0, call::READ, &[number(key)]),
            Self::ReadInVain { toy: n, key } => {
                asks(code, toy(n), 0, call::READ_IN_VAIN, &[number(key)])
            }
            Self::Write { toy: n, key, value } => {
                asks(code, toy(n), 0, call::WRITE, &[number(key), number(value)])
            }
            Self::WriteInVain { toy: n, key, value } => {
                asks(code, toy(n), 0, call::WRITE_IN_VAIN, &[number(key), number(value)])
            }
            Self::Destroy { toy: n, to } => {
                let heir = match to {
                    Heir::Itself => toy(n),
                    Heir::Other => toy(1 - n % 2),
                    Heir::Nobody => NOBODY,
                };
                let words = [U256::ZERO, U256::ZERO, heir.into_word().into()];
                asks(code, toy(n), 0, call::DESTROY, &words)
            }
            Self::Pay { toy: n, wei } => asks(code, toy(n), wei, 0, &[]),
            Self::Look { toy: n } => {
                let asked = match spec.is_enabled_in(SpecId::PETERSBURG) {
                    true => op::EXTCODEHASH,
                    false => op::EXTCODESIZE,
                };
                code.push_address(toy(n)).ops(&[asked, op::POP])
            }
        }
    }
}

impl Story {
    pub(super) fn state(&self) -> PreState {
        let codes = self.txns.iter().map(|(_, steps)| {
            steps.iter().fold(Code::new(), |code, step| step.append(code, self.spec))
        });
        let codes: Vec<_> = codes.collect();
        let count = codes.len() as u8;
        let mut state = scene::state(codes);
        (0..count).for_each(|n| scene::set_balance(&mut state, scene::contract(n), 1_000));
        insert(&mut state, FACTORY, 1_000, factory(self.spec).bytes());
        for (n, before) in (0..).zip(&self.before) {
            if before.exists {
                insert(&mut state, toy(n), before.balance, toy_code());
                for (key, value) in (0..).zip(before.slots) {
                    state.insert_storage(toy(n), U256::from(key), U256::from(value));
                }
            } else if before.balance > 0 {
                let info = AccountInfo::default().with_balance(U256::from(before.balance));
                state.insert_account(toy(n), info);
            }
        }
        state
    }

    pub(super) fn block(&self) -> Block {
        let txns = (0..).zip(&self.txns).map(|(n, (gas_limit, _))| {
            let mut txn = scene::call(scene::eoa(n), 0, scene::contract(n), 0);
            txn.gas_limit = *gas_limit;
            txn
        });
        let mut block = scene::block(self.spec, txns);
        block.env.gas_limit = 1_000_000_000;
        block.net_metering = self.net_metering && self.spec == SpecId::PETERSBURG;
        block
    }
}

fn insert(state: &mut PreState, address: Address, balance: u64, code: Vec<u8>) {
    use block_stm_evm::revm::state::Bytecode;
    let info = AccountInfo::default().with_nonce(1).with_balance(U256::from(balance));
    state.insert_account(address, info.with_code(Bytecode::new_legacy(code.into())));
}
