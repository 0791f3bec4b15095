//! What many blocks come to, in the order of the tables.

use std::collections::BTreeMap;

use alloy_primitives::{Address, B256, Bytes, U256, keccak256};

use super::Applied;
use crate::{Account, FullBlock};

/// What blocks that follow on the flat state's head leave, or what taking blocks back does.
#[derive(Debug)]
pub struct Batch<'a> {
    /// Up to where the flat state has the log then.
    pub applied: Applied,
    /// Accounts that changed, as they are then.
    pub accounts: BTreeMap<Address, Option<Account>>,
    /// Slots that changed, as they are then.
    pub slots: BTreeMap<(Address, U256), U256>,
    /// Code that may be new.
    pub codes: BTreeMap<B256, Bytes>,
    /// Blocks that are taken back. They come before those that are added.
    pub removed: Vec<u64>,
    /// Blocks that are added.
    pub added: Vec<&'a FullBlock>,
}

impl<'a> Batch<'a> {
    fn new(applied: Applied) -> Self {
        Self {
            applied,
            accounts: BTreeMap::new(),
            slots: BTreeMap::new(),
            codes: BTreeMap::new(),
            removed: Vec::new(),
            added: Vec::new(),
        }
    }

    /// What these blocks leave, the lowest first.
    pub(crate) fn forward(
        applied: Applied,
        blocks: impl IntoIterator<Item = &'a FullBlock>,
    ) -> Self {
        let mut batch = Self::new(applied);
        for block in blocks {
            for change in &block.changes {
                batch.accounts.insert(change.address, change.after);
                let slots = change.slots.iter();
                batch.slots.extend(slots.map(|it| ((change.address, it.slot), it.after)));
            }
            batch.codes.extend(block.codes.iter().map(|code| (keccak256(code), code.clone())));
            batch.added.push(block);
        }
        batch
    }

    /// Adds that a block is taken back, the highest first.
    pub(crate) fn take_back(&mut self, block: &FullBlock) {
        for change in &block.changes {
            self.accounts.insert(change.address, change.before);
            let slots = change.slots.iter();
            self.slots.extend(slots.map(|it| ((change.address, it.slot), it.before)));
        }
        self.removed.push(block.number);
    }

    /// Nothing yet: see [`take_back`](Self::take_back).
    pub(crate) fn backward(applied: Applied) -> Self {
        Self::new(applied)
    }
}
