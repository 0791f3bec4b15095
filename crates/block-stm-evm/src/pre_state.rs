//! The state before a block, in memory.

use std::collections::{BTreeMap, HashMap};

use alloy_primitives::{Address, B256, KECCAK256_EMPTY, U256};
use foldhash::fast::RandomState;
use revm::{
    DatabaseRef,
    database_interface::DBErrorMarker,
    primitives::{StorageKey, StorageValue},
    state::{AccountInfo, Bytecode},
};

use crate::StateRef;

/// Accounts, code and block hashes before a block; the in-memory [`DatabaseRef`].
///
/// An account that is not here does not exist, a slot that is not here is zero. A block hash that
/// is not here is an error, because no value would be right. The maps are keyed with a random seed,
/// as addresses and slots may be chosen by an attacker.
#[derive(Clone, Debug, Default)]
pub struct PreState {
    accounts: HashMap<Address, PreAccount, RandomState>,
    contracts: HashMap<B256, Bytecode, RandomState>,
    block_hashes: BTreeMap<u64, B256>,
}

/// One account of a [`PreState`]: its fields and its non-zero slots.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct PreAccount {
    /// Balance, nonce, code hash and, where known, code.
    pub info: AccountInfo,
    /// Slots that are not zero.
    pub storage: HashMap<U256, U256, RandomState>,
}

/// Something that a [`PreState`] can't answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PreStateError {
    /// The hash of a block was asked for that was not given.
    #[error("the hash of block {number} is not in the pre-state")]
    MissingBlockHash {
        /// The block's number.
        number: u64,
    },
    /// An account names a code hash without the code.
    #[error("the code with hash {hash} is not in the pre-state")]
    MissingCode {
        /// Keccak-256 of the code.
        hash: B256,
    },
}

impl DBErrorMarker for PreStateError {}

impl PreState {
    /// An empty state.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets an account's fields and keeps its storage.
    ///
    /// The code hash is taken from the code where the code is given. An account whose code is
    /// missing gets it from an account with the same code hash, whichever is inserted first.
    pub fn insert_account(&mut self, address: Address, mut info: AccountInfo) {
        if let Some(code) = &info.code {
            info.code_hash = code.hash_slow();
            if !code.is_empty() {
                self.contracts.entry(info.code_hash).or_insert_with(|| code.clone());
            }
        }
        self.accounts.entry(address).or_default().info = info;
    }

    /// Sets a slot; the account comes into being, empty, if it is not there yet.
    pub fn insert_storage(&mut self, address: Address, slot: U256, value: U256) {
        let storage = &mut self.accounts.entry(address).or_default().storage;
        if value.is_zero() {
            storage.remove(&slot);
        } else {
            storage.insert(slot, value);
        }
    }

    /// Adds code that accounts refer to by its hash, and returns that hash.
    pub fn insert_code(&mut self, code: Bytecode) -> B256 {
        let hash = code.hash_slow();
        self.contracts.entry(hash).or_insert(code);
        hash
    }

    /// Sets the hash that BLOCKHASH answers for block `number`.
    pub fn insert_block_hash(&mut self, number: u64, hash: B256) {
        self.block_hashes.insert(number, hash);
    }

    /// Takes out the hashes of the blocks before block `number`.
    pub fn remove_block_hashes_before(&mut self, number: u64) {
        self.block_hashes = self.block_hashes.split_off(&number);
    }

    /// Takes an account out, with its storage.
    pub fn remove_account(&mut self, address: &Address) -> Option<PreAccount> {
        self.accounts.remove(address)
    }

    /// Zeroes all slots of an account.
    pub fn wipe_storage(&mut self, address: &Address) {
        if let Some(account) = self.accounts.get_mut(address) {
            account.storage.clear();
        }
    }

    /// The account at `address`, if it exists.
    pub fn account(&self, address: &Address) -> Option<&PreAccount> {
        self.accounts.get(address)
    }

    /// All accounts, in no particular order.
    pub fn accounts(&self) -> impl Iterator<Item = (&Address, &PreAccount)> {
        self.accounts.iter()
    }

    /// The value of a slot; zero where the account or the slot is absent.
    pub fn storage(&self, address: &Address, slot: &U256) -> U256 {
        let account = self.accounts.get(address);
        account.and_then(|account| account.storage.get(slot)).copied().unwrap_or_default()
    }

    /// Whether the account at `address` has a slot that is not zero.
    pub fn has_storage(&self, address: &Address) -> bool {
        self.accounts.get(address).is_some_and(|account| !account.storage.is_empty())
    }

    /// The code with the hash `hash`; empty code is always known.
    pub fn code(&self, hash: &B256) -> Option<Bytecode> {
        if *hash == KECCAK256_EMPTY {
            return Some(Bytecode::default());
        }
        self.contracts.get(hash).cloned()
    }

    /// The hashes that BLOCKHASH can answer, by block number.
    pub fn block_hashes(&self) -> &BTreeMap<u64, B256> {
        &self.block_hashes
    }

    /// The number of accounts.
    pub fn len(&self) -> usize {
        self.accounts.len()
    }

    /// Whether there is no account.
    pub fn is_empty(&self) -> bool {
        self.accounts.is_empty()
    }
}

impl DatabaseRef for PreState {
    type Error = PreStateError;

    fn basic_ref(&self, address: Address) -> Result<Option<AccountInfo>, Self::Error> {
        Ok(self.account(&address).map(|account| account.info.clone()))
    }

    fn code_by_hash_ref(&self, hash: B256) -> Result<Bytecode, Self::Error> {
        self.code(&hash).ok_or(PreStateError::MissingCode { hash })
    }

    fn storage_ref(&self, address: Address, slot: StorageKey) -> Result<StorageValue, Self::Error> {
        Ok(self.storage(&address, &slot))
    }

    fn block_hash_ref(&self, number: u64) -> Result<B256, Self::Error> {
        let hash = self.block_hashes.get(&number).copied();
        hash.ok_or(PreStateError::MissingBlockHash { number })
    }
}

impl StateRef for PreState {
    fn has_storage_ref(&self, address: Address) -> Result<Option<bool>, Self::Error> {
        Ok(Some(self.has_storage(&address)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALICE: Address = Address::repeat_byte(0xa1);

    #[test]
    fn what_is_absent_is_none_zero_or_an_error() {
        let state = PreState::new();
        assert_eq!(state.basic_ref(ALICE), Ok(None));
        assert_eq!(state.storage_ref(ALICE, U256::ONE), Ok(U256::ZERO));
        let error = state.block_hash_ref(17).expect_err("no hash was given");
        assert_eq!(error.to_string(), "the hash of block 17 is not in the pre-state");
        let hash = B256::repeat_byte(7);
        assert_eq!(state.code_by_hash_ref(hash), Err(PreStateError::MissingCode { hash }));
    }

    #[test]
    fn code_is_found_by_the_hash_of_its_bytes_whatever_the_account_claimed() {
        let mut state = PreState::new();
        let code = Bytecode::new_legacy([0x60, 0x01, 0x00].into());
        let claimed = AccountInfo {
            code: Some(code.clone()),
            code_hash: B256::repeat_byte(1),
            ..AccountInfo::default()
        };
        state.insert_account(ALICE, claimed);
        let info = state.basic_ref(ALICE).expect("in memory").expect("inserted");
        assert_eq!(info.code_hash, code.hash_slow());
        assert_eq!(state.code_by_hash_ref(info.code_hash), Ok(code));
    }

    #[test]
    fn a_zero_slot_is_not_kept() {
        let mut state = PreState::new();
        state.insert_storage(ALICE, U256::ONE, U256::from(5));
        state.insert_storage(ALICE, U256::ONE, U256::ZERO);
        let account = state.account(&ALICE).expect("inserted");
        assert!(account.storage.is_empty() && !state.has_storage(&ALICE));
        state.insert_storage(ALICE, U256::from(2), U256::ONE);
        assert_eq!(state.has_storage_ref(ALICE), Ok(Some(true)));
        assert_eq!(state.has_storage_ref(Address::ZERO), Ok(Some(false)));
    }
}
