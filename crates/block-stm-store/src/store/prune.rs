//! Forgetting what is old, while blocks are written and read.

use super::Store;
use crate::{StoreError, flat::Old};

/// Of so many blocks the flat state forgets something at once.
const STEP: usize = 256;

/// How much of the past to keep, in blocks below the head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Keep {
    /// What blocks changed, to take them back.
    pub changes: u64,
    /// Blocks, with the index by their hashes and those of their transactions.
    pub blocks: u64,
    /// Receipts.
    pub receipts: u64,
}

impl Default for Keep {
    /// The changes of 1024 blocks, and all blocks and receipts.
    fn default() -> Self {
        Self { changes: 1024, blocks: u64::MAX, receipts: u64::MAX }
    }
}

/// What was forgotten.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Pruned {
    /// Files of the log.
    pub log_files: usize,
    /// Bytes of these.
    pub log_bytes: u64,
    /// Blocks.
    pub blocks: usize,
    /// Receipts of so many blocks.
    pub receipts: usize,
}

impl Store {
    /// Forgets what is older than `keep` says. Whole files of the log are removed, so that up to
    /// one file more is kept. State is never forgotten, and at the least the newest block is kept.
    ///
    /// Appending, synchronising and reading go on meanwhile.
    ///
    /// # Errors
    ///
    /// The disk's. What was forgotten up to there stays so.
    pub fn prune(&self, keep: Keep) -> Result<Pruned, StoreError> {
        self.flush()?;
        let mut pruned = Pruned::default();
        self.prune_log(keep.changes, &mut pruned)?;
        pruned.blocks = self.forget(Old::Blocks, keep.blocks)?;
        pruned.receipts = self.forget(Old::Receipts, keep.receipts)?;
        Ok(pruned)
    }

    fn prune_log(&self, keep: u64, pruned: &mut Pruned) -> Result<(), StoreError> {
        let _flushing = self.flushing.lock();
        let (applied, head) = {
            let recent = self.recent.read();
            (recent.applied, recent.head().0)
        };
        let (count, start) = {
            let log = self.log.lock();
            let count = log.removable(applied.seq, head.saturating_sub(keep));
            (count, log.segments()[count].index)
        };
        if count == 0 {
            return Ok(());
        }
        // First the note that they are not wanted, so that none that is missing goes unseen.
        self.flat.set_log_start(start)?;
        for _ in 0..count {
            let mut log = self.log.lock();
            let bytes = log.segments()[0].length;
            log.remove_first()?;
            pruned.log_files += 1;
            pruned.log_bytes += bytes;
        }
        Ok(())
    }

    fn forget(&self, old: Old, keep: u64) -> Result<usize, StoreError> {
        let mut sum = 0;
        loop {
            let _flushing = self.flushing.lock();
            let number = self.recent.read().applied.number;
            let below = number.saturating_sub(keep.saturating_sub(1));
            let count = self.flat.forget(old, below, STEP)?;
            sum += count;
            if count < STEP {
                if sum > 0 {
                    let view = self.flat.view()?;
                    self.recent.write().reopened(view);
                }
                return Ok(sum);
            }
        }
    }
}
