//! The state root after a block, from the root before it.

use alloy_primitives::{B256, keccak256};
use alloy_trie::{EMPTY_ROOT_HASH, TrieAccount};
use block_stm_evm::{AccountChange, StateChanges};
use rayon::prelude::*;

use super::{
    partial::PartialTrie,
    source::{Source, WitnessError},
    walk,
};

/// An account's key in the trie, and its leaf after the block, if it exists then.
type Leaf = (B256, Option<Vec<u8>>);

/// The root of the state that `changes` make of the one with the root `root`. Storage is hashed in
/// parallel, on rayon's current pool; the error is the one of the lowest address.
pub(super) fn root_after<S: Source>(
    source: &S,
    root: B256,
    changes: &StateChanges,
) -> Result<B256, WitnessError> {
    if changes.is_empty() {
        return Ok(root);
    }
    let sorted = changes.sorted();
    let leaves: Vec<_> = sorted.par_iter().map(|change| leaf_after(source, root, change)).collect();
    let leaves = leaves.into_iter().collect::<Result<Vec<_>, _>>()?;
    let mut accounts = PartialTrie::new(source, None, root);
    accounts.change(leaves.iter().map(|(key, leaf)| (*key, leaf.as_deref())))?;
    Ok(accounts.root())
}

fn leaf_after<S: Source>(
    source: &S,
    root: B256,
    change: &AccountChange,
) -> Result<Leaf, WitnessError> {
    let address = change.address;
    let key = keccak256(address);
    let Some(info) = &change.info else { return Ok((key, None)) };
    let before = walk::account(source, root, address)?.filter(|_| !change.storage_wiped);
    let storage = before.map_or(EMPTY_ROOT_HASH, |before| before.storage_root);
    let mut trie = PartialTrie::new(source, Some(address), storage);
    let slots = change.storage.iter().map(|slot| {
        let value = (!slot.after.is_zero()).then(|| alloy_rlp::encode_fixed_size(&slot.after));
        (keccak256(slot.slot.to_be_bytes::<32>()), value)
    });
    let slots: Vec<_> = slots.collect();
    trie.change(slots.iter().map(|(key, value)| (*key, value.as_deref())))?;
    let leaf = alloy_rlp::encode(TrieAccount {
        nonce: info.nonce,
        balance: info.balance,
        storage_root: trie.root(),
        code_hash: info.code_hash,
    });
    Ok((key, Some(leaf)))
}
