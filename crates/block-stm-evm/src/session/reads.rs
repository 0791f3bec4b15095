//! What was read of the state before the block, kept for the batches that follow.

use std::{
    collections::HashMap,
    hash::{BuildHasher, Hash},
    sync::{Mutex, PoisonError},
};

use alloy_primitives::{Address, B256, U256};
use foldhash::fast::RandomState;
use revm::{
    DatabaseRef,
    primitives::{StorageKey, StorageValue},
    state::{AccountInfo, Bytecode},
};

use crate::StateRef;

/// A state of which everything is read once, unless that is too much to keep.
#[derive(Debug)]
pub(super) struct Remembered<DB> {
    db: DB,
    accounts: Shards<Address, Option<AccountInfo>>,
    slots: Shards<(Address, U256), U256>,
    codes: Shards<B256, Bytecode>,
    hashes: Shards<u64, B256>,
    stored: Shards<Address, Option<bool>>,
}

impl<DB> Remembered<DB> {
    pub(super) fn new(db: DB) -> Self {
        Self {
            db,
            accounts: Shards::default(),
            slots: Shards::default(),
            codes: Shards::default(),
            hashes: Shards::default(),
            stored: Shards::default(),
        }
    }
}

impl<DB: DatabaseRef> DatabaseRef for Remembered<DB> {
    type Error = DB::Error;

    fn basic_ref(&self, address: Address) -> Result<Option<AccountInfo>, DB::Error> {
        self.accounts.get(address, || self.db.basic_ref(address))
    }

    fn code_by_hash_ref(&self, hash: B256) -> Result<Bytecode, DB::Error> {
        self.codes.get(hash, || self.db.code_by_hash_ref(hash))
    }

    fn storage_ref(&self, address: Address, key: StorageKey) -> Result<StorageValue, DB::Error> {
        self.slots.get((address, key), || self.db.storage_ref(address, key))
    }

    fn block_hash_ref(&self, number: u64) -> Result<B256, DB::Error> {
        self.hashes.get(number, || self.db.block_hash_ref(number))
    }
}

impl<DB: StateRef> StateRef for Remembered<DB> {
    fn has_storage_ref(&self, address: Address) -> Result<Option<bool>, DB::Error> {
        self.stored.get(address, || self.db.has_storage_ref(address))
    }
}

/// How many maps there are, so that threads seldom meet.
const SHARDS: usize = 16;

/// How many entries a map has at most. Pushes that are left out have their reads kept, too, and
/// there is no end to those.
const MOST: usize = 1 << 15;

/// A map of what was read, in parts.
#[derive(Debug)]
struct Shards<K, V> {
    hasher: RandomState,
    maps: [Mutex<HashMap<K, V, RandomState>>; SHARDS],
}

impl<K, V> Default for Shards<K, V> {
    fn default() -> Self {
        Self { hasher: RandomState::default(), maps: Default::default() }
    }
}

impl<K: Copy + Eq + Hash, V: Clone> Shards<K, V> {
    /// The value of `key`, which `read` reads if need be, under no lock.
    fn get<E>(&self, key: K, read: impl FnOnce() -> Result<V, E>) -> Result<V, E> {
        let hash = self.hasher.hash_one(key) as usize;
        let map = || self.maps[hash % SHARDS].lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(value) = map().get(&key) {
            return Ok(value.clone());
        }
        let value = read()?;
        let mut map = map();
        if map.len() >= MOST {
            map.clear();
        }
        map.insert(key, value.clone());
        Ok(value)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[test]
    fn what_was_read_is_read_no_more_and_what_failed_is_read_again() {
        let (shards, reads) = (Shards::<u64, u64>::default(), AtomicUsize::new(0));
        let read = |key: u64| {
            shards.get(key, || {
                // ORDERING: Relaxed: counts, on one thread.
                let n = reads.fetch_add(1, Ordering::Relaxed);
                if n == 0 { Err("the first read fails") } else { Ok(key * 2) }
            })
        };
        assert_eq!(read(5), Err("the first read fails"));
        assert_eq!([read(5), read(5), read(6)], [Ok(10), Ok(10), Ok(12)]);
        assert_eq!(reads.load(Ordering::Relaxed), 3);
    }

    #[test]
    fn no_more_is_kept_than_may_be() {
        let shards = Shards::<u64, u64>::default();
        for key in 0..3 * (SHARDS * MOST) as u64 {
            assert_eq!(shards.get(key, || Ok::<_, ()>(key)), Ok(key));
        }
        let kept = |map: &Mutex<HashMap<_, _, _>>| map.lock().expect("no panic").len();
        assert!(shards.maps.iter().all(|map| kept(map) <= MOST));
    }
}
