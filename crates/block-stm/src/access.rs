//! What one incarnation read, relied on and wrote: its read set and its write set, in one table, and what it came to.

mod scans;

use std::collections::HashMap;
use std::ptr;

use foldhash::fast::RandomState;

use self::scans::Scans;
use crate::canary::{Canary, sings};
use crate::ids::{TxnIndex, Version};
use crate::job::Disbelieved;
use crate::mvmemory::{Cell, Deltas, Payload, Write};
use crate::vm::{Execution, Value, Vm};

pub(crate) type CellOf<V> = Cell<<V as Vm>::Location, <V as Vm>::Value>;
type PredicateOf<V> = <<V as Vm>::Value as Value>::Predicate;
/// What an optimistic run came to.
pub(crate) type RunResult<V> =
    Result<Execution<<V as Vm>::Output, <V as Vm>::Invalid>, Disbelieved>;

/// Up to this many accesses, looking at one after the other is faster than an index.
const FEW: usize = 16;

/// How many of the last accesses are looked through before a location is looked up. A transaction mostly comes back soon.
const RECENT: usize = 4;

/// Everything that a run did at one location.
pub(crate) struct Access<'b, V: Vm> {
    pub(crate) cell: &'b CellOf<V>,
    /// The value from below that the run was shown, the same whenever it looks again.
    pub(crate) seen: Option<Seen<V::Value>>,
    /// Whether the run was shown some value from below beside `seen`.
    pub(crate) glimpsed: bool,
    /// Whether the run stands or falls with `seen`, beyond its assertions.
    pub(crate) relied_on: bool,
    /// When the VM first read what somebody else had written here, counted from 1; 0 for never.
    pub(crate) observed: u32,
    /// Whether the location was a candidate when its surroundings were scanned for the first time.
    pub(crate) is_covered: bool,
    /// Whether the VM came to know something of what lies below.
    pub(crate) asked: bool,
    /// Whether a predicate was taken for granted here, which the judge will ask for.
    pub(crate) assumed: bool,
    pub(crate) own: Option<Own<V::Value>>,
    /// `own` is made by deltas alone, so that reading it observes what lies below.
    pub(crate) by_delta: bool,
}

impl<'b, V: Vm> Access<'b, V> {
    const fn new(cell: &'b CellOf<V>) -> Self {
        Self {
            cell,
            seen: None,
            glimpsed: false,
            relied_on: false,
            observed: 0,
            is_covered: false,
            asked: false,
            assumed: false,
            own: None,
            by_delta: false,
        }
    }
}

/// A value from below, with the version that wrote it unless it was summed up from deltas.
#[derive(Clone, Debug)]
pub(crate) struct Seen<T> {
    pub(crate) version: Option<Version>,
    pub(crate) value: T,
}

/// A write of the run itself.
#[derive(Clone, Debug)]
pub(crate) enum Own<T: Value> {
    Value(T),
    Deltas(Deltas<T::Delta>),
}

/// A predicate and what it answered, or was taken to answer.
pub(crate) struct Assertion<V: Vm> {
    pub(crate) place: usize,
    pub(crate) predicate: PredicateOf<V>,
    pub(crate) answer: bool,
    /// The answer came from the value seen, not from faith.
    pub(crate) looked: bool,
}

pub(crate) struct Run<'b, V: Vm> {
    accesses: Vec<Access<'b, V>>,
    /// The cell of each access, close together, for looking through them.
    cells: Vec<&'b CellOf<V>>,
    assertions: Vec<Assertion<V>>,
    /// Places of the accesses with a write, in the order of the first write.
    writes: Vec<usize>,
    observations: u32,
    scans: Scans<'b, V::Location>,
    /// Address of the cell to place, once there are more than `FEW` accesses.
    index: HashMap<usize, usize, RandomState>,
    /// What it came to, once it is over; `Err` if it failed in a way that is only believed of the head.
    pub(crate) result: Option<RunResult<V>>,
}

impl<V: Vm> Default for Run<'_, V> {
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
        }
    }
}

impl<'b, V: Vm> Run<'b, V> {
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

    fn find(&self, cell: &CellOf<V>) -> Option<usize> {
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
    pub(crate) fn cells(&self) -> impl Iterator<Item = &'b CellOf<V>> {
        self.cells.iter().copied()
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

    /// Notes that the VM read somebody else's write.
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
        self.update(place, Own::Value(value));
        self.accesses[place].by_delta = false;
    }

    /// Sets the run's own write to what deltas made of it, or of the value below.
    pub(crate) fn update(&mut self, place: usize, own: Own<V::Value>) {
        self.scans.note_write(place);
        let access = &mut self.accesses[place];
        if access.own.replace(own).is_none() {
            access.by_delta = true;
            self.writes.push(place);
        }
    }

    /// Adds `delta` to the deltas made so far.
    pub(crate) fn push_delta(&mut self, place: usize, delta: <V::Value as Value>::Delta) {
        match &mut self.accesses[place].own {
            Some(Own::Deltas(deltas)) => deltas.push(delta),
            _ => self.update(place, Own::Deltas(Deltas::One(delta))),
        }
    }

    /// What the run has written: values, or `None` for deltas.
    pub(crate) fn written(&self) -> impl Iterator<Item = (&'b CellOf<V>, Option<&V::Value>)> {
        self.writes.iter().map(|&place| {
            let access = &self.accesses[place];
            let value = match &access.own {
                Some(Own::Value(value)) => Some(value),
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
            let payload = match access.own.take().expect("each place in the list has a write") {
                Own::Value(value) => Payload::Value(value),
                Own::Deltas(deltas) => Payload::Deltas(deltas),
            };
            (access.cell, payload)
        })
    }

    /// Notes that the VM comes to know something of what is there: of what lies below, unless the run wrote there.
    pub(crate) fn note_asked(&mut self, place: usize) {
        let access = &mut self.accesses[place];
        access.asked |= access.own.is_none();
    }

    /// Whether the VM came to know something of what was at the location of its n-th write before: by looking, by taking
    /// something for granted, by adding to it.
    pub(crate) fn asked_before(&self, n: usize) -> bool {
        self.accesses[self.writes[n]].asked
    }

    /// Cells whose value the judge will need, though the run did not look.
    pub(crate) fn unseen_cells(&self) -> impl Iterator<Item = &'b CellOf<V>> {
        let judged = |access: &&Access<'b, V>| match access.own {
            _ if access.seen.is_some() => false,
            // Hidden by the run's own write, unless something was taken for granted before that.
            Some(Own::Value(_)) => access.assumed || access.glimpsed,
            Some(Own::Deltas(_)) | None => true,
        };
        self.accesses.iter().filter(judged).map(|access| access.cell)
    }

    /// Whether the run would see and answer the same on top of what `now` tells of each cell:
    /// the value and its version, if there is one. The only judge of reads, at commit; before that a guess.
    pub(crate) fn validate<'v>(
        &self,
        stage: Stage,
        mut now: impl FnMut(&'b CellOf<V>) -> Option<(Option<Version>, Reading<'v, V::Value>)>,
    ) -> Result<(), Stale>
    where
        V::Value: 'v,
    {
        if sings(Canary::SkipValidation) {
            return Ok(());
        }
        for access in &self.accesses {
            let Some(seen) = &access.seen else {
                // As below for a value that was only peeked at.
                let judged = access.glimpsed && stage == Stage::Commit;
                if judged && !sings(Canary::SkipGlimpses) && now(access.cell).is_none() {
                    return Err(Stale::Read);
                }
                continue;
            };
            if !access.relied_on && stage == Stage::Early {
                continue;
            }
            // A value that was only peeked at may have changed, but must be there: a sequential execution
            // would have asked the storage for it.
            let (version, value) = now(access.cell).ok_or(Stale::Read)?;
            let same_version = seen.version.is_some()
                && (seen.version == version
                    || sings(Canary::ForgetIncarnation)
                        && seen.version.map(Version::txn) == version.map(Version::txn));
            if access.relied_on && !same_version && seen.value != *value.get() {
                return Err(Stale::Read);
            }
        }
        // What was taken for granted is taken for granted again: repeating the run before its turn changes nothing.
        let early = |assertion: &&Assertion<V>| {
            assertion.looked || stage == Stage::Commit || sings(Canary::RepeatAssumptions)
        };
        if sings(Canary::SkipAssertions) {
            return Ok(());
        }
        self.assertions.iter().filter(early).try_for_each(|assertion| {
            match now(self.accesses[assertion.place].cell) {
                Some((version, value)) => self.hold_against(assertion, version, value.get()),
                None => Err(Stale::Read),
            }
        })
    }

    fn hold_against(
        &self,
        assertion: &Assertion<V>,
        version: Option<Version>,
        value: &V::Value,
    ) -> Result<(), Stale> {
        let seen = self.accesses[assertion.place].seen.as_ref().filter(|_| assertion.looked);
        let same_version =
            seen.is_some_and(|seen| seen.version.is_some() && seen.version == version);
        if same_version || value.satisfies(&assertion.predicate) == assertion.answer {
            return Ok(());
        }
        Err(if assertion.looked { Stale::Read } else { Stale::Assumption })
    }

    /// Lets all that the run looked at show its deltas. Whether some was committed that was not shown: that may be why
    /// the run does not stand.
    pub(crate) fn show_deltas(&self) -> bool {
        let looked_at = self.accesses.iter().filter(|access| access.seen.is_some());
        looked_at.fold(false, |any, access| {
            access.cell.show_deltas();
            any | access.cell.hid_a_delta()
        })
    }

    /// Whether the deltas of a run whose writes are dropped would have applied on top of `now`, as it was told.
    pub(crate) fn deltas_apply<'v>(
        &self,
        mut now: impl FnMut(&'b CellOf<V>) -> Option<&'v V::Value>,
    ) -> bool
    where
        V::Value: 'v,
    {
        self.accesses.iter().all(|access| match &access.own {
            Some(Own::Deltas(deltas)) => {
                now(access.cell).is_some_and(|value| Deltas::apply_to(deltas, value).is_some())
            }
            Some(Own::Value(_)) | None => true,
        })
    }

    /// The highest transaction whose write the VM read, as far as is known.
    pub(crate) fn nearest_writer(&self) -> Option<TxnIndex> {
        let observed = self.accesses.iter().filter(|access| access.observed > 0);
        observed.filter_map(|access| access.seen.as_ref()?.version?.txn()).max()
    }

    /// Who wrote what the VM read, in the order in which it was first read.
    pub(crate) fn observations(
        &self,
        mut writer: impl FnMut(&'b CellOf<V>) -> Option<TxnIndex>,
    ) -> Vec<(&'b V::Location, TxnIndex)> {
        let mut observed: Vec<_> =
            self.accesses.iter().filter(|access| access.observed > 0).collect();
        observed.sort_unstable_by_key(|access| access.observed);
        let edge = |access: &Access<'b, V>| Some((access.cell.location(), writer(access.cell)?));
        observed.into_iter().filter_map(edge).collect()
    }
}

/// When a run is validated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// Lower transactions may still change, and not everything need be known.
    Early,
    /// Everything below is final.
    Commit,
}

/// Why a run does not stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stale {
    Read,
    Assumption,
}

/// A value that is borrowed where possible.
pub(crate) enum Reading<'v, T> {
    Borrowed(&'v T),
    Owned(T),
}

impl<T> Reading<'_, T> {
    fn get(&self) -> &T {
        match self {
            Self::Borrowed(value) => value,
            Self::Owned(value) => value,
        }
    }
}
