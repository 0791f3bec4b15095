//! Views of one block, whatever becomes of the chain.

mod changes;
mod walk;

use std::sync::Arc;

use alloy_primitives::{Address, B256, Bytes, U256};
use parking_lot::RwLock;

pub use walk::{Accounts, Slots};

use crate::{
    Account, StoreError,
    disk::DiskLock,
    flat::{FlatState, StoredBlock},
    recent::Stack,
};

/// State and chain as they were after one block.
///
/// It stays the same while later blocks are written, taken back and pruned. Once it lies too far
/// below the head, see [`Options::snapshot_age`](crate::Options::snapshot_age), it ends: all that
/// is asked of it is [`StoreError::TooOld`] then, so that no reader makes the store grow without
/// bound. It outlives the [`Store`](crate::Store), whose folder stays locked as long as it is
/// there. Clones are the same snapshot.
///
/// # Cost
///
/// To read, a look into each layer in memory, up to
/// [`Options::flush_blocks`](crate::Options::flush_blocks), and then one into the flat state.
#[derive(Clone, Debug)]
pub struct Snapshot(pub(crate) Arc<Held>);

/// A snapshot as the store knows it.
#[derive(Debug)]
pub(crate) struct Held {
    number: u64,
    hash: B256,
    state: RwLock<State>,
}

#[derive(Debug)]
enum State {
    /// With the tables, which are closed when the last one lets go of them, and the lock of the
    /// folder: if another store used the files, they would change beneath it.
    Here { stack: Stack, _flat: Arc<dyn FlatState>, _lock: Arc<dyn DiskLock> },
    /// It ended when the oldest block was this one.
    Ended(u64),
}

impl Held {
    pub(crate) fn new(stack: Stack, flat: Arc<dyn FlatState>, lock: Arc<dyn DiskLock>) -> Self {
        Self {
            number: stack.number,
            hash: stack.hash,
            state: RwLock::new(State::Here { stack, _flat: flat, _lock: lock }),
        }
    }

    pub(crate) fn number(&self) -> u64 {
        self.number
    }

    /// Whether it holds on to the flat state.
    pub(crate) fn is_here(&self) -> bool {
        matches!(*self.state.read(), State::Here { .. })
    }

    /// Lets go of all that it holds, after the reads under way.
    pub(crate) fn end(&self, oldest: u64) {
        *self.state.write() = State::Ended(oldest);
    }
}

impl Snapshot {
    /// The block's number.
    pub fn number(&self) -> u64 {
        self.0.number
    }

    /// The block's hash.
    pub fn hash(&self) -> B256 {
        self.0.hash
    }

    fn with<R>(&self, read: impl FnOnce(&Stack) -> Result<R, StoreError>) -> Result<R, StoreError> {
        match &*self.0.state.read() {
            State::Here { stack, .. } => read(stack),
            State::Ended(oldest) => {
                Err(StoreError::TooOld { number: self.0.number, oldest: *oldest })
            }
        }
    }

    /// An account, if it is there.
    ///
    /// # Errors
    ///
    /// The snapshot has ended, the disk fails, or is damaged; as for all that follow.
    pub fn account(&self, address: &Address) -> Result<Option<Account>, StoreError> {
        self.with(|stack| {
            if let Some(change) = stack.over.iter().rev().find_map(|it| it.change(address)) {
                return Ok(change.after);
            }
            if let Some(change) = stack.under.iter().find_map(|it| it.change(address)) {
                return Ok(change.before);
            }
            stack.flat.account(address)
        })
    }

    /// The value of a slot, zero where there is none.
    ///
    /// # Errors
    ///
    /// As [`account`](Self::account).
    pub fn slot(&self, address: &Address, slot: &U256) -> Result<U256, StoreError> {
        self.with(|stack| {
            if let Some(found) = stack.over.iter().rev().find_map(|it| it.slot(address, slot)) {
                return Ok(found.1);
            }
            if let Some(found) = stack.under.iter().find_map(|it| it.slot(address, slot)) {
                return Ok(found.0);
            }
            stack.flat.slot(address, slot)
        })
    }

    /// Code by its hash, if it is known. Code of blocks that were taken back may be.
    ///
    /// # Errors
    ///
    /// As [`account`](Self::account).
    pub fn code(&self, hash: &B256) -> Result<Option<Bytes>, StoreError> {
        self.with(|stack| match stack.over.iter().find_map(|it| it.code(hash)) {
            Some(code) => Ok(Some(code.clone())),
            None => stack.flat.code(hash),
        })
    }

    /// The block with this number, if it is the snapshot's or below it, and was not forgotten.
    ///
    /// # Errors
    ///
    /// As [`account`](Self::account).
    pub fn block(&self, number: u64) -> Result<Option<StoredBlock>, StoreError> {
        if number > self.0.number {
            return Ok(None);
        }
        self.with(|stack| match stack.layer_of(number) {
            Some(layer) => Ok(Some(layer.block())),
            None => stack.flat.block(number),
        })
    }

    /// The receipts of the block with this number, as [`block`](Self::block).
    ///
    /// # Errors
    ///
    /// As [`account`](Self::account).
    pub fn receipts(&self, number: u64) -> Result<Option<Bytes>, StoreError> {
        if number > self.0.number {
            return Ok(None);
        }
        self.with(|stack| match stack.layer_of(number) {
            Some(layer) => Ok(Some(layer.record.receipts.clone())),
            None => stack.flat.receipts(number),
        })
    }

    /// The number of the block with this hash, as [`block`](Self::block).
    ///
    /// # Errors
    ///
    /// As [`account`](Self::account).
    pub fn number_of(&self, hash: &B256) -> Result<Option<u64>, StoreError> {
        self.with(|stack| match stack.over.iter().find(|it| it.record.hash == *hash) {
            Some(layer) => Ok(Some(layer.record.number)),
            None => Ok(stack.flat.number_of(hash)?.filter(|number| *number <= stack.number)),
        })
    }

    /// The number of the block with the transaction that has this hash, and its place there, as
    /// [`block`](Self::block).
    ///
    /// # Errors
    ///
    /// As [`account`](Self::account).
    pub fn txn(&self, hash: &B256) -> Result<Option<(u64, u32)>, StoreError> {
        self.with(|stack| {
            let place = |it: &Arc<crate::layer::Layer>| Some((it.record.number, it.txn(hash)?));
            match stack.over.iter().rev().find_map(place) {
                Some(found) => Ok(Some(found)),
                None => Ok(stack.flat.txn(hash)?.filter(|(number, _)| *number <= stack.number)),
            }
        })
    }
}

impl Stack {
    /// The layer of a block that the flat state does not have.
    fn layer_of(&self, number: u64) -> Option<&Arc<crate::layer::Layer>> {
        let first = self.over.first()?.record.number;
        self.over.get(usize::try_from(number.checked_sub(first)?).ok()?)
    }
}
