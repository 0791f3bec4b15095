//! A durable store of a chain: blocks, receipts and state, written at the speed of a disk that is
//! synchronised once per block or group of blocks.
//!
//! * The **log** takes each block and what it changed as one record, one after the other. A block
//!   is durable when its record is synchronised ([`Store::append`], [`Store::sync`]).
//! * The **flat state** lags behind it: accounts, slots, code, blocks and their index as tables of
//!   redb, written in large batches. When a store is opened, it replays what the tables lack.
//! * **Snapshots** show state and chain after a recent block, while later ones are written.
//! * Blocks can be **taken back** ([`Store::rewind`]), as far as the log goes; what is older is
//!   **pruned** meanwhile ([`Store::prune`]).
//!
//! The store knows nothing of transactions, roots or the EVM: headers, bodies and receipts are
//! bytes to it, and changes are accounts and slots before and after a block.
//!
//! # Examples
//!
//! ```
//! use alloy_primitives::{Address, B256, KECCAK256_EMPTY, U256};
//! use block_stm_store::{Account, AccountUpdate, FullBlock, Options, Store, disk::Folder};
//!
//! let folder = tempfile::tempdir()?;
//! let genesis = FullBlock { hash: B256::with_last_byte(1), ..FullBlock::default() };
//! let store = Store::open_or_create(Folder::new(folder.path()), genesis, Options::default())?;
//!
//! let (number, parent) = store.head();
//! let before = store.snapshot()?;
//! let rich = Account { nonce: 0, balance: U256::from(7), code_hash: KECCAK256_EMPTY };
//! let update = AccountUpdate {
//!     address: Address::ZERO,
//!     after: Some(rich),
//!     storage_wiped: false,
//!     slots: vec![],
//! };
//! store.append(FullBlock {
//!     number: number + 1,
//!     hash: B256::with_last_byte(2),
//!     parent,
//!     changes: before.changes([update])?,
//!     ..FullBlock::default()
//! })?;
//! assert_eq!(store.sync()?, 1); // Block 1 is durable.
//!
//! assert_eq!(store.snapshot()?.account(&Address::ZERO)?, Some(rich));
//! assert_eq!(before.account(&Address::ZERO)?, None); // As it was.
//! # Ok::<_, Box<dyn std::error::Error>>(())
//! ```
//!
//! # Faults
//!
//! [`disk::Disk`] is all that the store knows of a disk. [`disk::ModelDisk`] is one that fails, is
//! full, and loses any part of what was not synchronised, for tests of hosts as well as our own.
#![forbid(unsafe_code)]

mod block;
mod codec;
pub mod disk;
mod error;
pub mod flat;
mod layer;
mod log;
mod options;
mod place;
mod recent;
mod snapshot;
mod store;

pub use block::{Account, AccountChange, AccountUpdate, FullBlock, SlotChange};
pub use error::StoreError;
pub use flat::StoredBlock;
pub use options::Options;
pub use snapshot::{Accounts, Slots, Snapshot};
pub use store::{Checked, Keep, Pruned, Stats, Store};
