//! The view of an optimistic execution: reads from the multi-version memory, and remembers what it
//! relied on.
//!
//! The same code serves the *head*, the lowest uncommitted transaction: there it reads committed
//! values alone, takes nothing for granted, and so needs no judge.

use std::borrow::Cow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;

use crossbeam_epoch::Guard;

use super::access::{Assertion, Seen};
use super::interruption::Interruption;
use super::names::CellOf;
use super::run::Run;
use super::shared::{Local, Shared};
use crate::contract::error::Failure;
use crate::contract::execution::Interrupt;
use crate::contract::storage::BoxError;
use crate::contract::types::{DeltaOf, PredicateOf, Types};
use crate::contract::value::Value;
use crate::mvmemory::{Cell, Deltas, Found, Payload};
use crate::primitives::canary::{Canary, sings};
use crate::primitives::conductor::{Position, Step};
use crate::primitives::ids::{TxnIndex, Version};
use crate::primitives::speculating::discard;
use crate::scheduler::Scheduler;
use crate::scheduler::status::State;
use crate::scheduler::waiters::Awaited;

/// How often the clock and the cancel token are looked at, in reads.
pub(super) const READS_PER_POLL: u32 = 64;

pub(crate) struct Speculation<'b, V: Types> {
    pub(super) shared: Shared<'b, V>,
    pub(super) local: Rc<Local<'b, V>>,
    /// Held while an execution is under way, so that nothing that it walks over is freed.
    pub(super) guard: Option<Guard>,
    pub(super) txn: TxnIndex,
    pub(super) position: Position,
    pub(super) run: Box<Run<'b, V>>,
    pub(super) interruption: Option<Interruption>,
    pub(super) reads: u32,
    /// Whether the transaction became the head on the way, and all that had been seen by then held.
    pub(super) arrived: bool,
}

impl<'b, V: Types> Speculation<'b, V> {
    pub(crate) fn new(shared: Shared<'b, V>, local: Rc<Local<'b, V>>) -> Self {
        Self {
            shared,
            local,
            guard: None,
            txn: TxnIndex::new(0),
            position: Position::Ahead,
            run: Box::default(),
            interruption: None,
            reads: 0,
            arrived: false,
        }
    }

    /// Starts an execution of `txn`.
    pub(crate) fn begin(&mut self, txn: TxnIndex, position: Position) {
        self.guard = Some(self.local.handle.pin());
        self.txn = txn;
        self.position = position;
        self.interruption = None;
        self.arrived = false;
    }

    /// Ends the execution: what it did, and why the view ended it if it did. The next one is
    /// recorded into `empty`.
    pub(crate) fn end(
        &mut self,
        empty: Box<Run<'b, V>>,
    ) -> (Box<Run<'b, V>>, Option<Interruption>) {
        self.guard = None;
        (std::mem::replace(&mut self.run, empty), self.interruption.take())
    }

    pub(crate) fn read_with<T>(
        &mut self,
        location: &V::Location,
        show: impl FnOnce(&V::Value) -> T,
    ) -> Result<T, Interrupt> {
        let place = self.asked_place(location)?;
        self.read_at(place).map(show)
    }

    pub(super) fn read_at(&mut self, place: usize) -> Result<&V::Value, Interrupt> {
        let access = self.run.access(place);
        let is_own = matches!(access.own, Some(Payload::Value(_)));
        if !is_own {
            self.rely_on(place)?;
        }
        if !is_own || self.run.access(place).by_delta {
            self.run.observe(place);
        }
        Ok(self.run.access(place).current())
    }

    pub(crate) fn peek(&mut self, location: &V::Location) -> Result<V::Value, Interrupt> {
        let place = self.asked_place(location)?;
        self.peek_at(place).cloned()
    }

    fn peek_at(&mut self, place: usize) -> Result<&V::Value, Interrupt> {
        match &self.run.access(place).own {
            Some(Payload::Value(_)) => Ok(self.run.access(place).current()),
            Some(Payload::Deltas(_)) => self.rely_on(place),
            None => self.see(place),
        }
    }

    pub(crate) fn glimpse(&mut self, location: &V::Location) -> Result<V::Value, Interrupt> {
        let place = self.asked_place(location)?;
        let access = self.run.access(place);
        if self.position == Position::Head || access.seen.is_some() || access.own.is_some() {
            return self.peek_at(place).cloned();
        }
        let cell = access.cell;
        let guard = self.guard.as_ref().expect("pinned while an execution is under way");
        let value = match cell.value_below(self.txn, guard) {
            Some(value) => value,
            None => self.fetch_base(cell)?.clone(),
        };
        if !sings(Canary::SkipGlimpses) {
            self.run.glimpse(place);
        }
        Ok(value)
    }

    pub(crate) fn write(
        &mut self,
        location: &V::Location,
        value: V::Value,
    ) -> Result<(), Interrupt> {
        let place = self.place(location)?;
        if let Some(Payload::Deltas(_)) = self.run.access(place).own {
            // The run was told that its deltas apply; overwriting them does not make that true.
            self.rely_on(place)?;
        }
        self.run.overwrite(place, value);
        Ok(())
    }

    pub(crate) fn add(
        &mut self,
        location: &V::Location,
        delta: DeltaOf<V>,
    ) -> Result<bool, Interrupt> {
        let place = self.asked_place(location)?;
        let access = self.run.access(place);
        let exact = self.is_exact() || access.relied_on;
        let value = match &access.own {
            Some(Payload::Value(value)) => value,
            None if exact => self.rely_on(place)?,
            Some(Payload::Deltas(_)) | None => {
                self.run.push_delta(place, delta);
                return Ok(true);
            }
        };
        let Some(value) = value.apply(&delta) else {
            return Ok(false);
        };
        self.run.update(place, Payload::Value(value));
        Ok(true)
    }

    /// Whether nothing is taken for granted.
    fn is_exact(&self) -> bool {
        self.position == Position::Head || !self.shared.deltas
    }

    pub(crate) fn check(
        &mut self,
        location: &V::Location,
        predicate: PredicateOf<V>,
    ) -> Result<bool, Interrupt> {
        let place = self.asked_place(location)?;
        if let Some(value) = self.exact(place)? {
            return Ok(value.satisfies(&predicate));
        }
        let answer = self.see(place)?.satisfies(&predicate);
        if !answer {
            // It may be a delta that is missing; the run that asks next had better see it.
            self.run.access(place).cell.show_deltas();
        }
        self.run.assert(Assertion { place, predicate, answer, looked: true });
        Ok(answer)
    }

    pub(crate) fn assume(
        &mut self,
        location: &V::Location,
        predicate: PredicateOf<V>,
    ) -> Result<bool, Interrupt> {
        let place = self.asked_place(location)?;
        if self.position == Position::Head {
            return Ok(self.see_current(place)?.satisfies(&predicate));
        }
        if !self.shared.deltas && self.run.access(place).own.is_none() {
            return Ok(self.rely_on(place)?.satisfies(&predicate));
        }
        if let Some(value) = self.exact(place)? {
            return Ok(value.satisfies(&predicate));
        }
        self.run.assert(Assertion { place, predicate, answer: true, looked: false });
        Ok(true)
    }

    pub(crate) fn fail(&mut self, source: BoxError) -> Interrupt {
        self.interrupt(Interruption::Failure(Failure::Vm(source)))
    }

    pub(crate) fn checkpoint(&mut self) -> Result<(), Interrupt> {
        if self.position == Position::Ahead && !self.holds(self.txn, &self.run) {
            return Err(self.interrupt(Interruption::Stale));
        }
        Ok(())
    }

    /// Whether `run` would see the same if `txn` were executed now.
    pub(crate) fn holds(&self, txn: TxnIndex, run: &Run<'b, V>) -> bool {
        let guard = &self.local.handle.pin();
        let strict = sings(Canary::RepeatAssumptions);
        let at = if strict { Position::Head } else { Position::Ahead };
        let holds = || {
            run.validate(at, |cell| self.look(txn, cell, guard)).is_ok()
                && !run.misses_now(self.shared.memory, txn, guard)
        };
        // Values of doomed runs may make a value's method panic. The judge will see.
        catch_unwind(AssertUnwindSafe(holds)).unwrap_or_else(|payload| {
            discard(payload);
            true
        })
    }

    /// Fetches what the judge will need, so that the judge need not wait for the storage.
    pub(crate) fn prefetch(&mut self) {
        let Shared { storage, scheduler, .. } = self.shared;
        let guard = &self.local.handle.pin();
        for cell in self.run.unseen_cells() {
            if cell.base().is_some() || !cell.rests_on_base(self.txn, guard) {
                continue;
            }
            scheduler.step(Step::Storage(self.txn));
            let room = &scheduler.room;
            room.tell(self.local.number, false);
            wait_for_base(cell, scheduler);
            let fetched = cell.fetch_base(storage);
            room.tell(self.local.number, true);
            if let Ok((_, fetched)) = fetched {
                self.local.count_base_read(fetched);
            }
        }
    }

    /// What `txn` would find in `cell` now, without fetching anything. `None` if that cannot be
    /// said.
    fn look<'g>(
        &self,
        txn: TxnIndex,
        cell: &'g CellOf<V>,
        guard: &'g Guard,
    ) -> Option<(Option<Version>, Cow<'g, V::Value>)> {
        let trust_hints = false;
        match cell.latest_below(txn, trust_hints, &self.local.handle.visited, guard) {
            Found::Value(version, value) => Some((version, value)),
            Found::Base => Some((Some(Version::BASE), Cow::Borrowed(cell.base()?))),
            Found::Unknown(_) => None,
        }
    }

    fn place(&mut self, location: &V::Location) -> Result<usize, Interrupt> {
        self.enter()?;
        if let Some(place) = self.run.recent(location) {
            return Ok(place);
        }
        Ok(self.run.place(self.shared.memory.cell(location, &self.local.handle)))
    }

    /// The place of an access by which the VM comes to know something of what is there.
    fn asked_place(&mut self, location: &V::Location) -> Result<usize, Interrupt> {
        let place = self.place(location)?;
        self.run.note_asked(place);
        Ok(place)
    }

    /// What every access begins with.
    pub(super) fn enter(&mut self) -> Result<(), Interrupt> {
        if self.interruption.is_some() {
            // The VM swallowed an interrupt; nothing that it does counts any more.
            return Err(Interrupt::new());
        }
        self.reads = self.reads.wrapping_add(1);
        let scheduler = self.shared.scheduler;
        if self.reads.is_multiple_of(READS_PER_POLL) {
            scheduler.poll_limits();
        }
        if !scheduler.is_undisturbed() {
            scheduler.step_at_access(self.txn);
            if scheduler.is_stopping() {
                return Err(self.interrupt(Interruption::Stopped));
            }
            self.arrive()?;
        }
        Ok(())
    }

    /// Looks whether the run is still worth finishing, if all wait for it. From there on it sees
    /// what is final, so one look is enough.
    #[cold]
    fn arrive(&mut self) -> Result<(), Interrupt> {
        let scheduler = self.shared.scheduler;
        let is_ahead = self.position == Position::Ahead && !self.arrived;
        if is_ahead && scheduler.is_head_wanted() && scheduler.head() == self.txn {
            self.arrived = true;
            return self.checkpoint();
        }
        Ok(())
    }

    /// The value as the run itself left it, if it need not look below or has done so.
    fn exact(&mut self, place: usize) -> Result<Option<&V::Value>, Interrupt> {
        let access = self.run.access(place);
        match &access.own {
            Some(Payload::Value(_)) => Ok(Some(self.run.access(place).current())),
            Some(Payload::Deltas(_)) => self.rely_on(place).map(Some),
            None if access.relied_on => self.see(place).map(Some),
            None => Ok(None),
        }
    }

    /// The value as the run itself left it.
    fn see_current(&mut self, place: usize) -> Result<&V::Value, Interrupt> {
        if self.exact(place)?.is_none() {
            self.see(place)?;
        }
        Ok(self.run.access(place).current())
    }

    /// The value as the run itself left it, on which the run stands or falls from now on.
    fn rely_on(&mut self, place: usize) -> Result<&V::Value, Interrupt> {
        if self.position == Position::Ahead {
            self.run.access(place).cell.show_deltas();
        }
        self.see(place)?;
        self.run.rely_on(place);
        let access = self.run.access(place);
        if let Some(Payload::Deltas(deltas)) = &access.own {
            match Deltas::apply_to(deltas, access.below()) {
                Some(value) => self.run.update(place, Payload::Value(value)),
                None => return Err(self.interrupt(Interruption::Contradiction)),
            }
        }
        Ok(self.run.access(place).current())
    }

    /// The value from below, the same each time.
    fn see(&mut self, place: usize) -> Result<&V::Value, Interrupt> {
        let access = self.run.access(place);
        if access.seen.is_none() || sings(Canary::LookAgain) {
            let seen = match self.position {
                Position::Head => self.fetch_committed(access.cell),
                Position::Ahead => self.fetch_latest(access.cell),
            }?;
            self.run.see(place, seen);
        }
        Ok(self.run.access(place).below())
    }

    fn fetch_committed(&mut self, cell: &'b CellOf<V>) -> Result<Seen<V::Value>, Interrupt> {
        if let Some((version, value)) = cell.committed() {
            return Ok(Seen { version: Some(version), value: value.clone() });
        }
        let value = self.fetch_base(cell)?.clone();
        Ok(Seen { version: Some(Version::BASE), value })
    }

    fn fetch_latest(&mut self, cell: &'b CellOf<V>) -> Result<Seen<V::Value>, Interrupt> {
        let scheduler = self.shared.scheduler;
        let mut waited_for = None;
        loop {
            let guard = self.guard.as_ref().expect("pinned while an execution is under way");
            let visited = &self.local.handle.visited;
            let found = cell.latest_below(self.txn, scheduler.trusts_hints(), visited, guard);
            let writer = match found {
                Found::Value(version, value) => {
                    return Ok(Seen { version, value: value.into_owned() });
                }
                Found::Base => None,
                Found::Unknown(writer) => Some(writer),
            };
            let Some(writer) = writer else {
                if let Some(value) = cell.base() {
                    return Ok(Seen { version: Some(Version::BASE), value: value.clone() });
                }
                self.fetch_base(cell)?;
                continue;
            };
            if waited_for == Some(writer) {
                let awaited = Awaited::to_the_end(writer);
                return Err(self.interrupt(Interruption::Awaits(awaited)));
            }
            if !scheduler.wait_briefly(writer) {
                let awaited = Awaited { writer, until: State::Executed };
                return Err(self.interrupt(Interruption::Awaits(awaited)));
            }
            self.local.waits.set(self.local.waits.get() + 1);
            waited_for = Some(writer);
        }
    }

    fn fetch_base(&mut self, cell: &'b CellOf<V>) -> Result<&'b V::Value, Interrupt> {
        let room = &self.shared.scheduler.room;
        self.shared.scheduler.step(Step::Storage(self.txn));
        room.tell(self.local.number, false);
        wait_for_base(cell, self.shared.scheduler);
        let fetched = cell.fetch_base(self.shared.storage);
        room.tell(self.local.number, true);
        match fetched {
            Ok((value, fetched)) => {
                self.local.count_base_read(fetched);
                Ok(value)
            }
            Err(source) => {
                let location = format!("{:?}", cell.location());
                Err(self.interrupt(Interruption::Failure(Failure::Storage { location, source })))
            }
        }
    }

    pub(super) fn interrupt(&mut self, interruption: Interruption) -> Interrupt {
        self.interruption.get_or_insert(interruption);
        Interrupt::new()
    }
}

/// Waits a moment for a base value that another thread is fetching. Not for long: that thread may
/// wait, in the storage, for the calling one.
fn wait_for_base<L, V: Value>(cell: &Cell<L, V>, scheduler: &Scheduler<'_>) {
    if cell.is_being_fetched() {
        scheduler.spin_until(|| cell.base().is_some() || !cell.is_being_fetched());
    }
}
