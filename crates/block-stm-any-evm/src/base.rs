//! The state before the transactions.

use std::error::Error;

use alloy_evm::revm::{DatabaseRef, primitives::B256};
use block_stm::BoxError;

use crate::location::{AccountState, Location, StateValue};

/// The state before the transactions, of whatever type it is.
pub(crate) trait Base: Sync {
    fn read(&self, location: &Location) -> Result<StateValue, BoxError>;

    fn block_hash(&self, number: u64) -> Result<B256, BoxError>;
}

impl<DB> Base for DB
where
    DB: DatabaseRef<Error: Error + Send + Sync + 'static> + Sync,
{
    fn read(&self, location: &Location) -> Result<StateValue, BoxError> {
        Ok(match *location {
            Location::Account(address) => {
                let info = self.basic_ref(address)?;
                StateValue::Account(AccountState { info, wipes: 0 })
            }
            Location::Slot { address, wipes: 0, key } => {
                StateValue::Slot(self.storage_ref(address, key)?)
            }
            // What was wiped in the block holds what the block wrote since.
            Location::Slot { .. } => StateValue::Slot(Default::default()),
            Location::Code(hash) => StateValue::Code(self.code_by_hash_ref(hash)?),
        })
    }

    fn block_hash(&self, number: u64) -> Result<B256, BoxError> {
        Ok(self.block_hash_ref(number)?)
    }
}
