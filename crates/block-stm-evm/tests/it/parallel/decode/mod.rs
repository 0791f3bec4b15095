//! Blocks over few accounts with small programs, under every set of rules, from a fuzzer's bytes.
//!
//! The domains are tiny on purpose: a handful of accounts, slots and amounts, balances that just
//! suffice or just do not, so that most blocks are full of conflicts, invalid transactions and
//! accounts that come and go. Every sequence of bytes is a block: a frame, the contracts' programs,
//! then transactions while there are bytes.
//!
//! The tests draw the bytes at random; the fuzz target, which includes this file, has them mutated.

mod accounts;
mod program;
mod txn;

use alloy_eips::eip4895::Withdrawal;
use alloy_primitives::{Address, B256, U256};
use block_stm_evm::{
    Block, InvalidTxn, PreState, execute_sequential,
    revm::{
        bytecode::opcode as op,
        context::BlockEnv,
        primitives::hardfork::SpecId,
        state::{AccountInfo, Bytecode},
    },
};
use block_stm_testkit::bytes::Bytes;

use self::{
    accounts::{
        ABSENT, AUTHORITIES, BENEFICIARY, CONTRACTS, FULL_HUSK, HUSK, Nonces, SENDERS, address,
        contract, sender,
    },
    program::{Program, compile, program},
    txn::Txn,
};
use super::code::Code;

/// The most transactions of a block; bytes beyond them mean nothing.
const TXNS: usize = 14;

pub(super) const SPECS: [SpecId; 15] = [
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
        14 => U256::MAX,
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
        // Contracts of the protocol count their calls; the queues return the count as their
        // request.
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
        Block::new(self.spec, env, Vec::new()).parent_beacon_block_root(B256::ZERO)
    }

    pub(super) fn block(&self, state: &PreState) -> Block {
        let mut block = self.empty_block();
        for txn in &self.txns {
            let nonces = self.nonces_after(&block, state);
            block.txns.push(txn.env(self.spec, &nonces));
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
}
