//! The flat state: accounts, slots, code, blocks and their index, as tables. It lags behind the log
//! and is written in large batches; [`Tables`] is the one on redb.

mod backend;
mod batch;
mod check;
mod guarded;
mod row;
mod tables;
mod view;

use std::{fmt::Debug, sync::Arc};

use alloy_primitives::{Address, B256, Bytes, U256};

pub use batch::Batch;
pub(crate) use tables::FILE;
pub use tables::Tables;

use crate::{Account, StoreError};

/// Up to where the flat state has what is in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Applied {
    /// The sequence number of the last record that it has.
    pub seq: u64,
    /// The number of the block that is its head.
    pub number: u64,
    /// The hash of that block.
    pub hash: B256,
}

/// A block of the flat state, without its receipts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredBlock {
    /// Its number.
    pub number: u64,
    /// Its hash.
    pub hash: B256,
    /// The hash of its parent.
    pub parent: B256,
    /// Its header, as it was appended.
    pub header: Bytes,
    /// Its body, as it was appended.
    pub body: Bytes,
    /// The hashes of its transactions, in their order.
    pub txns: Vec<B256>,
}

/// What can be forgotten of old blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Old {
    /// Header, body, and the index by hashes.
    Blocks,
    /// Receipts.
    Receipts,
}

/// How much a table holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TableStats {
    /// Its name.
    pub name: &'static str,
    /// How many rows it has.
    pub rows: u64,
    /// The bytes of keys and values.
    pub bytes: u64,
}

/// Tables that are written in batches, each whole or not at all, and read through views.
pub trait FlatState: Debug + Send + Sync {
    /// Up to where it has the log, or nothing at first.
    ///
    /// # Errors
    ///
    /// The disk's, or damage.
    fn applied(&self) -> Result<Option<Applied>, StoreError>;

    /// The first file of the log that is still wanted; 1 at first.
    ///
    /// # Errors
    ///
    /// The disk's, or damage.
    fn log_start(&self) -> Result<u64, StoreError>;

    /// Sets [`log_start`](Self::log_start), and is durable when it returns.
    ///
    /// # Errors
    ///
    /// The disk's.
    fn set_log_start(&self, segment: u64) -> Result<(), StoreError>;

    /// The tables as they are now, whatever is written later.
    ///
    /// # Errors
    ///
    /// The disk's, or damage.
    fn view(&self) -> Result<Arc<dyn FlatView>, StoreError>;

    /// Writes a batch, which is durable when it returns.
    ///
    /// # Errors
    ///
    /// The disk's, or damage. The batch is there or not then, and nothing in between.
    fn apply(&self, batch: &Batch<'_>) -> Result<(), StoreError>;

    /// Removes what is old of blocks below `number`, of `most` blocks at most, and returns of how
    /// many. Durable when it returns.
    ///
    /// # Errors
    ///
    /// The disk's, or damage.
    fn forget(&self, old: Old, number: u64, most: usize) -> Result<usize, StoreError>;

    /// Gives room back to the disk. No view may be there.
    ///
    /// # Errors
    ///
    /// The disk's, or that there is a view.
    fn compact(&self) -> Result<(), StoreError>;

    /// Reads all that there is, checks it and returns what it comes to.
    ///
    /// # Errors
    ///
    /// The disk's, or damage. No view may be there.
    fn check(&self) -> Result<(), StoreError>;

    /// How much the tables hold.
    ///
    /// # Errors
    ///
    /// The disk's, or damage.
    fn stats(&self) -> Result<Vec<TableStats>, StoreError>;
}

/// The tables as they were at some time.
pub trait FlatView: Debug + Send + Sync {
    /// An account, if it is there.
    ///
    /// # Errors
    ///
    /// The disk's, or damage; as for all that follow.
    fn account(&self, address: &Address) -> Result<Option<Account>, StoreError>;

    /// The value of a slot, zero if it is not there.
    ///
    /// # Errors
    ///
    /// As [`account`](Self::account).
    fn slot(&self, address: &Address, slot: &U256) -> Result<U256, StoreError>;

    /// Code by its hash.
    ///
    /// # Errors
    ///
    /// As [`account`](Self::account).
    fn code(&self, hash: &B256) -> Result<Option<Bytes>, StoreError>;

    /// Accounts in the order of their addresses, above `after`, `most` at most.
    ///
    /// # Errors
    ///
    /// As [`account`](Self::account).
    fn accounts(
        &self,
        after: Option<Address>,
        most: usize,
    ) -> Result<Vec<(Address, Account)>, StoreError>;

    /// The slots of an account that are not zero, in the order of their keys, above `after`, `most`
    /// at most.
    ///
    /// # Errors
    ///
    /// As [`account`](Self::account).
    fn slots(
        &self,
        address: &Address,
        after: Option<U256>,
        most: usize,
    ) -> Result<Vec<(U256, U256)>, StoreError>;

    /// A block by its number.
    ///
    /// # Errors
    ///
    /// As [`account`](Self::account).
    fn block(&self, number: u64) -> Result<Option<StoredBlock>, StoreError>;

    /// The receipts of a block by its number.
    ///
    /// # Errors
    ///
    /// As [`account`](Self::account).
    fn receipts(&self, number: u64) -> Result<Option<Bytes>, StoreError>;

    /// The number of the block with this hash.
    ///
    /// # Errors
    ///
    /// As [`account`](Self::account).
    fn number_of(&self, hash: &B256) -> Result<Option<u64>, StoreError>;

    /// The number of the block with the transaction that has this hash, and its place there.
    ///
    /// # Errors
    ///
    /// As [`account`](Self::account).
    fn txn(&self, hash: &B256) -> Result<Option<(u64, u32)>, StoreError>;
}
