//! A walk over a list of the index finds what was listed before and stays, and sees each location
//! whole.

use std::ops::{Bound, ControlFlow};
use std::sync::Arc;

use loom::thread;

use super::Watched;
use crate::mvmemory::cell::Cell;
use crate::mvmemory::chunks::ChunkPool;
use crate::mvmemory::index::{Index, Which};
use crate::primitives::order::Order;
use crate::proofs::models::explore_within;

type Locations = Index<Watched, Watched>;

/// An index, and the cells that are or were in it.
struct Shelf {
    index: Locations,
    cells: std::sync::Mutex<Vec<*mut Cell<Watched, Watched>>>,
}

// SAFETY: cells are shared through `&` alone, and freed when the last thread has let go of them.
unsafe impl Sync for Shelf {}
// SAFETY: as above.
unsafe impl Send for Shelf {}

impl Shelf {
    fn new() -> Arc<Self> {
        let index = Index::new(Order::natural(), false, &Arc::new(ChunkPool::new(0)));
        Arc::new(Self { index, cells: std::sync::Mutex::default() })
    }

    /// Makes a cell for the location.
    fn cell(&self, location: u8) -> &Cell<Watched, Watched> {
        let cell = Box::into_raw(Box::new(Cell::new(Watched::new(location), u64::from(location))));
        self.cells.lock().expect("no panic").push(cell);
        // SAFETY: freed with the shelf.
        unsafe { &*cell }
    }

    /// The cell that was made first.
    fn first(&self) -> &Cell<Watched, Watched> {
        let first = self.cells.lock().expect("no panic")[0];
        // SAFETY: as above.
        unsafe { &*first }
    }

    fn list(&self, cells: &[&Cell<Watched, Watched>]) {
        let lister = self.index.lister();
        cells.iter().for_each(|cell| self.index.list(Which::Held, cell, &lister));
    }

    /// The locations in the list.
    fn walk(&self) -> Vec<u8> {
        let mut found = Vec::new();
        self.index.walk(Which::Held, Bound::Unbounded, Bound::Unbounded, |cell| {
            found.push(cell.location().get());
            ControlFlow::Continue(())
        });
        found
    }
}

impl Drop for Shelf {
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
        let shelf = Shelf::new();
        let other = thread::spawn({
            let shelf = Arc::clone(&shelf);
            move || shelf.walk()
        });
        shelf.list(&[shelf.cell(1)]);
        let found = other.join().expect("no panic");
        assert!(found.is_empty() || found == [1], "{found:?}");
        assert_eq!(shelf.walk(), [1]);
    });
}

#[test]
fn neighbours_that_are_listed_at_once_are_both_there() {
    // Two threads look for a place in the same gap. The slower one finds that the gap is gone, and
    // looks again.
    //
    // Caught: links set without a look at the neighbours.
    explore_within(2, || {
        let shelf = Shelf::new();
        let other = thread::spawn({
            let shelf = Arc::clone(&shelf);
            move || shelf.list(&[shelf.cell(1)])
        });
        shelf.list(&[shelf.cell(2)]);
        other.join().expect("no panic");
        assert_eq!(shelf.walk(), [1, 2]);
    });
}

#[test]
fn a_location_that_two_list_is_there_once() {
    // Caught: links set without a look at whether the place is linked; a place stored without
    // comparing.
    explore_within(2, || {
        let shelf = Shelf::new();
        shelf.cell(1);
        let other = thread::spawn({
            let shelf = Arc::clone(&shelf);
            move || shelf.list(&[shelf.first()])
        });
        shelf.list(&[shelf.first()]);
        other.join().expect("no panic");
        assert_eq!(shelf.walk(), [1]);
    });
}

#[test]
fn what_stays_is_found_whatever_comes_and_goes_beside_it() {
    // A walk may stand on location 2 while that is taken out and put in again.
    //
    // Caught: a place whose own links are cleared when it is taken out.
    explore_within(2, || {
        let shelf = Shelf::new();
        let [one, two, three] = [1, 2, 3].map(|location| shelf.cell(location));
        shelf.list(&[one, two, three]);
        let other = thread::spawn({
            let shelf = Arc::clone(&shelf);
            move || shelf.walk()
        });
        shelf.index.delist(Which::Held, two);
        shelf.list(&[two]);
        let found = other.join().expect("no panic");
        assert!(found == [1, 3] || found == [1, 2, 3], "{found:?}");
        assert_eq!(shelf.walk(), [1, 2, 3]);
    });
}
