//! What contracts do: programs of a few steps, and what they create.

use alloy_primitives::Address;
use block_stm_evm::revm::{bytecode::opcode as op, primitives::hardfork::SpecId, state::Bytecode};
use block_stm_testkit::bytes::Bytes;

use super::{
    super::code::Code,
    accounts::{address, contract},
};

pub(super) const INIT_CODES: u8 = 8;

/// What the programs create.
pub(super) fn init_codes() -> [Vec<u8>; INIT_CODES as usize] {
    let counts = Code::new().sload(0).push(1).ops(&[op::ADD]).sstore_top(0);
    // With an odd value: destroys itself in favour of the sender; else counts in slot 1.
    let moody: [u8; 20] = [
        op::CALLVALUE,
        op::PUSH1,
        1,
        op::AND,
        op::PUSH1,
        17,
        op::JUMPI,
        op::PUSH1,
        1,
        op::SLOAD,
        op::PUSH1,
        1,
        op::ADD,
        op::PUSH1,
        1,
        op::SSTORE,
        op::STOP,
        op::JUMPDEST,
        op::ORIGIN,
        op::SELFDESTRUCT,
    ];
    [
        Code::deploying(Code::new().sstore(0, 1), &counts.bytes()),
        Code::deploying(Code::new(), &moody),
        Code::deploying(Code::new(), &[op::CALLER, op::SELFDESTRUCT]),
        vec![op::CALLER, op::SELFDESTRUCT],
        Vec::new(),
        Code::new().revert().bytes(),
        Code::deploying(Code::new(), &[0xef]),
        // Looks like a delegation, and was just code before there were any.
        Code::deploying(Code::new(), &[&[0xef, 0x01, 0x00], contract(0).as_slice()].concat()),
    ]
}

/// An instruction of a program; each leaves one number on the stack.
#[derive(Clone, Debug)]
pub(super) enum Step {
    Add(u64),
    Load(u64),
    Store(u64),
    Clear(u64),
    Balance(Address),
    OwnBalance,
    CodeHash(Address),
    CodeSize(Address),
    Call { kind: u8, to: Address, value: u64, gas: u64 },
    Create { init: usize, value: u64, with_salt: bool },
    Destroy(Address),
    Log,
    Gas,
    Revert,
    Stop,
}

impl Step {
    fn append(&self, code: Code, spec: SpecId) -> Code {
        let since = |first: SpecId| spec.is_enabled_in(first);
        let add = [op::ADD];
        match self {
            Self::Add(number) => code.push(*number).ops(&add),
            Self::Load(key) => code.sload(*key).ops(&add),
            Self::Store(key) => code.ops(&[op::DUP1]).push(3).ops(&[op::AND]).sstore_top(*key),
            Self::Clear(key) => code.sstore(*key, 0),
            Self::Balance(of) => code.balance(*of).ops(&add),
            Self::OwnBalance if since(SpecId::ISTANBUL) => code.ops(&[op::SELFBALANCE, op::ADD]),
            Self::CodeHash(of) if since(SpecId::PETERSBURG) => {
                code.push_address(*of).ops(&[op::EXTCODEHASH, op::ISZERO, op::ADD])
            }
            Self::CodeSize(of) => code.push_address(*of).ops(&[op::EXTCODESIZE, op::ADD]),
            Self::Call { kind, to, value, gas } => {
                let kind = match *kind {
                    op::STATICCALL if !since(SpecId::BYZANTIUM) => op::CALL,
                    op::DELEGATECALL if !since(SpecId::HOMESTEAD) => op::CALLCODE,
                    kind => kind,
                };
                code.call(kind, *to, *value, *gas).ops(&add)
            }
            Self::Create { init, value, with_salt } => {
                let salt = (*with_salt && since(SpecId::PETERSBURG)).then_some(0);
                code.create(&init_codes()[*init], *value, salt).ops(&[op::ISZERO, op::ADD])
            }
            Self::Destroy(to) => code.selfdestruct(*to),
            Self::Log => {
                let code = code.ops(&[op::DUP1]).push(0).ops(&[op::MSTORE]);
                code.push(32).push(0).ops(&[op::LOG0])
            }
            Self::Gas => code.ops(&[op::GAS]).push(1).ops(&[op::AND, op::ADD]),
            Self::Revert if since(SpecId::BYZANTIUM) => code.revert(),
            Self::Revert => code.ops(&[op::INVALID]),
            Self::Stop => code.ops(&[op::STOP]),
            Self::OwnBalance | Self::CodeHash(_) => code.push(1).ops(&add),
        }
    }
}

/// Steps, each of which may hang on the number so far.
pub(super) type Program = Vec<(Step, bool)>;

pub(super) fn compile(program: &Program, spec: SpecId) -> Bytecode {
    let start = Code::new().ops(&[op::CALLVALUE]);
    let code = program.iter().fold(start, |code, (step, conditional)| match conditional {
        true => code.if_even(step.append(Code::new(), spec)),
        false => step.append(code, spec),
    });
    // What was computed is part of the state.
    let code = code.push(0xff).ops(&[op::AND]).sstore_top(5);
    Bytecode::new_legacy(code.bytes().into())
}

#[derive(Clone, Copy)]
enum Kind {
    Add,
    Load,
    Store,
    Clear,
    Balance,
    OwnBalance,
    CodeHash,
    CodeSize,
    Call,
    Create,
    Destroy,
    Log,
    Gas,
    Revert,
    Stop,
}

const KINDS: [(u8, Kind); 15] = [
    (1, Kind::Add),
    (3, Kind::Load),
    (3, Kind::Store),
    (1, Kind::Clear),
    (2, Kind::Balance),
    (1, Kind::OwnBalance),
    (2, Kind::CodeHash),
    (1, Kind::CodeSize),
    (6, Kind::Call),
    (3, Kind::Create),
    (2, Kind::Destroy),
    (1, Kind::Log),
    (1, Kind::Gas),
    (1, Kind::Revert),
    (1, Kind::Stop),
];

const CALLS: [u8; 6] =
    [op::CALL, op::CALL, op::CALL, op::CALLCODE, op::DELEGATECALL, op::STATICCALL];

impl Step {
    fn decode(bytes: &mut Bytes<'_>) -> Self {
        let key = |bytes: &mut Bytes<'_>| u64::from(bytes.below(3));
        let value = |bytes: &mut Bytes<'_>| bytes.pick(&[0_u64, 0, 1, 2, 3]);
        match bytes.weighted(&KINDS) {
            Kind::Add => Self::Add(key(bytes)),
            Kind::Load => Self::Load(key(bytes)),
            Kind::Store => Self::Store(key(bytes)),
            Kind::Clear => Self::Clear(key(bytes)),
            Kind::Balance => Self::Balance(address(bytes)),
            Kind::OwnBalance => Self::OwnBalance,
            Kind::CodeHash => Self::CodeHash(address(bytes)),
            Kind::CodeSize => Self::CodeSize(address(bytes)),
            Kind::Call => Self::Call {
                kind: bytes.pick(&CALLS),
                to: address(bytes),
                value: value(bytes),
                gas: bytes.pick(&[0, 30_000, 60_000, 120_000]),
            },
            Kind::Create => Self::Create {
                init: usize::from(bytes.below(INIT_CODES)),
                value: value(bytes),
                with_salt: bytes.below(2) == 1,
            },
            Kind::Destroy => Self::Destroy(address(bytes)),
            Kind::Log => Self::Log,
            Kind::Gas => Self::Gas,
            Kind::Revert => Self::Revert,
            Kind::Stop => Self::Stop,
        }
    }
}

pub(super) fn program(bytes: &mut Bytes<'_>) -> Program {
    (0..bytes.below(6)).map(|_| (Step::decode(bytes), bytes.below(2) == 1)).collect()
}
