//! Code hashes as small numbers, so that accounts in the multi-version memory are small.
//!
//! Nearly all accounts of a block have no code, and the others share few codes. A hash fills half a
//! cache line in every version, delta and predicate of an account; its number is four bytes, and
//! comparing two of them is one instruction.

use std::{
    num::NonZeroU32,
    sync::{PoisonError, RwLock},
};

use alloy_primitives::{B256, KECCAK256_EMPTY, map::B256Map};

/// The number of a code hash, the same everywhere in one block and meaningless in another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct CodeId(NonZeroU32);

impl CodeId {
    /// [`KECCAK256_EMPTY`]: no code.
    pub(crate) const NONE: Self = Self(NonZeroU32::MIN);
    /// The zero hash, which stands for no code, too, as in revm.
    const ZERO: Self = Self(NonZeroU32::new(2).expect("not zero"));

    /// Whether an account with this code has any.
    pub(crate) fn is_code(self) -> bool {
        self != Self::NONE && self != Self::ZERO
    }

    fn place(self) -> usize {
        self.0.get() as usize - 1
    }

    fn at(place: usize) -> Self {
        // Looking at an account costs gas, of which no block has enough for so many.
        let number = u32::try_from(place + 1).ok().and_then(NonZeroU32::new);
        Self(number.expect("fewer than 2^32 code hashes in a block"))
    }
}

/// The hashes that have a number. Shared by all workers.
#[derive(Debug)]
pub(crate) struct CodeHashes(RwLock<Numbered>);

#[derive(Debug)]
struct Numbered {
    /// In the order of their numbers.
    hashes: Vec<B256>,
    ids: B256Map<CodeId>,
}

impl Default for CodeHashes {
    fn default() -> Self {
        let hashes = vec![KECCAK256_EMPTY, B256::ZERO];
        Self(RwLock::new(Numbered { hashes, ids: B256Map::default() }))
    }
}

impl CodeHashes {
    /// The number of `hash`, given to it now if need be.
    pub(crate) fn id(&self, hash: &B256) -> CodeId {
        if *hash == KECCAK256_EMPTY {
            return CodeId::NONE;
        }
        if hash.is_zero() {
            return CodeId::ZERO;
        }
        let numbered = self.0.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(id) = numbered.ids.get(hash) {
            return *id;
        }
        drop(numbered);
        let mut numbered = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let Numbered { hashes, ids } = &mut *numbered;
        *ids.entry(*hash).or_insert_with(|| {
            hashes.push(*hash);
            CodeId::at(hashes.len() - 1)
        })
    }

    /// The hash with the number `id`.
    ///
    /// # Panics
    /// If the number is another block's.
    pub(crate) fn hash(&self, id: CodeId) -> B256 {
        if id == CodeId::NONE {
            return KECCAK256_EMPTY;
        }
        let numbered = self.0.read().unwrap_or_else(PoisonError::into_inner);
        numbered.hashes[id.place()]
    }
}

/// One worker's copy of the hashes, which it reads without a lock.
#[derive(Debug, Default)]
pub(crate) struct WorkerHashes(Vec<B256>);

impl WorkerHashes {
    /// The hash with the number `id`.
    ///
    /// # Panics
    /// If the number is another block's.
    pub(crate) fn get(&mut self, id: CodeId, shared: &CodeHashes) -> B256 {
        if id == CodeId::NONE {
            return KECCAK256_EMPTY;
        }
        if id.place() >= self.0.len() {
            let numbered = shared.0.read().unwrap_or_else(PoisonError::into_inner);
            self.0.extend_from_slice(&numbered.hashes[self.0.len()..]);
        }
        self.0[id.place()]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_has_one_number_and_comes_back_from_it() {
        let shared = CodeHashes::default();
        let mut own = WorkerHashes::default();
        let hashes = [KECCAK256_EMPTY, B256::ZERO, B256::repeat_byte(1), B256::repeat_byte(2)];
        let ids = hashes.map(|hash| shared.id(&hash));
        assert_eq!(ids.map(CodeId::is_code), [false, false, true, true]);
        for (n, (id, hash)) in ids.into_iter().zip(hashes).enumerate() {
            assert!(ids[..n].iter().all(|other| *other != id));
            assert_eq!((shared.id(&hash), shared.hash(id)), (id, hash));
            assert_eq!(own.get(id, &shared), hash);
        }
        let late = shared.id(&B256::repeat_byte(3));
        assert_eq!(own.get(late, &shared), B256::repeat_byte(3));
    }
}
