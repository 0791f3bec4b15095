//! Taking blocks back.

use alloy_primitives::B256;

use super::Store;
use crate::{
    FullBlock, StoreError,
    flat::{Applied, Batch, FlatState},
    log::{Kind, Log},
    recent::Recent,
};

/// The lowest block to which the records that are left lead back.
pub(super) fn oldest(log: &Log, recent: &Recent, genesis: B256) -> u64 {
    match log.blocks().front() {
        Some(first) if first.hash == genesis => first.number,
        Some(first) => first.number - 1,
        None => recent.head().0,
    }
}

/// Takes blocks back from the flat state, the highest first.
pub(super) fn undo(
    flat: &dyn FlatState,
    applied: Applied,
    blocks: impl IntoIterator<Item = Result<FullBlock, StoreError>>,
) -> Result<(), StoreError> {
    let mut batch = Batch::backward(applied);
    for block in blocks {
        batch.take_back(&block?);
    }
    flat.apply(&batch)
}

impl Store {
    /// Makes the block `number` the head again, and takes back all blocks above it. That is durable
    /// when it returns.
    ///
    /// Snapshots stay what they are.
    ///
    /// # Errors
    ///
    /// The block is above the head, or the records of the blocks above it were pruned: the store is
    /// as it was. The disk fails: see [`Store`].
    ///
    /// # Cost
    ///
    /// Two synchronisations, and a read and write of what the blocks changed where the flat state
    /// has them.
    pub fn rewind(&self, number: u64) -> Result<(), StoreError> {
        let _flushing = self.flushing.lock();
        let mut log = self.log.lock();
        log.check_not_failed()?;
        let ((head, head_hash), flat, oldest) = {
            let recent = self.recent.read();
            (recent.head(), recent.applied.number, oldest(&log, &recent, self.genesis))
        };
        if number > head {
            return Err(StoreError::Unknown { number, head });
        }
        if number == head {
            return Ok(());
        }
        if number < oldest {
            return Err(StoreError::TooOld { number, oldest });
        }
        let above: Vec<_> =
            log.blocks().iter().filter(|entry| entry.number > number).copied().collect();
        let hash = above.first().expect("the head is above").parent;
        // Read before anything changes: what can't be read can't be taken back.
        let gone = above.iter().rev().filter(|entry| entry.number <= flat);
        let gone = gone.map(|entry| log.block(*entry)).collect::<Result<Vec<_>, _>>()?;
        let entry = log.append(Kind::Rewind, (number, hash, head_hash), &[])?;
        log.sync()?;
        let applied = Applied { seq: entry.seq, number, hash };
        let view = if number < flat {
            let written = undo(&*self.flat, applied, gone.into_iter().map(Ok));
            let view = written.and_then(|()| self.flat.view());
            Some(view.inspect_err(|_| log.fail())?)
        } else {
            None
        };
        let mut recent = self.recent.write();
        recent.rewind(number);
        if let Some(view) = view {
            recent.flushed(applied, view);
        }
        Ok(())
    }
}
