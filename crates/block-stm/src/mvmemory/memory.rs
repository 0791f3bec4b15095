//! The memory as a whole: its cells, and who wrote what into them.

use std::hash::Hash;
use std::sync::Arc;

use crossbeam_epoch::{Collector, Guard};

use super::arena::{Arena, LocalArena};
use super::cell::{Cell, Count, EntryOf, ShortcutsOf};
use super::chunks::ChunkPool;
use super::entry::{Entry, Payload};
use super::index::{Index, LocalIndex};
use super::named::NamedSpan;
use super::table::{LocalTable, Table};
use super::write_set::{Phase, WriteSet, count_common};
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
    /// What each transaction wrote.
    written: Box<[Mutex<WriteSet<L, V>>]>,
    /// Whether there was ever a write set on the heap.
    any_on_heap: AtomicBool,
    /// Whether all cells show their deltas; see [`Cell::show_deltas`].
    shows_deltas: AtomicBool,
    collector: Collector,
}

/// A thread's place at the memory: what it needs to read and to write there.
pub(crate) struct LocalHandle<'m, L, V: Value> {
    epoch: crossbeam_epoch::LocalHandle,
    /// How many versions walks along chains have looked at.
    pub(crate) visited: Count,
    shortcuts: LocalArena<'m, ShortcutsOf<L, V>>,
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

// SAFETY: cells and entries hold locations and values, both `Send + Sync`, behind atomics, locks
// and places that are set once; the raw pointers in them are followed according to the rules in the
// module's documentation.
unsafe impl<L: Send + Sync, V: Value> Sync for MvMemory<L, V> {}
// SAFETY: as for `Sync`; nothing in it is bound to a thread.
unsafe impl<L: Send + Sync, V: Value> Send for MvMemory<L, V> {}

impl<L, V: Value> Drop for MvMemory<L, V> {
    fn drop(&mut self) {
        // ORDERING: Relaxed: `&mut`, so no other thread is there.
        if !self.any_on_heap.load(Ordering::Relaxed) {
            return;
        }
        for written in &mut self.written {
            let set = std::mem::replace(written.get_mut(), WriteSet::empty(Phase::Committed));
            // SAFETY: `&mut self`: no cell is borrowed, so no entry is reached any more. Cells hold
            // dangling pointers now, which are not followed.
            unsafe { set.free() };
        }
    }
}

impl<L: Eq + Hash + Clone + Send + Sync + 'static, V: Value> MvMemory<L, V> {
    /// An empty memory for a block of `txns` transactions.
    ///
    /// # Cost
    /// Some 50 bytes for each transaction.
    pub(crate) fn new(txns: usize, pool: &Arc<ChunkPool>) -> Self {
        Self {
            table: Table::new(txns.saturating_mul(8), Arc::clone(pool)),
            index: None,
            entries: Arena::new(Arc::clone(pool)),
            sums: Arena::new(Arc::clone(pool)),
            shortcuts: Arena::new(Arc::clone(pool)),
            written: (0..txns).map(|_| Mutex::new(WriteSet::empty(Phase::Declared))).collect(),
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
        // A scan looks for locations that no run has looked at, which cannot be told to show their
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

    /// The locations that may hold something in their order, if the block may scan them.
    pub(crate) const fn index(&self) -> Option<&Index<L, V>> {
        self.index.as_ref()
    }

    /// Lets scans find a location, if there may be any, where something is about to be written.
    pub(crate) fn list_pending<'m>(&'m self, cell: &Cell<L, V>, handle: &LocalHandle<'m, L, V>) {
        if let (Some(index), Some(local_index)) = (&self.index, &handle.local_index) {
            index.list_pending(cell, local_index);
        }
    }

    /// The storage named a location, and was asked for the first one between these boundaries, if
    /// it has any there. What is known of its locations from there on.
    pub(crate) fn note_named<'m>(
        &'m self,
        (from, to): (Boundary<L>, Boundary<L>),
        answer: Option<&L>,
        handle: &LocalHandle<'m, L, V>,
    ) -> Option<NamedSpan<L>> {
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
            visited: Count::new(0),
            shortcuts: self.shortcuts.local_arena(),
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
        if written.phase == Phase::Declared && written.entries().is_empty() {
            let hint = |cell: &&Cell<L, V>| cell.entry(txn, 0, None, false);
            let hints = self.heap_set(cells.iter().map(hint).collect(), Phase::Declared);
            self.swap(&mut written, hints, handle, &guard);
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
            (phase == Phase::Declared, written.as_ptr())
        };
        // Not under the lock: values are compared by code of the user's.
        // SAFETY: a published set is replaced by the owner of `txn` alone, which the caller is.
        let before: &[EntryOf<L, V>] = unsafe { &*before };
        if writes.len() == 0 && before.is_empty() {
            return Published::default();
        }
        let (mut same, any) = (writes.len() == before.len(), writes.len() > 0);
        // No reader notices what is not shown.
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
            true if declared => WriteSet::in_arena(handle.entries.extend(entries)),
            true => self.heap_set(entries.collect(), Phase::Published),
            false => WriteSet::empty(Phase::Published),
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
        written.entries().iter().for_each(Entry::mark_estimate);
    }

    /// Takes back whatever `txn` wrote or was declared to write. Whether there was anything.
    pub(crate) fn withdraw(&self, txn: TxnIndex, handle: &LocalHandle<'_, L, V>) -> bool {
        let guard = handle.pin();
        let mut written = self.written[txn.as_usize()].lock();
        assert!(written.phase != Phase::Committed, "txn {txn} is final");
        written.phase = Phase::Published;
        let any = !written.entries().is_empty();
        if any {
            self.swap(&mut written, WriteSet::empty(Phase::Published), handle, &guard);
        }
        any
    }

    /// Sums up the deltas of the lowest uncommitted transaction; `false` if one of them does not
    /// apply or rests on a base value that was not fetched.
    pub(crate) fn sum_deltas(&self, txn: TxnIndex, handle: &LocalHandle<'_, L, V>) -> bool {
        let entries = self.written[txn.as_usize()].lock().as_ptr();
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
                // can be reached.
                unsafe { entry.set_sum(handle.sums.push(sum)) };
                true
            })
        })
    }

    /// Makes the writes of the lowest uncommitted transaction final, and adds each location
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
        for (n, pointer) in written.pointers().enumerate() {
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
            let value = entry.value().expect("summed up before it is committed");
            writes.push((cell.location(), value));
        }
    }

    /// Puts the locations into the index or takes them out, as what a committed transaction left
    /// there demands. Apart from [`commit`](MvMemory::commit), as locations are compared, which is
    /// not done under a lock.
    pub(crate) fn update_index<'m>(&'m self, txn: TxnIndex, handle: &LocalHandle<'m, L, V>) {
        let (Some(index), Some(local_index)) = (&self.index, &handle.local_index) else { return };
        let entries = self.written[txn.as_usize()].lock().as_ptr();
        let pinned = &handle.pin();
        // SAFETY: a committed set is freed only with the memory.
        for entry in unsafe { &*entries } {
            // SAFETY: cells live as long as the memory.
            index.update(unsafe { &*entry.cell }, txn.next(), local_index, pinned);
        }
    }

    /// Takes locations where nothing was left out of those that are present: a worker listed them
    /// that learnt of the write too late. Only called by the holder of the baton.
    pub(crate) fn put_right(&self, cells: &[&Cell<L, V>]) {
        let Some(index) = &self.index else { return };
        cells.iter().for_each(|cell| index.put_right(cell));
    }

    fn heap_set(&self, entries: Vec<EntryOf<L, V>>, phase: Phase) -> WriteSet<L, V> {
        // ORDERING: Relaxed: read when no other thread is there any more.
        self.any_on_heap.store(true, Ordering::Relaxed);
        WriteSet::on_heap(entries, phase)
    }

    /// Links `new` into the cells in place of the old set, and lets go of that one.
    fn swap(
        &self,
        written: &mut WriteSet<L, V>,
        new: WriteSet<L, V>,
        handle: &LocalHandle<'_, L, V>,
        guard: &Guard,
    ) {
        let LocalHandle { visited, shortcuts, .. } = handle;
        // SAFETY: the sets are alive, and so are cells.
        let shown = |pointer: &*mut EntryOf<L, V>| unsafe { &**pointer }.is_shown();
        for pointer in new.pointers().filter(shown) {
            // SAFETY: as above.
            unsafe { &*(*pointer).cell }.link(pointer, visited, shortcuts, guard);
        }
        let old = std::mem::replace(written, new);
        if sings(Canary::KeepOldWrite) {
            // Not freed either: the fault is that it is seen, not that it is gone.
            return;
        }
        for pointer in old.pointers().filter(shown) {
            // SAFETY: as above.
            unsafe { &*(*pointer).cell }.unlink(pointer, visited, guard);
        }
        if old.is_on_heap() && sings(Canary::FreeAtOnce) {
            // SAFETY: none, on purpose: this fault is let out where no reader follows what it has
            // found.
            unsafe { old.free() };
        } else if old.is_on_heap() {
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

#[cfg(test)]
mod tests;
