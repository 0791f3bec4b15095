//! The state before a block, on a node: what was read once is kept.

use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::{Mutex, MutexGuard, PoisonError},
};

use block_stm_evm::{
    StateRef,
    revm::{
        DatabaseRef,
        database_interface::DBErrorMarker,
        primitives::{Address, B256, KECCAK_EMPTY, StorageKey, StorageValue, U256},
        state::{AccountInfo, Bytecode},
    },
};

use super::{node::Node, rpc::RpcError};

impl DBErrorMarker for RpcError {}

/// The state at the end of a block.
#[derive(Debug)]
pub(super) struct RemoteState<'a> {
    node: &'a Node,
    at: u64,
    known: Mutex<Known>,
    /// Contracts that stand for what the node's chain lacks, where nothing else is.
    stand_ins: Vec<Address>,
}

/// What was read so far.
#[derive(Debug, Default)]
pub(super) struct Known {
    pub(super) accounts: HashMap<Address, Option<AccountInfo>>,
    pub(super) slots: HashMap<(Address, U256), U256>,
    codes: HashMap<B256, Bytecode>,
    hashes: HashMap<u64, B256>,
}

impl Known {
    /// Takes what is said of an account, unless something is known of it.
    pub(super) fn account(&mut self, address: Address, info: AccountInfo) {
        self.accounts.entry(address).or_insert_with(|| {
            if let Some(code) = &info.code {
                self.codes.insert(info.code_hash, code.clone());
            }
            (!info.is_empty()).then_some(info)
        });
    }
}

impl<'a> RemoteState<'a> {
    /// The state on `node` at the end of block `at`, of which `known` is known.
    pub(super) fn new(node: &'a Node, at: u64, known: Known) -> Self {
        Self { node, at, known: Mutex::new(known), stand_ins: Vec::new() }
    }

    /// The same state with a contract that does nothing at each of `stand_ins` that has no code.
    pub(super) fn with_stand_ins(mut self, stand_ins: Vec<Address>) -> Self {
        self.stand_ins = stand_ins;
        self
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl DatabaseRef for RemoteState<'_> {
    type Error = RpcError;

    fn basic_ref(&self, address: Address) -> Result<Option<AccountInfo>, RpcError> {
        if let Some(account) = self.known().accounts.get(&address) {
            return Ok(account.clone());
        }
        let mut account = self.node.account(address, self.at)?;
        if self.stand_ins.contains(&address) {
            let info = account.take().unwrap_or_default();
            let has_code = !info.is_empty_code_hash();
            account = Some(if has_code { info } else { info.with_code(stop()) });
        }
        let mut known = self.known();
        match account {
            Some(info) => known.account(address, info),
            None => {
                known.accounts.insert(address, None);
            }
        }
        Ok(known.accounts.get(&address).cloned().flatten())
    }

    fn code_by_hash_ref(&self, hash: B256) -> Result<Bytecode, RpcError> {
        if hash == KECCAK_EMPTY {
            return Ok(Bytecode::default());
        }
        let code = self.known().codes.get(&hash).cloned();
        // Accounts come with their code, so that no other code is ever asked for.
        let message = || format!("no account has the code with the hash {hash}");
        code.ok_or_else(|| RpcError::Wrong { method: "eth_getCode", message: message() })
    }

    fn storage_ref(&self, address: Address, slot: StorageKey) -> Result<StorageValue, RpcError> {
        let place = (address, slot);
        if let Some(value) = self.known().slots.get(&place) {
            return Ok(*value);
        }
        // Where nothing is, nothing is stored.
        let is_absent = matches!(self.known().accounts.get(&address), Some(None));
        let value = match is_absent {
            true => U256::ZERO,
            false => self.node.slot(address, slot, self.at)?,
        };
        self.known().slots.insert(place, value);
        Ok(value)
    }

    fn block_hash_ref(&self, number: u64) -> Result<B256, RpcError> {
        if let Some(hash) = self.known().hashes.get(&number) {
            return Ok(*hash);
        }
        let method = "eth_getBlockByNumber";
        let missing = || RpcError::Wrong { method, message: format!("there is no block {number}") };
        let hash = self.node.header(number)?.ok_or_else(missing)?.facts.hash;
        self.known().hashes.insert(number, hash);
        Ok(hash)
    }
}

/// Code that ends at once, and returns nothing.
fn stop() -> Bytecode {
    Bytecode::new_legacy([0].into())
}

impl StateRef for RemoteState<'_> {}

/// A state, and what one execution reads of it.
#[derive(Debug)]
pub(super) struct Recording<'a, DB> {
    state: &'a DB,
    read: RefCell<Read>,
}

/// What an execution read, in an order that does not depend on it.
#[derive(Debug, Default)]
pub(super) struct Read {
    /// Those that do not exist, too.
    pub(super) accounts: BTreeMap<Address, Option<AccountInfo>>,
    pub(super) slots: BTreeMap<Address, BTreeMap<U256, U256>>,
    pub(super) hashes: BTreeMap<u64, B256>,
}

impl Read {
    /// All accounts of which something was read, each with the slots.
    pub(super) fn touched(&self) -> BTreeMap<Address, Vec<U256>> {
        let addresses: BTreeSet<_> = self.accounts.keys().chain(self.slots.keys()).collect();
        let slots = |address| self.slots.get(address).into_iter().flat_map(BTreeMap::keys);
        addresses.into_iter().map(|one| (*one, slots(one).copied().collect())).collect()
    }
}

impl<'a, DB> Recording<'a, DB> {
    /// Nothing was read of `state` yet.
    pub(super) fn new(state: &'a DB) -> Self {
        Self { state, read: RefCell::default() }
    }

    /// What was read.
    pub(super) fn into_read(self) -> Read {
        self.read.into_inner()
    }
}

impl<DB: DatabaseRef> DatabaseRef for Recording<'_, DB> {
    type Error = DB::Error;

    fn basic_ref(&self, address: Address) -> Result<Option<AccountInfo>, Self::Error> {
        let account = self.state.basic_ref(address)?;
        self.read.borrow_mut().accounts.insert(address, account.clone());
        Ok(account)
    }

    fn code_by_hash_ref(&self, hash: B256) -> Result<Bytecode, Self::Error> {
        self.state.code_by_hash_ref(hash)
    }

    fn storage_ref(&self, address: Address, slot: StorageKey) -> Result<StorageValue, Self::Error> {
        let value = self.state.storage_ref(address, slot)?;
        self.read.borrow_mut().slots.entry(address).or_default().insert(slot, value);
        Ok(value)
    }

    fn block_hash_ref(&self, number: u64) -> Result<B256, Self::Error> {
        let hash = self.state.block_hash_ref(number)?;
        self.read.borrow_mut().hashes.insert(number, hash);
        Ok(hash)
    }
}

impl<DB: StateRef> StateRef for Recording<'_, DB> {
    fn has_storage_ref(&self, address: Address) -> Result<Option<bool>, Self::Error> {
        self.state.has_storage_ref(address)
    }
}
