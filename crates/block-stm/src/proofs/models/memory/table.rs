//! Each location has one cell, whoever asks first.

use std::ptr;
use std::sync::Arc;

use loom::thread;

use super::Watched;
use crate::mvmemory::chunks::ChunkPool;
use crate::mvmemory::table::{LocalTable, Table};
use crate::proofs::models::explore_within;

type Locations = Table<Watched, Watched>;

/// The address of the cell of a location; its hash is the location's tens, beyond the bits that the
/// root takes: all meet in one root slot, and `11` and `12` are twins.
fn find<'t>(
    table: &'t Locations,
    location: u8,
    local_table: &LocalTable<'t, Watched, Watched>,
) -> usize {
    let hash = u64::from(location / 10) << 4;
    let cell = table.find_or_insert_hashed(&Watched::new(location), hash, local_table);
    assert_eq!(cell.location().get(), location, "another location's cell");
    ptr::from_ref(cell).addr()
}

/// Looks for these locations from two threads at the same time, and again when all is quiet.
fn race(mine: &'static [u8], others: &'static [u8]) {
    explore_within(3, move || {
        let table = Arc::new(Locations::with_root(16, Arc::new(ChunkPool::new(0))));
        let find_all = |table: &Locations, locations: &[u8]| {
            let local_table = table.local_table();
            let find = |location: &u8| (*location, find(table, *location, &local_table));
            locations.iter().map(find).collect::<Vec<_>>()
        };
        let other = thread::spawn({
            let table = Arc::clone(&table);
            move || find_all(&table, others)
        });
        let mut found = find_all(&table, mine);
        found.extend(other.join().expect("no panic"));
        let local_table = table.local_table();
        for (location, address) in &found {
            assert_eq!(
                *address,
                find(&table, *location, &local_table),
                "location {location} has two cells"
            );
        }
        for (a, address) in &found {
            let shared = found.iter().any(|(b, other)| a != b && address == other);
            assert!(!shared, "location {a} shares its cell");
        }
    });
}

#[test]
pub(crate) fn an_equal_location_gets_the_same_cell() {
    // Both find the slot empty. One of them is faster; the other throws its cell away and takes the
    // first one's, whole.
    //
    // Caught: the compare-and-swap replaced by a store; its Release, or the Acquire of `load`,
    // weakened to Relaxed.
    race(&[11], &[11]);
}

#[test]
fn twins_hang_behind_one_another() {
    // Equal hashes, different locations, inserted in both orders at once.
    //
    // Caught: Release, Acquire, or the Acquire on failure weakened in `find_or_insert_twin`;
    // locations not compared.
    race(&[11, 12], &[12, 11]);
}

#[test]
fn a_third_twin_waits_at_the_same_place() {
    // Caught: as above.
    race(&[11, 13], &[12]);
}

#[test]
fn two_cells_meet_and_part_in_a_branch() {
    // Hashes 1 and 2 meet in the first root slot, which becomes a branch: both grow it at once, or
    // one while the other still walks over the cell that was there.
    //
    // Caught: `grow` that stores without comparing: the other's branch and what it holds are lost.
    race(&[11, 21], &[21, 11]);
}

#[test]
fn branches_branch() {
    // Hashes 1 and 17 differ in their second four bits only: two levels grow.
    //
    // Caught: as above; `load` or `replace` weakened to Relaxed.
    race(&[11, 171], &[171]);
}
