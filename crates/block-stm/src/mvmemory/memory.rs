//! The memory as a whole: its cells, and who wrote what into them.

// LENGTH: a third are tests, which look at what the module hides.

use std::collections::HashSet;
use std::hash::Hash;
use std::ptr;
use std::sync::Arc;

use crossbeam_epoch::{Collector, Guard};
use foldhash::fast::RandomState;

use super::arena::{Arena, LocalArena};
use super::cell::{Cell, Count, EntryOf, Finder, ShortcutsOf};
use super::chunks::ChunkPool;
use super::entry::{Entry, Payload};
use super::index::{Index, LocalIndex};
use super::named::Ahead;
use super::table::{LocalTable, Table};
use crate::contract::value::Value;
use crate::primitives::canary::{Canary, sings};
use crate::primitives::ids::TxnIndex;
use crate::primitives::order::{Boundary, Order};
use crate::primitives::sync::Mutex;
use crate::primitives::sync::atomic::{AtomicBool, Ordering};

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
    index: Option<Index<L, V>>,
    /// The write sets of first incarnations, which are nearly all.
    entries: Arena<EntryOf<L, V>>,
    /// What deltas came to.
    sums: Arena<V>,
    /// Into long chains.
    shortcuts: Arena<ShortcutsOf<L, V>>,
    written: Box<[Mutex<Written<L, V>>]>,
    /// Whether there was ever a write set on the heap.
    any_on_heap: AtomicBool,
    /// Whether all cells show their deltas; see [`Cell::show_deltas`].
    shows_deltas: AtomicBool,
    collector: Collector,
}

/// A thread's place at the memory: what it needs to read and to write there.
pub(crate) struct LocalHandle<'m, L, V: Value> {
    epoch: crossbeam_epoch::LocalHandle,
    pub(crate) finder: Finder<'m, L, V>,
    local_table: LocalTable<'m, L, V>,
    local_index: Option<LocalIndex<'m, L, V>>,
    entries: LocalArena<'m, EntryOf<L, V>>,
    sums: LocalArena<'m, V>,
}

impl<L, V: Value> LocalHandle<'_, L, V> {
    /// Keeps versions that others retire from being freed.
    pub(crate) fn pin(&self) -> Guard {
        self.epoch.pin()
    }
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

/// An owned write set. Its entries are shared with readers, so it is never moved or borrowed
/// mutably.
struct Set<L, V: Value> {
    entries: *mut [EntryOf<L, V>],
    /// From a box; otherwise from an arena, or empty.
    on_heap: bool,
}

// SAFETY: the entries are owned, and accessed from several threads only through `&`; they hold
// values (`Send + Sync`) and pointers to cells, which `Sync` for the memory below covers.
unsafe impl<L: Send + Sync, V: Value> Send for Set<L, V> {}

// SAFETY: cells and entries hold locations and values, both `Send + Sync`, behind atomics, locks
// and places that are set once; the raw pointers in them are followed according to the rules in the
// module's documentation.
unsafe impl<L: Send + Sync, V: Value> Sync for MvMemory<L, V> {}
// SAFETY: as for `Sync`; nothing in it is bound to a thread.
unsafe impl<L: Send + Sync, V: Value> Send for MvMemory<L, V> {}

impl<L, V: Value> Set<L, V> {
    fn empty() -> Self {
        Self { entries: ptr::slice_from_raw_parts_mut(ptr::dangling_mut(), 0), on_heap: false }
    }

    fn on_heap(entries: Vec<EntryOf<L, V>>) -> Self {
        Self { entries: Box::into_raw(entries.into_boxed_slice()), on_heap: true }
    }

    fn in_arena(entries: *mut [EntryOf<L, V>]) -> Self {
        Self { entries, on_heap: false }
    }

    fn entries(&self) -> &[EntryOf<L, V>] {
        // SAFETY: from `Box::into_raw`, freed only by `free`, which consumes the set; or from an
        // arena that lives as long as the memory; or empty.
        unsafe { &*self.entries }
    }

    fn pointers(&self) -> impl Iterator<Item = *mut EntryOf<L, V>> + use<L, V> {
        let first = self.entries.cast::<EntryOf<L, V>>();
        // SAFETY: within the allocation.
        (0..self.entries.len()).map(move |n| unsafe { first.add(n) })
    }

    /// # Safety
    /// Nobody may reach an entry of the set any more.
    unsafe fn free(self) {
        if self.on_heap {
            // SAFETY: from `Box::into_raw`; by contract nobody else uses it.
            drop(unsafe { Box::from_raw(self.entries) });
        }
    }
}

impl<L, V: Value> Drop for MvMemory<L, V> {
    fn drop(&mut self) {
        // ORDERING: Relaxed: `&mut`, so nobody else is there.
        if !self.any_on_heap.load(Ordering::Relaxed) {
            return;
        }
        for written in &mut self.written {
            let entries = std::mem::replace(&mut written.get_mut().entries, Set::empty());
            // SAFETY: `&mut self`: no cell is borrowed, so no entry is reached any more. Cells hold
            // dangling pointers now, which nobody follows.
            unsafe { entries.free() };
        }
    }
}

impl<L: Eq + Hash + Clone + Send + Sync + 'static, V: Value> MvMemory<L, V> {
    /// An empty memory for a block of `txns` transactions.
    ///
    /// # Cost
    /// Some 50 bytes for each transaction.
    pub(crate) fn new(txns: usize, pool: &Arc<ChunkPool>) -> Self {
        let declared = || Mutex::new(Written { entries: Set::empty(), phase: Phase::Declared });
        Self {
            table: Table::new(txns.saturating_mul(8), Arc::clone(pool)),
            index: None,
            entries: Arena::new(Arc::clone(pool)),
            sums: Arena::new(Arc::clone(pool)),
            shortcuts: Arena::new(Arc::clone(pool)),
            written: (0..txns).map(|_| declared()).collect(),
            any_on_heap: AtomicBool::new(false),
            shows_deltas: AtomicBool::new(false),
            collector: Collector::new(),
        }
    }

    /// Keeps the locations that may hold something in order, for scans; with `keeps_deleted`, also
    /// those that held something.
    pub(crate) fn indexed(
        mut self,
        order: Order<L>,
        keeps_deleted: bool,
        pool: &Arc<ChunkPool>,
    ) -> Self {
        // A scan looks for locations that nobody has looked at, which cannot be told to show their
        // deltas.
        self.show_deltas();
        self.index = Some(Index::new(order, keeps_deleted, pool));
        self
    }

    /// Lets readers find deltas that are not final yet from now on, wherever they are.
    pub(crate) fn show_deltas(&self) {
        // ORDERING: Relaxed: a hint.
        self.shows_deltas.store(true, Ordering::Relaxed);
    }

    /// The locations that may hold something in their order, if somebody may scan them.
    pub(crate) const fn index(&self) -> Option<&Index<L, V>> {
        self.index.as_ref()
    }

    /// Lets scans find a location, if there may be any, where something is about to be written.
    pub(crate) fn list_pending<'m>(&'m self, cell: &Cell<L, V>, handle: &LocalHandle<'m, L, V>) {
        if let (Some(index), Some(local_index)) = (&self.index, &handle.local_index) {
            index.list_pending(cell, local_index);
        }
    }

    /// The storage named a location, and was asked for the first one between these cuts, if it has
    /// any there. What is known of its locations from there on.
    pub(crate) fn note_named<'m>(
        &'m self,
        (from, to): (Boundary<L>, Boundary<L>),
        answer: Option<&L>,
        handle: &LocalHandle<'m, L, V>,
    ) -> Option<Ahead<L>> {
        let (index, local_index) = (self.index.as_ref()?, handle.local_index.as_ref()?);
        if let Some(named) = answer {
            index.list_stored(self.cell(named, handle), local_index);
        }
        Some(index.note(from, to, answer))
    }

    /// A place for the calling thread.
    pub(crate) fn handle(&self) -> LocalHandle<'_, L, V> {
        LocalHandle {
            epoch: self.collector.register(),
            finder: Finder { visited: Count::new(0), shortcuts: self.shortcuts.local_arena() },
            local_table: self.table.local_table(),
            local_index: self.index.as_ref().map(Index::local_index),
            entries: self.entries.local_arena(),
            sums: self.sums.local_arena(),
        }
    }

    /// The cell of `location`, made on first use.
    pub(crate) fn cell<'m>(
        &'m self,
        location: &L,
        handle: &LocalHandle<'m, L, V>,
    ) -> &'m Cell<L, V> {
        self.table.find_or_insert(location, &handle.local_table)
    }

    /// The cell of `location`, if it has one.
    pub(crate) fn find(&self, location: &L) -> Option<&Cell<L, V>> {
        self.table.find(location)
    }

    /// Puts estimates at the locations that `txn` will probably write, unless it was executed
    /// already.
    pub(crate) fn declare(
        &self,
        txn: TxnIndex,
        cells: &[&Cell<L, V>],
        handle: &LocalHandle<'_, L, V>,
    ) {
        let guard = handle.pin();
        let mut written = self.written[txn.as_usize()].lock();
        if written.phase == Phase::Declared && written.entries.entries().is_empty() {
            let hint = |cell: &&Cell<L, V>| cell.entry(txn, 0, None, false);
            self.swap(
                &mut written,
                self.heap_set(cells.iter().map(hint).collect()),
                handle,
                &guard,
            );
        }
    }

    /// Makes `writes`, at most one for each cell, the ones of `txn`, which the caller owns.
    pub(crate) fn publish<'m>(
        &'m self,
        txn: TxnIndex,
        incarnation: u32,
        writes: impl ExactSizeIterator<Item = Write<'m, L, V>>,
        handle: &LocalHandle<'m, L, V>,
    ) -> Published {
        let (declared, before) = {
            let mut written = self.written[txn.as_usize()].lock();
            assert!(written.phase != Phase::Committed, "txn {txn} is final");
            let phase = std::mem::replace(&mut written.phase, Phase::Published);
            (phase == Phase::Declared, written.entries.entries)
        };
        // Not under the lock: values are compared by code of the user's.
        // SAFETY: a published set is replaced by the owner of `txn` alone, which the caller is.
        let before: &[EntryOf<L, V>] = unsafe { &*before };
        if writes.len() == 0 && before.is_empty() {
            return Published::default();
        }
        let (mut same, any) = (writes.len() == before.len(), writes.len() > 0);
        // Nobody notices what is not shown.
        let mut seen = before.iter().any(Entry::is_shown);
        // ORDERING: Relaxed: a hint.
        let shows_deltas = self.shows_deltas.load(Ordering::Relaxed);
        let entry = |(place, (cell, payload)): (usize, Write<'m, L, V>)| {
            same = same
                && before
                    .get(place)
                    .is_some_and(|old| std::ptr::eq(old.cell, cell) && old.writes_same(&payload));
            let entry = cell.entry(txn, incarnation, Some(payload), shows_deltas);
            seen |= entry.is_shown();
            entry
        };
        let entries = writes.enumerate().map(entry);
        // What is written first mostly stays. What replaces it may be replaced any number of times,
        // and so is freed by epoch.
        let set = match any {
            true if declared => Set::in_arena(handle.entries.extend(entries)),
            true => self.heap_set(entries.collect()),
            false => Set::empty(),
        };
        let right = if declared { count_common(before, set.entries()) } else { 0 };
        let wrong = if declared { before.len() - right } else { 0 };
        let guard = handle.pin();
        self.swap(&mut self.written[txn.as_usize()].lock(), set, handle, &guard);
        Published { changed: seen && !same, right_hints: right, wrong_hints: wrong }
    }

    /// Marks the writes of `txn` as ones that will probably change.
    pub(crate) fn mark_estimates(&self, txn: TxnIndex) {
        let written = self.written[txn.as_usize()].lock();
        written.entries.entries().iter().for_each(Entry::mark_estimate);
    }

    /// Takes back whatever `txn` wrote or was declared to write. Whether there was anything.
    pub(crate) fn withdraw(&self, txn: TxnIndex, handle: &LocalHandle<'_, L, V>) -> bool {
        let guard = handle.pin();
        let mut written = self.written[txn.as_usize()].lock();
        assert!(written.phase != Phase::Committed, "txn {txn} is final");
        written.phase = Phase::Published;
        let any = !written.entries.entries().is_empty();
        if any {
            self.swap(&mut written, Set::empty(), handle, &guard);
        }
        any
    }

    /// Sums up the deltas of the lowest uncommitted transaction; `false` if one of them does not
    /// apply or rests on a base value that nobody has fetched.
    pub(crate) fn sum_deltas(&self, txn: TxnIndex, handle: &LocalHandle<'_, L, V>) -> bool {
        let entries = self.written[txn.as_usize()].lock().entries.entries;
        // Not under the lock: deltas are applied by code of the user's.
        // SAFETY: only the owner of `txn`, which the caller is, replaces its set.
        let entries: &[EntryOf<L, V>] = unsafe { &*entries };
        entries.iter().all(|entry| {
            if entry.value().is_some() {
                return true;
            }
            // SAFETY: cells live as long as the memory.
            let cell = unsafe { &*entry.cell };
            let below = cell.committed().map(|(_, value)| value);
            let below = if sings(Canary::SumOnBase) { cell.base() } else { below };
            let sum = below.and_then(|value| entry.apply_to(value));
            sum.is_some_and(|sum| {
                // SAFETY: sums live as long as the memory, and so longer than any entry that
                // somebody may reach.
                unsafe { entry.set_sum(handle.sums.push(sum)) };
                true
            })
        })
    }

    /// Makes the settled writes of the lowest uncommitted transaction final, and adds each location
    /// with its new value to `writes`, and the cells that were committed for the first time to
    /// `touched`. Whether the transaction had asked for what was there before its n-th write is for
    /// `asked` to say.
    pub(crate) fn commit<'m>(
        &'m self,
        txn: TxnIndex,
        asked: impl Fn(usize) -> bool,
        writes: &mut Vec<(&'m L, &'m V)>,
        touched: &mut Vec<&'m Cell<L, V>>,
    ) {
        let mut written = self.written[txn.as_usize()].lock();
        written.phase = Phase::Committed;
        for (n, pointer) in written.entries.pointers().enumerate() {
            // SAFETY: a committed set is freed only with the memory.
            let entry: &'m EntryOf<L, V> = unsafe { &*pointer };
            // SAFETY: cells live as long as the memory.
            let cell: &'m Cell<L, V> = unsafe { &*entry.cell };
            if !cell.is_committed() {
                touched.push(cell);
                if asked(n) {
                    cell.note_asked();
                }
            }
            cell.commit(pointer);
            let value = entry.value().expect("settled before it is committed");
            writes.push((cell.location(), value));
        }
    }

    /// Puts the locations into the index or takes them out, as what a committed transaction left
    /// there demands. Apart from [`commit`](MvMemory::commit), as locations are compared, which is
    /// not done under a lock.
    pub(crate) fn update_index<'m>(&'m self, txn: TxnIndex, handle: &LocalHandle<'m, L, V>) {
        let (Some(index), Some(local_index)) = (&self.index, &handle.local_index) else { return };
        let entries = self.written[txn.as_usize()].lock().entries.entries;
        let pinned = &handle.pin();
        // SAFETY: a committed set is freed only with the memory.
        for entry in unsafe { &*entries } {
            // SAFETY: cells live as long as the memory.
            index.update(unsafe { &*entry.cell }, txn.next(), local_index, pinned);
        }
    }

    /// Takes locations where nothing was left out of those that are held: some worker listed them
    /// that learnt of the write too late. Only called by the holder of the baton.
    pub(crate) fn put_right(&self, cells: &[&Cell<L, V>]) {
        let Some(index) = &self.index else { return };
        cells.iter().for_each(|cell| index.put_right(cell));
    }

    fn heap_set(&self, entries: Vec<EntryOf<L, V>>) -> Set<L, V> {
        // ORDERING: Relaxed: read when nobody else is there any more.
        self.any_on_heap.store(true, Ordering::Relaxed);
        Set::on_heap(entries)
    }

    /// Links `new` into the cells in place of the old set, and lets go of that one.
    fn swap(
        &self,
        written: &mut Written<L, V>,
        new: Set<L, V>,
        handle: &LocalHandle<'_, L, V>,
        guard: &Guard,
    ) {
        let finder = &handle.finder;
        // SAFETY: the sets are alive, and so are cells.
        let shown = |pointer: &*mut EntryOf<L, V>| unsafe { &**pointer }.is_shown();
        for pointer in new.pointers().filter(shown) {
            // SAFETY: as above.
            unsafe { &*(*pointer).cell }.link(pointer, finder, guard);
        }
        let old = std::mem::replace(&mut written.entries, new);
        if sings(Canary::KeepOldWrite) {
            // Not freed either: the fault is that it is seen, not that it is gone.
            return;
        }
        for pointer in old.pointers().filter(shown) {
            // SAFETY: as above.
            unsafe { &*(*pointer).cell }.unlink(pointer, finder, guard);
        }
        if old.on_heap && sings(Canary::FreeAtOnce) {
            // SAFETY: none, on purpose: this fault is let out where no reader follows what it has
            // found.
            unsafe { old.free() };
        } else if old.on_heap {
            // SAFETY: the set is out of every chain, and it was never committed (checked by the
            // callers), so only readers who pinned before can still reach it. Values are `'static`.
            unsafe {
                guard.defer_unchecked(move || {
                    let old = old;
                    old.free()
                })
            };
        }
    }
}

/// How many cells of `declared` are among those of `written`.
fn count_common<L, V: Value>(declared: &[EntryOf<L, V>], written: &[EntryOf<L, V>]) -> usize {
    if declared.is_empty() {
        return 0;
    }
    let written: HashSet<usize, RandomState> =
        written.iter().map(|entry| entry.cell.addr()).collect();
    declared.iter().filter(|entry| written.contains(&entry.cell.addr())).count()
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use super::*;
    use crate::mvmemory::cell::tests::Number;
    use crate::mvmemory::{Deltas, Found};
    use crate::primitives::ids::Version;

    type Memory = MvMemory<&'static str, Number>;
    type Local<'m> = LocalHandle<'m, &'static str, Number>;

    fn txn(index: u32) -> TxnIndex {
        TxnIndex::new(index)
    }

    fn storage(_: &&'static str) -> Result<Number, crate::contract::storage::BoxError> {
        Ok(Number(100))
    }

    fn memory() -> Memory {
        Memory::new(10, &Arc::new(ChunkPool::new(0)))
    }

    fn x<'m>(memory: &'m Memory, handle: &Local<'m>) -> &'m Cell<&'static str, Number> {
        memory.cell(&"x", handle)
    }

    /// What a reader at `at` sees, as `(writer, value)`.
    fn seen<'m>(
        memory: &'m Memory,
        at: u32,
        handle: &Local<'m>,
    ) -> Result<(Option<Version>, u8), u32> {
        let cell = x(memory, handle);
        match cell.latest_below(txn(at), true, &handle.finder.visited, &handle.pin()) {
            Found::Value(version, value) => Ok((version, value.0)),
            Found::Base => Ok((Some(Version::BASE), cell.fetch_base(&storage).expect("reads").0.0)),
            Found::Unknown(writer) => Err(writer.get()),
        }
    }

    fn write<'m>(
        memory: &'m Memory,
        at: u32,
        incarnation: u32,
        payload: Payload<Number>,
        handle: &Local<'m>,
    ) -> bool {
        let writes = vec![(x(memory, handle), payload)];
        memory.publish(txn(at), incarnation, writes.into_iter(), handle).changed
    }

    #[test]
    fn a_reader_sees_the_highest_version_below() {
        let memory = memory();
        let handle = &memory.handle();
        for at in [7, 1, 4] {
            assert!(write(&memory, at, 0, Payload::Value(Number(at as u8)), handle));
        }
        assert_eq!(seen(&memory, 1, handle), Ok((Some(Version::BASE), 100)));
        for (at, writer) in [(2, 1), (4, 1), (5, 4), (7, 4), (8, 7), (9, 7)] {
            let expected = Ok((Some(Version::new(txn(writer), 0)), writer as u8));
            assert_eq!(seen(&memory, at, handle), expected, "at {at}");
        }
    }

    #[test]
    fn a_long_chain_is_walked_by_shortcuts() {
        const TXNS: u32 = if cfg!(miri) { 300 } else { 5_000 };
        let memory = Memory::new(TXNS as usize, &Arc::new(ChunkPool::new(0)));
        let handle = &memory.handle();
        let value = |at: u32| Number((at % 251) as u8);
        let of = |at| Ok((Some(Version::new(txn(at), 0)), value(at).0));
        // As many workers write, each a row of its own: from the highest row down.
        let rows = || (0..TXNS / 100).rev();
        let walk = |work: &mut dyn FnMut()| {
            let before = handle.finder.visited.get();
            work();
            handle.finder.visited.get() - before
        };
        let mut longest = 0;
        for at in (0..100).flat_map(|n| rows().map(move |row| 100 * row + n)).filter(|n| n % 3 > 0)
        {
            let steps = walk(&mut || {
                assert!(write(&memory, at, 0, Payload::Value(value(at)), handle));
            });
            longest = longest.max(steps);
        }
        assert!(x(&memory, handle).has_shortcuts() && longest < 100, "{longest} versions");
        for at in (4..TXNS).step_by(37) {
            let below = (0..at).rev().find(|n| n % 3 > 0).expect("1 is one");
            let steps =
                walk(&mut || assert_eq!(seen(&memory, at, handle), of(below), "below {at}"));
            assert!(steps < 40, "{steps} versions below {at}");
        }
        // What is taken back is not met again, nor what was replaced.
        for at in (3..TXNS).filter(|n| n % 3 == 2) {
            if at % 2 == 0 {
                assert!(memory.withdraw(txn(at), handle));
            } else {
                write(&memory, at, 1, Payload::Value(value(at)), handle);
            }
        }
        for at in (6..TXNS).step_by(3) {
            let below = at - 1;
            let expected = match below % 2 {
                0 => of(below - 1),
                _ => Ok((Some(Version::new(txn(below), 1)), value(below).0)),
            };
            assert_eq!(seen(&memory, at, handle), expected, "below {at}");
        }
        // Readers above a committed version end there.
        memory.commit(txn(1), |_| false, &mut Vec::new(), &mut Vec::new());
        assert_eq!(seen(&memory, 2, handle), of(1));
    }

    #[test]
    fn a_reader_above_many_deltas_waits_for_their_commit() {
        let memory = Memory::new(100, &Arc::new(ChunkPool::new(0)));
        let handle = &memory.handle();
        x(&memory, handle).fetch_base(&storage).expect("reads");
        x(&memory, handle).show_deltas();
        for at in 0..50 {
            assert!(write(&memory, at, 0, Payload::Deltas(Deltas::One(1)), handle));
        }
        assert_eq!(seen(&memory, 32, handle), Ok((None, 132)));
        assert_eq!(seen(&memory, 33, handle), Err(0), "far from its turn");
        assert_eq!(seen(&memory, 50, handle), Err(17));
    }

    #[test]
    fn a_new_incarnation_replaces_or_removes() {
        let memory = memory();
        let handle = &memory.handle();
        assert!(write(&memory, 3, 0, Payload::Value(Number(1)), handle));
        memory.mark_estimates(txn(3));
        assert_eq!(seen(&memory, 5, handle), Err(3));
        assert!(!write(&memory, 3, 1, Payload::Value(Number(1)), handle), "same value");
        assert_eq!(seen(&memory, 5, handle), Ok((Some(Version::new(txn(3), 1)), 1)));
        assert!(memory.publish(txn(3), 2, std::iter::empty(), handle).changed, "written no more");
        assert_eq!(seen(&memory, 5, handle), Ok((Some(Version::BASE), 100)));
        assert!(!memory.withdraw(txn(3), handle));
    }

    #[test]
    fn deltas_add_up_and_never_wrap() {
        let memory = memory();
        let handle = &memory.handle();
        x(&memory, handle).fetch_base(&storage).expect("reads");
        x(&memory, handle).show_deltas();
        write(&memory, 1, 0, Payload::Deltas(Deltas::One(50)), handle);
        write(&memory, 2, 0, Payload::Deltas(Deltas::Many(vec![100, -60])), handle);
        write(&memory, 3, 0, Payload::Deltas(Deltas::One(66)), handle);
        assert_eq!(seen(&memory, 2, handle), Ok((None, 150)));
        assert_eq!(seen(&memory, 3, handle), Ok((None, 190)));
        assert_eq!(seen(&memory, 4, handle), Err(3), "190 + 66 does not fit");
        let (mut writes, mut touched) = (Vec::new(), Vec::new());
        for at in [1, 2] {
            assert!(memory.sum_deltas(txn(at), handle));
            memory.commit(txn(at), |_| false, &mut writes, &mut touched);
        }
        assert!(!memory.sum_deltas(txn(3), handle));
        assert_eq!(writes, [(&"x", &Number(150)), (&"x", &Number(190))]);
        assert_eq!(touched.len(), 1);
        assert_eq!(seen(&memory, 3, handle), Ok((Some(Version::new(txn(2), 0)), 190)));
    }

    #[test]
    fn deltas_that_nobody_wants_to_see_are_found_once_they_are_committed() {
        let memory = memory();
        let handle = &memory.handle();
        let cell = x(&memory, handle);
        cell.fetch_base(&storage).expect("reads");
        for at in [1, 2] {
            write(&memory, at, 0, Payload::Deltas(Deltas::One(5)), handle);
        }
        assert_eq!(seen(&memory, 3, handle), Ok((Some(Version::BASE), 100)));
        let commit = |at| {
            assert!(memory.sum_deltas(txn(at), handle));
            memory.commit(txn(at), |_| false, &mut Vec::new(), &mut Vec::new());
        };
        commit(1);
        assert_eq!(seen(&memory, 3, handle), Ok((Some(Version::new(txn(1), 0)), 105)));
        assert!(!cell.rests_on_base(txn(3), &handle.pin()));
        cell.show_deltas();
        write(&memory, 3, 0, Payload::Deltas(Deltas::One(7)), handle);
        assert_eq!(seen(&memory, 4, handle), Ok((None, 112)), "what comes now is seen at once");
        commit(2);
        assert_eq!(seen(&memory, 4, handle), Ok((None, 117)));
        assert!(cell.hid_a_delta(), "the second one");
        commit(3);
        assert!(!cell.hid_a_delta());
    }

    #[test]
    fn deltas_are_shown_at_once_where_somebody_may_scan_or_all_are_wanted() {
        let scanned = memory().indexed(Order::natural(), false, &Arc::new(ChunkPool::new(0)));
        let wanted = memory();
        wanted.show_deltas();
        for memory in [scanned, wanted] {
            let handle = &memory.handle();
            x(&memory, handle).fetch_base(&storage).expect("reads");
            assert!(write(&memory, 1, 0, Payload::Deltas(Deltas::One(5)), handle));
            assert_eq!(seen(&memory, 2, handle), Ok((None, 105)));
        }
    }

    /// A value that holds a share of a token, so that the token tells whether it is alive.
    #[derive(Clone, PartialEq, Eq)]
    struct Alive(Arc<()>);

    impl Value for Alive {
        type Delta = Infallible;
        type Predicate = Infallible;

        fn apply(&self, never: &Infallible) -> Option<Self> {
            match *never {}
        }

        fn satisfies(&self, never: &Infallible) -> bool {
            match *never {}
        }
    }

    #[test]
    fn a_retired_write_set_outlives_the_readers_that_may_reach_it() {
        let memory = MvMemory::<&'static str, Alive>::new(2, &Arc::new(ChunkPool::new(0)));
        let (handle, reader) = (memory.handle(), memory.handle());
        let cell = memory.cell(&"x", &handle);
        let publish = |incarnation| {
            let token = Arc::new(());
            let write = (cell, Payload::Value(Alive(Arc::clone(&token))));
            memory.publish(txn(0), incarnation, std::iter::once(write), &handle);
            token
        };
        let alive = |token: &Arc<()>| Arc::strong_count(token) > 1;
        // The first set is not freed by epoch: it lies in an arena until the block is over.
        let first = publish(0);
        let second = publish(1);
        let guard = reader.pin();
        let third = publish(2);
        memory.withdraw(txn(0), &handle);
        // Whatever others do, and however long.
        (0..1_000).for_each(|_| handle.pin().flush());
        assert!(alive(&second) && alive(&third), "freed under a reader");
        drop(guard);
        (0..1_000).for_each(|_| handle.pin().flush());
        assert!(!alive(&second) && !alive(&third), "never freed");
        assert!(alive(&first));
        drop((handle, reader));
        drop(memory);
        assert!(!alive(&first));
    }

    /// `RUSTFLAGS="--cfg block_stm_canaries" cargo test -p block-stm --lib canaries`.
    #[cfg(all(block_stm_canaries, not(any(loom, shuttle))))]
    #[test]
    fn canaries_are_noticed() {
        let faults: [(Canary, fn()); 1] =
            [(Canary::FreeAtOnce, a_retired_write_set_outlives_the_readers_that_may_reach_it)];
        for (fault, test) in faults {
            let holds = || std::thread::spawn(test).join().is_ok();
            assert!(holds(), "{fault:?}: the test fails as it is");
            crate::primitives::canary::let_out(Some(fault));
            let noticed = !holds();
            crate::primitives::canary::let_out(None);
            assert!(noticed, "{fault:?} goes unnoticed");
        }
    }

    #[test]
    fn hints_are_estimates_until_the_first_execution() {
        let memory = memory();
        let handle = &memory.handle();
        memory.declare(txn(2), &[x(&memory, handle)], handle);
        assert_eq!(seen(&memory, 3, handle), Err(2));
        let found =
            x(&memory, handle).latest_below(txn(3), false, &handle.finder.visited, &handle.pin());
        assert!(matches!(found, Found::Base));
        let published = memory.publish(txn(2), 0, std::iter::empty(), handle);
        assert_eq!((published.right_hints, published.wrong_hints), (0, 1));
        assert_eq!(seen(&memory, 3, handle), Ok((Some(Version::BASE), 100)));
        memory.declare(txn(2), &[x(&memory, handle)], handle);
        assert_eq!(seen(&memory, 3, handle), Ok((Some(Version::BASE), 100)), "too late to declare");
    }
}
