//! Shortcuts into a long chain, so that no walk has to begin at its front.
//!
//! ```text
//! slots       [ txns 0 to 31 ]   [ 32 to 63 ]   [ 64 to 95 ]
//!                   |                 |              |
//! chain             9, 4            (none)         95, 88, 65
//! ```
//!
//! Transactions are grouped by their index, and each group has a slot, which leads to the highest
//! of its entries in the chain. A reader below transaction 90 begins at entry 95, one below 64 at
//! entry 9: it passes the entries of one group at most, and the slots of groups that have no entry.
//! The slots are a ring, which is long enough for the default window of 64 workers; groups that
//! share a slot in a longer window hide each other.
//!
//! Slots are changed as the chain is, under the cell's lock, and read as the chain is, by pinned
//! readers: an entry is in no slot any more when it is retired. A slot that is wrong leads to a
//! version that is not the latest, as an old link of the chain does; the judge will tell.

use std::ptr;

use super::entry::Entry;
use crate::contract::value::Value;
use crate::primitives::ids::TxnIndex;
use crate::primitives::sync::atomic::{AtomicPtr, Ordering};

/// How many transactions share a slot.
const GROUP: u32 = if cfg!(loom) { 2 } else { 32 };
const SLOTS: usize = if cfg!(loom) { 4 } else { 256 };

pub(crate) struct Shortcuts<C, V: Value>([AtomicPtr<Entry<C, V>>; SLOTS]);

impl<C, V: Value> Shortcuts<C, V> {
    /// Shortcuts into a chain, from the highest entry down to the last committed one.
    pub(crate) fn into_chain<'c>(chain: impl Iterator<Item = &'c Entry<C, V>>) -> Self
    where
        C: 'c,
        V: 'c,
    {
        let shortcuts = Self(std::array::from_fn(|_| AtomicPtr::new(ptr::null_mut())));
        for entry in chain {
            if shortcuts.highest(group(entry)).is_none() {
                // ORDERING: Relaxed: not shared yet.
                shortcuts.slot(group(entry)).store(address(entry), Ordering::Relaxed);
            }
        }
        shortcuts
    }

    fn slot(&self, group: u32) -> &AtomicPtr<Entry<C, V>> {
        &self.0[group as usize % SLOTS]
    }

    /// The highest entry of a group.
    fn highest(&self, of: u32) -> Option<&Entry<C, V>> {
        // ORDERING: Acquire pairs with the Release in `linked` and `unlinked`, or with the one that
        // published the shortcuts. SAFETY: what is in a slot is in the chain, or was after the
        // reader was pinned; see the module's documentation.
        let entry = unsafe { self.slot(of).load(Ordering::Acquire).as_ref() };
        entry.filter(|entry| group(entry) == of)
    }

    /// The highest entry below `txn`, or one of its group a little above; `None` if there is none
    /// above `last`.
    pub(crate) fn below(&self, txn: TxnIndex, last: Option<TxnIndex>) -> Option<&Entry<C, V>> {
        let from = txn.get().checked_sub(1)? / GROUP;
        let to =
            last.map_or(0, |last| last.get() / GROUP).max((from + 1).saturating_sub(SLOTS as u32));
        (to..=from).rev().find_map(|group| self.highest(group))
    }

    /// An entry above `txn` that is not far from its place. `None` if none is, up to `top`. For who
    /// holds the cell's lock.
    pub(crate) fn above(&self, txn: TxnIndex, top: TxnIndex) -> Option<&Entry<C, V>> {
        let from = txn.get() / GROUP;
        let to = (top.get() / GROUP).min(from + SLOTS as u32 - 1);
        let mut groups = from..=to;
        groups.find_map(|group| self.highest(group).filter(|entry| entry.txn() > txn))
    }

    /// `entry` was put into the chain. For who holds the cell's lock.
    pub(crate) fn linked(&self, entry: &Entry<C, V>) {
        let highest = self.highest(group(entry));
        if highest.is_none_or(|highest| highest.txn() <= entry.txn()) {
            // ORDERING: Release publishes the entry to the Acquire in `highest`.
            self.slot(group(entry)).store(address(entry), Ordering::Release);
        }
    }

    /// `entry` was taken out of the chain, where `next` follows. For who holds the cell's lock.
    pub(crate) fn unlinked(&self, entry: &Entry<C, V>, next: Option<&Entry<C, V>>) {
        let slot = self.slot(group(entry));
        // ORDERING: Relaxed, under the lock.
        if ptr::eq(slot.load(Ordering::Relaxed), entry) {
            let next = next.filter(|next| group(next) == group(entry));
            // ORDERING: Release hands on what was published to us, as in `Cell::unlink`.
            slot.store(next.map_or(ptr::null_mut(), address), Ordering::Release);
        }
    }
}

fn group<C, V: Value>(entry: &Entry<C, V>) -> u32 {
    entry.txn().get() / GROUP
}

/// Entries are shared, and never changed through this pointer but in their atomics.
fn address<C, V: Value>(entry: &Entry<C, V>) -> *mut Entry<C, V> {
    ptr::from_ref(entry).cast_mut()
}
