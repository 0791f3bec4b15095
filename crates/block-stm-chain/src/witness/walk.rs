//! Reading: the way from a root to a key.

use alloy_primitives::{Address, B256, U256, keccak256};
use alloy_rlp::Decodable;
use alloy_trie::{EMPTY_ROOT_HASH, Nibbles, TrieAccount, nodes::TrieNode};

use super::source::{Source, WitnessError, resolve};

/// The nibbles of a key: the hash of an address or a slot.
pub(super) const KEY_NIBBLES: usize = 64;

/// The value of `key` in the trie with the root `root`; `None` if the nodes on the way show that
/// there is none.
///
/// Each step goes at least one nibble down, so that the way ends.
pub(super) fn value_of<S: Source>(
    source: &S,
    of: Option<Address>,
    root: B256,
    key: B256,
) -> Result<Option<Vec<u8>>, WitnessError> {
    if root == EMPTY_ROOT_HASH {
        return Ok(None);
    }
    let key = Nibbles::unpack_array(&key.0);
    let mut depth = 0;
    let mut node = source.node(of, &key.slice(..0), root)?;
    loop {
        let place = key.slice(..depth);
        let wrong = |reason| Err(WitnessError::wrong(of, &place, reason));
        let child = match &*node {
            TrieNode::EmptyRoot => return wrong("it is empty"),
            TrieNode::Leaf(leaf) if depth + leaf.key.len() != KEY_NIBBLES => {
                return wrong("a leaf at the wrong depth");
            }
            TrieNode::Leaf(leaf) => {
                let found = key.slice(depth..) == leaf.key;
                return Ok(found.then(|| leaf.value.clone()));
            }
            TrieNode::Extension(extension) => {
                if extension.key.is_empty() || depth + extension.key.len() >= KEY_NIBBLES {
                    return wrong("an extension of the wrong length");
                }
                if !key.slice(depth..).starts_with(&extension.key) {
                    return Ok(None);
                }
                depth += extension.key.len();
                extension.child.clone()
            }
            TrieNode::Branch(_) if depth == KEY_NIBBLES => {
                return wrong("a branch below the last nibble");
            }
            TrieNode::Branch(branch) => {
                let nibble = key.get_unchecked(depth);
                if !branch.state_mask.is_bit_set(nibble) {
                    return Ok(None);
                }
                let before = (0..nibble).filter(|&it| branch.state_mask.is_bit_set(it)).count();
                depth += 1;
                branch.stack[before].clone()
            }
        };
        node = resolve(source, of, &key.slice(..depth), &child)?;
    }
}

/// The account at `address`, if it exists.
pub(super) fn account<S: Source>(
    source: &S,
    root: B256,
    address: Address,
) -> Result<Option<TrieAccount>, WitnessError> {
    let key = keccak256(address);
    let Some(value) = value_of(source, None, root, key)? else { return Ok(None) };
    let mut rest = &*value;
    match TrieAccount::decode(&mut rest) {
        Ok(account) if rest.is_empty() => Ok(Some(account)),
        _ => {
            let place = Nibbles::unpack_array(&key.0);
            Err(WitnessError::wrong(None, &place, "its value is no account"))
        }
    }
}

/// The slot `slot` of the account at `address`, whose storage has the root `root`.
pub(super) fn slot<S: Source>(
    source: &S,
    root: B256,
    address: Address,
    slot: U256,
) -> Result<U256, WitnessError> {
    let key = keccak256(slot.to_be_bytes::<32>());
    let Some(value) = value_of(source, Some(address), root, key)? else { return Ok(U256::ZERO) };
    let mut rest = &*value;
    match U256::decode(&mut rest) {
        Ok(value) if rest.is_empty() => Ok(value),
        _ => {
            let place = Nibbles::unpack_array(&key.0);
            Err(WitnessError::wrong(Some(address), &place, "its value is no number"))
        }
    }
}
