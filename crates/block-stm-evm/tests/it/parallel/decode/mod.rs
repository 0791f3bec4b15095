//! Blocks over few accounts with small programs, under every set of rules, from a fuzzer's bytes.
//!
//! The domains are tiny on purpose: a handful of accounts, slots and amounts, balances that just suffice or just do not,
//! so that most blocks are full of conflicts, invalid transactions and accounts that come and go. Every
//! sequence of bytes is a block: a frame, the contracts' programs, then transactions while there are bytes.
//!
//! The tests draw the bytes at random; the fuzz target, which includes this file, has them mutated.

use std::sync::LazyLock;

use alloy_eips::{eip2930::AccessListItem, eip4895::Withdrawal};
use alloy_primitives::{Address, B256, U256, keccak256};
use block_stm_evm::{
    Block, InvalidTxn, PreState, execute_sequential,
    revm::{
        bytecode::opcode as op,
        context::{BlockEnv, TxEnv},
        context_interface::{
            either::Either,
            transaction::{Authorization, RecoveredAuthority, RecoveredAuthorization},
        },
        primitives::{TxKind, hardfork::SpecId},
        state::{AccountInfo, Bytecode},
    },
};
use block_stm_testkit::bytes::Bytes;

use super::code::Code;

const SENDERS: u8 = 4;
const CONTRACTS: u8 = 3;
const INIT_CODES: u8 = 8;
/// The most transactions of a block; bytes beyond them mean nothing.
const TXNS: usize = 14;

const SPECS: [SpecId; 15] = [
    SpecId::FRONTIER,
    SpecId::HOMESTEAD,
    SpecId::TANGERINE,
    SpecId::SPURIOUS_DRAGON,
    SpecId::BYZANTIUM,
    SpecId::PETERSBURG,
    SpecId::ISTANBUL,
    SpecId::BERLIN,
    SpecId::LONDON,
    SpecId::MERGE,
    SpecId::SHANGHAI,
    SpecId::CANCUN,
    SpecId::PRAGUE,
    SpecId::OSAKA,
    SpecId::AMSTERDAM,
];

const fn sender(n: u8) -> Address {
    Address::repeat_byte(0x51 + n)
}

const fn contract(n: u8) -> Address {
    Address::repeat_byte(0xc1 + n)
}

const ABSENT: Address = Address::repeat_byte(0xa0);
/// Exists, and is empty.
const HUSK: Address = Address::repeat_byte(0xe0);
/// Exists, is empty, and has storage.
const FULL_HUSK: Address = Address::repeat_byte(0xe1);
const BENEFICIARY: Address = Address::repeat_byte(0xbe);
/// Who may delegate: the senders, and those of whom only the protocol knows that they exist.
const AUTHORITIES: [Address; 7] =
    [sender(0), sender(1), sender(2), sender(3), HUSK, FULL_HUSK, ABSENT];
type Nonces = [u64; AUTHORITIES.len()];

/// What the programs create.
fn init_codes() -> [Vec<u8>; INIT_CODES as usize] {
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

/// Every address that matters, so that programs meet.
static ADDRESSES: LazyLock<Vec<Address>> = LazyLock::new(|| {
    let mut all: Vec<_> = (0..SENDERS).map(sender).chain((0..CONTRACTS).map(contract)).collect();
    all.extend([ABSENT, HUSK, FULL_HUSK, BENEFICIARY, Address::with_last_byte(3)]);
    let blocks_own = Block::new(SpecId::PRAGUE, BlockEnv::default(), Vec::new()).system_contracts;
    all.extend([blocks_own.withdrawal_requests, blocks_own.history]);
    for creator in (0..CONTRACTS).map(contract) {
        all.extend([creator.create(0), creator.create(1)]);
        for init in &init_codes()[..3] {
            all.push(creator.create2(B256::ZERO, keccak256(init)));
        }
    }
    all.extend([sender(0).create(0), sender(1).create(1)]);
    all
});

fn address(bytes: &mut Bytes<'_>) -> Address {
    bytes.pick(&ADDRESSES)
}

/// An instruction of a program; each leaves one number on the stack.
#[derive(Clone, Debug)]
enum Step {
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
type Program = Vec<(Step, bool)>;

fn compile(program: &Program, spec: SpecId) -> Bytecode {
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

fn program(bytes: &mut Bytes<'_>) -> Program {
    (0..bytes.below(6)).map(|_| (Step::decode(bytes), bytes.below(2) == 1)).collect()
}

#[derive(Clone, Debug)]
struct Txn {
    from: u8,
    /// The sender is a contract, which is against EIP-3607.
    from_contract: bool,
    /// What the nonce is off by.
    nonce_off: u64,
    /// `None` creates a contract.
    to: Option<Address>,
    init: usize,
    value: u64,
    gas_limit: u64,
    gas_price: u128,
    /// Who delegates to whom, with the nonce off by that much.
    authorizations: Vec<(u8, Address, u64)>,
    access_list: bool,
}

const DELEGATES: [Address; 5] = [contract(0), contract(1), ABSENT, Address::ZERO, sender(0)];

/// What a nonce is off by.
const OFF: [(u8, u64); 3] = [(12, 0), (1, 1), (1, u64::MAX)];

impl Txn {
    fn decode(bytes: &mut Bytes<'_>) -> Self {
        let authorization = |bytes: &mut Bytes<'_>| {
            (authority(bytes), bytes.pick(&DELEGATES), bytes.weighted(&OFF))
        };
        Self {
            from: who(bytes),
            from_contract: bytes.rarely(8),
            nonce_off: bytes.weighted(&OFF),
            to: match bytes.below(8) {
                choice @ ..4 => Some(contract(choice % CONTRACTS)),
                4..7 => Some(address(bytes)),
                _ => None,
            },
            init: usize::from(bytes.below(INIT_CODES)),
            value: bytes.pick(&[0, 0, 1, 2, 21_000]),
            gas_limit: bytes.weighted(&[
                (8, 60_000),
                (8, 250_000),
                (8, 500_000),
                (1, 20_000),
                (1, 21_000),
                (1, 1_000_000),
            ]),
            gas_price: bytes.pick(&[0, 1, 1, 1]),
            authorizations: {
                let count = bytes.weighted(&[(8, 0), (1, 1), (1, 2)]);
                (0..count).map(|_| authorization(bytes)).collect()
            },
            access_list: bytes.rarely(25),
        }
    }
}

fn who(bytes: &mut Bytes<'_>) -> u8 {
    bytes.below(SENDERS)
}

fn authority(bytes: &mut Bytes<'_>) -> u8 {
    bytes.below(AUTHORITIES.len() as u8)
}

/// A block and the state before it.
#[derive(Clone, Debug)]
pub(super) struct Case {
    spec: SpecId,
    beneficiary: Address,
    gas_limit: u64,
    sender_balances: Vec<U256>,
    contract_balances: Vec<u64>,
    programs: Vec<Program>,
    /// Accounts where contracts may come to be, funded or with storage beforehand.
    prepared: Vec<(Address, u64, bool)>,
    withdrawals: Vec<Address>,
    txns: Vec<Txn>,
}

/// What senders have: often enough for all of their transactions.
fn balance(bytes: &mut Bytes<'_>) -> U256 {
    let wei = [0_u64, 1, 60_000, 60_001, 250_001, 500_000, 2_000_000];
    match usize::from(bytes.below(15)) {
        // Half of the most: revm's own builder of lists, the oracle, lists a change of a transfer that overflows and is undone.
        14 => U256::MAX >> 1,
        place => U256::from(wei.get(place).copied().unwrap_or(50_000_000)),
    }
}

impl Case {
    /// The case that `bytes` mean.
    pub(super) fn decode(bytes: &[u8]) -> Self {
        let bytes = &mut Bytes::new(bytes);
        let beneficiaries = [BENEFICIARY, BENEFICIARY, sender(0), contract(0), ABSENT, HUSK];
        let mut case = Self {
            spec: bytes.pick(&SPECS),
            beneficiary: bytes.pick(&beneficiaries),
            gas_limit: bytes.pick(&[30_000_000, 600_000, 30_000_000]),
            sender_balances: (0..SENDERS).map(|_| balance(bytes)).collect(),
            contract_balances: (0..CONTRACTS).map(|_| bytes.below(4).into()).collect(),
            programs: (0..CONTRACTS).map(|_| program(bytes)).collect(),
            prepared: (0..bytes.below(3))
                .map(|_| (address(bytes), bytes.below(2).into(), bytes.below(2) == 1))
                .collect(),
            withdrawals: (0..bytes.below(2)).map(|_| address(bytes)).collect(),
            txns: Vec::new(),
        };
        while !bytes.is_empty() && case.txns.len() < TXNS {
            case.txns.push(Txn::decode(bytes));
        }
        case
    }

    pub(super) fn state(&self) -> PreState {
        let mut state = PreState::new();
        state.insert_account(HUSK, AccountInfo::default());
        state.insert_account(FULL_HUSK, AccountInfo::default());
        state.insert_storage(FULL_HUSK, U256::ZERO, U256::ONE);
        for &(address, wei, with_storage) in &self.prepared {
            state.insert_account(address, AccountInfo::default().with_balance(U256::from(wei)));
            if with_storage {
                state.insert_storage(address, U256::ONE, U256::from(2));
            }
        }
        for (n, &balance) in (0..).zip(&self.sender_balances) {
            state.insert_account(sender(n), AccountInfo::default().with_balance(balance));
        }
        for (n, program) in (0..).zip(&self.programs) {
            let info = AccountInfo::default()
                .with_balance(U256::from(self.contract_balances[usize::from(n)]))
                .with_nonce(u64::from(self.spec.is_enabled_in(SpecId::SPURIOUS_DRAGON)))
                .with_code(compile(program, self.spec));
            state.insert_account(contract(n), info);
            state.insert_storage(contract(n), U256::ZERO, U256::ONE);
        }
        // Contracts of the protocol count their calls; the queues return the count as their request.
        let counts = Code::new().sload(0).push(1).ops(&[op::ADD, op::DUP1]).sstore_top(0);
        let returns = counts.push(0).ops(&[op::MSTORE]).push(1).push(31).ops(&[op::RETURN]);
        let code = Bytecode::new_legacy(returns.bytes().into());
        let own = self.empty_block().system_contracts;
        let queues = [own.withdrawal_requests, own.consolidation_requests];
        for address in queues.into_iter().chain([own.history, own.beacon_roots]) {
            state.insert_account(address, AccountInfo::default().with_code(code.clone()));
        }
        state
    }

    fn empty_block(&self) -> Block {
        let env = BlockEnv {
            number: U256::from(10),
            beneficiary: self.beneficiary,
            gas_limit: self.gas_limit,
            basefee: 0,
            ..BlockEnv::default()
        };
        Block::new(self.spec, env, Vec::new()).with_parent_beacon_block_root(B256::ZERO)
    }

    pub(super) fn block(&self, state: &PreState) -> Block {
        let mut block = self.empty_block();
        for txn in &self.txns {
            let nonces = self.nonces_after(&block, state);
            block.txns.push(self.txn(txn, &nonces));
        }
        let withdrawals = self.withdrawals.iter().enumerate();
        block.withdrawals = withdrawals
            .map(|(n, &address)| Withdrawal {
                index: n as u64,
                validator_index: 0,
                address,
                amount: n as u64,
            })
            .collect();
        block
    }

    /// The nonces after `block`, so that most transactions that follow are valid.
    fn nonces_after(&self, block: &Block, state: &PreState) -> Nonces {
        let result = execute_sequential(block, state, InvalidTxn::Skip);
        let changes = result.map(|result| result.state).unwrap_or_default();
        AUTHORITIES.map(|address| {
            let change = changes.account(address);
            change.and_then(|change| change.info.as_ref()).map_or(0, |info| info.nonce)
        })
    }

    fn txn(&self, txn: &Txn, nonces: &Nonces) -> TxEnv {
        let (caller, nonce) = match txn.from_contract {
            true => (contract(0), 1),
            false => (sender(txn.from), nonces[usize::from(txn.from)].wrapping_add(txn.nonce_off)),
        };
        let delegates = self.spec.is_enabled_in(SpecId::PRAGUE)
            && !txn.authorizations.is_empty()
            && txn.to.is_some();
        let authorizations = txn.authorizations.iter().filter(|_| delegates);
        let authorizations = authorizations.map(|&(authority, address, off)| {
            let sent = u64::from(authority == txn.from);
            let nonce = nonces[usize::from(authority)].wrapping_add(sent).wrapping_add(off);
            let authorization = Authorization { chain_id: U256::ZERO, address, nonce };
            let authority = RecoveredAuthority::Valid(AUTHORITIES[usize::from(authority)]);
            Either::Right(RecoveredAuthorization::new_unchecked(authorization, authority))
        });
        let authorization_list: Vec<_> = authorizations.collect();
        let lists_access = txn.access_list && self.spec.is_enabled_in(SpecId::BERLIN);
        let access = AccessListItem { address: contract(1), storage_keys: vec![B256::ZERO] };
        TxEnv {
            tx_type: match () {
                () if delegates => 4,
                () if lists_access => 1,
                () => 0,
            },
            caller,
            nonce,
            kind: txn.to.map_or(TxKind::Create, TxKind::Call),
            data: match txn.to {
                Some(_) => Default::default(),
                None => init_codes()[txn.init].clone().into(),
            },
            value: U256::from(txn.value),
            gas_limit: txn.gas_limit,
            gas_price: txn.gas_price,
            gas_priority_fee: delegates.then_some(0),
            access_list: if lists_access { vec![access].into() } else { Default::default() },
            authorization_list,
            ..TxEnv::default()
        }
    }
}
