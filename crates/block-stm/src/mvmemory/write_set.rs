//! What one transaction wrote: the entries of an incarnation, in one row.
//!
//! Entries are shared with readers from when they are linked into their cells. So a set is never
//! moved or borrowed mutably, and what is on the heap is freed by epoch once it is replaced.

use std::collections::HashSet;
use std::ptr;

use foldhash::fast::RandomState;

use super::cell::EntryOf;
use crate::contract::value::Value;

/// How far a transaction's writes have come.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// The transaction was never executed; its entries are hints, if there are any.
    Declared,
    Published,
    Committed,
}

/// An owned row of entries.
pub(super) struct WriteSet<L, V: Value> {
    entries: *mut [EntryOf<L, V>],
    /// From a box; otherwise from an arena, or empty.
    on_heap: bool,
    pub(super) phase: Phase,
}

// SAFETY: the entries are owned, and accessed from several threads only through `&`; they hold
// values (`Send + Sync`) and pointers to cells, which `Sync` for the memory covers.
unsafe impl<L: Send + Sync, V: Value> Send for WriteSet<L, V> {}

impl<L, V: Value> WriteSet<L, V> {
    pub(super) fn empty(phase: Phase) -> Self {
        let entries = ptr::slice_from_raw_parts_mut(ptr::dangling_mut(), 0);
        Self { entries, on_heap: false, phase }
    }

    pub(super) fn on_heap(entries: Vec<EntryOf<L, V>>, phase: Phase) -> Self {
        Self { entries: Box::into_raw(entries.into_boxed_slice()), on_heap: true, phase }
    }

    /// A published set whose entries lie in an arena that lives as long as the memory.
    pub(super) fn in_arena(entries: *mut [EntryOf<L, V>]) -> Self {
        Self { entries, on_heap: false, phase: Phase::Published }
    }

    pub(super) const fn is_on_heap(&self) -> bool {
        self.on_heap
    }

    pub(super) fn entries(&self) -> &[EntryOf<L, V>] {
        // SAFETY: from `Box::into_raw`, freed only by `free`, which consumes the set; or from an
        // arena that lives as long as the memory; or empty.
        unsafe { &*self.entries }
    }

    /// The row, for the owner of the transaction, which alone replaces the set.
    pub(super) const fn as_ptr(&self) -> *const [EntryOf<L, V>] {
        self.entries
    }

    pub(super) fn pointers(&self) -> impl Iterator<Item = *mut EntryOf<L, V>> + use<L, V> {
        let first = self.entries.cast::<EntryOf<L, V>>();
        // SAFETY: within the allocation.
        (0..self.entries.len()).map(move |n| unsafe { first.add(n) })
    }

    /// # Safety
    /// No entry of the set can be reached any more.
    pub(super) unsafe fn free(self) {
        if self.on_heap {
            // SAFETY: from `Box::into_raw`; by contract it is not used any more.
            drop(unsafe { Box::from_raw(self.entries) });
        }
    }
}

/// How many cells of `declared` are among those of `written`.
pub(super) fn count_common<L, V: Value>(
    declared: &[EntryOf<L, V>],
    written: &[EntryOf<L, V>],
) -> usize {
    if declared.is_empty() {
        return 0;
    }
    let written: HashSet<usize, RandomState> =
        written.iter().map(|entry| entry.cell.addr()).collect();
    declared.iter().filter(|entry| written.contains(&entry.cell.addr())).count()
}
