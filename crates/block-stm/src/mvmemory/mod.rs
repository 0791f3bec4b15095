//! The multi-version memory: every location of the block, with every value that matters to somebody.
//!
//! # The problem
//!
//! Transactions of one block run at the same time and out of order, and each must see the state as
//! if all lower ones had run before it and no higher one. So a write never overwrites:
//! it adds a *version*, and a reader at transaction `i` takes the highest version below `i`.
//!
//! # The idea
//!
//! ```text
//!   table                cells                        write sets (one allocation each)
//!   location --hash-->  [base | versions ->...]  <--  txn 4, incarnation 0: [entry, entry, entry]
//!                       [base | versions ->...]  <--  txn 7, incarnation 2: [entry]
//! ```
//!
//! * [`table`] finds the cell of a location, without locks.
//! * [`cell`] holds the value from before the block, fetched once, and the chain of versions.
//! * [`index`] has the locations in their order, in blocks that may be scanned.
//! * [`entry`] is one version. All entries of an incarnation lie in one allocation, its write set,
//!   which this module owns and links into the cells.
//!
//! # The life of a write set
//!
//! 1. *Published* by the owner of its transaction; it replaces the older incarnation's set, entry by entry.
//!    Locations that the new incarnation does not write any more are unlinked.
//! 2. Marked as *estimates* when the incarnation is aborted: readers had better wait.
//! 3. *Replaced* by the next incarnation, or *withdrawn* when the transaction turns out to have no effect. The old set is
//!    then freed by epoch: readers may still be walking over it.
//! 4. Or *committed*: its deltas are summed up, the cells point to it as their final value, and it lives until the
//!    block is over.
//!
//! Publication is not atomic over several locations: a reader may see half of it. That is allowed, as is everything
//! else that a reader may see here: what was read is judged at commit, against committed values alone.
//!
//! # Why nobody reads freed memory
//!
//! Cells are freed with the memory. Entries are reached through a chain by whoever holds an epoch guard, and
//! through `Cell::committed` by anybody. The second kind is never retired ([`MvMemory::commit`] locks the set
//! in). For the first kind: a retired set was unlinked from every chain before, under the cells' locks. Somebody who still
//! reaches an entry of it has pinned before the unlinking (either the entry was in the chain then, or it was the `next` of an entry
//! unlinked even earlier, whose own unlinking that reader preceded), so its guard keeps the set alive.
//!
//! Each memory has an epoch collector of its own, so that everything is freed with the block at the latest.

mod cell;
mod entry;
mod index;
#[cfg(any(test, fuzzing))]
pub(crate) mod model;
#[cfg(all(test, loom))]
pub(crate) mod models;
mod table;

use std::collections::HashSet;
use std::hash::Hash;

use crate::sync::Mutex;
use crossbeam_epoch::{Collector, Guard, LocalHandle};
use foldhash::fast::RandomState;

pub(crate) use cell::{Cell, Found};
use entry::Entry;
pub(crate) use entry::{Deltas, Payload};
pub(crate) use index::{LocationIndex, Sorted, is_empty};
use table::Table;

use crate::canary::{Canary, sings};
use crate::ids::TxnIndex;
use crate::vm::Value;

/// A location and what is written there.
pub(crate) type Write<'m, L, V> = (&'m Cell<L, V>, Payload<V>);

/// What a publication means to others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Published {
    /// Readers above may notice.
    pub(crate) changed: bool,
    /// How many declared locations were really written.
    pub(crate) right_hints: usize,
    /// How many were not.
    pub(crate) wrong_hints: usize,
}

pub(crate) struct MvMemory<L, V: Value> {
    table: Table<L, V>,
    written: Box<[Mutex<Written<L, V>>]>,
    collector: Collector,
}

/// What a transaction wrote.
struct Written<L, V: Value> {
    entries: Set<L, V>,
    phase: Phase,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Never executed; `entries` holds hints at most.
    Declared,
    Published,
    Committed,
}

/// An owned write set. Its entries are shared with readers, so it is never moved or borrowed mutably.
struct Set<L, V: Value>(*mut [Entry<L, V>]);

// SAFETY: the entries are owned, and accessed from several threads only through `&`; they hold values (`Send + Sync`)
// and pointers to cells, which `Sync` for the memory below covers.
unsafe impl<L: Send + Sync, V: Value> Send for Set<L, V> {}

// SAFETY: cells and entries hold locations and values, both `Send + Sync`, behind atomics, `OnceLock`s and
// locks; the raw pointers in them are followed according to the rules in the module's documentation.
unsafe impl<L: Send + Sync, V: Value> Sync for MvMemory<L, V> {}
// SAFETY: as for `Sync`; nothing in it is bound to a thread.
unsafe impl<L: Send + Sync, V: Value> Send for MvMemory<L, V> {}

impl<L, V: Value> Set<L, V> {
    fn new(entries: Vec<Entry<L, V>>) -> Self {
        Self(Box::into_raw(entries.into_boxed_slice()))
    }

    fn entries(&self) -> &[Entry<L, V>] {
        // SAFETY: from `Box::into_raw`, freed only by `free`, which consumes the set.
        unsafe { &*self.0 }
    }

    fn pointers(&self) -> impl Iterator<Item = *mut Entry<L, V>> + use<L, V> {
        let first = self.0.cast::<Entry<L, V>>();
        // SAFETY: within the allocation.
        (0..self.0.len()).map(move |n| unsafe { first.add(n) })
    }

    /// # Safety
    /// Nobody may reach an entry of the set any more.
    unsafe fn free(self) {
        // SAFETY: from `Box::into_raw`; by contract nobody else uses it.
        drop(unsafe { Box::from_raw(self.0) });
    }
}

impl<L, V: Value> Drop for MvMemory<L, V> {
    fn drop(&mut self) {
        for written in &mut self.written {
            let entries = std::mem::replace(&mut written.get_mut().entries, Set::new(Vec::new()));
            // SAFETY: `&mut self`: no cell is borrowed, so no entry is reached any more. Cells hold dangling
            // pointers now, which their own drop does not follow.
            unsafe { entries.free() };
        }
    }
}

impl<L: Eq + Hash + Clone + Send + Sync + 'static, V: Value> MvMemory<L, V> {
    /// An empty memory for a block of `txns` transactions.
    ///
    /// # Cost
    /// Some 50 bytes for each transaction.
    pub(crate) fn new(txns: usize) -> Self {
        let declared =
            || Mutex::new(Written { entries: Set::new(Vec::new()), phase: Phase::Declared });
        Self {
            table: Table::new(txns.saturating_mul(2)),
            written: (0..txns).map(|_| declared()).collect(),
            collector: Collector::new(),
        }
    }

    /// Keeps the locations in `index`, which is empty, for scans.
    pub(crate) fn indexed(mut self, index: Option<Box<dyn LocationIndex<L>>>) -> Self {
        self.table.keep_in(index);
        self
    }

    /// The locations that have a cell, in their order, if somebody may scan them.
    pub(crate) fn index(&self) -> Option<&dyn LocationIndex<L>> {
        self.table.index()
    }

    /// Lets the calling thread pin itself while it reads.
    pub(crate) fn register(&self) -> LocalHandle {
        self.collector.register()
    }

    /// The cell of `location`.
    pub(crate) fn cell(&self, location: &L) -> &Cell<L, V> {
        self.table.find_or_insert(location)
    }

    /// Puts estimates at the locations that `txn` will probably write, unless it was executed already.
    pub(crate) fn declare(&self, txn: TxnIndex, cells: &[&Cell<L, V>], guard: &Guard) {
        let mut written = self.written[txn.as_usize()].lock();
        if written.phase == Phase::Declared && written.entries.entries().is_empty() {
            let hint = |cell: &&Cell<L, V>| Entry::new(txn, 0, cell, Payload::Hint);
            self.swap(&mut written, Set::new(cells.iter().map(hint).collect()), guard);
        }
    }

    /// Makes `writes`, at most one for each cell, the ones of `txn`.
    pub(crate) fn publish<'m>(
        &'m self,
        txn: TxnIndex,
        incarnation: u32,
        writes: impl ExactSizeIterator<Item = Write<'m, L, V>>,
        guard: &Guard,
    ) -> Published {
        let mut written = self.written[txn.as_usize()].lock();
        assert!(written.phase != Phase::Committed, "txn {txn} is final");
        let declared = std::mem::replace(&mut written.phase, Phase::Published) == Phase::Declared;
        let before = written.entries.entries();
        if writes.len() == 0 && before.is_empty() {
            return Published::default();
        }
        let mut same = writes.len() == before.len();
        let entry = |(place, (cell, payload)): (usize, Write<'m, L, V>)| {
            same = same
                && before
                    .get(place)
                    .is_some_and(|old| std::ptr::eq(old.cell, cell) && old.writes_same(&payload));
            Entry::new(txn, incarnation, cell, payload)
        };
        let entries: Vec<_> = writes.enumerate().map(entry).collect();
        let right = if declared { count_common(before, &entries) } else { 0 };
        let wrong = if declared { before.len() - right } else { 0 };
        self.swap(&mut written, Set::new(entries), guard);
        Published { changed: !same, right_hints: right, wrong_hints: wrong }
    }

    /// Marks the writes of `txn` as ones that will probably change.
    pub(crate) fn mark_estimates(&self, txn: TxnIndex) {
        let written = self.written[txn.as_usize()].lock();
        written.entries.entries().iter().for_each(Entry::mark_estimate);
    }

    /// Takes back whatever `txn` wrote or was declared to write. Whether there was anything.
    pub(crate) fn withdraw(&self, txn: TxnIndex, guard: &Guard) -> bool {
        let mut written = self.written[txn.as_usize()].lock();
        assert!(written.phase != Phase::Committed, "txn {txn} is final");
        written.phase = Phase::Published;
        let any = !written.entries.entries().is_empty();
        if any {
            self.swap(&mut written, Set::new(Vec::new()), guard);
        }
        any
    }

    /// Sums up the deltas of the lowest uncommitted transaction; `false` if one of them does not apply or
    /// rests on a base value that nobody has fetched.
    pub(crate) fn settle(&self, txn: TxnIndex) -> bool {
        let written = self.written[txn.as_usize()].lock();
        written.entries.entries().iter().all(|entry| {
            if entry.settled_value().is_some() {
                return true;
            }
            // SAFETY: cells live as long as the memory.
            let cell = unsafe { &*entry.cell };
            let below = cell.committed().map(|(_, value)| value);
            let below = if sings(Canary::SumOnBase) { cell.base() } else { below };
            let sum = below.and_then(|value| entry.apply_to(value));
            sum.is_some_and(|sum| {
                entry.settle(sum);
                true
            })
        })
    }

    /// Makes the settled writes of the lowest uncommitted transaction final, and adds each
    /// location with its new value to `writes`, and the cells that were committed for the first time to `touched`.
    pub(crate) fn commit<'m>(
        &'m self,
        txn: TxnIndex,
        writes: &mut Vec<(&'m L, &'m V)>,
        touched: &mut Vec<&'m Cell<L, V>>,
    ) {
        let mut written = self.written[txn.as_usize()].lock();
        written.phase = Phase::Committed;
        for pointer in written.entries.pointers() {
            // SAFETY: a committed set is freed only with the memory.
            let entry: &'m Entry<L, V> = unsafe { &*pointer };
            // SAFETY: cells live as long as the memory.
            let cell: &'m Cell<L, V> = unsafe { &*entry.cell };
            if !cell.is_committed() {
                touched.push(cell);
            }
            cell.commit(pointer);
            let value = entry.settled_value().expect("settled before it is committed");
            writes.push((cell.location(), value));
        }
    }

    /// Links `new` into the cells in place of the old set, and lets go of that one.
    fn swap(&self, written: &mut Written<L, V>, new: Set<L, V>, guard: &Guard) {
        for pointer in new.pointers() {
            // SAFETY: the set is alive, and so are cells.
            unsafe { &*(*pointer).cell }.link(pointer, guard);
        }
        let old = std::mem::replace(&mut written.entries, new);
        if sings(Canary::KeepOldWrite) {
            // Not freed either: the fault is that it is seen, not that it is gone.
            return;
        }
        for pointer in old.pointers() {
            // SAFETY: the set is alive, and so are cells.
            unsafe { &*(*pointer).cell }.unlink(pointer, guard);
        }
        if !old.entries().is_empty() {
            // SAFETY: the set is out of every chain, and it was never committed (checked by the callers), so
            // only readers who pinned before can still reach it. Values are `'static`.
            unsafe {
                guard.defer_unchecked(move || {
                    let old = old;
                    old.free()
                })
            };
        } else {
            // SAFETY: there is nothing in it to reach.
            unsafe { old.free() };
        }
    }
}

/// How many cells of `declared` are among those of `written`.
fn count_common<L, V: Value>(declared: &[Entry<L, V>], written: &[Entry<L, V>]) -> usize {
    if declared.is_empty() {
        return 0;
    }
    let written: HashSet<usize, RandomState> =
        written.iter().map(|entry| entry.cell.addr()).collect();
    declared.iter().filter(|entry| written.contains(&entry.cell.addr())).count()
}

#[cfg(test)]
mod tests {
    use super::cell::tests::Number;
    use super::*;
    use crate::ids::Version;

    type Memory = MvMemory<&'static str, Number>;

    fn txn(index: u32) -> TxnIndex {
        TxnIndex::new(index)
    }

    fn storage(_: &&'static str) -> Result<Number, crate::vm::BoxError> {
        Ok(Number(100))
    }

    /// What a reader at `at` sees, as `(writer, value)`.
    fn seen(memory: &Memory, at: u32, guard: &Guard) -> Result<(Option<Version>, u8), u32> {
        let cell = memory.cell(&"x");
        match cell.latest_below(txn(at), true, guard) {
            Found::Value(version, value) => Ok((version, value.0)),
            Found::Base => Ok((Some(Version::BASE), cell.fetch_base(&storage).expect("reads").0.0)),
            Found::Unsettled(writer) => Err(writer.get()),
        }
    }

    fn write(
        memory: &Memory,
        at: u32,
        incarnation: u32,
        payload: Payload<Number>,
        guard: &Guard,
    ) -> bool {
        let writes = vec![(memory.cell(&"x"), payload)];
        memory.publish(txn(at), incarnation, writes.into_iter(), guard).changed
    }

    #[test]
    fn a_reader_sees_the_highest_version_below() {
        let memory = Memory::new(10);
        let guard = &memory.register().pin();
        for at in [7, 1, 4] {
            assert!(write(&memory, at, 0, Payload::Value(Number(at as u8)), guard));
        }
        assert_eq!(seen(&memory, 1, guard), Ok((Some(Version::BASE), 100)));
        for (at, writer) in [(2, 1), (4, 1), (5, 4), (7, 4), (8, 7), (9, 7)] {
            let expected = Ok((Some(Version::new(txn(writer), 0)), writer as u8));
            assert_eq!(seen(&memory, at, guard), expected, "at {at}");
        }
    }

    #[test]
    fn a_new_incarnation_replaces_or_removes() {
        let memory = Memory::new(10);
        let guard = &memory.register().pin();
        assert!(write(&memory, 3, 0, Payload::Value(Number(1)), guard));
        memory.mark_estimates(txn(3));
        assert_eq!(seen(&memory, 5, guard), Err(3));
        assert!(!write(&memory, 3, 1, Payload::Value(Number(1)), guard), "same value");
        assert_eq!(seen(&memory, 5, guard), Ok((Some(Version::new(txn(3), 1)), 1)));
        assert!(memory.publish(txn(3), 2, std::iter::empty(), guard).changed, "written no more");
        assert_eq!(seen(&memory, 5, guard), Ok((Some(Version::BASE), 100)));
        assert!(!memory.withdraw(txn(3), guard));
    }

    #[test]
    fn deltas_add_up_and_never_wrap() {
        let memory = Memory::new(10);
        let guard = &memory.register().pin();
        memory.cell(&"x").fetch_base(&storage).expect("reads");
        write(&memory, 1, 0, Payload::Deltas(Deltas::One(50)), guard);
        write(&memory, 2, 0, Payload::Deltas(Deltas::Many(vec![100, -60])), guard);
        write(&memory, 3, 0, Payload::Deltas(Deltas::One(66)), guard);
        assert_eq!(seen(&memory, 2, guard), Ok((None, 150)));
        assert_eq!(seen(&memory, 3, guard), Ok((None, 190)));
        assert_eq!(seen(&memory, 4, guard), Err(3), "190 + 66 does not fit");
        let (mut writes, mut touched) = (Vec::new(), Vec::new());
        for at in [1, 2] {
            assert!(memory.settle(txn(at)));
            memory.commit(txn(at), &mut writes, &mut touched);
        }
        assert!(!memory.settle(txn(3)));
        assert_eq!(writes, [(&"x", &Number(150)), (&"x", &Number(190))]);
        assert_eq!(touched.len(), 1);
        assert_eq!(seen(&memory, 3, guard), Ok((Some(Version::new(txn(2), 0)), 190)));
    }

    #[test]
    fn hints_are_estimates_until_the_first_execution() {
        let memory = Memory::new(10);
        let guard = &memory.register().pin();
        memory.declare(txn(2), &[memory.cell(&"x")], guard);
        assert_eq!(seen(&memory, 3, guard), Err(2));
        assert!(matches!(memory.cell(&"x").latest_below(txn(3), false, guard), Found::Base));
        let published = memory.publish(txn(2), 0, std::iter::empty(), guard);
        assert_eq!((published.right_hints, published.wrong_hints), (0, 1));
        assert_eq!(seen(&memory, 3, guard), Ok((Some(Version::BASE), 100)));
        memory.declare(txn(2), &[memory.cell(&"x")], guard);
        assert_eq!(seen(&memory, 3, guard), Ok((Some(Version::BASE), 100)), "too late to declare");
    }
}
