//! The state before each transaction of a block.

use alloy_eip7928::{AccountChanges, BlockAccessIndex};
use alloy_primitives::{Address, B256, U256};
use block_stm::Engine;
use revm::{
    Database, DatabaseRef,
    primitives::{StorageKey, StorageValue, hardfork::SpecId},
    state::{AccountInfo, Bytecode},
};

use super::told::ToldStates;
use crate::{
    Block, BlockResult, ExecutionError, StateRef,
    access_list::{ListedState, check_list_form},
    state_ref::State,
};

/// The states of a block, one before each transaction: of all that comes before it.
///
/// They never change, so that any transaction can be executed at any time, on any thread.
pub struct TxnStates<'a, DB>(Source<'a, DB>);

enum Source<'a, DB> {
    Listed(ListedState<'a, DB>),
    Told(ToldStates<'a, DB>),
}

/// The state before one transaction, as a database.
#[derive(Debug)]
pub struct StateBefore<'s, DB> {
    states: &'s TxnStates<'s, DB>,
    pub(super) txn: usize,
}

impl<DB> std::fmt::Debug for TxnStates<'_, DB> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let source = match &self.0 {
            Source::Listed(_) => "an access list",
            Source::Told(_) => "an execution",
        };
        f.debug_tuple("TxnStates").field(&source).finish()
    }
}

impl<'a, DB: StateRef + Sync> TxnStates<'a, DB> {
    /// The states that an access list (EIP-7928) of `block` describes, over the state `db` before
    /// it; `None` if the list does not say all of them, if it is the list of no block with so many
    /// transactions, or if a listed account can't be read.
    ///
    /// A list does not say that an account without anything exists, nor that it ceases to. That
    /// counts before Spurious Dragon (EIP-161), and later where a listed account is one from
    /// before.
    ///
    /// The list is believed: it is one that was made by executing the block, or that was
    /// [checked](crate::access_list::execute_with_access_list).
    ///
    /// # Cost
    ///
    /// All that is listed is read once, on the threads of `engine`.
    pub fn listed(
        engine: &Engine,
        block: &Block,
        db: &'a DB,
        list: &'a [AccountChanges],
    ) -> Option<Self> {
        let has_husks = !block.spec.is_enabled_in(SpecId::SPURIOUS_DRAGON);
        let is_none_of_it = check_list_form(list, block.txns.len()).is_err();
        if has_husks || block.creates_over_storage || is_none_of_it {
            return None;
        }
        let state = ListedState::new(block, db, list);
        state.fetch_all(engine);
        state.says_who_exists().then_some(Self(Source::Listed(state)))
    }

    /// The states that an execution of `block` goes through, which is made with the threads of
    /// `engine`, and what it comes to. For blocks of any fork.
    ///
    /// # Errors
    ///
    /// As [`execute_parallel`](crate::execute_parallel).
    ///
    /// # Panics
    ///
    /// As [`execute_parallel`](crate::execute_parallel).
    ///
    /// # Cost
    ///
    /// All changes of all transactions are kept.
    pub fn executed(
        engine: &Engine,
        block: &Block,
        db: &'a DB,
    ) -> Result<(Self, BlockResult), ExecutionError<DB::Error>> {
        let (states, result) = ToldStates::new(engine, block, db)?;
        Ok((Self(Source::Told(states)), result))
    }

    /// The state before the transaction with the place `txn`, from 0.
    pub fn before(&self, txn: usize) -> StateBefore<'_, DB> {
        StateBefore { states: self, txn }
    }
}

impl<DB> Clone for StateBefore<'_, DB> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<DB> Copy for StateBefore<'_, DB> {}

impl<DB> StateBefore<'_, DB> {
    fn index(&self) -> BlockAccessIndex {
        BlockAccessIndex::from_tx_index(self.txn as u64)
    }
}

impl<DB: StateRef + Sync> DatabaseRef for StateBefore<'_, DB> {
    type Error = DB::Error;

    fn basic_ref(&self, address: Address) -> Result<Option<AccountInfo>, DB::Error> {
        match &self.states.0 {
            Source::Listed(states) => match states.place(&address) {
                Some(place) => states.account(place, self.index()),
                // What is not listed is looked at by inspectors alone, and not changed.
                None => states.db.basic_ref(address),
            },
            Source::Told(states) => states.account(address, self.txn),
        }
    }

    fn code_by_hash_ref(&self, hash: B256) -> Result<Bytecode, DB::Error> {
        match &self.states.0 {
            Source::Listed(states) => match states.codes.get(&hash) {
                Some(code) => Ok(code),
                None => states.db.code_by_hash_ref(hash),
            },
            Source::Told(states) => states.code(hash),
        }
    }

    fn storage_ref(&self, address: Address, key: StorageKey) -> Result<StorageValue, DB::Error> {
        match &self.states.0 {
            Source::Listed(states) => {
                let Some(place) = states.place(&address) else {
                    return states.db.storage_ref(address, key);
                };
                match states.slot(place, key, self.index())? {
                    Some(value) => Ok(value),
                    None if states.was_wiped(place, self.index())? => Ok(U256::ZERO),
                    None => states.db.storage_ref(address, key),
                }
            }
            Source::Told(states) => states.slot(address, key, self.txn),
        }
    }

    fn block_hash_ref(&self, number: u64) -> Result<B256, DB::Error> {
        match &self.states.0 {
            Source::Listed(states) => states.db.block_hash_ref(number),
            Source::Told(states) => states.block_hash(number),
        }
    }
}

impl<DB: StateRef + Sync> StateRef for StateBefore<'_, DB> {
    fn has_storage_ref(&self, address: Address) -> Result<Option<bool>, DB::Error> {
        match &self.states.0 {
            // From Spurious Dragon on, an account that has neither nonce nor code has the storage
            // that it had before the block, unless it is gone.
            Source::Listed(states) => match states.place(&address) {
                Some(place) if states.was_wiped(place, self.index())? => Ok(Some(false)),
                _ => states.db.has_storage_ref(address),
            },
            Source::Told(states) => states.has_storage(address, self.txn),
        }
    }
}

impl<DB: StateRef + Sync> Database for StateBefore<'_, DB> {
    type Error = DB::Error;

    fn basic(&mut self, address: Address) -> Result<Option<AccountInfo>, DB::Error> {
        self.basic_ref(address)
    }

    fn code_by_hash(&mut self, hash: B256) -> Result<Bytecode, DB::Error> {
        self.code_by_hash_ref(hash)
    }

    fn storage(&mut self, address: Address, key: StorageKey) -> Result<StorageValue, DB::Error> {
        self.storage_ref(address, key)
    }

    fn block_hash(&mut self, number: u64) -> Result<B256, DB::Error> {
        self.block_hash_ref(number)
    }
}

impl<DB: StateRef + Sync> State for StateBefore<'_, DB> {
    fn has_storage(&mut self, address: Address) -> Result<bool, DB::Error> {
        Ok(self.has_storage_ref(address)?.unwrap_or(false))
    }
}
