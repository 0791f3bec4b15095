//! Location to cell: a lock-free hash trie that only grows.
//!
//! The root has about two slots for each transaction of the block. Where two locations meet in a slot,
//! the slot is replaced by a branch of 16, chosen by the next four bits of the hash. A slot thus goes
//! through `empty -> cell -> branch`, each step one compare-and-swap, and never back: a cell keeps its address until the block is
//! over, and a lookup is a few loads that write nothing.
//!
//! Full locations are compared. Locations whose 64-bit hashes are equal hang behind one another as
//! *twins*; the hash is keyed with a fresh secret in every block, so that nobody outside can make twins.

use crate::canary::{Canary, sings};
use crate::sync::atomic::{AtomicPtr, Ordering};
use std::hash::{BuildHasher, Hash};
use std::ptr;

// A schedule can only be repeated if the table has the same shape again.
#[cfg(shuttle)]
use foldhash::fast::FixedState as RandomState;
#[cfg(not(shuttle))]
use foldhash::fast::RandomState;

use super::cell::Cell;
use super::index::LocationIndex;
use crate::vm::Value;

const BRANCH_BITS: u32 = 4;
const BRANCH: usize = 1 << BRANCH_BITS;
const MIN_ROOT: usize = 64;
const MAX_ROOT: usize = 1 << 18;

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
        // ORDERING: Acquire pairs with the Release of the compare-and-swap in `replace`: whoever sees
        // the pointer sees the cell or branch whole.
        let word = self.0.load(Ordering::Acquire);
        let content = if word.is_null() {
            Content::Empty
        } else if is_branch(word) {
            // SAFETY: a tagged word was made by `branch_word` from a leaked box, which is freed only when
            // the table is dropped; `&self` keeps the table alive.
            Content::Branch(unsafe { &*branch_of(word) })
        } else {
            // SAFETY: an untagged word came from a leaked `Box<Cell>`, freed only when the table is dropped.
            Content::Cell(unsafe { &*word })
        };
        (content, word)
    }

    /// Puts `new` in place of `expected`; whether it was still there.
    fn replace(&self, expected: *mut Cell<L, V>, new: *mut Cell<L, V>) -> bool {
        // ORDERING: Release publishes what `new` points to, see `load`. Failure carries nothing: the caller loads again.
        let release =
            if sings(Canary::InsertRelaxed) { Ordering::Relaxed } else { Ordering::Release };
        self.0.compare_exchange(expected, new, release, Ordering::Relaxed).is_ok()
    }
}

impl<L, V: Value> Drop for Slot<L, V> {
    fn drop(&mut self) {
        // ORDERING: Relaxed: `&mut`, so nobody else is there.
        let word = self.0.load(Ordering::Relaxed);
        if word.is_null() {
            return;
        }
        if is_branch(word) {
            // SAFETY: made by `branch_word` from `Box::into_raw`; this slot is its only owner.
            drop(unsafe { Box::from_raw(branch_of(word)) });
        } else {
            // SAFETY: from `Box::into_raw` in `find_or_insert`; this slot is its only owner.
            drop(unsafe { Box::from_raw(word) });
        }
    }
}

fn is_branch<L, V: Value>(word: *mut Cell<L, V>) -> bool {
    word.addr() & 1 == 1
}

fn branch_of<L, V: Value>(word: *mut Cell<L, V>) -> *mut Branch<L, V> {
    word.map_addr(|addr| addr & !1).cast()
}

fn branch_word<L, V: Value>(branch: Box<Branch<L, V>>) -> *mut Cell<L, V> {
    Box::into_raw(branch).cast::<Cell<L, V>>().map_addr(|addr| addr | 1)
}

/// The block's locations, each with its cell.
pub(super) struct Table<L, V: Value> {
    hasher: RandomState,
    root: Box<[Slot<L, V>]>,
    root_bits: u32,
    /// Has each location before it has a cell.
    index: Option<Box<dyn LocationIndex<L>>>,
}

impl<L: Eq + Hash + Clone, V: Value> Table<L, V> {
    /// A table with room for `locations` before it branches.
    pub(super) fn new(locations: usize) -> Self {
        Self::with_root(locations.clamp(MIN_ROOT, MAX_ROOT).next_power_of_two())
    }

    pub(super) fn with_root(len: usize) -> Self {
        let root = (0..len).map(|_| Slot::empty()).collect();
        Self { hasher: RandomState::default(), root, root_bits: len.trailing_zeros(), index: None }
    }

    /// Keeps the locations of an empty table in `index`, too.
    pub(super) fn keep_in(&mut self, index: Option<Box<dyn LocationIndex<L>>>) {
        self.index = index;
    }

    pub(super) fn index(&self) -> Option<&dyn LocationIndex<L>> {
        self.index.as_deref()
    }

    /// The cell of `location`, made on first use.
    pub(super) fn find_or_insert(&self, location: &L) -> &Cell<L, V> {
        self.find_or_insert_hashed(location, self.hasher.hash_one(location))
    }

    pub(super) fn find_or_insert_hashed(&self, location: &L, hash: u64) -> &Cell<L, V> {
        let mut slot = &self.root[(hash as usize) & (self.root.len() - 1)];
        let mut shift = self.root_bits;
        loop {
            match slot.load() {
                (Content::Empty, word) => {
                    self.announce(location);
                    let new = Box::into_raw(Box::new(Cell::new(location.clone(), hash)));
                    if slot.replace(word, new) {
                        // SAFETY: just published, freed only with the table.
                        return unsafe { &*new };
                    }
                    // SAFETY: not published, so still ours alone.
                    drop(unsafe { Box::from_raw(new) });
                }
                (Content::Branch(branch), _) => {
                    slot = &branch[branch_index(hash, shift)];
                    shift += BRANCH_BITS;
                }
                (Content::Cell(cell), _) if cell.hash() == hash => {
                    return cell.find_or_insert_twin(location, || self.announce(location));
                }
                (Content::Cell(cell), word) => grow(slot, word, branch_index(cell.hash(), shift)),
            }
        }
    }

    /// Puts a location into the index whose cell is about to be published.
    fn announce(&self, location: &L) {
        if let Some(index) = &self.index {
            index.insert(location);
        }
    }
}

/// Replaces the cell `word` in `slot` by a branch with that cell at `index`, unless somebody was faster.
fn grow<L, V: Value>(slot: &Slot<L, V>, word: *mut Cell<L, V>, index: usize) {
    let branch: Box<Branch<L, V>> = Box::new(std::array::from_fn(|_| Slot::empty()));
    // ORDERING: Relaxed: not shared yet.
    branch[index].0.store(word, Ordering::Relaxed);
    let tagged = branch_word(branch);
    if !slot.replace(word, tagged) {
        // SAFETY: not published, so still ours alone.
        let branch = unsafe { Box::from_raw(branch_of(tagged)) };
        // The cell belongs to the slot in the table: it must not be dropped with the branch.
        branch[index].0.store(ptr::null_mut(), Ordering::Relaxed);
    }
}

/// The place in a branch whose hash bits start at `shift`; two hashes that differ part ways before the bits run out.
fn branch_index(hash: u64, shift: u32) -> usize {
    (hash.checked_shr(shift).unwrap_or(0) as usize) & (BRANCH - 1)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::mvmemory::cell::tests::Number;

    #[test]
    fn each_location_has_one_cell() {
        let table = Table::<u64, Number>::with_root(1);
        let locations = if cfg!(miri) { 100 } else { 2_000 };
        let cells: Vec<_> =
            (0..locations).map(|n| ptr::from_ref(table.find_or_insert(&n))).collect();
        assert_eq!(cells.iter().collect::<HashSet<_>>().len(), cells.len());
        for (n, cell) in cells.iter().enumerate() {
            assert_eq!(*cell, ptr::from_ref(table.find_or_insert(&(n as u64))));
        }
    }

    #[test]
    fn equal_and_nearly_equal_hashes_stay_apart() {
        let table = Table::<u64, Number>::with_root(2);
        let hashes = [0, 0, 1 << 63, 1 << 62, u64::MAX, u64::MAX, u64::MAX >> 1];
        let find = |n: usize| ptr::from_ref(table.find_or_insert_hashed(&(n as u64), hashes[n]));
        let cells: Vec<_> = (0..hashes.len()).map(find).collect();
        assert_eq!(cells.iter().collect::<HashSet<_>>().len(), hashes.len());
        assert!((0..hashes.len()).all(|n| find(n) == cells[n]));
    }

    #[test]
    fn racing_threads_agree_on_the_cells() {
        let table = Table::<u64, Number>::with_root(1);
        let locations = if cfg!(miri) { 30 } else { 500 };
        let addresses = || {
            (0..locations)
                .map(|n| ptr::from_ref(table.find_or_insert(&n)).addr())
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
