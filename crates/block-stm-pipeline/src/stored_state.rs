//! A stored state as a database for execution.

use alloy_primitives::{Address, B256, KECCAK256_EMPTY, U256};
use block_stm_evm::{
    StateRef,
    revm::{
        DatabaseRef,
        database_interface::DBErrorMarker,
        state::{AccountInfo, Bytecode},
    },
};
use block_stm_store::{Snapshot, StoreError};

/// The state that a snapshot shows, read from the store as it is asked for.
///
/// Blocks execute on it though the state is larger than memory. Its reads wait for the disk: give
/// the engine more threads than the machine has cores, and it lets workers in as others wait.
///
/// # Cost
///
/// Each read is one of [`Snapshot`]'s. Nothing is kept here; the store has a cache.
#[derive(Clone, Debug)]
pub struct StoredState(Snapshot);

/// Why a stored state has no answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoredStateError {
    /// The store can't be read, or the snapshot has ended.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// An account names code that the store does not have.
    #[error("the code {0} is missing in the store")]
    NoCode(B256),
    /// The store has not, or no more, the block whose hash was asked for.
    #[error("the block {0} is not in the store")]
    NoBlock(u64),
    /// What the store has is no code.
    #[error("the code {hash} in the store can't be executed: {reason}")]
    BadCode {
        /// Its hash.
        hash: B256,
        /// What is wrong with it.
        reason: String,
    },
}

impl DBErrorMarker for StoredStateError {}

impl StoredState {
    /// The state that `snapshot` shows.
    pub fn new(snapshot: Snapshot) -> Self {
        Self(snapshot)
    }
}

impl DatabaseRef for StoredState {
    type Error = StoredStateError;

    fn basic_ref(&self, address: Address) -> Result<Option<AccountInfo>, Self::Error> {
        let account = self.0.account(&address)?;
        Ok(account.map(|account| AccountInfo {
            balance: account.balance,
            nonce: account.nonce,
            code_hash: account.code_hash,
            code: None,
            account_id: None,
        }))
    }

    fn code_by_hash_ref(&self, hash: B256) -> Result<Bytecode, Self::Error> {
        if hash == KECCAK256_EMPTY {
            return Ok(Bytecode::default());
        }
        let code = self.0.code(&hash)?.ok_or(StoredStateError::NoCode(hash))?;
        Bytecode::new_raw_checked(code)
            .map_err(|error| StoredStateError::BadCode { hash, reason: error.to_string() })
    }

    fn storage_ref(&self, address: Address, key: U256) -> Result<U256, Self::Error> {
        Ok(self.0.slot(&address, &key)?)
    }

    fn block_hash_ref(&self, number: u64) -> Result<B256, Self::Error> {
        let block = self.0.block(number)?.ok_or(StoredStateError::NoBlock(number))?;
        Ok(block.hash)
    }
}

impl StateRef for StoredState {
    fn has_storage_ref(&self, address: Address) -> Result<Option<bool>, Self::Error> {
        Ok(Some(self.0.slots(address)?.next().transpose()?.is_some()))
    }
}
