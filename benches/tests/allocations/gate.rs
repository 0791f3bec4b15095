//! A state that keeps the first transaction waiting until all others have been executed ahead of their turn.
//!
//! Left to themselves, two workers share a block in ways that depend on the moment: who executes as the lowest, who ahead.
//! Behind the gate, one waits in the first transaction and the other speculates on all the rest.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

use block_stm_evm::revm::DatabaseRef;
use block_stm_evm::revm::primitives::{Address, B256, StorageKey, StorageValue};
use block_stm_evm::revm::state::{AccountInfo, Bytecode};
use block_stm_evm::{PreState, PreStateError};

/// Who waits for whom: reading `first` waits for `last` to be read.
#[derive(Debug)]
pub(crate) struct Gate<K> {
    first: K,
    last: K,
    open: AtomicBool,
}

/// A helper that does not come is no reason to hang: less is speculated on then, which takes no more memory.
const PATIENCE: Duration = Duration::from_secs(2);
/// What the last transaction needs after its first read.
const LAST_TXN: Duration = Duration::from_millis(2);

impl<K: Eq> Gate<K> {
    pub(crate) const fn new(first: K, last: K) -> Self {
        Self { first, last, open: AtomicBool::new(false) }
    }

    /// Called for every read.
    pub(crate) fn pass(&self, key: &K) {
        // ORDERING: Relaxed throughout: it says when, and carries no data.
        if *key == self.last {
            self.open.store(true, Ordering::Relaxed);
        }
        if *key == self.first {
            let start = Instant::now();
            while !self.open.load(Ordering::Relaxed) && start.elapsed() < PATIENCE {
                sleep(LAST_TXN / 20);
            }
            sleep(LAST_TXN);
        }
    }
}

/// A [`PreState`] behind a gate of accounts.
#[derive(Debug)]
pub(crate) struct Gated<'a> {
    pub(crate) state: &'a PreState,
    pub(crate) gate: Gate<Address>,
}

impl DatabaseRef for Gated<'_> {
    type Error = PreStateError;

    fn basic_ref(&self, address: Address) -> Result<Option<AccountInfo>, Self::Error> {
        self.gate.pass(&address);
        self.state.basic_ref(address)
    }

    fn code_by_hash_ref(&self, hash: B256) -> Result<Bytecode, Self::Error> {
        self.state.code_by_hash_ref(hash)
    }

    fn storage_ref(&self, address: Address, slot: StorageKey) -> Result<StorageValue, Self::Error> {
        self.state.storage_ref(address, slot)
    }

    fn block_hash_ref(&self, number: u64) -> Result<B256, Self::Error> {
        self.state.block_hash_ref(number)
    }
}
