//! The oracle: executes a block one transaction after another, and so *defines* the right answer.
//!
//! No speculation, no versions, no threads: a map of what was written so far over the storage, and
//! the transaction's own writes over that map. It runs tiny blocks in production, and every test of the
//! parallel execution compares with it.

use std::collections::BTreeSet;
use std::ops::Bound;
use std::panic::{AssertUnwindSafe, catch_unwind};

use foldhash::fast::RandomState;
use indexmap::IndexMap;
use indexmap::map::Entry as MapEntry;

use crate::block::Block;
use crate::conductor::{self, Position, Step};
use crate::conflicts::{Conflict, ConflictGraph};
use crate::engine::Executed;
use crate::error::{Error, Failure};
use crate::final_state::{FinalState, Known, Values};
use crate::ids::TxnIndex;
use crate::key::{Key, Lookup};
use crate::ledger::{End, Entry, Ledger, Settled};
use crate::named::Named;
use crate::order::Ranked;
use crate::scan::{Course, Ordered, UNORDERED, Visit};
use crate::sink::{CommitSink, Writes};
use crate::stats::Stats;
use crate::view::{Backend, Interrupt, View};
use crate::vm::{BoxError, Execution, Storage, Value, Vm, is_present};

/// Executes `block` sequentially on the caller's thread.
///
/// # Errors
/// See [`Error`].
///
/// # Panics
/// Only if the sink or [`Vm::weight`] panics.
pub fn execute_sequential<V: Vm>(
    block: &Block<'_, V>,
    sink: &mut dyn CommitSink<V>,
) -> Result<Executed<V>, Error<V::Invalid>> {
    let txns = block.check_length()?;
    let mut ledger = Ledger::new(block, sink);
    let mut view = View::new(Backend::Sequential(Overlay::new(block)));
    let mut context = None;
    let mut stats = Stats { workers: u64::from(txns > 0), ..Stats::default() };
    let mut cut = None;
    let conductor = conductor::present();
    for index in (0..txns as u32).map(TxnIndex::new) {
        if let Some(conductor) = &conductor {
            conductor.step(Step::Execute(index, Position::Head));
        }
        match step(block, &mut ledger, &mut view, &mut context, &mut stats, index) {
            Ok(()) => {}
            Err(End::Cut(reason)) => {
                cut = Some(reason);
                break;
            }
            Err(End::Failed(error)) => return Err(error),
        }
    }
    stats.committed = ledger.committed() as u64;
    let overlay = overlay(&mut view).expect("every step leaves the view whole");
    stats.base_reads = overlay.base_reads;
    Ok(Executed {
        committed: ledger.committed(),
        cut,
        conflict_graph: overlay.edges.take().map(|edges| ConflictGraph { edges }),
        state: overlay.final_state(),
        stats,
    })
}

/// Takes the block one transaction further.
fn step<'a, V: Vm>(
    block: &'a Block<'a, V>,
    ledger: &mut Ledger<'a, V>,
    view: &mut View<'a, V>,
    context: &mut Option<V::Context<'a>>,
    stats: &mut Stats,
    index: TxnIndex,
) -> Result<(), End<V::Invalid>> {
    ledger.poll()?;
    if matches!(ledger.admit(index)?, Entry::LeftOut) {
        return Ok(());
    }
    stats.executions += 1;
    stats.head_executions += 1;
    overlay(view).expect("every step leaves the view whole").txn = index;
    let execution = run(block.vm, &block.txns[index.as_usize()], context, view)
        .map_err(|failure| ledger.fail(index, failure))?;
    let settled = ledger.settle(index, execution);
    // Thrown away, unless the sink took it and then ended the block.
    let refused = settled.is_err() && ledger.committed() == index.as_usize();
    stats.aborts.refused += u64::from(refused);
    let overlay = overlay(view).expect("a run with a result leaves the view whole");
    match settled? {
        Settled::LeftOut => ledger.contain(index, || overlay.discard()),
        Settled::Include(output) => {
            let writes = overlay.own_writes();
            let committed = ledger.commit(index, output, Writes { entries: &writes });
            drop(writes);
            ledger.contain(index, || overlay.absorb(index)).and(committed)
        }
    }
}

/// Executes `txn` once, containing panics and seeing through swallowed interrupts.
fn run<'a, V: Vm>(
    vm: &'a V,
    txn: &V::Txn,
    context: &mut Option<V::Context<'a>>,
    view: &mut View<'a, V>,
) -> Result<Execution<V::Output, V::Invalid>, Failure> {
    let result = catch_unwind(AssertUnwindSafe(|| {
        let context = context.get_or_insert_with(|| vm.context());
        vm.execute(context, txn, view)
    }));
    let result = result.map_err(Failure::panicked)?;
    if view.is_broken() {
        return Err(Failure::caught_by_the_vm());
    }
    let Some(overlay) = overlay(view) else {
        return Err(Failure::Vm("the VM did not put the view back".into()));
    };
    match (overlay.failure.take(), result) {
        (Some(failure), _) => Err(failure),
        (None, Ok(execution)) => Ok(execution),
        (None, Err(Interrupt { .. })) => {
            Err(Failure::Vm("the VM returned an interrupt that its view never gave".into()))
        }
    }
}

fn overlay<'v, 'b, V: Vm>(view: &'v mut View<'b, V>) -> Option<&'v mut Overlay<'b, V>> {
    match view.backend() {
        Some(Backend::Sequential(overlay)) => Some(overlay),
        _ => None,
    }
}

type CourseOf<'b, V> = Course<'b, <V as Vm>::Location, <V as Vm>::Value>;

/// A value from below, and who put it there.
struct Below<T> {
    value: T,
    writer: Option<TxnIndex>,
}

/// A write of the transaction that is being executed.
struct Own<T> {
    value: T,
    /// Made by deltas alone, so that reading it observes what lies below.
    by_delta: bool,
    /// Whether scans would find the location without the write.
    was_listed: bool,
}

/// What scans need.
struct Scannable<'b, V: Vm> {
    ordered: Ordered<'b, V::Location, V::Value>,
    /// What the storage has said about its order.
    named: Named<V::Location>,
    /// The locations known to hold something, as the running transaction sees them; with
    /// `keeps_deleted`, also those that held something or were written.
    listed: BTreeSet<Ranked<V::Location, V::Location>>,
    /// Whether what was deleted is to be read all the same, since somebody wants to know who
    /// deleted it.
    keeps_deleted: bool,
}

impl<V: Vm> Scannable<'_, V> {
    /// Lists a location or takes it out, as its value demands. Whether it was listed.
    fn settle(&mut self, location: &V::Location, value: &V::Value) -> bool {
        if self.keeps_deleted || is_present(value) {
            !self.list(location)
        } else {
            self.delist(location)
        }
    }

    fn list(&mut self, location: &V::Location) -> bool {
        self.listed.insert(self.ordered.order.rank(location.clone()))
    }

    fn delist(&mut self, location: &V::Location) -> bool {
        self.listed.remove(&self.ordered.order.rank(location.clone()))
    }
}

/// What lower transactions wrote, over the storage, with the running transaction's own writes on top.
pub(crate) struct Overlay<'b, V: Vm> {
    storage: &'b dyn Storage<V::Location, V::Value>,
    scannable: Option<Box<Scannable<'b, V>>>,
    /// The transaction that is being executed.
    txn: TxnIndex,
    known: Known<V::Location, V::Value>,
    /// The places in `known` of what was ever written, in the order of the first committed write.
    written: Vec<usize>,
    /// In the order of the first write.
    own: IndexMap<Key<V::Location>, Own<V::Value>, RandomState>,
    /// What the running transaction read from others, for the conflict graph.
    own_reads: IndexMap<Key<V::Location>, TxnIndex, RandomState>,
    edges: Option<Vec<Conflict<V::Location>>>,
    failure: Option<Failure>,
    base_reads: u64,
}

impl<'b, V: Vm> Overlay<'b, V> {
    fn new(block: &Block<'b, V>) -> Self {
        Self {
            storage: block.storage,
            scannable: block.ordered.map(|ordered| {
                Box::new(Scannable {
                    ordered,
                    named: Named::new(ordered.order),
                    listed: BTreeSet::new(),
                    keeps_deleted: block.conflict_graph,
                })
            }),
            txn: TxnIndex::new(0),
            known: IndexMap::default(),
            written: Vec::new(),
            own: IndexMap::default(),
            own_reads: IndexMap::default(),
            edges: block.conflict_graph.then(Vec::new),
            failure: None,
            base_reads: 0,
        }
    }

    pub(crate) fn read(&mut self, location: &V::Location) -> Result<V::Value, Interrupt> {
        let value = self.look(location)?;
        self.note_asked(location);
        Ok(value)
    }

    /// As a read, but the VM may not come to know.
    fn look(&mut self, location: &V::Location) -> Result<V::Value, Interrupt> {
        self.go_on()?;
        if let Some(own) = self.own.get(&Lookup(location))
            && !own.by_delta
        {
            return Ok(own.value.clone());
        }
        let below = self.below(location)?;
        if let (Some(_), Some(writer)) = (&self.edges, below.writer) {
            self.own_reads.entry(Key(location.clone())).or_insert(writer);
        }
        Ok(self.own.get(&Lookup(location)).map_or(below.value, |own| own.value.clone()))
    }

    pub(crate) fn scan(
        &mut self,
        from: Bound<&V::Location>,
        to: Bound<&V::Location>,
        visit: &mut Visit<'_, V>,
    ) -> Result<(), Interrupt> {
        self.go_on()?;
        let Some(scannable) = &self.scannable else {
            return Err(self.fail(UNORDERED.into()));
        };
        let Some(mut course) = Course::new(scannable.ordered, from, to) else { return Ok(()) };
        scannable.named.onward(&course.start()).into_iter().for_each(|ahead| course.learn(ahead));
        loop {
            let next = self.next_listed(&course);
            if !course.may_pass(next.as_ref()) {
                self.ask(&mut course)?;
                continue;
            }
            let Some(location) = next else { return Ok(()) };
            let value = self.look(&location)?;
            if !course.pass(location.clone()) {
                return Ok(());
            }
            if value.is_absent() {
                continue;
            }
            self.note_asked(&location);
            if visit(&location, &value).is_break() {
                return Ok(());
            }
        }
    }

    /// Asks the storage for the next location that it names.
    fn ask(&mut self, course: &mut CourseOf<'b, V>) -> Result<(), Interrupt> {
        let ((from, to), answer) = course.ask().map_err(|failure| self.fail_with(failure))?;
        let scannable = self.scannable.as_mut().expect("only scans ask");
        if let Some(location) = &answer {
            let written = self.known.get(&Lookup(location)).and_then(|known| known.after.as_ref());
            let is_listed =
                scannable.keeps_deleted || written.is_none_or(|(_, value)| is_present(value));
            match self.own.get_mut(&Lookup(location)) {
                Some(own) => own.was_listed = is_listed,
                None if is_listed => {
                    scannable.list(location);
                }
                None => {}
            }
        }
        course.learn(scannable.named.note(from, to, answer.as_ref()));
        Ok(())
    }

    /// The next location that a scan finds.
    fn next_listed(&self, course: &CourseOf<'b, V>) -> Option<V::Location> {
        let listed = &self.scannable.as_ref()?.listed;
        let next = listed.range((course.rest().as_ref(), Bound::Unbounded)).next()?;
        (!next.is_above(course.to())).then(|| next.location.clone())
    }

    pub(crate) fn write(
        &mut self,
        location: &V::Location,
        value: V::Value,
    ) -> Result<(), Interrupt> {
        self.go_on()?;
        self.set(location, value, false);
        Ok(())
    }

    pub(crate) fn add(
        &mut self,
        location: &V::Location,
        delta: &<V::Value as Value>::Delta,
    ) -> Result<bool, Interrupt> {
        let (value, by_delta) = self.current(location)?;
        let Some(value) = value.apply(delta) else {
            return Ok(false);
        };
        self.set(location, value, by_delta);
        Ok(true)
    }

    pub(crate) fn check(
        &mut self,
        location: &V::Location,
        predicate: &<V::Value as Value>::Predicate,
    ) -> Result<bool, Interrupt> {
        Ok(self.current(location)?.0.satisfies(predicate))
    }

    /// The value without observing it.
    pub(crate) fn peek(&mut self, location: &V::Location) -> Result<V::Value, Interrupt> {
        Ok(self.current(location)?.0)
    }

    /// After a failure nothing is answered any more, should the VM have swallowed it.
    fn go_on(&self) -> Result<(), Interrupt> {
        if self.failure.is_some() { Err(Interrupt::new()) } else { Ok(()) }
    }

    pub(crate) fn fail(&mut self, source: BoxError) -> Interrupt {
        self.fail_with(Failure::Vm(source))
    }

    fn fail_with(&mut self, failure: Failure) -> Interrupt {
        self.failure.get_or_insert(failure);
        Interrupt::new()
    }

    /// The value as the transaction sees it, and whether a delta on it leaves it one made by deltas alone.
    fn current(&mut self, location: &V::Location) -> Result<(V::Value, bool), Interrupt> {
        self.go_on()?;
        match self.own.get(&Lookup(location)) {
            Some(own) => Ok((own.value.clone(), own.by_delta)),
            None => {
                let below = self.below(location)?;
                self.note_asked(location);
                Ok((below.value, true))
            }
        }
    }

    /// The value as lower transactions left it.
    fn below(&mut self, location: &V::Location) -> Result<Below<V::Value>, Interrupt> {
        if let Some(known) = self.known.get(&Lookup(location))
            && let Some(value) = known.latest()
        {
            let writer = known.after.as_ref().map(|(writer, _)| *writer);
            return Ok(Below { value: value.clone(), writer });
        }
        self.base_reads += 1;
        match self.storage.read(location) {
            Ok(value) => {
                let known = Values { before: Some(value.clone()), ..Values::default() };
                // A location whose hash changes may be there after all.
                self.known.entry(Key(location.clone())).or_insert(known);
                Ok(Below { value, writer: None })
            }
            Err(source) => {
                let location = format!("{location:?}");
                Err(self.fail_with(Failure::Storage { location, source }))
            }
        }
    }

    /// Notes that the VM came to know something of what lies below, if the location has no value of the transaction's own.
    fn note_asked(&mut self, location: &V::Location) {
        if !self.own.contains_key(&Lookup(location))
            && let Some(known) = self.known.get_mut(&Lookup(location))
        {
            known.asked = Some(self.txn);
        }
    }

    fn set(&mut self, location: &V::Location, value: V::Value, by_delta: bool) {
        let was_listed =
            self.scannable.as_mut().is_some_and(|scannable| scannable.settle(location, &value));
        match self.own.entry(Key(location.clone())) {
            MapEntry::Occupied(mut entry) => {
                let own = entry.get_mut();
                (own.value, own.by_delta) = (value, by_delta);
            }
            MapEntry::Vacant(entry) => {
                entry.insert(Own { value, by_delta, was_listed });
            }
        }
    }

    fn own_writes(&self) -> Vec<(&V::Location, &V::Value)> {
        self.own.iter().map(|(location, own)| (&location.0, &own.value)).collect()
    }

    /// Makes the transaction's writes part of what the next ones see.
    fn absorb(&mut self, index: TxnIndex) {
        for (location, own) in self.own.drain(..) {
            let known = self.known.entry(location);
            let place = known.index();
            let known = known.or_default();
            if known.after.replace((index, own.value)).is_none() {
                known.writer_asked = known.asked == Some(index);
                self.written.push(place);
            }
        }
        let reads = self.own_reads.drain(..);
        if let Some(edges) = &mut self.edges {
            edges.extend(reads.map(|(Key(location), writer)| Conflict {
                writer,
                reader: index,
                location,
            }));
        }
    }

    /// Forgets the transaction.
    fn discard(&mut self) {
        for (location, own) in self.own.drain(..) {
            let Some(scannable) = &mut self.scannable else { continue };
            if own.was_listed {
                scannable.list(&location.0);
            } else {
                scannable.delist(&location.0);
            }
        }
        self.own_reads.clear();
    }

    fn final_state(&mut self) -> FinalState<V::Location, V::Value> {
        FinalState::in_maps(std::mem::take(&mut self.written), std::mem::take(&mut self.known))
    }
}
