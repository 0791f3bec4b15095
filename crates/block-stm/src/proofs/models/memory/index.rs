//! A walk over a list of the index finds what was listed before and stays, and sees each location
//! whole.

use std::ops::{Bound, ControlFlow};
use std::sync::Arc;

use loom::thread;

use super::Watched;
use crate::mvmemory::cell::Cell;
use crate::mvmemory::chunks::ChunkPool;
use crate::mvmemory::index::{Index, ListKind};
use crate::primitives::order::Order;
use crate::proofs::models::explore_within;

type Locations = Index<Watched, Watched>;

/// An index, and the cells that are or were in it.
struct Listed {
    index: Locations,
    cells: std::sync::Mutex<Vec<*mut Cell<Watched, Watched>>>,
}

// SAFETY: cells are shared through `&` alone, and freed when the last thread has let go of them.
unsafe impl Sync for Listed {}
// SAFETY: as above.
unsafe impl Send for Listed {}

impl Listed {
    fn new() -> Arc<Self> {
        let index = Index::new(Order::natural(), false, &Arc::new(ChunkPool::new(0)));
        Arc::new(Self { index, cells: std::sync::Mutex::default() })
    }

    /// Makes a cell for the location.
    fn cell(&self, location: u8) -> &Cell<Watched, Watched> {
        let cell = Box::into_raw(Box::new(Cell::new(Watched::new(location), u64::from(location))));
        self.cells.lock().expect("no panic").push(cell);
        // SAFETY: freed with the index.
        unsafe { &*cell }
    }

    /// The cell that was made first.
    fn first(&self) -> &Cell<Watched, Watched> {
        let first = self.cells.lock().expect("no panic")[0];
        // SAFETY: as above.
        unsafe { &*first }
    }

    fn list(&self, cells: &[&Cell<Watched, Watched>]) {
        let local_index = self.index.local_index();
        cells.iter().for_each(|cell| self.index.list(ListKind::Present, cell, &local_index));
    }

    /// The locations in the list.
    fn walk(&self) -> Vec<u8> {
        let mut found = Vec::new();
        self.index.walk(ListKind::Present, Bound::Unbounded, Bound::Unbounded, |cell| {
            found.push(cell.location().get());
            ControlFlow::Continue(())
        });
        found
    }
}

impl Drop for Listed {
    fn drop(&mut self) {
        for cell in self.cells.get_mut().expect("no panic").drain(..) {
            // SAFETY: from `Box::into_raw`, and nobody else is there.
            drop(unsafe { Box::from_raw(cell) });
        }
    }
}

#[test]
pub(crate) fn a_location_is_seen_whole() {
    // One thread makes a cell and lists it, while another one walks.
    //
    // Caught: the Release of the link, or the Acquire of `seek`, weakened to Relaxed.
    explore_within(3, || {
        let listed = Listed::new();
        let other = thread::spawn({
            let listed = Arc::clone(&listed);
            move || listed.walk()
        });
        listed.list(&[listed.cell(1)]);
        let found = other.join().expect("no panic");
        assert!(found.is_empty() || found == [1], "{found:?}");
        assert_eq!(listed.walk(), [1]);
    });
}

#[test]
fn neighbours_that_are_listed_at_once_are_both_there() {
    // Two threads look for a place in the same gap. The slower one finds that the gap is gone, and
    // looks again.
    //
    // Caught: links set without a look at the neighbours.
    explore_within(2, || {
        let listed = Listed::new();
        let other = thread::spawn({
            let listed = Arc::clone(&listed);
            move || listed.list(&[listed.cell(1)])
        });
        listed.list(&[listed.cell(2)]);
        other.join().expect("no panic");
        assert_eq!(listed.walk(), [1, 2]);
    });
}

#[test]
fn a_location_that_two_list_is_there_once() {
    // Caught: links set without a look at whether the place is linked; a place stored without
    // comparing.
    explore_within(2, || {
        let listed = Listed::new();
        listed.cell(1);
        let other = thread::spawn({
            let listed = Arc::clone(&listed);
            move || listed.list(&[listed.first()])
        });
        listed.list(&[listed.first()]);
        other.join().expect("no panic");
        assert_eq!(listed.walk(), [1]);
    });
}

#[test]
fn what_stays_is_found_whatever_comes_and_goes_beside_it() {
    // A walk may stand on location 2 while that is taken out and put in again.
    //
    // Caught: a place whose own links are cleared when it is taken out.
    explore_within(2, || {
        let listed = Listed::new();
        let [one, two, three] = [1, 2, 3].map(|location| listed.cell(location));
        listed.list(&[one, two, three]);
        let other = thread::spawn({
            let listed = Arc::clone(&listed);
            move || listed.walk()
        });
        listed.index.delist(ListKind::Present, two);
        listed.list(&[two]);
        let found = other.join().expect("no panic");
        assert!(found == [1, 3] || found == [1, 2, 3], "{found:?}");
        assert_eq!(listed.walk(), [1, 2, 3]);
    });
}
