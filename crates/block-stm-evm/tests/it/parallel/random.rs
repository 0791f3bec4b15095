//! Random blocks over few accounts with small programs, under every set of rules.
//!
//! The domains are tiny on purpose: a handful of accounts, slots and amounts, balances that just suffice or just do not,
//! so that most blocks are full of conflicts, invalid transactions and accounts that come and go.

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
use proptest::prelude::*;
use proptest::sample::select;

use super::{code::Code, same::assert_same, scene::watched};

const SENDERS: usize = 4;
const CONTRACTS: usize = 3;

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

fn sender(n: usize) -> Address {
    Address::repeat_byte(0x51 + n as u8)
}

fn contract(n: usize) -> Address {
    Address::repeat_byte(0xc1 + n as u8)
}

const ABSENT: Address = Address::repeat_byte(0xa0);
/// Exists, and is empty.
const HUSK: Address = Address::repeat_byte(0xe0);
/// Exists, is empty, and has storage.
const FULL_HUSK: Address = Address::repeat_byte(0xe1);
const BENEFICIARY: Address = Address::repeat_byte(0xbe);

/// What the programs create.
fn init_codes() -> [Vec<u8>; 7] {
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
    ]
}

/// Every address that matters, so that programs meet.
fn addresses() -> Vec<Address> {
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

fn step() -> impl Strategy<Value = Step> {
    let address = || select(addresses());
    let key = || 0..3_u64;
    let value = || select(vec![0_u64, 0, 1, 2, 3]);
    let kinds = vec![op::CALL, op::CALL, op::CALL, op::CALLCODE, op::DELEGATECALL, op::STATICCALL];
    let gas = select(vec![0_u64, 30_000, 60_000, 120_000]);
    let call = (select(kinds), address(), value(), gas)
        .prop_map(|(kind, to, value, gas)| Step::Call { kind, to, value, gas });
    let create = (0..init_codes().len(), value(), any::<bool>())
        .prop_map(|(init, value, with_salt)| Step::Create { init, value, with_salt });
    prop_oneof![
        1 => (0..3_u64).prop_map(Step::Add),
        3 => key().prop_map(Step::Load),
        3 => key().prop_map(Step::Store),
        1 => key().prop_map(Step::Clear),
        2 => address().prop_map(Step::Balance),
        1 => Just(Step::OwnBalance),
        2 => address().prop_map(Step::CodeHash),
        1 => address().prop_map(Step::CodeSize),
        6 => call,
        3 => create,
        2 => address().prop_map(Step::Destroy),
        1 => Just(Step::Log),
        1 => Just(Step::Gas),
        1 => Just(Step::Revert),
        1 => Just(Step::Stop),
    ]
}

fn program() -> impl Strategy<Value = Program> {
    proptest::collection::vec((step(), any::<bool>()), 0..6)
}

#[derive(Clone, Debug)]
struct Txn {
    from: usize,
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
    authorizations: Vec<(usize, Address, u64)>,
    access_list: bool,
}

fn txn() -> impl Strategy<Value = Txn> {
    let delegates = vec![contract(0), contract(1), ABSENT, Address::ZERO, sender(0)];
    let off = || prop_oneof![12 => Just(0_u64), 1 => Just(1), 1 => Just(u64::MAX)];
    let authorization = (0..SENDERS, select(delegates), off());
    let to = prop_oneof![
        4 => (0..CONTRACTS).prop_map(|n| Some(contract(n))),
        3 => select(addresses()).prop_map(Some),
        1 => Just(None),
    ];
    (
        (0..SENDERS, prop::bool::weighted(0.03), off()),
        (to, 0..init_codes().len()),
        select(vec![0_u64, 0, 1, 2, 21_000]),
        prop_oneof![
            8 => select(vec![60_000_u64, 250_000, 500_000]),
            1 => select(vec![20_000_u64, 21_000, 1_000_000]),
        ],
        select(vec![0_u128, 1, 1, 1]),
        (
            prop_oneof![
                4 => Just(Vec::new()),
                1 => proptest::collection::vec(authorization, 1..3),
            ],
            prop::bool::weighted(0.1),
        ),
    )
        .prop_map(|(who, what, value, gas_limit, gas_price, lists)| {
            let ((from, from_contract, nonce_off), (to, init)) = (who, what);
            let (authorizations, access_list) = lists;
            Txn {
                from,
                from_contract,
                nonce_off,
                to,
                init,
                value,
                gas_limit,
                gas_price,
                authorizations,
                access_list,
            }
        })
}

#[derive(Clone, Debug)]
struct Case {
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

fn case() -> impl Strategy<Value = Case> {
    let balances = [0_u64, 1, 60_000, 60_001, 250_001, 500_000, 2_000_000, 50_000_000];
    let mut balances = balances.map(U256::from).to_vec();
    balances.push(U256::MAX);
    balances.extend([U256::from(50_000_000); 6]);
    let beneficiaries = vec![BENEFICIARY, BENEFICIARY, sender(0), contract(0), ABSENT, HUSK];
    (
        (select(SPECS.to_vec()), select(beneficiaries)),
        select(vec![600_000_u64, 30_000_000, 30_000_000]),
        proptest::collection::vec(select(balances), SENDERS),
        proptest::collection::vec(0..4_u64, CONTRACTS),
        proptest::collection::vec(program(), CONTRACTS),
        proptest::collection::vec((select(addresses()), 0..2_u64, any::<bool>()), 0..3),
        proptest::collection::vec(select(addresses()), 0..2),
        proptest::collection::vec(txn(), 1..14),
    )
        .prop_map(
            |(
                frame,
                gas_limit,
                sender_balances,
                contract_balances,
                programs,
                prepared,
                withdrawals,
                txns,
            )| {
                let (spec, beneficiary) = frame;
                Case {
                    spec,
                    beneficiary,
                    gas_limit,
                    sender_balances,
                    contract_balances,
                    programs,
                    prepared,
                    withdrawals,
                    txns,
                }
            },
        )
}

impl Case {
    fn state(&self) -> PreState {
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
        for (n, &balance) in self.sender_balances.iter().enumerate() {
            state.insert_account(sender(n), AccountInfo::default().with_balance(balance));
        }
        for (n, program) in self.programs.iter().enumerate() {
            let info = AccountInfo::default()
                .with_balance(U256::from(self.contract_balances[n]))
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

    fn block(&self, state: &PreState) -> Block {
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

    /// The senders' nonces after `block`, so that most transactions that follow are valid.
    fn nonces_after(&self, block: &Block, state: &PreState) -> [u64; SENDERS] {
        let result = execute_sequential(block, state, InvalidTxn::Skip);
        let changes = result.map(|result| result.state).unwrap_or_default();
        std::array::from_fn(|n| {
            let change = changes.account(sender(n));
            change.and_then(|change| change.info.as_ref()).map_or(0, |info| info.nonce)
        })
    }

    fn txn(&self, txn: &Txn, nonces: &[u64; SENDERS]) -> TxEnv {
        let (caller, nonce) = match txn.from_contract {
            true => (contract(0), 1),
            false => (sender(txn.from), nonces[txn.from].wrapping_add(txn.nonce_off)),
        };
        let delegates = self.spec.is_enabled_in(SpecId::PRAGUE)
            && !txn.authorizations.is_empty()
            && txn.to.is_some();
        let authorizations = txn.authorizations.iter().filter(|_| delegates);
        let authorizations = authorizations.map(|&(authority, address, off)| {
            let sent = u64::from(authority == txn.from);
            let nonce = nonces[authority].wrapping_add(sent).wrapping_add(off);
            let authorization = Authorization { chain_id: U256::ZERO, address, nonce };
            let authority = RecoveredAuthority::Valid(sender(authority));
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

proptest! {
    #[test]
    fn random_blocks_come_out_the_same(case in case()) {
        let state = case.state();
        let block = case.block(&state);
        watched(move || {
            // Either is fine, as long as all paths agree.
            let _same = assert_same(&block, &state);
        });
    }
}
