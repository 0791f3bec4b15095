//! Whether all that the store holds is whole and agrees.

use std::collections::HashMap;

use alloy_primitives::{Address, U256};

use super::Store;
use crate::{Account, FullBlock, StoreError};

/// What was checked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Checked {
    /// Files of the log.
    pub log_files: usize,
    /// Blocks in the log.
    pub log_blocks: usize,
    /// Changes of accounts and slots whose values before are those that the blocks before left.
    pub changes: u64,
    /// Rows of the flat state.
    pub rows: u64,
}

/// What the blocks read so far leave.
#[derive(Debug, Default)]
struct Left {
    accounts: HashMap<Address, Option<Account>>,
    slots: HashMap<(Address, U256), U256>,
}

impl Left {
    /// Takes a block in; the first value before that is not what blocks before it left.
    fn take(&mut self, block: &FullBlock) -> Result<u64, String> {
        let mut count = 0;
        for change in &block.changes {
            let address = change.address;
            let left = self.accounts.insert(address, change.after);
            if left.is_some_and(|left| left != change.before) {
                return Err(format!("account {address}"));
            }
            for slot in &change.slots {
                let left = self.slots.insert((address, slot.slot), slot.after);
                if left.is_some_and(|left| left != slot.before) {
                    return Err(format!("slot {} of {address}", slot.slot));
                }
            }
            count += 1 + change.slots.len() as u64;
        }
        Ok(count)
    }
}

impl Store {
    /// Reads all that there is: records and rows with their checks, pages of the flat state, and
    /// whether index, code, accounts and slots agree; whether the changes in the log follow on each
    /// other and lead to the flat state.
    ///
    /// # Errors
    ///
    /// [`StoreError::Damaged`] with the first place that is wrong; [`StoreError::Held`] while there
    /// are snapshots; the disk's.
    ///
    /// # Cost
    ///
    /// A read of the whole store, and memory for what the blocks in the log changed. Writers and
    /// readers wait while the flat state is read.
    pub fn check(&self) -> Result<Checked, StoreError> {
        self.exclusive(|flat| flat.check())?;
        let _flushing = self.flushing.lock();
        let (flat, blocks) = {
            let log = self.log.lock();
            let recent = self.recent.read();
            let flat = recent.stack(recent.applied.number)?.flat;
            let applied = recent.applied.number;
            let blocks = log.blocks().iter().filter(|entry| entry.number <= applied);
            (flat, blocks.map(|entry| log.locate(*entry)).collect::<Vec<_>>())
        };
        let mut checked = Checked {
            log_files: self.log.lock().segments().len(),
            log_blocks: blocks.len(),
            rows: self.flat.stats()?.iter().map(|table| table.rows).sum(),
            ..Checked::default()
        };
        let mut left = Left::default();
        for located in &blocks {
            let block = located.block()?;
            checked.changes += left.take(&block).map_err(|what| {
                let number = block.number;
                located.damaged(format!("block {number}: the {what} was another before it"))
            })?;
        }
        let Some(last) = blocks.last() else { return Ok(checked) };
        let wrong = |what: String| Err(last.damaged(format!("the flat state has another {what}")));
        for (address, account) in &left.accounts {
            if flat.account(address)? != *account {
                return wrong(format!("account {address}"));
            }
        }
        for ((address, slot), value) in &left.slots {
            if flat.slot(address, slot)? != *value {
                return wrong(format!("slot {slot} of {address}"));
            }
        }
        Ok(checked)
    }
}
