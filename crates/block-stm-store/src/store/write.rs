//! Appending blocks, making them durable, and writing the flat state behind them.

use std::sync::Arc;

use super::Store;
use crate::{
    FullBlock, StoreError,
    flat::{Applied, Batch},
    layer::Layer,
    log::{Kind, MAX_RECORD_BYTES},
};

impl Store {
    /// Appends a block to the head. Snapshots have it at once; it is durable after the next
    /// [`sync`](Self::sync).
    ///
    /// The values before must be those of the state before: a return to an earlier block restores
    /// them. [`Snapshot::changes`](crate::Snapshot::changes) finds them.
    ///
    /// # Errors
    ///
    /// The block does not follow on the head, is too large, or changes something twice: the store
    /// is as it was. The disk fails: see [`Store`].
    ///
    /// # Cost
    ///
    /// One write of the block, without waiting for the disk. Where blocks are appended and never
    /// synchronised, one in twice [`Options::flush_blocks`](crate::Options::flush_blocks) does
    /// both.
    pub fn append(&self, mut block: FullBlock) -> Result<(), StoreError> {
        block.sort()?;
        let (number, parent) = (block.number, block.parent);
        let bytes = block.size();
        if bytes > MAX_RECORD_BYTES {
            return Err(StoreError::TooLarge { number, bytes, max: MAX_RECORD_BYTES });
        }
        let encoded = block.encode();
        let limits = (2 * self.options.flush_blocks, self.options.memory_bytes);
        if self.recent.read().exceeds(limits.0, limits.1) {
            self.sync()?;
        }
        let mut log = self.log.lock();
        let (head, hash) = self.recent.read().head();
        if head.checked_add(1) != Some(number) || parent != hash {
            return Err(StoreError::NotChild { number, parent, head, hash });
        }
        let entry = log.append(Kind::Block, (number, block.hash, parent), &encoded)?;
        let layer = Layer::new(entry.seq, block, encoded.len());
        let mut recent = self.recent.write();
        recent.push(Arc::new(layer));
        recent.trim(self.options.recent_blocks, self.options.memory_bytes);
        Ok(())
    }

    /// Makes all blocks durable that were appended before, and returns the number of the newest
    /// block that is durable. Where a [`flush`](Self::flush) is [due](Self::is_flush_due), it does
    /// that, too.
    ///
    /// Other threads can append meanwhile.
    ///
    /// # Errors
    ///
    /// The disk's: see [`Store`].
    pub fn sync(&self) -> Result<u64, StoreError> {
        self.sync_log()?;
        if self.is_flush_due() {
            self.flush()?;
        }
        Ok(self.durable())
    }

    /// As [`sync`](Self::sync), and leaves the flat state to a host that calls
    /// [`flush`](Self::flush) on a thread of its own whenever it is [due](Self::is_flush_due).
    ///
    /// # Errors
    ///
    /// The disk's: see [`Store`].
    pub fn sync_log(&self) -> Result<u64, StoreError> {
        let pending = self.log.lock().pending()?;
        if let Some(pending) = pending {
            let result = pending.sync();
            self.log.lock().synced(&pending, result)?;
        }
        Ok(self.durable())
    }

    /// Whether the flat state lacks as many blocks as the [`Options`](crate::Options) allow:
    /// [`flush_blocks`](crate::Options::flush_blocks), or half of
    /// [`memory_bytes`](crate::Options::memory_bytes).
    pub fn is_flush_due(&self) -> bool {
        self.recent.read().is_due(&self.options)
    }

    /// Writes the flat state up to the newest block that is durable.
    ///
    /// # Errors
    ///
    /// The disk's: see [`Store`].
    pub fn flush(&self) -> Result<(), StoreError> {
        let _flushing = self.flushing.lock();
        self.flush_flat()
    }

    /// The same for whatever holds `flushing`.
    pub(super) fn flush_flat(&self) -> Result<(), StoreError> {
        let durable = {
            let log = self.log.lock();
            log.check_not_failed()?;
            log.durable()
        };
        let layers: Vec<_> = {
            let recent = self.recent.read();
            recent.unflushed().take_while(|layer| layer.seq <= durable).cloned().collect()
        };
        let Some(last) = layers.last() else { return Ok(()) };
        let Layer { seq, record, .. } = &**last;
        let applied = Applied { seq: *seq, number: record.number, hash: record.hash };
        let batch = Batch::forward(applied, layers.iter().map(|layer| &layer.record));
        let written = self.flat.apply(&batch).and_then(|()| self.flat.view());
        let view = written.inspect_err(|_| self.log.lock().fail())?;
        {
            let mut recent = self.recent.write();
            recent.flushed(applied, view);
            recent.trim(self.options.recent_blocks, self.options.memory_bytes);
        }
        self.end_old_snapshots();
        Ok(())
    }
}
