//! The chain of a location's versions: what transactions wrote there that readers may want.
//!
//! ```text
//! versions -> [txn 9] -> [txn 7, estimate] -> [txn 4, committed] -> [txn 1, committed] -> null
//!                                              ^ committed
//! ```
//!
//! The chain is sorted, highest transaction first, one entry for each. A reader at transaction 8
//! walks from the front to the first entry below 8. Readers take no lock and write nothing; a
//! writer that changes the chain holds the cell's one-byte lock. As a reader is never more than a
//! window above the commit point, the walk is bounded by the window, however many versions lie
//! below. A chain on which a walk was long gets [`Shortcuts`]: then walks pass a few versions only,
//! however large the window is.
//!
//! Deltas stay out of the chain until a reader wants the value itself ([`Cell::show_deltas`]): no
//! reader misses them before they are committed, and from then on `committed` leads to them. So a
//! walk ends at the committed entry, whether it is in the chain or not.

use std::borrow::Cow;
use std::ptr;

use crossbeam_epoch::Guard;

use super::arena::LocalArena;
use super::cell::{Cell, Count, EntryOf, ShortcutsOf};
use super::entry::Entry;
use super::shortcuts::Shortcuts;
use crate::contract::value::{Value, is_present};
use crate::primitives::canary::{Canary, sings};
use crate::primitives::ids::{TxnIndex, Version};
use crate::primitives::sync::atomic::{AtomicPtr, Ordering};

/// After how many versions a walk is long.
const LONG: u64 = if cfg!(loom) { 1 } else { 32 };
/// How many deltas a reader sums up at most: one that is above more of them is far from its turn.
const MOST_DELTAS: usize = 32;

/// What a reader finds below its transaction.
#[derive(Debug)]
pub(crate) enum Found<'c, V: Clone> {
    /// A value with the version that wrote it; `None` where it was summed up from deltas
    /// that are not final yet.
    Value(Option<Version>, Cow<'c, V>),
    /// No transaction below wrote here: the base value stands, which may not have been fetched yet.
    Base,
    /// This transaction's write is not known yet.
    Unknown(TxnIndex),
}

impl<L, V: Value> Cell<L, V> {
    /// What a reader at `txn` sees now, which is above every committed transaction.
    pub(crate) fn latest_below<'c>(
        &'c self,
        txn: TxnIndex,
        trust_hints: bool,
        visited: &Count,
        pinned: &'c Guard,
    ) -> Found<'c, V> {
        let before = visited.get();
        let found = self.walk_below(txn, trust_hints, visited, pinned);
        // ORDERING: Relaxed throughout: a hint for the next writer.
        if visited.get() > before + LONG && !self.is_long.load(Ordering::Relaxed) {
            self.is_long.store(true, Ordering::Relaxed);
        }
        found
    }

    fn walk_below<'c>(
        &'c self,
        txn: TxnIndex,
        trust_hints: bool,
        visited: &Count,
        pinned: &'c Guard,
    ) -> Found<'c, V> {
        // Deltas met on the way down, to be applied from the lowest up.
        let mut deltas: Vec<&EntryOf<L, V>> = Vec::new();
        for entry in self.versions_below(txn, visited, pinned) {
            if entry.is_estimate() {
                if entry.is_hint() && !trust_hints {
                    continue;
                }
                return Found::Unknown(entry.txn());
            }
            match entry.value() {
                Some(value) if deltas.is_empty() => {
                    return Found::Value(Some(entry.version()), Cow::Borrowed(value));
                }
                Some(value) => return sum_up(value, &deltas),
                None if deltas.len() == MOST_DELTAS => return Found::Unknown(entry.txn()),
                None => deltas.push(entry),
            }
        }
        match self.base.get() {
            Some(base) if !deltas.is_empty() => sum_up(base, &deltas),
            _ => Found::Base,
        }
    }

    /// The highest value below `txn` that is not made of deltas still in flight.
    pub(crate) fn value_below(&self, txn: TxnIndex, pinned: &Guard) -> Option<V> {
        let visited = Count::new(0);
        let mut versions = self.versions_below(txn, &visited, pinned);
        versions.find_map(|entry| entry.value().cloned())
    }

    /// Whether a reader at `txn` would need the base value.
    pub(crate) fn rests_on_base(&self, txn: TxnIndex, pinned: &Guard) -> bool {
        let visited = Count::new(0);
        let mut versions = self.versions_below(txn, &visited, pinned);
        !versions.any(|entry| entry.value().is_some())
    }

    /// Whether what was written below `txn` may be present, as far as one knows: only what is final
    /// is known to be absent. `None` if nothing was written.
    pub(crate) fn may_hold_below(
        &self,
        txn: TxnIndex,
        trust_hints: bool,
        pinned: &Guard,
    ) -> Option<bool> {
        let visited = Count::new(0);
        let mut versions = self.versions_below(txn, &visited, pinned);
        let entry = versions.find(|entry| trust_hints || !entry.is_hint())?;
        // ORDERING: Relaxed: only compared.
        let is_final = ptr::eq(entry, self.committed.load(Ordering::Relaxed));
        Some(!is_final || entry.value().is_none_or(is_present))
    }

    /// What is known to have been written below `txn`, from the highest down to the last committed,
    /// which need not be in the chain.
    fn versions_below<'c>(
        &'c self,
        txn: TxnIndex,
        visited: &Count,
        _pinned: &'c Guard,
    ) -> impl Iterator<Item = &'c EntryOf<L, V>> {
        // ORDERING: Acquire pairs with the Release in `commit`. SAFETY: as in `committed`.
        let committed = unsafe { self.committed.load(Ordering::Acquire).as_ref() };
        let committed = committed.filter(|entry| entry.txn() < txn);
        // ORDERING: Acquire pairs with the Release stores of `link` and `unlink`.
        // SAFETY: the entry was in the chain after `_pinned` was pinned, or was reached from one
        // that was; entries are freed only after every guard from before their unlinking is gone.
        let follow =
            |link: &'c AtomicPtr<EntryOf<L, V>>| unsafe { link.load(Ordering::Acquire).as_ref() };
        let mut upcoming = match self.shortcuts() {
            Some(shortcuts) => shortcuts.below(txn, committed.map(Entry::txn)),
            None => follow(&self.versions),
        };
        let mut ended = false;
        let next = move || {
            if ended {
                return None;
            }
            visited.set(visited.get() + 1);
            let above =
                |entry: &&EntryOf<L, V>| committed.is_none_or(|last| entry.txn() > last.txn());
            match upcoming.filter(above) {
                Some(entry) => {
                    upcoming = follow(&entry.next);
                    Some(entry)
                }
                None => {
                    ended = true;
                    committed
                }
            }
        };
        std::iter::from_fn(next).skip_while(move |entry| entry.txn() >= txn)
    }

    /// Puts `entry` into the chain, in place of the same transaction's older one if there is one.
    pub(crate) fn link(
        &self,
        entry: *mut EntryOf<L, V>,
        visited: &Count,
        shortcuts: &LocalArena<'_, ShortcutsOf<L, V>>,
        _pinned: &Guard,
    ) {
        // SAFETY: the caller owns the entry until its write set is retired.
        let new = unsafe { &*entry };
        let _changing = self.chain_lock.lock();
        let before = visited.get();
        let place = self.find(new.txn(), visited);
        // ORDERING: Relaxed: the chain only changes under the lock that we hold.
        let mut next = place.load(Ordering::Relaxed);
        // SAFETY: in the chain, and we hold the lock: not unlinked, so not freed.
        if let Some(old) = unsafe { next.as_ref() }
            && old.txn() == new.txn()
        {
            // ORDERING: Relaxed, under the lock.
            next = old.next.load(Ordering::Relaxed);
        }
        // ORDERING: Relaxed: published by the Release store below.
        new.next.store(next, Ordering::Relaxed);
        // ORDERING: Release publishes the entry to the Acquire loads of the readers.
        let release =
            if sings(Canary::LinkRelaxed) { Ordering::Relaxed } else { Ordering::Release };
        place.store(entry, release);
        if let Some(shortcuts) = self.shortcuts() {
            shortcuts.linked(new);
        // ORDERING: Relaxed: a hint.
        } else if visited.get() > before + LONG || self.is_long.load(Ordering::Relaxed) {
            self.make_shortcuts(shortcuts);
        }
    }

    /// Makes shortcuts into the chain. The caller holds the lock.
    fn make_shortcuts(&self, shortcuts: &LocalArena<'_, ShortcutsOf<L, V>>) {
        // ORDERING: Acquire, as in `committed`. SAFETY: as in `committed`.
        let committed = unsafe { self.committed.load(Ordering::Acquire).as_ref() };
        let above = |entry: &&EntryOf<L, V>| committed.is_none_or(|last| entry.txn() > last.txn());
        // ORDERING: Relaxed, under the lock. SAFETY: in the chain under the lock: not freed.
        let follow =
            |link: &AtomicPtr<EntryOf<L, V>>| unsafe { link.load(Ordering::Relaxed).as_ref() };
        let first = follow(&self.versions).filter(above);
        let chain = std::iter::successors(first, |entry| follow(&entry.next).filter(above));
        let shortcuts = shortcuts.push(Shortcuts::into_chain(chain));
        // ORDERING: Release publishes the shortcuts, and what they lead to, to `shortcuts`.
        self.shortcuts.store(shortcuts, Ordering::Release);
    }

    /// The shortcuts into the chain, if it has been long.
    fn shortcuts(&self) -> Option<&ShortcutsOf<L, V>> {
        // ORDERING: Acquire pairs with the Release in `make_shortcuts`. SAFETY: they live as long
        // as the memory.
        unsafe { self.shortcuts.load(Ordering::Acquire).as_ref() }
    }

    #[cfg(test)]
    pub(crate) fn has_shortcuts(&self) -> bool {
        self.shortcuts().is_some()
    }

    /// The versions in the chain, from its front.
    #[cfg(test)]
    pub(crate) fn chain(&self, _pinned: &Guard) -> Vec<Version> {
        // ORDERING: Acquire. SAFETY: as in `versions_below`.
        let follow =
            |link: &AtomicPtr<EntryOf<L, V>>| unsafe { link.load(Ordering::Acquire).as_ref() };
        let chain = std::iter::successors(follow(&self.versions), |entry| follow(&entry.next));
        chain.map(Entry::version).collect()
    }

    /// Takes `entry` out of the chain, if it is still in it.
    pub(crate) fn unlink(&self, entry: *mut EntryOf<L, V>, visited: &Count, _pinned: &Guard) {
        let _changing = self.chain_lock.lock();
        // SAFETY: the caller owns the entry until its write set is retired.
        let old = unsafe { &*entry };
        let place = self.find(old.txn(), visited);
        // ORDERING: Relaxed, under the lock.
        if place.load(Ordering::Relaxed) != entry {
            return;
        }
        // ORDERING: Relaxed, under the lock.
        let next = old.next.load(Ordering::Relaxed);
        // ORDERING: Release: what `next` points to was published to us, not by us, and is handed
        // on.
        place.store(next, Ordering::Release);
        if let Some(shortcuts) = self.shortcuts() {
            // SAFETY: in the chain under the lock: not freed.
            shortcuts.unlinked(old, unsafe { next.as_ref() });
        }
    }

    /// The first link whose entry is not above `txn`, or the last link. The caller holds the lock.
    fn find(&self, txn: TxnIndex, visited: &Count) -> &AtomicPtr<EntryOf<L, V>> {
        // ORDERING: Relaxed, under the lock.
        // SAFETY: in the chain under the lock: not freed, and stays in it while the link is used.
        let follow =
            |link: &AtomicPtr<EntryOf<L, V>>| unsafe { link.load(Ordering::Relaxed).as_ref() };
        let top = follow(&self.versions).map(Entry::txn);
        let start = top.and_then(|top| self.shortcuts()?.above(txn, top));
        let mut link = start.map_or(&self.versions, |entry| &entry.next);
        while let Some(entry) = follow(link).filter(|entry| entry.txn() > txn) {
            visited.set(visited.get() + 1);
            link = &entry.next;
        }
        link
    }
}

/// Applies the deltas, which were met from the highest down, to the value below them.
fn sum_up<'c, L, V: Value>(value: &'c V, deltas: &[&EntryOf<L, V>]) -> Found<'c, V> {
    let mut value = Cow::Borrowed(value);
    for entry in deltas.iter().rev() {
        match entry.apply_to(&value) {
            Some(sum) => value = Cow::Owned(sum),
            None => return Found::Unknown(entry.txn()),
        }
    }
    Found::Value(None, value)
}
