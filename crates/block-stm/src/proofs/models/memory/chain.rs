//! A reader sees each version whole or not at all, whatever happens to the chain meanwhile.
//!
//! Entries live until a model's end here. That they are not freed too early otherwise is the epoch
//! collector's affair, which is not loom's but the real one: the pointer that loom lets a load
//! return may be older than any that a pinned thread could still see, so freeing for real would be
//! freeing too early.
//!
//! Writers are on the thread that runs first. Loom remembers only the last access to an object, so
//! it overlooks a reader's load before a writer's, and the writer's store after that; a load after
//! the store may return either value, which is the same.

use std::sync::Arc;

use crossbeam_epoch::{Collector, Guard};
use loom::thread;

use super::Watched;
use crate::contract::storage::BoxError;
use crate::mvmemory::arena::Arena;
use crate::mvmemory::cell::{Cell, Count, EntryOf, ShortcutsOf};
use crate::mvmemory::chain::Found;
use crate::mvmemory::chunks::ChunkPool;
use crate::mvmemory::entry::{Deltas, Payload};
use crate::primitives::ids::{TxnIndex, Version};
use crate::proofs::models::explore;

type Item = EntryOf<u32, Watched>;

/// A cell, and the entries that are or may come into its chain.
struct Chain {
    cell: Arc<Cell<u32, Watched>>,
    shortcuts: Arena<ShortcutsOf<u32, Watched>>,
    entries: Vec<*mut Item>,
    /// What deltas came to.
    sums: std::sync::Mutex<Vec<*mut Watched>>,
}

// SAFETY: entries are shared through `&` alone, and freed when the last thread has let go of the
// chain.
unsafe impl Sync for Chain {}
// SAFETY: as above.
unsafe impl Send for Chain {}

impl Chain {
    /// A chain with entries that are not linked yet: transaction, incarnation, payload.
    fn new(entries: impl IntoIterator<Item = (u32, u32, Payload<Watched>)>) -> Self {
        let cell = Arc::new(Cell::new(0, 0));
        let entry = |(txn, incarnation, payload)| {
            let entry = cell.entry(TxnIndex::new(txn), incarnation, Some(payload), false);
            Box::into_raw(Box::new(entry))
        };
        let entries = entries.into_iter().map(entry).collect();
        let shortcuts = Arena::new(Arc::new(ChunkPool::new(0)));
        Self { cell, shortcuts, entries, sums: std::sync::Mutex::default() }
    }

    /// Keeps what deltas came to.
    fn sum(&self, value: Watched) -> *mut Watched {
        let sum = Box::into_raw(Box::new(value));
        self.sums.lock().expect("no panic").push(sum);
        sum
    }

    fn link(&self, entry: usize) {
        self.link_entry(self.entries[entry]);
    }

    fn link_entry(&self, entry: *mut Item) {
        self.cell.link(entry, &Count::new(0), &self.shortcuts.local_arena(), &pin());
    }

    fn unlink(&self, entry: usize) {
        self.cell.unlink(self.entries[entry], &Count::new(0), &pin());
    }

    /// The version that a reader at `txn` sees; its value is always the writer's number and the
    /// incarnation's.
    fn seen(&self, txn: u32) -> Option<Version> {
        match self.cell.latest_below(TxnIndex::new(txn), true, &Count::new(0), &pin()) {
            Found::Base => None,
            Found::Value(version, value) => {
                let version = version.expect("no deltas here");
                let writer = version.txn().expect("not the base").get();
                let number = value.get();
                assert_eq!(version, Version::new(TxnIndex::new(writer), u32::from(number % 10)));
                assert_eq!(writer, u32::from(number / 10));
                assert!(writer < txn, "not below the reader");
                Some(version)
            }
            Found::Unknown(writer) => panic!("no estimates here: txn {writer}"),
        }
    }
}

impl Drop for Chain {
    fn drop(&mut self) {
        for entry in self.entries.drain(..) {
            // SAFETY: from `Box::into_raw` in `new`; nobody else has the chain any more.
            drop(unsafe { Box::from_raw(entry) });
        }
        for sum in self.sums.get_mut().expect("no panic").drain(..) {
            // SAFETY: from `Box::into_raw` in `sum`; the entries are gone.
            drop(unsafe { Box::from_raw(sum) });
        }
    }
}

fn pin() -> Guard {
    Collector::new().register().pin()
}

fn value(txn: u32, incarnation: u32) -> (u32, u32, Payload<Watched>) {
    (txn, incarnation, Payload::Value(Watched::new((10 * txn + incarnation) as u8)))
}

fn version(txn: u32, incarnation: u32) -> Option<Version> {
    Some(Version::new(TxnIndex::new(txn), incarnation))
}

/// Runs `change` on a thread of its own.
fn change(chain: &Arc<Chain>, change: impl FnOnce(&Chain) + 'static) -> thread::JoinHandle<()> {
    let chain = Arc::clone(chain);
    thread::spawn(move || change(&chain))
}

/// Makes the entry of a version on the calling thread, as production does; `entries` of a chain are
/// made beforehand.
fn make(cell: &Cell<u32, Watched>, txn: u32) -> *mut Item {
    let (txn, incarnation, payload) = value(txn, 0);
    let entry = cell.entry(TxnIndex::new(txn), incarnation, Some(payload), false);
    Box::into_raw(Box::new(entry))
}

#[test]
pub(crate) fn a_new_version_is_seen_whole() {
    // The reader sees the entry whole or not yet, and does not lose it again.
    //
    // Caught: the Release in `link` weakened to Relaxed; the Acquire of links in `versions_below`
    // weakened to Relaxed.
    explore(|| {
        let mut chain = Chain::new([]);
        let cell = Arc::clone(&chain.cell);
        let reader = thread::spawn(move || {
            let look = || match cell.latest_below(TxnIndex::new(2), true, &Count::new(0), &pin()) {
                Found::Base => false,
                Found::Value(_, value) => value.get() == 10,
                Found::Unknown(_) => unreachable!("no estimates here"),
            };
            let (first, second) = (look(), look());
            assert!(!first || second, "seen and lost again");
        });
        let entry = make(&chain.cell, 1);
        chain.entries.push(entry);
        chain.link(0);
        reader.join().expect("no panic");
        assert_eq!(chain.seen(2), version(1, 0));
    });
}

#[test]
fn versions_of_different_txns_are_sorted() {
    // Two writers link at once, one above the other.
    //
    // Caught: the chain's lock taken away from `link`: one version is lost.
    explore(|| {
        let chain = Arc::new(Chain::new([value(1, 0), value(3, 0)]));
        let writer = change(&chain, |chain| chain.link(0));
        let reader = change(&chain, |chain| {
            let seen = chain.seen(4);
            assert!([None, version(1, 0), version(3, 0)].contains(&seen));
        });
        chain.link(1);
        writer.join().expect("no panic");
        reader.join().expect("no panic");
        assert_eq!(chain.seen(4), version(3, 0));
        assert_eq!(chain.seen(3), version(1, 0));
        assert_eq!(chain.seen(1), None);
    });
}

#[test]
fn an_incarnation_replaces_the_last_one() {
    // The chain never lacks the transaction while it is replaced, and what lies below is not lost.
    //
    // Caught: `link` that takes the old entry out first and stores twice.
    explore(|| {
        let chain = Arc::new(Chain::new([value(1, 0), value(3, 0), value(3, 1)]));
        chain.link(0);
        chain.link(1);
        let reader = change(&chain, |chain| {
            let seen = chain.seen(4);
            assert!(seen == version(3, 0) || seen == version(3, 1), "{seen:?}");
            assert_eq!(chain.seen(2), version(1, 0));
        });
        chain.link(2);
        chain.unlink(1);
        reader.join().expect("no panic");
        assert_eq!(chain.seen(4), version(3, 1));
        assert_eq!(chain.seen(3), version(1, 0));
    });
}

#[test]
fn a_version_goes_while_its_neighbour_comes() {
    // Transaction 3 takes its write back while transaction 1 links behind it: the reader may walk
    // over the entry that is gone, to whatever it points. Transaction 1's entry is handed on by the
    // unlinking thread, which did not make it.
    //
    // Caught: the lock taken away from `unlink`; the Release in `unlink` weakened to Relaxed.
    explore(|| {
        let chain = Arc::new(Chain::new([value(3, 0)]));
        chain.link(0);
        let goes = change(&chain, |chain| chain.unlink(0));
        let reader = change(&chain, |chain| {
            let seen = chain.seen(4);
            assert!([None, version(1, 0), version(3, 0)].contains(&seen));
        });
        let entry = make(&chain.cell, 1);
        chain.link_entry(entry);
        goes.join().expect("no panic");
        reader.join().expect("no panic");
        assert_eq!(chain.seen(4), version(1, 0));
        // SAFETY: made above, and nobody reads any more.
        drop(unsafe { Box::from_raw(entry) });
    });
}

#[test]
fn a_version_that_a_shortcut_leads_to_is_seen_whole() {
    // Transaction 7 links while a reader above it comes over the shortcuts, which were made before;
    // transaction 5 takes its write back meanwhile.
    explore(|| {
        let chain = Arc::new(Chain::new([value(1, 0), value(3, 0), value(5, 0), value(6, 0)]));
        (0..3).for_each(|entry| chain.link(entry));
        assert_eq!(chain.seen(2), version(1, 0));
        chain.link(3);
        assert!(chain.cell.has_shortcuts(), "the walk was long");
        let reader = change(&chain, |chain| {
            let seen = chain.seen(8);
            assert!(seen == version(6, 0) || seen == version(7, 0), "{seen:?}");
            let seen = chain.seen(6);
            assert!(seen == version(3, 0) || seen == version(5, 0), "{seen:?}");
        });
        let entry = make(&chain.cell, 7);
        chain.link_entry(entry);
        chain.unlink(2);
        reader.join().expect("no panic");
        assert_eq!(chain.seen(8), version(7, 0));
        assert_eq!(chain.seen(6), version(3, 0));
        // SAFETY: made above, and nobody reads any more.
        drop(unsafe { Box::from_raw(entry) });
    });
}

#[test]
fn a_committed_sum_is_seen_whole() {
    // The judge sums deltas up, and makes the entry the committed one. Whoever finds it committed
    // finds its sum; whoever walks over the chain finds deltas or the sum.
    //
    // Caught: the Release in `Cell::commit` weakened to Relaxed; the Acquire in `Cell::committed`
    // weakened to Relaxed; the Release in `Entry::set_sum`, the Acquire in `Entry::value`.
    explore(|| {
        let chain = Chain::new([(1, 0, Payload::Deltas(Deltas::One(5)))]);
        chain.cell.fetch_base(&|_: &u32| Ok(Watched::new(1))).expect("reads");
        chain.link(0);
        let chain = Arc::new(chain);
        let reader = change(&chain, |chain| {
            let (at, value) = chain.cell.committed().expect("the base was fetched");
            assert_eq!(value.get(), if at == Version::BASE { 1 } else { 6 });
            match chain.cell.latest_below(TxnIndex::new(2), true, &Count::new(0), &pin()) {
                Found::Value(_, value) => assert_eq!(value.get(), 6),
                other => panic!("{other:?}"),
            }
        });
        // SAFETY: lives as long as the chain.
        let entry = unsafe { &*chain.entries[0] };
        let below = chain.cell.committed().map(|(_, base)| entry.apply_to(base));
        // SAFETY: lives as long as the chain.
        unsafe { entry.set_sum(chain.sum(below.flatten().expect("applies to the base"))) };
        chain.cell.commit(chain.entries[0]);
        reader.join().expect("no panic");
        assert_eq!(chain.cell.committed().map(|(at, _)| Some(at)), Some(version(1, 0)));
    });
}

#[test]
fn a_sum_that_was_never_in_the_chain_is_seen_whole_once_it_is_committed() {
    // Nobody wanted to see the deltas, so the entry is not linked; the reader goes from the chain's
    // end to the committed entry.
    //
    // Caught: the Acquire of `committed` in `versions_below` weakened to Relaxed; the Release in
    // `Cell::commit` likewise.
    explore(|| {
        let mut chain = Chain::new([]);
        chain.cell.fetch_base(&|_: &u32| Ok(Watched::new(1))).expect("reads");
        let cell = Arc::clone(&chain.cell);
        let reader = thread::spawn(move || {
            let look = || match cell.latest_below(TxnIndex::new(2), true, &Count::new(0), &pin()) {
                Found::Base => 1,
                Found::Value(_, value) => value.get(),
                Found::Unknown(_) => unreachable!("no estimates here"),
            };
            let (first, second) = (look(), look());
            assert!([1, 6].contains(&first) && [first, 6].contains(&second));
        });
        let payload = Payload::Deltas(Deltas::One(5));
        let entry =
            Box::into_raw(Box::new(chain.cell.entry(TxnIndex::new(1), 0, Some(payload), false)));
        chain.entries.push(entry);
        // SAFETY: both live as long as the chain.
        unsafe { (*entry).set_sum(chain.sum(Watched::new(6))) };
        chain.cell.commit(entry);
        reader.join().expect("no panic");
    });
}

#[test]
fn both_who_fetch_the_base_value_get_the_same_one() {
    // Two readers miss it at the same time; the storage may be asked by both.
    //
    // Caught: the look under `base_lock` taken away; the lock taken away.
    explore(|| {
        let cell = Arc::new(Cell::<u32, Watched>::new(7, 0));
        let storage = |location: &u32| Ok::<_, BoxError>(Watched::new(*location as u8));
        let fetch = move |cell: &Cell<u32, Watched>| {
            let (value, fetched) = cell.fetch_base(&storage).expect("reads");
            assert_eq!(value.get(), 7);
            (std::ptr::from_ref(value).addr(), fetched)
        };
        let other = thread::spawn({
            let cell = Arc::clone(&cell);
            move || fetch(&cell)
        });
        let here = fetch(&cell);
        let other = other.join().expect("no panic");
        assert_eq!(here.0, other.0);
        assert!(here.1 || other.1);
        assert_eq!(cell.base().map(Watched::get), Some(7));
    });
}
