//! One location: its base value, and what was last committed there.
//!
//! The base value is the one from before the block. It is fetched on first use, by the thread that
//! needs it. What was committed last is one pointer, which leads to an entry of the transaction
//! that wrote it. What is written and not committed yet is in the [chain](super::chain).

use std::ptr;

use crossbeam_epoch::Guard;

use super::entry::{Entry, Payload};
use super::listing::Listing;
use super::shortcuts::Shortcuts;
use crate::contract::storage::{BoxError, Storage};
use crate::contract::value::Value;
use crate::primitives::canary::{Canary, sings};
use crate::primitives::ids::{TxnIndex, Version};
use crate::primitives::on_drop::OnDrop;
use crate::primitives::sync::atomic::{AtomicBool, AtomicPtr, Ordering};
use crate::primitives::sync::{Mutex, SetOnce};

/// A version at one of these cells.
pub(crate) type EntryOf<L, V> = Entry<Cell<L, V>, V>;
/// Shortcuts into the chain of one of these cells.
pub(crate) type ShortcutsOf<L, V> = Shortcuts<Cell<L, V>, V>;

/// Counts on one thread.
pub(crate) type Count = std::cell::Cell<u64>;

/// What every access needs comes first, on one cache line; neighbours share none.
#[repr(C, align(64))]
pub(crate) struct Cell<L, V: Value> {
    hash: u64,
    /// The front of the chain.
    pub(super) versions: AtomicPtr<EntryOf<L, V>>,
    /// The highest committed entry; null while the base value stands.
    pub(super) committed: AtomicPtr<EntryOf<L, V>>,
    /// The next cell with the same hash.
    pub(super) twin: AtomicPtr<Cell<L, V>>,
    /// What the index has of the location, if it was ever listed.
    pub(super) listing: AtomicPtr<Listing<Self>>,
    /// Held by the writer that changes `versions`.
    pub(super) chain_lock: Mutex<()>,
    /// Held while the base value is set, never while the storage is asked for it.
    base_lock: Mutex<()>,
    /// Whether a thread asks the storage for the base value.
    fetching: AtomicBool,
    /// Whether the first transaction that was committed here asked for the base value.
    writer_asked: AtomicBool,
    /// Whether deltas are put into the chain, for readers who want the value itself.
    shows_deltas: AtomicBool,
    /// Whether a reader's walk was long.
    pub(super) is_long: AtomicBool,
    /// Null while no walk was long. In the memory's arena.
    pub(super) shortcuts: AtomicPtr<ShortcutsOf<L, V>>,
    location: L,
    pub(super) base: SetOnce<V>,
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
            listing: AtomicPtr::new(ptr::null_mut()),
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
            // ORDERING: Relaxed, also below: a hint.
            self.fetching.store(true, Ordering::Relaxed);
            let _fetching = OnDrop(|| self.fetching.store(false, Ordering::Relaxed));
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

    /// Lets readers find deltas from now on that are not final yet. Until a reader wants that, a
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
    /// `None` if that is the base value and it was not fetched.
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
