//! The store: log, flat state and the blocks in memory, as one.

mod check;
mod header;
mod open;
mod prune;
mod rewind;
mod write;

use std::sync::{Arc, Weak};

use alloy_primitives::B256;
use parking_lot::{Mutex, RwLock};

pub use check::Checked;
pub use prune::{Keep, Pruned};

use crate::{
    Options, Snapshot, StoreError,
    disk::{Disk, DiskLock},
    flat::{Applied, FlatState, TableStats},
    log::Log,
    recent::Recent,
    snapshot::Held,
};

/// A store of one chain, open for one writer and any number of readers.
///
/// All methods take `&self`: a host shares it in an [`Arc`]. Blocks are appended by one thread at a
/// time; snapshots are taken and read by any thread meanwhile, and a third one may
/// [`flush`](Self::flush), [`prune`](Self::prune) or [`rewind`](Self::rewind).
///
/// A write that fails, or a synchronisation, ends all writing with [`StoreError::Failed`], since it
/// is unknown what is on the disk then. To open the store again finds out. Snapshots go on.
// Locks are taken in this order: `flushing`, `log`, `recent`, `snapshots`.
#[derive(Debug)]
pub struct Store {
    options: Options,
    genesis: B256,
    flat: Arc<dyn FlatState>,
    log: Mutex<Log>,
    /// Held by whatever moves the flat state.
    flushing: Mutex<()>,
    recent: RwLock<Recent>,
    snapshots: Mutex<Vec<Weak<Held>>>,
    disk: Arc<dyn Disk>,
    lock: Arc<dyn DiskLock>,
}

/// What a store holds.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// The hash of the genesis block.
    pub genesis: B256,
    /// Number and hash of the newest block.
    pub head: (u64, B256),
    /// The number of the newest block that is durable.
    pub durable: u64,
    /// Up to where the flat state is.
    pub flat: Applied,
    /// The oldest block that a snapshot can be had of.
    pub oldest_snapshot: u64,
    /// The oldest block that the chain can return to.
    pub oldest_rewind: u64,
    /// How many files the log has.
    pub log_files: usize,
    /// How many bytes these have.
    pub log_bytes: u64,
    /// How many blocks of the chain are in them.
    pub log_blocks: usize,
    /// How many blocks are in memory.
    pub layers: usize,
    /// About how many bytes these take.
    pub layer_bytes: usize,
    /// The flat state's tables.
    pub tables: Vec<TableStats>,
}

impl Store {
    /// The hash of the genesis block.
    pub fn genesis(&self) -> B256 {
        self.genesis
    }

    /// Number and hash of the newest block, durable or not.
    pub fn head(&self) -> (u64, B256) {
        self.recent.read().head()
    }

    /// The number of the newest block that is durable.
    pub fn durable(&self) -> u64 {
        let durable = self.log.lock().durable();
        let recent = self.recent.read();
        let newest = recent.unflushed().rev().find(|layer| layer.seq <= durable);
        newest.map_or(recent.applied.number, |layer| layer.record.number)
    }

    /// State and chain after the newest block, which need not be durable yet.
    ///
    /// # Errors
    ///
    /// [`StoreError::Failed`] after an earlier failure.
    pub fn snapshot(&self) -> Result<Snapshot, StoreError> {
        let recent = self.recent.read();
        self.hold(&recent, recent.head().0)
    }

    /// State and chain after the block `number`.
    ///
    /// # Errors
    ///
    /// The block is above the head, or too old: [`Options::recent_blocks`] below the flat state, or
    /// fewer if memory is short. [`StoreError::Failed`] after an earlier failure.
    pub fn snapshot_at(&self, number: u64) -> Result<Snapshot, StoreError> {
        self.hold(&self.recent.read(), number)
    }

    fn hold(&self, recent: &Recent, number: u64) -> Result<Snapshot, StoreError> {
        let (flat, lock) = (Arc::clone(&self.flat), Arc::clone(&self.lock));
        let held = Arc::new(Held::new(recent.stack(number)?, flat, lock));
        let mut snapshots = self.snapshots.lock();
        snapshots.retain(|snapshot| snapshot.strong_count() > 0);
        snapshots.push(Arc::downgrade(&held));
        Ok(Snapshot(held))
    }

    /// The snapshots that hold on to the flat state.
    fn held(&self) -> Vec<Arc<Held>> {
        let snapshots = self.snapshots.lock();
        snapshots.iter().filter_map(Weak::upgrade).filter(|held| held.is_here()).collect()
    }

    /// Ends snapshots that lie too far below the head.
    fn end_old_snapshots(&self) {
        let (head, oldest) = {
            let recent = self.recent.read();
            (recent.head().0, recent.oldest())
        };
        for held in self.held() {
            if held.number().saturating_add(self.options.snapshot_age) < head {
                held.end(oldest);
            }
        }
    }

    /// What the store holds.
    ///
    /// # Errors
    ///
    /// The disk's, or damage.
    pub fn stats(&self) -> Result<Stats, StoreError> {
        let durable = self.durable();
        let tables = self.flat.stats()?;
        let log = self.log.lock();
        let recent = self.recent.read();
        let (layers, layer_bytes) = recent.size();
        Ok(Stats {
            genesis: self.genesis,
            head: recent.head(),
            durable,
            flat: recent.applied,
            oldest_snapshot: recent.oldest(),
            oldest_rewind: rewind::oldest(&log, &recent, self.genesis),
            log_files: log.segments().len(),
            log_bytes: log.segments().iter().map(|segment| segment.length).sum(),
            log_blocks: log.blocks().len(),
            layers,
            layer_bytes,
            tables,
        })
    }

    /// Makes all blocks durable, writes the flat state and lets the store go. What is opened next
    /// has nothing to replay, and all records vouched for.
    ///
    /// # Errors
    ///
    /// As [`sync`](Self::sync) and [`flush`](Self::flush).
    pub fn close(self) -> Result<(), StoreError> {
        self.sync()?;
        self.flush()
    }

    /// Runs `what` while no view of the flat state is there.
    fn exclusive<R>(
        &self,
        what: impl FnOnce(&dyn FlatState) -> Result<R, StoreError>,
    ) -> Result<R, StoreError> {
        let _flushing = self.flushing.lock();
        self.flush_flat()?;
        let mut recent = self.recent.write();
        let snapshots = self.held().len();
        if snapshots > 0 {
            return Err(StoreError::Held { snapshots });
        }
        recent.close_flat();
        let result = what(&*self.flat);
        recent.reopened(self.flat.view()?);
        result
    }

    /// Gives room in the flat state's file back to the disk. Writers and readers wait meanwhile.
    ///
    /// # Errors
    ///
    /// [`StoreError::Held`] while there are snapshots; else the disk's.
    pub fn compact(&self) -> Result<(), StoreError> {
        self.exclusive(|flat| flat.compact())
    }

    /// The folder that the store is in, as messages name it.
    pub fn place(&self) -> std::path::PathBuf {
        self.disk.place("")
    }
}
