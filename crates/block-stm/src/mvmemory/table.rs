//! Location to cell: a lock-free hash trie that only grows.
//!
//! The root has about eight slots for each transaction of the block. Where two locations meet in a
//! slot, the slot is replaced by a branch of 16, chosen by the next four bits of the hash. A slot
//! thus goes through `empty -> cell -> branch`, each step one compare-and-swap, and never back: a
//! cell keeps its address until the block is over, and a lookup is a few loads that write nothing.
//!
//! Full locations are compared. Locations whose 64-bit hashes are equal hang behind one another as
//! *twins*; the hash is keyed with a fresh secret in every block, so that no host can make
//! twins.

use crate::primitives::canary::{Canary, sings};
use crate::primitives::key::is_same;
use crate::primitives::sync::atomic::{AtomicPtr, Ordering};
use std::hash::{BuildHasher, Hash};
use std::ptr;
use std::sync::Arc;

// A schedule can only be repeated if the table has the same shape again.
#[cfg(shuttle)]
use foldhash::fast::FixedState as RandomState;
#[cfg(not(shuttle))]
use foldhash::fast::RandomState;

use super::arena::{Arena, LocalArena};
use super::cell::Cell;
use super::chunks::ChunkPool;
use crate::contract::value::Value;

const BRANCH_BITS: u32 = 4;
const BRANCH: usize = 1 << BRANCH_BITS;
const MIN_ROOT: usize = 64;
const MAX_ROOT: usize = 1 << 20;

/// Null, a cell, or a branch (lowest bit set).
struct Slot<L, V: Value>(AtomicPtr<Cell<L, V>>);

type Branch<L, V> = [Slot<L, V>; BRANCH];

enum Content<'t, L, V: Value> {
    Empty,
    Cell(&'t Cell<L, V>),
    Branch(&'t Branch<L, V>),
}

impl<L, V: Value> Slot<L, V> {
    fn empty() -> Self {
        Self(AtomicPtr::new(ptr::null_mut()))
    }

    /// What is in the slot now, and the word to compare with when replacing it.
    fn load(&self) -> (Content<'_, L, V>, *mut Cell<L, V>) {
        // ORDERING: Acquire pairs with the Release of the compare-and-swap in `replace`: a thread
        // that sees the pointer sees the cell or branch whole.
        let word = self.0.load(Ordering::Acquire);
        let content = if word.is_null() {
            Content::Empty
        } else if is_branch(word) {
            // SAFETY: a tagged word was made by `branch_word`; branches live as long as the table,
            // and so does `&self`.
            Content::Branch(unsafe { &*branch_of(word) })
        } else {
            // SAFETY: an untagged word is a cell, which lives as long as the table.
            Content::Cell(unsafe { &*word })
        };
        (content, word)
    }

    /// Puts `new` in place of `expected`; whether it was still there.
    fn replace(&self, expected: *mut Cell<L, V>, new: *mut Cell<L, V>) -> bool {
        // ORDERING: Release publishes what `new` points to, see `load`. Failure carries nothing:
        // the caller loads again.
        let release =
            if sings(Canary::InsertRelaxed) { Ordering::Relaxed } else { Ordering::Release };
        self.0.compare_exchange(expected, new, release, Ordering::Relaxed).is_ok()
    }
}

fn is_branch<L, V: Value>(word: *mut Cell<L, V>) -> bool {
    word.addr() & 1 == 1
}

fn branch_of<L, V: Value>(word: *mut Cell<L, V>) -> *mut Branch<L, V> {
    word.map_addr(|addr| addr & !1).cast()
}

fn branch_word<L, V: Value>(branch: *mut Branch<L, V>) -> *mut Cell<L, V> {
    branch.cast::<Cell<L, V>>().map_addr(|addr| addr | 1)
}

/// The block's locations, each with its cell.
pub(crate) struct Table<L, V: Value> {
    hasher: RandomState,
    /// The slots where every lookup begins: a row of branches.
    root: *const [Slot<L, V>],
    /// How many bits of the hash the root takes.
    root_bits: u32,
    cells: Arena<Cell<L, V>>,
    branches: Arena<Branch<L, V>>,
}

/// Where one worker makes cells and branches.
pub(crate) struct LocalTable<'t, L, V: Value> {
    cells: LocalArena<'t, Cell<L, V>>,
    branches: LocalArena<'t, Branch<L, V>>,
}

impl<L, V: Value> LocalTable<'_, L, V> {
    pub(crate) fn cell(&self, location: L, hash: u64) -> *mut Cell<L, V> {
        self.cells.push(Cell::new(location, hash))
    }

    /// Takes back a cell that lost a race.
    pub(crate) fn unmake_cell(&self, cell: *mut Cell<L, V>) {
        self.cells.take_back(cell);
    }
}

// SAFETY: the slots are atomics, in memory that the table owns; what they point to is the memory's,
// see there.
unsafe impl<L: Send + Sync, V: Value> Send for Table<L, V> {}
// SAFETY: as above.
unsafe impl<L: Send + Sync, V: Value> Sync for Table<L, V> {}

impl<L, V: Value> Table<L, V> {
    /// A table with room for `locations` before it branches.
    pub(crate) fn new(locations: usize, pool: Arc<ChunkPool>) -> Self {
        Self::with_root(locations.clamp(MIN_ROOT, MAX_ROOT).next_power_of_two(), pool)
    }

    /// A table whose root has `len` slots, a power of two that fills branches.
    pub(crate) fn with_root(len: usize, pool: Arc<ChunkPool>) -> Self {
        debug_assert!(len.is_power_of_two() && len >= BRANCH, "a root of {len}");
        let branches = Arena::new(Arc::clone(&pool));
        let row = branches.local_arena().extend((0..len / BRANCH).map(|_| empty_branch()));
        Self {
            hasher: RandomState::default(),
            root: ptr::slice_from_raw_parts(row.cast::<Slot<L, V>>(), len),
            root_bits: len.trailing_zeros(),
            cells: Arena::new(pool),
            branches,
        }
    }

    /// Where the calling thread makes cells.
    pub(crate) fn local_table(&self) -> LocalTable<'_, L, V> {
        LocalTable { cells: self.cells.local_arena(), branches: self.branches.local_arena() }
    }
}

impl<L: Eq + Hash + Clone, V: Value> Table<L, V> {
    /// The cell of `location`, if it has one.
    pub(crate) fn find(&self, location: &L) -> Option<&Cell<L, V>> {
        let hash = self.hasher.hash_one(location);
        let (mut slot, mut shift) = self.start(hash);
        loop {
            match slot.load().0 {
                Content::Empty => return None,
                Content::Cell(cell) => return find_twin(cell, location),
                Content::Branch(branch) => slot = &branch[branch_index(hash, shift)],
            }
            shift += BRANCH_BITS;
        }
    }

    /// The cell of `location`, made on first use.
    pub(crate) fn find_or_insert<'t>(
        &'t self,
        location: &L,
        local_table: &LocalTable<'t, L, V>,
    ) -> &'t Cell<L, V> {
        self.find_or_insert_hashed(location, self.hasher.hash_one(location), local_table)
    }

    pub(crate) fn find_or_insert_hashed<'t>(
        &'t self,
        location: &L,
        hash: u64,
        local_table: &LocalTable<'t, L, V>,
    ) -> &'t Cell<L, V> {
        let (mut slot, mut shift) = self.start(hash);
        loop {
            match slot.load() {
                (Content::Empty, word) => {
                    let new = local_table.cell(location.clone(), hash);
                    if slot.replace(word, new) {
                        // SAFETY: just published; lives as long as the table.
                        return unsafe { &*new };
                    }
                    local_table.unmake_cell(new);
                }
                (Content::Branch(branch), _) => {
                    slot = &branch[branch_index(hash, shift)];
                    shift += BRANCH_BITS;
                }
                (Content::Cell(cell), _) if cell.hash() == hash => {
                    return find_or_insert_twin(cell, location, local_table);
                }
                (Content::Cell(cell), word) => {
                    grow(slot, word, branch_index(cell.hash(), shift), &local_table.branches);
                }
            }
        }
    }

    /// The root slot for `hash`, and how many bits of it were used up.
    fn start(&self, hash: u64) -> (&Slot<L, V>, u32) {
        // SAFETY: in an arena that lives as long as the table; branches in a row are slots in a
        // row.
        let slots = unsafe { &*self.root };
        (&slots[(hash as usize) & (slots.len() - 1)], self.root_bits)
    }
}

/// The cell of `location` among those with the first one's hash, if there is one.
fn find_twin<'t, L: Eq, V: Value>(first: &'t Cell<L, V>, location: &L) -> Option<&'t Cell<L, V>> {
    let mut cell = first;
    while !is_same(cell.location(), location) {
        // ORDERING: Acquire, as below. SAFETY: twins live as long as the table.
        cell = unsafe { cell.twin.load(Ordering::Acquire).as_ref() }?;
    }
    Some(cell)
}

/// The cell of `location` among those with the first one's hash, made on first use.
fn find_or_insert_twin<'t, L: Eq + Clone, V: Value>(
    first: &'t Cell<L, V>,
    location: &L,
    local_table: &LocalTable<'t, L, V>,
) -> &'t Cell<L, V> {
    let mut cell = first;
    while !is_same(cell.location(), location) && !sings(Canary::CompareByHash) {
        // ORDERING: Acquire pairs with the Release below: the twin is seen whole.
        let mut twin = cell.twin.load(Ordering::Acquire);
        if twin.is_null() {
            let new = local_table.cell(location.clone(), first.hash());
            // ORDERING: Release publishes the new cell; Acquire on failure, to use the other's.
            twin = match cell.twin.compare_exchange(twin, new, Ordering::Release, Ordering::Acquire)
            {
                Ok(_) => new,
                Err(other) => {
                    local_table.unmake_cell(new);
                    other
                }
            };
        }
        // SAFETY: twins live as long as the table.
        cell = unsafe { &*twin };
    }
    cell
}

fn empty_branch<L, V: Value>() -> Branch<L, V> {
    std::array::from_fn(|_| Slot::empty())
}

/// Replaces the cell `word` in `slot` by a branch with that cell at `index`, unless another worker
/// was faster.
fn grow<L, V: Value>(
    slot: &Slot<L, V>,
    word: *mut Cell<L, V>,
    index: usize,
    branches: &LocalArena<'_, Branch<L, V>>,
) {
    let branch: Branch<L, V> = empty_branch();
    // ORDERING: Relaxed: not shared yet.
    branch[index].0.store(word, Ordering::Relaxed);
    let branch = branches.push(branch);
    if !slot.replace(word, branch_word(branch)) {
        branches.take_back(branch);
    }
}

/// The place in a branch whose hash bits start at `shift`; two hashes that differ part ways before
/// the bits run out.
fn branch_index(hash: u64, shift: u32) -> usize {
    (hash.checked_shr(shift).unwrap_or(0) as usize) & (BRANCH - 1)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::mvmemory::cell::tests::Number;

    fn table(root: usize) -> Table<u64, Number> {
        Table::with_root(root, Arc::new(ChunkPool::new(0)))
    }

    #[test]
    fn each_location_has_one_cell() {
        let table = table(BRANCH);
        let local_table = &table.local_table();
        let locations = if cfg!(miri) { 100 } else { 2_000 };
        assert!(table.find(&7).is_none());
        let cells: Vec<_> =
            (0..locations).map(|n| ptr::from_ref(table.find_or_insert(&n, local_table))).collect();
        assert_eq!(cells.iter().collect::<HashSet<_>>().len(), cells.len());
        for (n, cell) in cells.iter().enumerate() {
            assert_eq!(*cell, ptr::from_ref(table.find_or_insert(&(n as u64), local_table)));
            assert_eq!(table.find(&(n as u64)).map(ptr::from_ref), Some(*cell));
        }
    }

    #[test]
    fn equal_and_nearly_equal_hashes_stay_apart() {
        let table = table(BRANCH);
        let local_table = &table.local_table();
        let hashes = [0, 0, 1 << 63, 1 << 62, u64::MAX, u64::MAX, u64::MAX >> 1];
        let find = |n: usize| {
            ptr::from_ref(table.find_or_insert_hashed(&(n as u64), hashes[n], local_table))
        };
        let cells: Vec<_> = (0..hashes.len()).map(find).collect();
        assert_eq!(cells.iter().collect::<HashSet<_>>().len(), hashes.len());
        assert!((0..hashes.len()).all(|n| find(n) == cells[n]));
    }

    #[test]
    fn only_equal_hashes_make_twins() {
        let table = table(BRANCH);
        let local_table = &table.local_table();
        let find = |n: u64, hash| table.find_or_insert_hashed(&n, hash, local_table);
        let first = find(0, 0);
        assert!(ptr::eq(find(1, 0), find_twin(first, &1).expect("a twin")));
        find(2, BRANCH as u64);
        find(3, 1 << 63);
        // A chain of all that meet in a slot would be a list to walk along.
        assert!(find_twin(first, &2).is_none() && find_twin(first, &3).is_none());
    }

    #[test]
    fn racing_threads_agree_on_the_cells() {
        let table = table(BRANCH);
        let locations = if cfg!(miri) { 30 } else { 500 };
        let addresses = || {
            let local_table = table.local_table();
            (0..locations)
                .map(|n| ptr::from_ref(table.find_or_insert(&n, &local_table)).addr())
                .collect::<Vec<_>>()
        };
        std::thread::scope(|scope| {
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(addresses)).collect();
            for thread in threads {
                assert_eq!(thread.join().expect("no panic"), addresses());
            }
        });
    }
}
