//! The view of the oracle: what lower transactions wrote, over the storage, with the running
//! transaction's own writes on top.

use std::collections::BTreeSet;
use std::ops::Bound;

use foldhash::fast::RandomState;
use indexmap::IndexMap;
use indexmap::map::Entry as MapEntry;

use super::scan::{Cursor, CursorOf, UNORDERED, Visit};
use crate::contract::block::Block;
use crate::contract::conflicts::Conflict;
use crate::contract::error::Failure;
use crate::contract::execution::Interrupt;
use crate::contract::storage::{BoxError, Ordered, Storage};
use crate::contract::types::Types;
use crate::contract::value::{Value, is_present};
use crate::mvmemory::final_state::{FinalState, Known, KnownLocations};
use crate::mvmemory::named::Named;
use crate::primitives::ids::TxnIndex;
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
    scannable: Option<Box<Scannable<'b, V>>>,
    /// The transaction that is being executed.
    pub(crate) txn: TxnIndex,
    known: KnownLocations<V::Location, V::Value>,
    /// The places in `known` of what was ever written, in the order of the first committed write.
    written: Vec<usize>,
    /// In the order of the first write.
    own: IndexMap<Key<V::Location>, OwnWrite<V::Value>, RandomState>,
    /// What the running transaction read from others, for the conflict graph.
    own_reads: IndexMap<Key<V::Location>, TxnIndex, RandomState>,
    pub(crate) edges: Option<Vec<Conflict<V::Location>>>,
    pub(crate) failure: Option<Failure>,
    pub(crate) base_reads: u64,
}

impl<'b, V: Types> Overlay<'b, V> {
    pub(crate) fn new(block: &Block<'b, V>) -> Self {
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
        if let Some(own) = self.own.get(&Key(location))
            && !own.by_delta
        {
            return Ok(own.value.clone());
        }
        let (below, writer) = self.below(location)?;
        if let (Some(_), Some(writer)) = (&self.edges, writer) {
            self.own_reads.entry(Key(location.clone())).or_insert(writer);
        }
        Ok(self.own.get(&Key(location)).map_or(below, |own| own.value.clone()))
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
        loop {
            let next = self.next_listed(&cursor);
            if !cursor.may_pass(next.as_ref()) {
                self.ask(&mut cursor)?;
                continue;
            }
            let Some(location) = next else { return Ok(()) };
            let value = self.look(&location)?;
            if !cursor.pass(location.clone()) {
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

    /// The value as the transaction sees it, and whether a delta on it leaves it one made by deltas
    /// alone.
    fn current(&mut self, location: &V::Location) -> Result<(V::Value, bool), Interrupt> {
        self.go_on()?;
        match self.own.get(&Key(location)) {
            Some(own) => Ok((own.value.clone(), own.by_delta)),
            None => {
                let (below, _) = self.below(location)?;
                self.note_asked(location);
                Ok((below, true))
            }
        }
    }

    /// The value as lower transactions left it, and which of them wrote it, if one did.
    fn below(&mut self, location: &V::Location) -> Result<(V::Value, Option<TxnIndex>), Interrupt> {
        if let Some(known) = self.known.get(&Key(location))
            && let Some(value) = known.latest()
        {
            let writer = known.after.as_ref().map(|(writer, _)| *writer);
            return Ok((value.clone(), writer));
        }
        self.base_reads += 1;
        match self.storage.read(location) {
            Ok(value) => {
                let known = Known { before: Some(value.clone()), ..Known::default() };
                // A location whose hash changes may be there after all.
                self.known.entry(Key(location.clone())).or_insert(known);
                Ok((value, None))
            }
            Err(source) => {
                let location = format!("{location:?}");
                Err(self.fail_with(Failure::Storage { location, source }))
            }
        }
    }

    /// Notes that the VM came to know something of what lies below, if the location has no value of
    /// the transaction's own.
    fn note_asked(&mut self, location: &V::Location) {
        if !self.own.contains_key(&Key(location))
            && let Some(known) = self.known.get_mut(&Key(location))
        {
            known.asked = Some(self.txn);
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

    pub(crate) fn final_state(&mut self) -> FinalState<V::Location, V::Value> {
        FinalState::in_maps(std::mem::take(&mut self.written), std::mem::take(&mut self.known))
    }
}
