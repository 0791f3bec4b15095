//! Why a store could not do what it was asked.

use std::{io, path::PathBuf};

use alloy_primitives::B256;

/// An error of a store. Each says where it happened, and what to do if that is not plain.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// There is no store in the folder.
    #[error("{}: no store here", folder.display())]
    Missing {
        /// Which folder.
        folder: PathBuf,
    },
    /// The store was created in part: its genesis block is not in the log. Nothing was ever
    /// reported durable.
    #[error("{}: the store has no genesis block: create it again", folder.display())]
    Unfinished {
        /// Which folder.
        folder: PathBuf,
    },
    /// Files of a store are there, but not the one that says whose they are.
    #[error("{}: the file {missing} of the store is missing", folder.display())]
    Incomplete {
        /// Which folder.
        folder: PathBuf,
        /// Which file.
        missing: String,
    },
    /// The folder can't be written to.
    #[error("{}: the store can't be written to: {source}", folder.display())]
    ReadOnly {
        /// Which folder.
        folder: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The store is open already, in this process or in another one.
    #[error("{}: the store is in use by another process", folder.display())]
    InUse {
        /// Which folder.
        folder: PathBuf,
    },
    /// The store is one of another chain.
    #[error(
        "{}: the store of another chain: its genesis is {found}, not {wanted}",
        place.display()
    )]
    OtherChain {
        /// Which file says so.
        place: PathBuf,
        /// The hash of the store's genesis block.
        found: B256,
        /// The hash of the genesis block that was asked for.
        wanted: B256,
    },
    /// A format of another version.
    #[error(
        "{}: byte {offset}: format version {found}, this program reads {known}",
        place.display()
    )]
    Version {
        /// Which file.
        place: PathBuf,
        /// Where in it, in bytes.
        offset: u64,
        /// The version found.
        found: u16,
        /// The version that this program reads and writes.
        known: u16,
    },
    /// A file does not hold what was written to it, or not what belongs there.
    #[error("{}: byte {offset}: {what}", place.display())]
    Damaged {
        /// Which file.
        place: PathBuf,
        /// Where in it, in bytes.
        offset: u64,
        /// What is wrong there.
        what: String,
    },
    /// The disk failed, or is full.
    #[error("{}: cannot {action}: {source}", place.display())]
    Io {
        /// Which file or folder.
        place: PathBuf,
        /// What was tried.
        action: &'static str,
        /// What the system said.
        source: io::Error,
    },
    /// The flat state failed.
    #[error("{}: {source}", place.display())]
    Flat {
        /// Which file.
        place: PathBuf,
        /// What it said.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A write failed before, so that it is unknown what is on the disk. To open the store again
    /// finds out.
    #[error("an earlier write to the store failed: open it again")]
    Failed,
    /// A block is not the child of the head.
    #[error("block {number} on {parent} does not follow on the head, block {head} {hash}")]
    NotChild {
        /// The block's number.
        number: u64,
        /// The hash of its parent.
        parent: B256,
        /// The head's number.
        head: u64,
        /// The head's hash.
        hash: B256,
    },
    /// A block has more bytes than a record can have.
    #[error("the record of block {number} has {bytes} bytes, which is more than {max}")]
    TooLarge {
        /// The block's number.
        number: u64,
        /// How many bytes it has.
        bytes: u64,
        /// How many it may have.
        max: u64,
    },
    /// Two changes of one account or slot in one block, or code under a hash that is not its own.
    #[error("the changes of block {number} are not in form: {what}")]
    Changes {
        /// The block's number.
        number: u64,
        /// What is wrong with them.
        what: String,
    },
    /// A view of a block, or a return to it, that the store has forgotten what it takes for.
    #[error("block {number} is too old: the oldest that is left is {oldest}")]
    TooOld {
        /// The block asked for.
        number: u64,
        /// The oldest one that can be had.
        oldest: u64,
    },
    /// A block above the head.
    #[error("there is no block {number}: the head is block {head}")]
    Unknown {
        /// The block asked for.
        number: u64,
        /// The head's number.
        head: u64,
    },
    /// The flat state can't be compacted while snapshots look at it.
    #[error("the store can't be compacted while {snapshots} of its snapshots are held")]
    Held {
        /// How many.
        snapshots: usize,
    },
}

impl StoreError {
    /// Whether what is on the disk is not what was written there.
    pub fn is_damage(&self) -> bool {
        matches!(self, Self::Damaged { .. } | Self::Incomplete { .. })
    }
}
