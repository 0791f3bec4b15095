//! The state root of a whole state held in memory.

use alloy_primitives::{B256, keccak256};
use alloy_trie::{
    TrieAccount,
    root::{state_root_unsorted, storage_root_unsorted},
};
use block_stm_evm::{
    Block, ExecutionError, InvalidTxn, PreAccount, PreState, PreStateError, steps::execute_observed,
};

use crate::StateTrie;

/// The root of the trie of an account's slots.
pub fn storage_root(account: &PreAccount) -> B256 {
    let slots = account.storage.iter();
    storage_root_unsorted(slots.map(|(slot, value)| (keccak256(slot.to_be_bytes::<32>()), *value)))
}

/// The root of the state trie, if `state` is the chain's whole state and not a block's part of it.
///
/// # Cost
///
/// Hashes every account and slot: about a microsecond each. Nothing is kept between calls.
pub fn state_root(state: &PreState) -> B256 {
    state_root_unsorted(state.accounts().map(|(address, account)| {
        let trie_account = TrieAccount {
            nonce: account.info.nonce,
            balance: account.info.balance,
            storage_root: storage_root(account),
            code_hash: account.info.code_hash,
        };
        (keccak256(address), trie_account)
    }))
}

/// The state roots after each executed transaction of `block`, if `state` is the chain's whole
/// state before it.
///
/// Receipts before Byzantium hold them; [`BlockResult::set_state_roots`] puts them there.
///
/// # Errors
///
/// Those of [`execute_sequential`](block_stm_evm::execute_sequential).
///
/// # Cost
///
/// Executes the block, and copies and hashes the whole state after every transaction.
///
/// [`BlockResult::set_state_roots`]: block_stm_evm::BlockResult::set_state_roots
pub fn state_roots_within(
    state: &PreState,
    block: &Block,
    policy: InvalidTxn,
) -> Result<Vec<B256>, ExecutionError<PreStateError>> {
    let mut roots = Vec::with_capacity(block.txns.len());
    execute_observed(block, state, policy, |executed| {
        let mut after = state.clone();
        after.apply(&executed.clone().into_changes());
        roots.push(state_root(&after));
    })?;
    Ok(roots)
}

impl StateTrie {
    /// The state roots after each executed transaction of `block`, where this is the trie of
    /// `state`, the state before the block.
    ///
    /// As [`state_roots_within`], at the price of what the transactions change. The trie ends as it
    /// was.
    ///
    /// # Errors
    ///
    /// Those of [`execute_sequential`](block_stm_evm::execute_sequential).
    pub fn roots_within(
        &mut self,
        state: &PreState,
        block: &Block,
        policy: InvalidTxn,
    ) -> Result<Vec<B256>, ExecutionError<PreStateError>> {
        let mut roots = Vec::with_capacity(block.txns.len());
        execute_observed(block, state, policy, |after| {
            let changes = after.clone().into_changes();
            roots.push(self.apply(&changes));
            self.apply(&state.inverse(&changes));
        })?;
        Ok(roots)
    }
}

#[cfg(test)]
mod tests {
    use alloy_primitives::{Address, U256};
    use alloy_trie::EMPTY_ROOT_HASH;
    use revm::state::AccountInfo;

    use super::*;

    #[test]
    fn nothing_has_the_empty_root_and_an_empty_account_has_not() {
        let mut state = PreState::new();
        assert_eq!(state_root(&state), EMPTY_ROOT_HASH);
        state.insert_account(Address::ZERO, AccountInfo::default());
        let empty_account = state_root(&state);
        assert_ne!(empty_account, EMPTY_ROOT_HASH);
        state.insert_storage(Address::ZERO, U256::ONE, U256::ONE);
        assert_ne!(state_root(&state), empty_account);
    }
}
