//! Contract ABI: calldata and the keys of mappings.

use alloy_primitives::{Address, B256, Bytes, U256, keccak256};

use crate::artifact::{Artifact, Place};

/// A value that fills one 32-byte word, in calldata and in mapping keys alike.
pub(crate) trait Word {
    fn word(&self) -> [u8; 32];
}

impl Word for U256 {
    fn word(&self) -> [u8; 32] {
        self.to_be_bytes()
    }
}

impl Word for B256 {
    fn word(&self) -> [u8; 32] {
        self.0
    }
}

impl Word for Address {
    fn word(&self) -> [u8; 32] {
        self.into_word().0
    }
}

impl Word for u64 {
    fn word(&self) -> [u8; 32] {
        U256::from(*self).word()
    }
}

/// Calldata for the method of `artifact` with `signature`.
pub(crate) fn call(artifact: &Artifact, signature: &str, words: &[&dyn Word]) -> Bytes {
    let mut data = Vec::with_capacity(4 + 32 * words.len());
    data.extend_from_slice(&artifact.selector(signature));
    for word in words {
        data.extend_from_slice(&word.word());
    }
    data.into()
}

/// The slot of `mapping[keys[0]][keys[1]]...`.
///
/// Source: "Layout of State Variables in Storage" in the Solidity manual.
pub(crate) fn entry(mapping: Place, keys: &[&dyn Word]) -> U256 {
    keys.iter().fold(mapping.slot, |slot, key| {
        let mut preimage = [0; 64];
        preimage[..32].copy_from_slice(&key.word());
        preimage[32..].copy_from_slice(&slot.word());
        keccak256(preimage).into()
    })
}
