//! The record of one execution: what it read, relied on and wrote, in one table, and what it came
//! to.

use std::collections::HashMap;
use std::ptr;
use std::time::Duration;

use foldhash::fast::RandomState;

use super::access::{Access, Assertion, Seen};
use super::disbelieved::Disbelieved;
use super::names::CellOf;
use super::scans::Scans;
use crate::contract::execution::ExecutionOf;
use crate::contract::types::{DeltaOf, Types};
use crate::mvmemory::{Deltas, Payload, Write};

/// What an optimistic run came to.
pub(crate) type RunResult<V> = Result<ExecutionOf<V>, Disbelieved>;

/// Up to this many accesses, looking at one after the other is faster than an index.
pub(super) const FEW: usize = 16;

/// How many of the last accesses are looked through before a location is looked up. A transaction
/// mostly comes back soon.
const RECENT: usize = 4;

pub(crate) struct Run<'b, V: Types> {
    pub(super) accesses: Vec<Access<'b, V>>,
    /// The cell of each access, close together, for looking through them.
    pub(super) cells: Vec<&'b CellOf<V>>,
    pub(super) assertions: Vec<Assertion<V>>,
    /// Places of the accesses with a write, in the order of the first write.
    pub(super) writes: Vec<usize>,
    pub(super) observations: u32,
    pub(super) scans: Scans<'b, V::Location>,
    /// Address of the cell to place, once there are more than `FEW` accesses.
    index: HashMap<usize, usize, RandomState>,
    /// What it came to, once it is over; `Err` if it failed in a way that is only believed of the
    /// head.
    pub(crate) result: Option<RunResult<V>>,
    /// How long it took, if that was looked at.
    pub(crate) took: Option<Duration>,
}

impl<V: Types> Default for Run<'_, V> {
    fn default() -> Self {
        Self {
            accesses: Vec::new(),
            cells: Vec::new(),
            assertions: Vec::new(),
            writes: Vec::new(),
            observations: 0,
            scans: Scans::default(),
            index: HashMap::default(),
            result: None,
            took: None,
        }
    }
}

impl<'b, V: Types> Run<'b, V> {
    /// Forgets everything but the allocations.
    pub(crate) fn clear(&mut self) {
        self.accesses.clear();
        self.cells.clear();
        self.assertions.clear();
        self.writes.clear();
        self.observations = 0;
        self.scans.clear();
        self.index.clear();
        self.result = None;
        self.took = None;
    }

    /// The place of `cell`'s access, made on first use.
    pub(crate) fn place(&mut self, cell: &'b CellOf<V>) -> usize {
        if let Some(place) = self.find(cell) {
            return place;
        }
        let place = self.accesses.len();
        if place == 0 {
            self.cells.reserve(FEW);
        }
        self.accesses.push(Access::new(cell));
        self.cells.push(cell);
        match place {
            ..FEW => {}
            FEW => {
                let places = self.accesses.iter().enumerate();
                self.index.extend(
                    places.map(|(place, access)| (ptr::from_ref(access.cell).addr(), place)),
                );
            }
            _ => {
                self.index.insert(ptr::from_ref(cell).addr(), place);
            }
        }
        place
    }

    pub(super) fn find(&self, cell: &CellOf<V>) -> Option<usize> {
        if self.accesses.len() > FEW {
            return self.index.get(&ptr::from_ref(cell).addr()).copied();
        }
        self.cells.iter().position(|known| ptr::eq(*known, cell))
    }

    /// The place of `location`'s access, if it is among the last few.
    pub(crate) fn recent(&self, location: &V::Location) -> Option<usize> {
        let mut last = self.cells.iter().enumerate().rev().take(RECENT);
        last.find(|(_, cell)| cell.location() == location).map(|(place, _)| place)
    }

    /// The cells of all accesses.
    pub(crate) fn cells(&self) -> &[&'b CellOf<V>] {
        &self.cells
    }

    pub(crate) fn access(&self, place: usize) -> &Access<'b, V> {
        &self.accesses[place]
    }

    pub(crate) fn see(&mut self, place: usize, seen: Seen<V::Value>) {
        self.accesses[place].seen = Some(seen);
    }

    /// Notes that the run was shown some value.
    pub(crate) fn glimpse(&mut self, place: usize) {
        self.accesses[place].glimpsed = true;
    }

    pub(crate) fn rely_on(&mut self, place: usize) {
        self.accesses[place].relied_on = true;
    }

    /// Notes that the VM read another transaction's write.
    pub(crate) fn observe(&mut self, place: usize) {
        let access = &mut self.accesses[place];
        access.relied_on = true;
        if access.observed == 0 {
            self.observations += 1;
            access.observed = self.observations;
        }
    }

    pub(crate) fn assert(&mut self, assertion: Assertion<V>) {
        self.accesses[assertion.place].assumed |= !assertion.looked;
        self.assertions.push(assertion);
    }

    /// Sets the run's own write, whatever it was.
    pub(crate) fn overwrite(&mut self, place: usize, value: V::Value) {
        self.update(place, Payload::Value(value));
        self.accesses[place].by_delta = false;
    }

    /// Sets the run's own write to what deltas made of it, or of the value below.
    pub(crate) fn update(&mut self, place: usize, own: Payload<V::Value>) {
        self.scans.note_write(place);
        let access = &mut self.accesses[place];
        if access.own.replace(own).is_none() {
            access.by_delta = true;
            self.writes.push(place);
        }
    }

    /// Adds `delta` to the deltas made so far.
    pub(crate) fn push_delta(&mut self, place: usize, delta: DeltaOf<V>) {
        match &mut self.accesses[place].own {
            Some(Payload::Deltas(deltas)) => deltas.push(delta),
            _ => self.update(place, Payload::Deltas(Deltas::One(delta))),
        }
    }

    /// What the run has written: values, or `None` for deltas.
    pub(crate) fn written(&self) -> impl Iterator<Item = (&'b CellOf<V>, Option<&V::Value>)> {
        self.writes.iter().map(|&place| {
            let access = &self.accesses[place];
            let value = match &access.own {
                Some(Payload::Value(value)) => Some(value),
                _ => None,
            };
            (access.cell, value)
        })
    }

    /// Moves the writes out, in the order of the first write at each location.
    pub(crate) fn take_writes(
        &mut self,
    ) -> impl ExactSizeIterator<Item = Write<'b, V::Location, V::Value>> {
        let accesses = &mut self.accesses;
        self.writes.iter().map(|&place| {
            let access = &mut accesses[place];
            let payload = access.own.take().expect("each place in the list has a write");
            (access.cell, payload)
        })
    }

    /// Notes that the VM comes to know something of what is there: of what lies below, unless the
    /// run wrote there.
    pub(crate) fn note_asked(&mut self, place: usize) {
        let access = &mut self.accesses[place];
        access.asked |= access.own.is_none();
    }

    /// Whether the VM came to know something of what was at the location of its n-th write before:
    /// by looking, by taking something for granted, by adding to it.
    pub(crate) fn asked_before(&self, n: usize) -> bool {
        self.accesses[self.writes[n]].asked
    }
}
