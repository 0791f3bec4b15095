//! The view of the oracle: what lower transactions wrote, over the storage, with the running
//! transaction's own writes on top.

use std::collections::BTreeSet;
use std::ops::Bound;

use foldhash::fast::RandomState;
use indexmap::IndexMap;
use indexmap::map::Entry as MapEntry;

use super::deletions::Deletions;
use super::interruption::Interruption;
use super::names::MemoryOf;
use super::scan::{Cursor, CursorOf, UNORDERED, Visit};
use super::shared::Shared;
use super::speculation::READS_PER_POLL;
use crate::contract::block::Block;
use crate::contract::conflicts::Conflict;
use crate::contract::error::Failure;
use crate::contract::execution::Interrupt;
use crate::contract::limits::Limits;
use crate::contract::storage::{BoxError, Ordered, Storage};
use crate::contract::types::Types;
use crate::contract::value::{Value, is_present};
use crate::mvmemory::final_state::{Known, KnownLocations, Layer};
use crate::mvmemory::named::Named;
use crate::primitives::canary::{Canary, sings};
use crate::primitives::ids::{TxnIndex, Version};
use crate::primitives::key::Key;
use crate::primitives::order::Ranked;

/// A write of the transaction that is being executed.
struct OwnWrite<T> {
    value: T,
    /// Made by deltas alone, so that reading it observes what lies below.
    by_delta: bool,
    /// Whether scans would find the location without the write.
    was_listed: bool,
}

/// Where a value is.
#[derive(Clone, Copy)]
enum At {
    /// Among the writes of the transaction.
    Own(usize),
    /// Among what is known of the locations as lower transactions left them.
    Below(usize),
}

/// What scans need.
struct Scannable<'b, V: Types> {
    ordered: Ordered<'b, V::Location, V::Value>,
    /// What the storage has said about its order.
    named: Named<V::Location>,
    /// The locations known to hold something, as the running transaction sees them; with
    /// `keeps_deleted`, also those that held something or were written.
    listed: BTreeSet<Ranked<V::Location, V::Location>>,
    /// Whether what was deleted is to be read all the same, since the conflict graph names the
    /// transaction that deleted it.
    keeps_deleted: bool,
    deletions: Deletions<V::Location>,
}

impl<V: Types> Scannable<'_, V> {
    /// Lists a location or takes it out, as its value demands. Whether it was listed.
    fn update(&mut self, location: &V::Location, value: &V::Value) -> bool {
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

/// What lower transactions wrote, over the storage, with the running transaction's own writes on
/// top.
pub(crate) struct Overlay<'b, V: Types> {
    storage: &'b dyn Storage<V::Location, V::Value>,
    /// What is committed here lies over the storage.
    memory: Option<&'b MemoryOf<V>>,
    /// Whether it is asked for distances.
    has_distances: bool,
    scannable: Option<Box<Scannable<'b, V>>>,
    /// The transaction that is being executed.
    txn: TxnIndex,
    known: KnownLocations<V::Location, V::Value>,
    /// The places in `known` of what was written first here, in the order of the first committed
    /// write.
    written: Vec<usize>,
    /// In the order of the first write.
    own: IndexMap<Key<V::Location>, OwnWrite<V::Value>, RandomState>,
    /// What the running transaction read from others, for the conflict graph.
    own_reads: IndexMap<Key<V::Location>, TxnIndex, RandomState>,
    pub(crate) edges: Option<Vec<Conflict<V::Location>>>,
    /// Why the running transaction is not to go on, if so.
    pub(crate) interruption: Option<Interruption>,
    limits: &'b Limits,
    accesses: u32,
    /// The nearest transaction below from which the running one read something.
    nearest: Option<TxnIndex>,
    pub(crate) base_reads: u64,
}

impl<'b, V: Types> Overlay<'b, V> {
    /// Nothing yet over the storage of `block`.
    pub(crate) fn new(block: &'b Block<'b, V>) -> Self {
        Self::over(block, None, block.ordered)
    }

    /// The same for the beginning of a block, where distances are asked for.
    pub(crate) fn before_memory(block: &'b Block<'b, V>) -> Self {
        Self { has_distances: true, ..Self::new(block) }
    }

    /// Nothing yet over what is committed in the memory, with its locations in their order if they
    /// may be scanned.
    pub(crate) fn over_memory(block: &'b Block<'b, V>, shared: Shared<'b, V>) -> Self {
        let over = Self::over(block, Some(shared.memory), shared.commit_point);
        Self { has_distances: true, ..over }
    }

    fn over(
        block: &'b Block<'b, V>,
        memory: Option<&'b MemoryOf<V>>,
        ordered: Option<Ordered<'b, V::Location, V::Value>>,
    ) -> Self {
        Self {
            storage: block.storage,
            memory,
            has_distances: false,
            scannable: ordered.map(|ordered| {
                Box::new(Scannable {
                    ordered,
                    named: Named::new(ordered.order),
                    listed: BTreeSet::new(),
                    keeps_deleted: block.conflict_graph,
                    deletions: Deletions::new(),
                })
            }),
            txn: TxnIndex::new(0),
            known: IndexMap::default(),
            written: Vec::new(),
            own: IndexMap::default(),
            own_reads: IndexMap::default(),
            edges: block.conflict_graph.then(Vec::new),
            interruption: None,
            limits: &block.limits,
            accesses: 0,
            nearest: None,
            base_reads: 0,
        }
    }

    /// Starts an execution of `txn`.
    pub(crate) fn begin(&mut self, txn: TxnIndex) {
        self.txn = txn;
        self.nearest = None;
    }

    /// How far below the last transaction the nearest one is from which it read something;
    /// `u32::MAX` if there is none.
    pub(crate) fn distance(&self) -> u32 {
        self.nearest.map_or(u32::MAX, |writer| self.txn.get() - writer.get())
    }

    pub(crate) fn read_with<T>(
        &mut self,
        location: &V::Location,
        show: impl FnOnce(&V::Value) -> T,
    ) -> Result<T, Interrupt> {
        let at = self.look(location)?;
        self.note_asked(at);
        Ok(show(self.value(at)))
    }

    /// As a read, but the VM may not come to know. Where the value is.
    fn look(&mut self, location: &V::Location) -> Result<At, Interrupt> {
        self.go_on()?;
        if let Some((own, _, write)) = self.own.get_full(&Key(location))
            && !write.by_delta
        {
            return Ok(At::Own(own));
        }
        let below = self.below(location)?;
        let writer = self.known[below].after.as_ref().map(|(writer, _)| *writer);
        self.nearest = self.nearest.max(writer);
        if let (Some(_), Some(writer)) = (&self.edges, writer) {
            self.own_reads.entry(Key(location.clone())).or_insert(writer);
        }
        Ok(self.own.get_index_of(&Key(location)).map_or(At::Below(below), At::Own))
    }

    fn value(&self, at: At) -> &V::Value {
        match at {
            At::Own(own) => &self.own[own].value,
            At::Below(known) => self.known[known].latest().expect("it was looked for"),
        }
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
        let Some(mut cursor) = Cursor::new(scannable.ordered, from, to) else { return Ok(()) };
        scannable.named.onward(&cursor.start()).into_iter().for_each(|span| cursor.learn(span));
        let is_whole = self.follow(&mut cursor, visit)?;
        if let Some(Scannable { deletions, .. }) = self.scannable.as_deref() {
            let among = |location: &_| cursor.has_passed(location, is_whole);
            self.nearest = self.nearest.max(deletions.nearest(among));
        }
        Ok(())
    }

    /// Goes along the candidates of a scan. Whether it went to the end.
    fn follow(
        &mut self,
        cursor: &mut CursorOf<'b, V>,
        visit: &mut Visit<'_, V>,
    ) -> Result<bool, Interrupt> {
        // Those that are still listed. More than there are pass only where an order contradicts
        // itself, in ways that a comparison of the locations may not show.
        let mut passed = 0;
        loop {
            let next = self.next_listed(cursor);
            if !cursor.may_pass(next.as_ref()) {
                self.ask(cursor)?;
                continue;
            }
            let Some(location) = next else { return Ok(true) };
            let at = self.look(&location)?;
            let is_absent = self.value(at).is_absent();
            if !cursor.pass(location.clone()) {
                return Ok(false);
            }
            let scannable = self.scannable.as_mut().expect("only scans come here");
            // The storage named a location that is deleted in the memory: no other scan need look
            // there.
            if !is_absent || scannable.keeps_deleted || !scannable.delist(&location) {
                passed += 1;
            }
            if passed > scannable.listed.len() {
                return Ok(false);
            }
            if is_absent {
                continue;
            }
            self.note_asked(at);
            if visit(&location, self.value(at)).is_break() {
                return Ok(false);
            }
        }
    }

    /// Asks the storage for the next location that it names.
    fn ask(&mut self, cursor: &mut CursorOf<'b, V>) -> Result<(), Interrupt> {
        let ((from, to), answer) = cursor.ask().map_err(|failure| self.fail_with(failure))?;
        let scannable = self.scannable.as_mut().expect("only scans ask");
        if let Some(location) = &answer {
            let written = self.known.get(&Key(location)).and_then(|known| known.after.as_ref());
            let is_listed =
                scannable.keeps_deleted || written.is_none_or(|(_, value)| is_present(value));
            match self.own.get_mut(&Key(location)) {
                Some(own) => own.was_listed = is_listed,
                None if is_listed => {
                    scannable.list(location);
                }
                None => {}
            }
        }
        cursor.learn(scannable.named.note(from, to, answer.as_ref()));
        Ok(())
    }

    /// The next location that a scan finds.
    fn next_listed(&self, cursor: &CursorOf<'b, V>) -> Option<V::Location> {
        let listed = &self.scannable.as_ref()?.listed;
        let next = listed.range((cursor.rest().as_ref(), Bound::Unbounded)).next()?;
        (!next.is_above(cursor.to())).then(|| next.location.clone())
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
        let (at, by_delta) = self.current(location)?;
        let Some(value) = self.value(at).apply(delta) else {
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
        let (at, _) = self.current(location)?;
        Ok(self.value(at).satisfies(predicate))
    }

    /// The value without observing it.
    pub(crate) fn peek(&mut self, location: &V::Location) -> Result<V::Value, Interrupt> {
        let (at, _) = self.current(location)?;
        Ok(self.value(at).clone())
    }

    /// What every access begins with. After an interrupt nothing is answered any more, should the
    /// VM have swallowed it.
    fn go_on(&mut self) -> Result<(), Interrupt> {
        self.accesses = self.accesses.wrapping_add(1);
        if self.accesses.is_multiple_of(READS_PER_POLL) && self.limits.stop() {
            self.interruption.get_or_insert(Interruption::Stopped);
        }
        if self.interruption.is_some() { Err(Interrupt::new()) } else { Ok(()) }
    }

    pub(crate) fn fail(&mut self, source: BoxError) -> Interrupt {
        self.fail_with(Failure::Vm(source))
    }

    fn fail_with(&mut self, failure: Failure) -> Interrupt {
        self.interruption.get_or_insert(Interruption::Failure(failure));
        Interrupt::new()
    }

    /// Where the value is as the transaction sees it, and whether a delta on it leaves it one made
    /// by deltas alone.
    fn current(&mut self, location: &V::Location) -> Result<(At, bool), Interrupt> {
        self.go_on()?;
        if let Some((own, _, write)) = self.own.get_full(&Key(location)) {
            return Ok((At::Own(own), write.by_delta));
        }
        let at = At::Below(self.below(location)?);
        self.note_asked(at);
        Ok((at, true))
    }

    /// The place in `known` of the value as lower transactions left it.
    fn below(&mut self, location: &V::Location) -> Result<usize, Interrupt> {
        if let Some((place, _, known)) = self.known.get_full(&Key(location))
            && known.latest().is_some()
        {
            return Ok(place);
        }
        let known = match self.committed(location) {
            Some((version, value)) => match version.txn() {
                Some(writer) => {
                    let after = Some((writer, value.clone()));
                    Known { after, is_beneath: true, ..Known::default() }
                }
                None => Known { before: Some(value.clone()), ..Known::default() },
            },
            None => Known { before: Some(self.ask_storage(location)?), ..Known::default() },
        };
        match self.known.entry(Key(location.clone())) {
            MapEntry::Vacant(entry) => {
                let place = entry.index();
                entry.insert(known);
                Ok(place)
            }
            // A location whose hash changes may be there after all, with a value.
            MapEntry::Occupied(entry) => Ok(entry.index()),
        }
    }

    /// The value that is committed in the memory beneath, if it knows one.
    fn committed(&self, location: &V::Location) -> Option<(Version, &'b V::Value)> {
        if sings(Canary::LayerOnBase) {
            return None;
        }
        self.memory?.find(location)?.committed()
    }

    fn ask_storage(&mut self, location: &V::Location) -> Result<V::Value, Interrupt> {
        self.base_reads += 1;
        self.storage.read(location).map_err(|source| {
            let location = format!("{location:?}");
            self.fail_with(Failure::Storage { location, source })
        })
    }

    /// Notes that the VM came to know something of what lies below, if that is where the value is.
    fn note_asked(&mut self, at: At) {
        if let At::Below(known) = at {
            self.known[known].asked = Some(self.txn);
        }
    }

    fn set(&mut self, location: &V::Location, value: V::Value, by_delta: bool) {
        let was_listed =
            self.scannable.as_mut().is_some_and(|scannable| scannable.update(location, &value));
        match self.own.entry(Key(location.clone())) {
            MapEntry::Occupied(mut entry) => {
                let own = entry.get_mut();
                (own.value, own.by_delta) = (value, by_delta);
            }
            MapEntry::Vacant(entry) => {
                entry.insert(OwnWrite { value, by_delta, was_listed });
            }
        }
    }

    pub(crate) fn own_writes(&self) -> Vec<(&V::Location, &V::Value)> {
        self.own.iter().map(|(location, own)| (&location.0, &own.value)).collect()
    }

    /// Makes the transaction's writes part of what the next ones see.
    pub(crate) fn absorb(&mut self, index: TxnIndex) {
        for (location, own) in self.own.drain(..) {
            if let (true, Some(scannable)) = (self.has_distances, &mut self.scannable)
                && !scannable.keeps_deleted
                && !is_present(&own.value)
            {
                scannable.deletions.push(index, location.0.clone());
            }
            let after = Some((index, own.value));
            match self.known.entry(location) {
                MapEntry::Occupied(mut known) if known.get().after.is_some() => {
                    let known = known.get_mut();
                    (known.after, known.is_beneath) = (after, false);
                }
                MapEntry::Occupied(mut known) => {
                    let place = known.index();
                    let known = known.get_mut();
                    known.after = after;
                    known.writer_asked = known.asked == Some(index);
                    self.written.push(place);
                }
                MapEntry::Vacant(known) => {
                    let cell = self.memory.and_then(|memory| memory.find(&known.key().0));
                    if cell.is_none_or(|cell| !cell.is_committed()) {
                        self.written.push(known.index());
                    }
                    known.insert(Known { after, ..Known::default() });
                }
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
    pub(crate) fn discard(&mut self) {
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

    /// What was written over the state beneath, moved out.
    pub(crate) fn take_layer(&mut self) -> Layer<V::Location, V::Value> {
        Layer { written: std::mem::take(&mut self.written), known: std::mem::take(&mut self.known) }
    }
}
