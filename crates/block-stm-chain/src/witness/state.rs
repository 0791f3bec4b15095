//! The state that the EVM reads, from a source of nodes and its root.

use alloy_primitives::{Address, B256, KECCAK256_EMPTY, U256};
use alloy_trie::{EMPTY_ROOT_HASH, TrieAccount};
use block_stm_evm::StateRef;
use revm::{
    DatabaseRef,
    primitives::{StorageKey, StorageValue},
    state::{AccountInfo, Bytecode},
};

use super::{
    source::{Source, WitnessError},
    walk,
};

/// The state with the root `root`.
#[derive(Clone, Copy, Debug)]
pub(super) struct StateOn<'a, S> {
    pub(super) source: &'a S,
    pub(super) root: B256,
}

impl<S: Source> StateOn<'_, S> {
    fn account(&self, address: Address) -> Result<Option<TrieAccount>, WitnessError> {
        walk::account(self.source, self.root, address)
    }
}

impl<S: Source> DatabaseRef for StateOn<'_, S> {
    type Error = WitnessError;

    fn basic_ref(&self, address: Address) -> Result<Option<AccountInfo>, WitnessError> {
        self.source.notes(address, None);
        let info = |account: TrieAccount| AccountInfo {
            balance: account.balance,
            nonce: account.nonce,
            code_hash: account.code_hash,
            code: None,
            ..AccountInfo::default()
        };
        Ok(self.account(address)?.map(info))
    }

    fn code_by_hash_ref(&self, hash: B256) -> Result<Bytecode, WitnessError> {
        if hash == KECCAK256_EMPTY { Ok(Bytecode::default()) } else { self.source.code(hash) }
    }

    fn storage_ref(
        &self,
        address: Address,
        slot: StorageKey,
    ) -> Result<StorageValue, WitnessError> {
        self.source.notes(address, Some(slot));
        match self.account(address)? {
            Some(account) => walk::slot(self.source, account.storage_root, address, slot),
            None => Ok(U256::ZERO),
        }
    }

    fn block_hash_ref(&self, number: u64) -> Result<B256, WitnessError> {
        self.source.block_hash(number)
    }
}

impl<S: Source> StateRef for StateOn<'_, S> {
    fn has_storage_ref(&self, address: Address) -> Result<Option<bool>, WitnessError> {
        let account = self.account(address)?;
        Ok(Some(account.is_some_and(|account| account.storage_root != EMPTY_ROOT_HASH)))
    }
}
