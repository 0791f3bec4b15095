//! A block and the state before it, while they are being made.

use std::{
    collections::{BTreeMap, HashMap},
    mem,
};

use alloy_eips::{eip2935, eip4788, eip7002, eip7251};
use alloy_primitives::{Address, B256, Bytes, TxKind, U256, address, keccak256};
use block_stm_evm::{
    Block, PreState,
    revm::{
        context::{BlockEnv, TxEnv},
        context_interface::block::BlobExcessGasAndPrice,
        primitives::hardfork::SpecId,
        state::{AccountInfo, Bytecode},
    },
};

use crate::{
    abi::{Word, entry},
    artifact::{Artifact, Place},
    draw::{Account, Draw},
    scenario::{Series, SeriesBlock},
    senders::Senders,
    tokens::Tokens,
};

/// 10^18: one whole token, one ether in wei.
pub(crate) const WAD: u64 = 1_000_000_000_000_000_000;
/// Seconds since the epoch.
pub(crate) const TIMESTAMP: u64 = 1_767_225_600;
/// Seconds between blocks.
pub(crate) const SLOT_SECONDS: u64 = 12;

/// Ethereum mainnet's.
pub(crate) const CHAIN_ID: u64 = 1;
pub(crate) const NUMBER: u64 = 24_000_000;
const GWEI: u128 = 1_000_000_000;
pub(crate) const BASE_FEE: u128 = 10 * GWEI;
const GAS_LIMIT_MIN: u64 = 30_000_000;
/// Wei of an account at the beginning: ten million ether, more than the longest block can spend.
const FUNDS: u128 = 10_000_000 * WAD as u128;
const BENEFICIARY: Address = address!("bebebebebebebebebebebebebebebebebebebebe");

/// Transactions of a block and the state before it.
#[derive(Clone, Debug)]
pub struct Generated {
    /// The block.
    pub block: Block,
    /// Every account, contract and slot that the block needs.
    pub pre_state: PreState,
    /// Places of the transactions that are meant to revert, ascending; all others succeed in order.
    pub planned_reverts: Vec<usize>,
    /// The secret key of every sender, or none where the senders' addresses are not made from keys.
    pub secret_keys: BTreeMap<Address, B256>,
}

/// Collects transactions, and the accounts and contracts that they touch.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) pre_state: PreState,
    /// The tokens that are installed, shared by all generators of the block.
    pub(crate) tokens: Tokens,
    senders: Senders,
    txns: Vec<TxEnv>,
    planned_reverts: Vec<usize>,
    /// The blocks that are complete.
    made: Vec<(Block, Vec<usize>)>,
    accounts: HashMap<Account, Address>,
    nonces: HashMap<Address, u64>,
    funds: U256,
    gas_limit: u64,
}

/// A transaction before it has its place in the block.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) from: Address,
    pub(crate) to: Address,
    pub(crate) value: U256,
    pub(crate) data: Bytes,
    pub(crate) gas_limit: u64,
}

impl Call {
    /// A call of the contract `to` that sends no ether.
    pub(crate) fn contract(from: Address, to: Address, data: Bytes, gas_limit: u64) -> Self {
        Self { from, to, value: U256::ZERO, data, gas_limit }
    }
}

/// Fees that a sender offers, in wei per gas.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fees {
    pub(crate) cap: u128,
    pub(crate) priority: u128,
}

impl Fees {
    /// As wallets do: twice the base fee plus a tip.
    pub(crate) fn usual(draw: &mut Draw) -> Self {
        let priority = Self::tip(draw);
        let cap = 2 * BASE_FEE + priority;
        Self { cap, priority }
    }

    /// A cap that is paid in full, so that the sender can spend all that it has.
    pub(crate) fn exact(draw: &mut Draw) -> Self {
        let priority = Self::tip(draw);
        let cap = BASE_FEE + priority;
        Self { cap, priority }
    }

    /// 1 to 3 gwei, in steps of a thousandth.
    fn tip(draw: &mut Draw) -> u128 {
        u128::from(draw.within(1_000, 3_000)) * GWEI / 1_000
    }
}

impl World {
    /// A world with the system contracts and no accounts.
    pub(crate) fn new(txns: usize, senders: Senders) -> Self {
        let mut world = Self {
            pre_state: PreState::new(),
            tokens: Tokens::default(),
            senders,
            txns: Vec::with_capacity(txns),
            planned_reverts: Vec::new(),
            made: Vec::new(),
            accounts: HashMap::new(),
            nonces: HashMap::new(),
            funds: U256::from(FUNDS),
            gas_limit: 0,
        };
        world.install_system_contracts();
        world
    }

    /// The address of an account, which is funded when it is first seen.
    pub(crate) fn account(&mut self, account: Account) -> Address {
        if let Some(address) = self.accounts.get(&account) {
            return *address;
        }
        let address = self.senders.address("account", account.into());
        self.accounts.insert(account, address);
        self.fund(address, self.funds);
        address
    }

    /// The address of the `index`-th sender called `name`, which is not one of the accounts.
    pub(crate) fn sender(&mut self, name: &str, index: u64) -> Address {
        self.senders.address(name, index)
    }

    /// Gives an address that is not one of the accounts its own `balance`, in wei.
    pub(crate) fn fund(&mut self, address: Address, balance: U256) {
        let info = AccountInfo { balance, ..AccountInfo::default() };
        self.pre_state.insert_account(address, info);
    }

    /// Sets the wei of accounts that are not seen yet.
    pub(crate) fn set_funds(&mut self, funds: U256) {
        self.funds = funds;
    }

    /// Seconds since the epoch in the block that is being made.
    pub(crate) fn timestamp(&self) -> u64 {
        TIMESTAMP + SLOT_SECONDS * self.made.len() as u64
    }

    /// Gives an address its own `balance`, or what accounts have.
    pub(crate) fn fund_as_usual(&mut self, address: Address, balance: Option<U256>) {
        self.fund(address, balance.unwrap_or(self.funds));
    }

    /// Installs `artifact` at `address`, without running its constructor.
    pub(crate) fn install(&mut self, artifact: &Artifact, address: Address) {
        self.install_code(&artifact.code, artifact.code_hash, address, U256::ZERO);
    }

    /// Installs a contract with this code, the code's hash and wei of its own.
    pub(crate) fn install_code(
        &mut self,
        code: &Bytecode,
        code_hash: B256,
        address: Address,
        balance: U256,
    ) {
        // The code goes in once: hashing it for each of many contracts would take most of the time.
        if self.pre_state.code(&code_hash).is_none() {
            self.pre_state.insert_code(code.clone());
        }
        let info =
            AccountInfo { nonce: 1, code_hash, code: None, balance, ..AccountInfo::default() };
        self.pre_state.insert_account(address, info);
    }

    /// Sets the part of a slot that `place` names; `value` must fit.
    pub(crate) fn set(&mut self, address: Address, place: Place, value: U256) {
        let mask = match place.bits {
            256 => U256::MAX,
            bits => (U256::ONE << bits) - U256::ONE,
        };
        assert!(value <= mask, "{value} does not fit {place:?}");
        let kept = self.pre_state.storage(&address, &place.slot) & !(mask << place.shift);
        let slot = kept | (value << place.shift);
        self.pre_state.insert_storage(address, place.slot, slot);
    }

    /// Reads what [`set`](Self::set) sets.
    pub(crate) fn get(&self, address: Address, place: Place) -> U256 {
        let slot = self.pre_state.storage(&address, &place.slot) >> place.shift;
        match place.bits {
            256 => slot,
            bits => slot & ((U256::ONE << bits) - U256::ONE),
        }
    }

    /// Sets a string of at most 31 bytes, which lies in its slot together with its length.
    pub(crate) fn set_string(&mut self, address: Address, place: Place, text: &str) {
        assert!(text.len() < 32, "{text} is longer than a slot");
        let mut word = [0; 32];
        word[..text.len()].copy_from_slice(text.as_bytes());
        word[31] = 2 * text.len() as u8;
        self.set(address, place, U256::from_be_bytes(word));
    }

    /// Sets `mapping[keys[0]][keys[1]]...`.
    pub(crate) fn set_mapped(
        &mut self,
        address: Address,
        mapping: Place,
        keys: &[&dyn Word],
        value: U256,
    ) {
        let slot = entry(mapping, keys);
        self.pre_state.insert_storage(address, slot, value);
    }

    /// Reads `mapping[keys[0]][keys[1]]...`.
    pub(crate) fn get_mapped(&self, address: Address, mapping: Place, keys: &[&dyn Word]) -> U256 {
        self.pre_state.storage(&address, &entry(mapping, keys))
    }

    /// Adds to `mapping[keys[0]][keys[1]]...`.
    pub(crate) fn add_mapped(
        &mut self,
        address: Address,
        mapping: Place,
        keys: &[&dyn Word],
        amount: U256,
    ) {
        let value = self.get_mapped(address, mapping, keys) + amount;
        self.set_mapped(address, mapping, keys, value);
    }

    /// Appends a transaction that succeeds.
    pub(crate) fn push(&mut self, draw: &mut Draw, call: Call) {
        let fees = Fees::usual(draw);
        self.push_with_fees(call, fees);
    }

    /// Appends a transaction that reverts.
    pub(crate) fn push_reverting(&mut self, draw: &mut Draw, call: Call) {
        self.planned_reverts.push(self.txns.len());
        self.push(draw, call);
    }

    /// Appends a transaction that succeeds and offers `fees`.
    pub(crate) fn push_with_fees(&mut self, call: Call, fees: Fees) {
        let nonce = self.nonces.entry(call.from).or_default();
        self.txns.push(TxEnv {
            tx_type: 2,
            caller: call.from,
            gas_limit: call.gas_limit,
            gas_price: fees.cap,
            kind: TxKind::Call(call.to),
            value: call.value,
            data: call.data,
            nonce: *nonce,
            chain_id: Some(CHAIN_ID),
            access_list: Default::default(),
            gas_priority_fee: Some(fees.priority),
            blob_hashes: Vec::new(),
            max_fee_per_blob_gas: 0,
            authorization_list: Vec::new(),
        });
        *nonce += 1;
        self.gas_limit += call.gas_limit;
    }

    /// The block of the transactions so far.
    pub(crate) fn finish(mut self) -> Generated {
        if self.made.is_empty() {
            self.end_block();
        }
        let (block, planned_reverts) = self.made.swap_remove(0);
        Generated {
            block,
            pre_state: self.pre_state,
            planned_reverts,
            secret_keys: self.senders.into_keys(),
        }
    }

    /// The state before the first block, and the blocks that are complete, each with the places of
    /// the transactions that are meant to revert.
    pub(crate) fn finish_series(self) -> Series {
        let made = self.made.into_iter();
        let blocks = made.map(|(block, planned_reverts)| SeriesBlock {
            block,
            planned_reverts,
            made_by: Vec::new(),
        });
        Series {
            genesis: self.pre_state,
            blocks: blocks.collect(),
            secret_keys: self.senders.into_keys(),
        }
    }

    /// Completes a block of the transactions since the last one.
    pub(crate) fn end_block(&mut self) {
        let place = self.made.len() as u64;
        let number = NUMBER + place;
        let parent_hash = match place {
            0 => keccak256("parent block"),
            place => digest("block", place - 1),
        };
        self.pre_state.insert_block_hash(number - 1, parent_hash);
        let gas_limit = self.gas_limit.max(GAS_LIMIT_MIN);
        let block = block(number, self.timestamp(), gas_limit, mem::take(&mut self.txns))
            .parent_hash(parent_hash);
        self.made.push((block, mem::take(&mut self.planned_reverts)));
        self.gas_limit = 0;
    }

    /// What every mainnet block calls before and after its transactions.
    fn install_system_contracts(&mut self) {
        let contracts = [
            (eip4788::BEACON_ROOTS_ADDRESS, &eip4788::BEACON_ROOTS_CODE),
            (eip2935::HISTORY_STORAGE_ADDRESS, &eip2935::HISTORY_STORAGE_CODE),
            (
                eip7002::WITHDRAWAL_REQUEST_PREDEPLOY_ADDRESS,
                &eip7002::WITHDRAWAL_REQUEST_PREDEPLOY_CODE,
            ),
            (
                eip7251::CONSOLIDATION_REQUEST_PREDEPLOY_ADDRESS,
                &eip7251::CONSOLIDATION_REQUEST_PREDEPLOY_CODE,
            ),
        ];
        for (address, code) in contracts {
            let info = AccountInfo {
                nonce: 1,
                code: Some(Bytecode::new_legacy(Bytes::clone(code))),
                ..AccountInfo::default()
            };
            self.pre_state.insert_account(address, info);
        }
    }
}

/// A block of the Osaka fork, in the circumstances that all have.
pub(crate) fn block(number: u64, timestamp: u64, gas_limit: u64, txns: Vec<TxEnv>) -> Block {
    let env = BlockEnv {
        number: U256::from(number),
        beneficiary: BENEFICIARY,
        timestamp: U256::from(timestamp),
        gas_limit,
        basefee: BASE_FEE as u64,
        difficulty: U256::ZERO,
        prevrandao: Some(keccak256("randomness")),
        blob_excess_gas_and_price: Some(BlobExcessGasAndPrice {
            excess_blob_gas: 0,
            blob_gasprice: 1,
        }),
        slot_num: 0,
    };
    Block::new(SpecId::OSAKA, env, txns)
        .chain_id(CHAIN_ID)
        .parent_beacon_block_root(keccak256("parent beacon block"))
}

/// The address of the `index`-th thing called `name`.
pub(crate) fn named(name: &str, index: u64) -> Address {
    Address::from_word(digest(name, index))
}

/// A hash that stands for the `index`-th thing called `name`.
pub(crate) fn digest(name: &str, index: u64) -> B256 {
    let mut preimage = Vec::with_capacity(name.len() + 8);
    preimage.extend_from_slice(name.as_bytes());
    preimage.extend_from_slice(&index.to_be_bytes());
    keccak256(preimage)
}

/// `amount` whole tokens, in their smallest unit.
pub(crate) fn whole(amount: u64) -> U256 {
    U256::from(amount) * U256::from(WAD)
}
