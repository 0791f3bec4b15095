//! What was read of the state before the block, kept for the batches that follow.

use std::{
    collections::HashMap,
    hash::{BuildHasher, Hash},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
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
///
/// In the first batch all reads go to the state: the engine asks for a location once in a batch, so
/// that a block that is executed in a single one pays for nothing.
#[derive(Debug)]
pub(super) struct Remembered<DB> {
    db: DB,
    /// Whether the first batch is over.
    keeps: AtomicBool,
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
            keeps: AtomicBool::new(false),
            accounts: Shards::default(),
            slots: Shards::default(),
            codes: Shards::default(),
            hashes: Shards::default(),
            stored: Shards::default(),
        }
    }

    /// Keeps what is read from now on.
    pub(super) fn keep(&self) {
        // ORDERING: Relaxed: a reader that sees it late reads the state once more. The threads of
        // a batch are told of the batch by the one that calls this.
        self.keeps.store(true, Ordering::Relaxed);
    }

    /// The shards that answer, if reads are kept.
    fn kept<'a, K, V>(&self, shards: &'a Shards<K, V>) -> Option<&'a Shards<K, V>> {
        // ORDERING: Relaxed: see `keep`.
        self.keeps.load(Ordering::Relaxed).then_some(shards)
    }
}

/// Reads what `key` has by way of `shards`, if there are some.
fn through<K: Copy + Eq + Hash, V: Clone, E>(
    shards: Option<&Shards<K, V>>,
    key: K,
    read: impl FnOnce() -> Result<V, E>,
) -> Result<V, E> {
    match shards {
        Some(shards) => shards.get(key, read),
        None => read(),
    }
}

impl<DB: DatabaseRef> DatabaseRef for Remembered<DB> {
    type Error = DB::Error;

    fn basic_ref(&self, address: Address) -> Result<Option<AccountInfo>, DB::Error> {
        through(self.kept(&self.accounts), address, || self.db.basic_ref(address))
    }

    fn code_by_hash_ref(&self, hash: B256) -> Result<Bytecode, DB::Error> {
        through(self.kept(&self.codes), hash, || self.db.code_by_hash_ref(hash))
    }

    fn storage_ref(&self, address: Address, key: StorageKey) -> Result<StorageValue, DB::Error> {
        through(self.kept(&self.slots), (address, key), || self.db.storage_ref(address, key))
    }

    fn block_hash_ref(&self, number: u64) -> Result<B256, DB::Error> {
        through(self.kept(&self.hashes), number, || self.db.block_hash_ref(number))
    }
}

impl<DB: StateRef> StateRef for Remembered<DB> {
    fn has_storage_ref(&self, address: Address) -> Result<Option<bool>, DB::Error> {
        through(self.kept(&self.stored), address, || self.db.has_storage_ref(address))
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
    use std::{convert::Infallible, sync::atomic::AtomicUsize};

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
    fn the_first_batch_reads_the_state_itself() -> Result<(), Infallible> {
        #[derive(Default)]
        struct Counted(AtomicUsize);

        impl DatabaseRef for Counted {
            type Error = Infallible;

            fn basic_ref(&self, _: Address) -> Result<Option<AccountInfo>, Infallible> {
                Ok(None)
            }

            fn code_by_hash_ref(&self, _: B256) -> Result<Bytecode, Infallible> {
                Ok(Bytecode::default())
            }

            fn storage_ref(&self, _: Address, _: U256) -> Result<U256, Infallible> {
                // ORDERING: Relaxed: counts, on one thread.
                Ok(U256::from(self.0.fetch_add(1, Ordering::Relaxed)))
            }

            fn block_hash_ref(&self, _: u64) -> Result<B256, Infallible> {
                Ok(B256::ZERO)
            }
        }

        let state = Remembered::new(Counted::default());
        let read = || state.storage_ref(Address::ZERO, U256::ZERO);
        assert_eq!([read()?, read()?], [U256::ZERO, U256::from(1)]);
        state.keep();
        assert_eq!([read()?, read()?, read()?], [U256::from(2); 3]);
        Ok(())
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
