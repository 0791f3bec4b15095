//! One location: its base value, and what the block's transactions wrote there.
//!
//! ```text
//! versions -> [txn 9] -> [txn 7, estimate] -> [txn 4, committed] -> [txn 1, committed] -> null
//!                                              ^ committed
//! ```
//!
//! The chain is sorted, highest transaction first, one entry for each. A reader at transaction 8
//! walks from the front to the first entry below 8. Readers take no lock and write nothing; whoever
//! changes the chain holds the cell's one-byte lock. As a reader is never more than a window above
//! the commit point, the walk is bounded by the window, however many versions lie below. A chain on
//! which a walk was long gets
//! [`Shortcuts`]: then walks pass a few versions only, however large the window is.
//!
//! Deltas stay out of the chain until somebody reads the value itself ([`Cell::show_deltas`]):
//! nobody misses them before they are committed, and from then on `committed` leads to them. So a
//! walk ends at the committed entry, whether it is in the chain or not.

// LENGTH: the links of the chain are unsafe, and all that follows or changes them is here.

use crate::primitives::sync::atomic::{AtomicBool, AtomicPtr, Ordering};
use std::ptr;

use crate::primitives::sync::{Mutex, SetOnce};
use crossbeam_epoch::Guard;

use super::arena::LocalArena;
use super::entry::{Entry, Payload};
use super::listing::Listing;
use super::shortcuts::Shortcuts;
use crate::contract::storage::{BoxError, Storage};
use crate::contract::value::{Value, is_present};
use crate::primitives::canary::{Canary, sings};
use crate::primitives::ids::{TxnIndex, Version};

/// A version at one of these cells.
pub(crate) type EntryOf<L, V> = Entry<Cell<L, V>, V>;
/// Shortcuts into the chain of one of these cells.
pub(crate) type ShortcutsOf<L, V> = Shortcuts<Cell<L, V>, V>;

/// Counts on one thread.
pub(crate) type Count = std::cell::Cell<u64>;

/// After how many versions a walk is long.
const LONG: u64 = if cfg!(loom) { 1 } else { 32 };
/// How many deltas a reader sums up at most: one that is above more of them is far from its turn.
const MOST_DELTAS: usize = 32;

/// What one worker finds its way in chains with.
pub(crate) struct Finder<'m, L, V: Value> {
    /// How many versions it looked at.
    pub(crate) visited: Count,
    pub(crate) shortcuts: LocalArena<'m, ShortcutsOf<L, V>>,
}

/// What every access needs comes first, on one cache line; neighbours share none.
#[repr(C, align(64))]
pub(crate) struct Cell<L, V: Value> {
    hash: u64,
    versions: AtomicPtr<EntryOf<L, V>>,
    /// The highest committed entry; null while the base value stands.
    committed: AtomicPtr<EntryOf<L, V>>,
    /// The next cell with the same hash.
    pub(super) twin: AtomicPtr<Cell<L, V>>,
    /// The location's place in the index, if it was ever in it.
    pub(super) place: AtomicPtr<Listing<Self>>,
    /// Held by whoever changes `versions`.
    chain_lock: Mutex<()>,
    /// Held while the base value is set, never while the storage is asked for it.
    base_lock: Mutex<()>,
    /// Whether a thread asks the storage for the base value.
    fetching: AtomicBool,
    /// Whether the first transaction that was committed here asked for the base value.
    writer_asked: AtomicBool,
    /// Whether deltas are put into the chain, for readers who want the value itself.
    shows_deltas: AtomicBool,
    /// Whether a reader's walk was long.
    is_long: AtomicBool,
    /// Null while no walk was long. In the memory's arena.
    shortcuts: AtomicPtr<ShortcutsOf<L, V>>,
    location: L,
    base: SetOnce<V>,
}

/// What a reader finds below its transaction.
#[derive(Debug)]
pub(crate) enum Found<V> {
    /// A value with the version that wrote it; `None` where it was summed up from deltas
    /// that are not final yet.
    Value(Option<Version>, V),
    /// No transaction below wrote here: the base value stands, which may not have been fetched yet.
    Base,
    /// This transaction's write is not known yet.
    Unknown(TxnIndex),
}

impl<L, V: Value> Cell<L, V> {
    pub(crate) fn new(location: L, hash: u64) -> Self {
        Self {
            location,
            hash,
            chain_lock: Mutex::new(()),
            base_lock: Mutex::new(()),
            fetching: AtomicBool::new(false),
            writer_asked: AtomicBool::new(false),
            shows_deltas: AtomicBool::new(false),
            is_long: AtomicBool::new(false),
            shortcuts: AtomicPtr::new(ptr::null_mut()),
            base: SetOnce::new(),
            versions: AtomicPtr::new(ptr::null_mut()),
            committed: AtomicPtr::new(ptr::null_mut()),
            twin: AtomicPtr::new(ptr::null_mut()),
            place: AtomicPtr::new(ptr::null_mut()),
        }
    }

    pub(crate) const fn location(&self) -> &L {
        &self.location
    }

    pub(crate) const fn hash(&self) -> u64 {
        self.hash
    }

    /// The value from before the block, if it was fetched.
    pub(crate) fn base(&self) -> Option<&V> {
        self.base.get()
    }

    /// The value from before the block, if the first transaction that was committed here asked for
    /// it.
    pub(crate) fn base_for_writer(&self) -> Option<&V> {
        // ORDERING: Relaxed: only asked when the block is over.
        self.base.get().filter(|_| self.writer_asked.load(Ordering::Relaxed))
    }

    /// Notes that the first transaction that is committed here asked for the base value.
    pub(crate) fn note_asked(&self) {
        // ORDERING: Relaxed: as above.
        self.writer_asked.store(true, Ordering::Relaxed);
    }

    /// Whether a thread asks the storage for the base value: it may be there in a moment.
    pub(crate) fn is_being_fetched(&self) -> bool {
        // ORDERING: Relaxed: a hint.
        self.fetching.load(Ordering::Relaxed)
    }

    /// The value from before the block, fetched if need be; whether the storage was asked now.
    ///
    /// No lock is held meanwhile: the storage may wait for whatever it likes. Two threads that ask
    /// at the same time are both answered, and what is set first is what both return.
    pub(crate) fn fetch_base(&self, storage: &dyn Storage<L, V>) -> Result<(&V, bool), BoxError> {
        if let Some(value) = self.base.get() {
            return Ok((value, false));
        }
        let held = sings(Canary::ReadUnderLock).then(|| self.base_lock.lock());
        let value = {
            let _fetching = Fetching::start(&self.fetching);
            storage.read(&self.location)?
        };
        drop(held);
        Ok((self.set_base(value), true))
    }

    /// Sets the base value, unless it is there already.
    pub(crate) fn set_base(&self, value: V) -> &V {
        let setting = self.base_lock.lock();
        match self.base.get() {
            None => {
                // SAFETY: under the lock.
                unsafe { self.base.set(value) }
            }
            Some(first) => {
                drop(setting);
                // The other one is dropped without the lock: that is code of the user's.
                drop(value);
                first
            }
        }
    }

    /// Lets readers find deltas from now on that are not final yet. Until somebody wants that, a
    /// delta is committed without ever having been in the chain, whose lock and front are where all
    /// who add to a popular location would meet.
    pub(crate) fn show_deltas(&self) {
        // ORDERING: Relaxed throughout: a hint. A reader who misses a delta is caught by the judge.
        if !self.shows_deltas.load(Ordering::Relaxed) {
            self.shows_deltas.store(true, Ordering::Relaxed);
        }
    }

    /// Whether the last committed write was not shown before it was committed.
    pub(crate) fn hid_a_delta(&self) -> bool {
        // ORDERING: Acquire, as in `committed`. SAFETY: as in `committed`.
        let entry = unsafe { self.committed.load(Ordering::Acquire).as_ref() };
        entry.is_some_and(|entry| !entry.is_shown())
    }

    /// A version of this location; deltas are shown if they are everywhere, or here.
    pub(crate) fn entry(
        &self,
        txn: TxnIndex,
        incarnation: u32,
        payload: Option<Payload<V>>,
        shows_deltas: bool,
    ) -> EntryOf<L, V> {
        let is_delta = matches!(payload, Some(Payload::Deltas(_)));
        let shown = !is_delta || shows_deltas || self.shows_deltas();
        Entry::new(txn, incarnation, self, payload, shown)
    }

    fn shows_deltas(&self) -> bool {
        // ORDERING: Relaxed: as above.
        self.shows_deltas.load(Ordering::Relaxed)
    }

    /// The final value below the lowest uncommitted transaction, with its version.
    ///
    /// `None` if that is the base value and nobody has fetched it.
    pub(crate) fn committed(&self) -> Option<(Version, &V)> {
        // ORDERING: Acquire pairs with the Release in `commit`: the entry's resolved value is
        // visible.
        let entry = self.committed.load(Ordering::Acquire);
        if entry.is_null() {
            return self.base.get().map(|value| (Version::BASE, value));
        }
        // SAFETY: a committed entry is freed only with the memory, after every cell borrow ended.
        let entry = unsafe { &*entry };
        Some((entry.version(), entry.value().expect("a committed entry has its value")))
    }

    /// What the last committed transaction that wrote here left.
    pub(crate) fn committed_write(&self) -> Option<&V> {
        let (version, value) = self.committed()?;
        version.txn().map(|_| value)
    }

    /// Whether neither `head` nor any higher transaction writes here, as far as one knows.
    pub(crate) fn is_quiet_from(&self, head: TxnIndex, _pinned: &Guard) -> bool {
        // ORDERING: Acquire. SAFETY: as in `versions_below`.
        let front = unsafe { self.versions.load(Ordering::Acquire).as_ref() };
        front.is_none_or(|entry| entry.txn() < head)
    }

    /// Whether some committed transaction wrote here.
    pub(crate) fn is_committed(&self) -> bool {
        // ORDERING: Relaxed: the committer is ordered with all earlier commits; to others it is a
        // hint.
        !self.committed.load(Ordering::Relaxed).is_null()
    }

    /// Makes `entry` the highest committed one, whether it is in the chain or not.
    pub(crate) fn commit(&self, entry: *mut EntryOf<L, V>) {
        if sings(Canary::CommitOnce) && self.is_committed() {
            return;
        }
        // ORDERING: Release publishes the resolved value to `committed`.
        self.committed.store(entry, Ordering::Release);
    }

    /// What a reader at `txn` sees now, which is above every committed transaction.
    pub(crate) fn latest_below(
        &self,
        txn: TxnIndex,
        trust_hints: bool,
        visited: &Count,
        pinned: &Guard,
    ) -> Found<V> {
        let before = visited.get();
        let found = self.walk_below(txn, trust_hints, visited, pinned);
        // ORDERING: Relaxed throughout: a hint for the next writer.
        if visited.get() > before + LONG && !self.is_long.load(Ordering::Relaxed) {
            self.is_long.store(true, Ordering::Relaxed);
        }
        found
    }

    fn walk_below(
        &self,
        txn: TxnIndex,
        trust_hints: bool,
        visited: &Count,
        pinned: &Guard,
    ) -> Found<V> {
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
                    return Found::Value(Some(entry.version()), value.clone());
                }
                Some(value) => return sum_up(value.clone(), &deltas),
                None if deltas.len() == MOST_DELTAS => return Found::Unknown(entry.txn()),
                None => deltas.push(entry),
            }
        }
        match self.base.get() {
            Some(base) if !deltas.is_empty() => sum_up(base.clone(), &deltas),
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
        visited: &'c Count,
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
        finder: &Finder<'_, L, V>,
        _pinned: &Guard,
    ) {
        // SAFETY: the caller owns the entry until its write set is retired.
        let new = unsafe { &*entry };
        let _changing = self.chain_lock.lock();
        let before = finder.visited.get();
        let place = self.find(new.txn(), &finder.visited);
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
        } else if finder.visited.get() > before + LONG || self.is_long.load(Ordering::Relaxed) {
            self.make_shortcuts(finder);
        }
    }

    /// Makes shortcuts into the chain. The caller holds the lock.
    fn make_shortcuts(&self, finder: &Finder<'_, L, V>) {
        // ORDERING: Acquire, as in `committed`. SAFETY: as in `committed`.
        let committed = unsafe { self.committed.load(Ordering::Acquire).as_ref() };
        let above = |entry: &&EntryOf<L, V>| committed.is_none_or(|last| entry.txn() > last.txn());
        // ORDERING: Relaxed, under the lock. SAFETY: in the chain under the lock: not freed.
        let follow =
            |link: &AtomicPtr<EntryOf<L, V>>| unsafe { link.load(Ordering::Relaxed).as_ref() };
        let first = follow(&self.versions).filter(above);
        let chain = std::iter::successors(first, |entry| follow(&entry.next).filter(above));
        let shortcuts = finder.shortcuts.push(Shortcuts::into_chain(chain));
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

    /// Takes `entry` out of the chain, if it is still in it.
    pub(crate) fn unlink(
        &self,
        entry: *mut EntryOf<L, V>,
        finder: &Finder<'_, L, V>,
        _pinned: &Guard,
    ) {
        let _changing = self.chain_lock.lock();
        // SAFETY: the caller owns the entry until its write set is retired.
        let old = unsafe { &*entry };
        let place = self.find(old.txn(), &finder.visited);
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

/// Says that the base value is being fetched, until dropped.
struct Fetching<'c>(&'c AtomicBool);

impl<'c> Fetching<'c> {
    fn start(fetching: &'c AtomicBool) -> Self {
        // ORDERING: Relaxed: a hint, here and below.
        fetching.store(true, Ordering::Relaxed);
        Self(fetching)
    }
}

impl Drop for Fetching<'_> {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Relaxed);
    }
}

/// Applies the deltas, which were met from the highest down, to the value below them.
fn sum_up<L, V: Value>(mut value: V, deltas: &[&EntryOf<L, V>]) -> Found<V> {
    for entry in deltas.iter().rev() {
        match entry.apply_to(&value) {
            Some(sum) => value = sum,
            None => return Found::Unknown(entry.txn()),
        }
    }
    Found::Value(None, value)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A bounded counter: deltas that leave `0..=255` do not apply.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub(crate) struct Number(pub(crate) u8);

    impl Value for Number {
        type Delta = i16;
        type Predicate = u8;

        fn apply(&self, delta: &i16) -> Option<Self> {
            u8::try_from(i16::from(self.0) + delta).ok().map(Number)
        }

        fn satisfies(&self, at_least: &u8) -> bool {
            self.0 >= *at_least
        }
    }
}
