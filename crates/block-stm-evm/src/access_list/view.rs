//! The state at one index, as a database for revm.

use alloy_eip7928::BlockAccessIndex;
use alloy_primitives::{Address, B256, U256};
use block_stm::BoxError;
use revm::{
    Database, DatabaseRef,
    database_interface::DBErrorMarker,
    primitives::{StorageKey, StorageValue},
    state::{AccountId, AccountInfo, Bytecode},
};

use super::listed::ListedState;
use crate::{
    StateRef,
    parallel::{Base, WorkerCodes},
    state_ref::State,
};

/// Why the state at an index has no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ViewError<E> {
    #[error("{0} is not listed")]
    Unlisted(Unlisted),
    #[error("{0}")]
    Database(E),
    #[error("{0}")]
    Code(BoxError),
}

impl<E: DBErrorMarker> DBErrorMarker for ViewError<E> {}

/// An account or a slot that a list does not have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Unlisted {
    pub(crate) address: Address,
    pub(crate) slot: Option<U256>,
}

impl std::fmt::Display for Unlisted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.slot {
            Some(slot) => write!(f, "slot {slot:#x} of {}", self.address),
            None => write!(f, "account {}", self.address),
        }
    }
}

/// The state as `index` finds it. What a worker needs for many transactions stays, its index moves.
pub(crate) struct View<'a, DB> {
    pub(crate) state: &'a ListedState<'a, DB>,
    pub(crate) index: BlockAccessIndex,
    codes: WorkerCodes,
}

impl<'a, DB: StateRef> View<'a, DB> {
    pub(crate) fn new(state: &'a ListedState<'a, DB>, index: BlockAccessIndex) -> Self {
        Self { state, index, codes: WorkerCodes::default() }
    }

    fn place(&self, address: Address) -> Result<usize, ViewError<DB::Error>> {
        let unlisted = Unlisted { address, slot: None };
        self.state.place(&address).ok_or(ViewError::Unlisted(unlisted))
    }

    fn slot(&self, place: usize, key: U256) -> Result<U256, ViewError<DB::Error>> {
        let value = self.state.slot(place, key, self.index).map_err(ViewError::Database)?;
        let address = self.state.accounts[place].list.address;
        value.ok_or(ViewError::Unlisted(Unlisted { address, slot: Some(key) }))
    }
}

impl<DB: StateRef + Sync> Database for View<'_, DB> {
    type Error = ViewError<DB::Error>;

    fn basic(&mut self, address: Address) -> Result<Option<AccountInfo>, Self::Error> {
        self.basic_ref(address)
    }

    fn code_by_hash(&mut self, hash: B256) -> Result<Bytecode, Self::Error> {
        self.codes.get(hash, &self.state.codes, self.state).map_err(base_error)
    }

    fn storage(&mut self, address: Address, key: StorageKey) -> Result<StorageValue, Self::Error> {
        self.storage_ref(address, key)
    }

    fn storage_by_account_id(
        &mut self,
        _address: Address,
        id: AccountId,
        key: StorageKey,
    ) -> Result<StorageValue, Self::Error> {
        self.slot(id.get(), key)
    }

    fn block_hash(&mut self, number: u64) -> Result<B256, Self::Error> {
        self.block_hash_ref(number)
    }
}

/// For the steps around the transactions, which have a state of their own on top.
impl<DB: StateRef + Sync> DatabaseRef for View<'_, DB> {
    type Error = ViewError<DB::Error>;

    fn basic_ref(&self, address: Address) -> Result<Option<AccountInfo>, Self::Error> {
        let place = self.place(address)?;
        self.state.account(place, self.index).map_err(ViewError::Database)
    }

    fn code_by_hash_ref(&self, hash: B256) -> Result<Bytecode, Self::Error> {
        match self.state.codes.get(&hash) {
            Some(code) => Ok(code),
            None => self.state.code(hash).map_err(base_error),
        }
    }

    fn storage_ref(&self, address: Address, key: StorageKey) -> Result<StorageValue, Self::Error> {
        self.slot(self.place(address)?, key)
    }

    fn block_hash_ref(&self, number: u64) -> Result<B256, Self::Error> {
        self.state.db.block_hash_ref(number).map_err(ViewError::Database)
    }
}

impl<DB: StateRef + Sync> StateRef for View<'_, DB> {
    /// Of an account that has neither nonce nor code. From Spurious Dragon on, what is created has
    /// a nonce: such an account has the storage that it had before the block, unless it is gone.
    fn has_storage_ref(&self, address: Address) -> Result<Option<bool>, Self::Error> {
        let place = self.place(address)?;
        if self.state.was_wiped(place, self.index).map_err(ViewError::Database)? {
            return Ok(Some(false));
        }
        self.state.has_storage(address).map(Some).map_err(base_error)
    }
}

impl<DB: StateRef + Sync> State for View<'_, DB> {
    fn has_storage(&mut self, address: Address) -> Result<bool, Self::Error> {
        Ok(self.has_storage_ref(address)?.unwrap_or(false))
    }
}

/// The database's own error, if it is one.
fn base_error<E: std::error::Error + 'static>(error: BoxError) -> ViewError<E> {
    match error.downcast::<E>() {
        Ok(error) => ViewError::Database(*error),
        Err(error) => ViewError::Code(error),
    }
}
