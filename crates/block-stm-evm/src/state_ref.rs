//! The state that blocks are executed on.

use std::sync::Arc;

use alloy_primitives::Address;
use revm::{
    Database, DatabaseRef,
    database::{AccountState, CacheDB, DBErrorMarker, EmptyDBTyped},
};

/// A state that blocks are executed on: revm's [`DatabaseRef`], and a question that revm does not
/// ask.
///
/// # Examples
///
/// A database that can't tell is one with nothing but the name:
///
/// ```
/// use block_stm_evm::{StateRef, revm::{self, DatabaseRef, primitives::{Address, B256, U256}}};
/// # use block_stm_evm::{PreState, PreStateError};
/// # use revm::state::{AccountInfo, Bytecode};
///
/// struct Snapshot(/* ... */ PreState);
///
/// impl DatabaseRef for Snapshot {
///     // ...
/// #   type Error = PreStateError;
/// #   fn basic_ref(&self, address: Address) -> Result<Option<AccountInfo>, PreStateError> {
/// #       self.0.basic_ref(address)
/// #   }
/// #   fn code_by_hash_ref(&self, hash: B256) -> Result<Bytecode, PreStateError> {
/// #       self.0.code_by_hash_ref(hash)
/// #   }
/// #   fn storage_ref(&self, address: Address, slot: U256) -> Result<U256, PreStateError> {
/// #       self.0.storage_ref(address, slot)
/// #   }
/// #   fn block_hash_ref(&self, number: u64) -> Result<B256, PreStateError> {
/// #       self.0.block_hash_ref(number)
/// #   }
/// }
///
/// impl StateRef for Snapshot {}
///
/// let state = Snapshot(PreState::new());
/// assert_eq!(state.has_storage_ref(Address::ZERO)?, None);
/// # Ok::<_, PreStateError>(())
/// ```
pub trait StateRef: DatabaseRef {
    /// Whether a slot of the account at `address` is not zero. `None`, the default, stands for
    /// "cannot say", and is taken for no.
    ///
    /// No contract is created where there is storage (EIP-7610). It is asked where one would be
    /// created at an account that has neither nonce nor code. Since Spurious Dragon (EIP-161) no
    /// account comes to storage without a nonce.
    ///
    /// # Errors
    ///
    /// What the database says when it can't be read.
    fn has_storage_ref(&self, address: Address) -> Result<Option<bool>, Self::Error> {
        let _ = address;
        Ok(None)
    }
}

impl<T: StateRef + ?Sized> StateRef for &T {
    fn has_storage_ref(&self, address: Address) -> Result<Option<bool>, Self::Error> {
        (**self).has_storage_ref(address)
    }
}

impl<T: StateRef + ?Sized> StateRef for Box<T> {
    fn has_storage_ref(&self, address: Address) -> Result<Option<bool>, Self::Error> {
        (**self).has_storage_ref(address)
    }
}

impl<T: StateRef + ?Sized> StateRef for Arc<T> {
    fn has_storage_ref(&self, address: Address) -> Result<Option<bool>, Self::Error> {
        (**self).has_storage_ref(address)
    }
}

impl<E: DBErrorMarker> StateRef for EmptyDBTyped<E> {
    fn has_storage_ref(&self, _address: Address) -> Result<Option<bool>, Self::Error> {
        Ok(Some(false))
    }
}

impl<DB: StateRef> StateRef for CacheDB<DB> {
    fn has_storage_ref(&self, address: Address) -> Result<Option<bool>, Self::Error> {
        let Some(cached) = self.cache.accounts.get(&address) else {
            return self.db.has_storage_ref(address);
        };
        if cached.storage.values().any(|value| !value.is_zero()) {
            return Ok(Some(true));
        }
        match cached.account_state {
            AccountState::NotExisting | AccountState::StorageCleared => Ok(Some(false)),
            // What is zero in the cache may be all that the database has.
            _ if !cached.storage.is_empty() => {
                let below = self.db.has_storage_ref(address)?;
                Ok(below.filter(|has_storage| !has_storage))
            }
            _ => self.db.has_storage_ref(address),
        }
    }
}

/// A state in the middle of a block: revm's [`Database`], which says whether an account has storage
/// at the moment.
pub trait State: Database {
    /// Whether a slot of the account at `address` is not zero. What can't be said is taken for no.
    fn has_storage(&mut self, address: Address) -> Result<bool, Self::Error>;
}

impl<T: State> State for &mut T {
    fn has_storage(&mut self, address: Address) -> Result<bool, Self::Error> {
        (**self).has_storage(address)
    }
}

impl<DB: StateRef> State for CacheDB<DB> {
    fn has_storage(&mut self, address: Address) -> Result<bool, Self::Error> {
        Ok(self.has_storage_ref(address)?.unwrap_or(false))
    }
}

#[cfg(test)]
mod tests {
    use alloy_primitives::U256;
    use revm::state::AccountInfo;

    use super::*;
    use crate::PreState;

    const ALICE: Address = Address::repeat_byte(0xa1);

    #[test]
    fn a_cache_answers_for_itself_and_else_asks_what_is_below() {
        let mut below = PreState::new();
        below.insert_storage(ALICE, U256::ONE, U256::ONE);
        let cache = || CacheDB::new(&below);
        assert_eq!(cache().has_storage_ref(ALICE), Ok(Some(true)));
        assert_eq!(cache().has_storage_ref(Address::ZERO), Ok(Some(false)));

        let mut zeroed = cache();
        zeroed.insert_account_storage(ALICE, U256::ONE, U256::ZERO).expect("in memory");
        assert_eq!(zeroed.has_storage_ref(ALICE), Ok(None));
        zeroed.insert_account_storage(ALICE, U256::from(2), U256::ONE).expect("in memory");
        assert_eq!(zeroed.has_storage_ref(ALICE), Ok(Some(true)));

        let mut cleared = cache();
        cleared.insert_account_info(ALICE, AccountInfo::default());
        cleared.replace_account_storage(ALICE, Default::default()).expect("in memory");
        assert_eq!(cleared.has_storage_ref(ALICE), Ok(Some(false)));
    }
}
