//! A block in memory, with what it changed at hand.

use alloy_primitives::{Address, B256, Bytes, U256, keccak256, map::HashMap};

use crate::{AccountChange, FullBlock, StoredBlock};

/// A block that the flat state does not have yet, or whose state before can be asked for still.
#[derive(Debug)]
pub(crate) struct Layer {
    /// The sequence number of its record in the log.
    pub(crate) seq: u64,
    pub(crate) record: FullBlock,
    accounts: HashMap<Address, usize>,
    codes: HashMap<B256, usize>,
    txns: HashMap<B256, u32>,
    /// About how much memory it takes.
    pub(crate) bytes: usize,
}

impl Layer {
    /// The block whose record has `encoded` bytes.
    pub(crate) fn new(seq: u64, record: FullBlock, encoded: usize) -> Self {
        let changes = record.changes.iter().enumerate();
        let accounts: HashMap<_, _> = changes.map(|(at, change)| (change.address, at)).collect();
        let codes = record.codes.iter().enumerate();
        let codes = codes.map(|(at, code)| (keccak256(code), at)).collect();
        let txns: HashMap<_, _> = record.txns.iter().copied().zip(0..).collect();
        let bytes = 2 * encoded + 48 * (accounts.len() + txns.len()) + size_of::<Self>();
        Self { seq, record, accounts, codes, txns, bytes }
    }

    /// What the block changed in an account.
    pub(crate) fn change(&self, address: &Address) -> Option<&AccountChange> {
        self.accounts.get(address).map(|&at| &self.record.changes[at])
    }

    /// The value of a slot before and after the block, if it changed that.
    pub(crate) fn slot(&self, address: &Address, slot: &U256) -> Option<(U256, U256)> {
        let slots = &self.change(address)?.slots;
        let at = slots.binary_search_by_key(slot, |change| change.slot).ok()?;
        Some((slots[at].before, slots[at].after))
    }

    /// Code that the block made known.
    pub(crate) fn code(&self, hash: &B256) -> Option<&Bytes> {
        self.codes.get(hash).map(|&at| &self.record.codes[at])
    }

    /// The place of a transaction in the block.
    pub(crate) fn txn(&self, hash: &B256) -> Option<u32> {
        self.txns.get(hash).copied()
    }

    /// The block without its receipts.
    pub(crate) fn block(&self) -> StoredBlock {
        let FullBlock { number, hash, parent, header, body, txns, .. } = &self.record;
        StoredBlock {
            number: *number,
            hash: *hash,
            parent: *parent,
            header: header.clone(),
            body: body.clone(),
            txns: txns.clone(),
        }
    }
}
