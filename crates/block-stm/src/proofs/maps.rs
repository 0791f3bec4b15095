//! The memory against a model of it made of maps: bytes are operations, and both must agree on
//! every answer.
//!
//! The operations are those of one block, in any order that the engine's contract allows: whatever
//! happens to a transaction happens before it is committed, and commits come in order. Readers are
//! above what is committed. Some locations share a hash. After each operation the epoch moves on,
//! so that a write set which is freed too early is missed by whoever still finds it.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use crate::contract::storage::BoxError;
use crate::contract::value::Value;
use crate::mvmemory::{Cell, ChunkPool, Deltas, Found, LocalHandle, MvMemory, Payload, Published};
use crate::primitives::ids::{TxnIndex, Version};

const TXNS: u8 = 8;
const LOCATIONS: u8 = 5;

/// Executes the operations that `bytes` mean on the memory and on the model.
///
/// # Panics
/// If they do not agree.
pub(crate) fn agree(bytes: &[u8]) {
    let memory = MvMemory::new(TXNS.into(), &Arc::new(ChunkPool::new(0)));
    let mut trial = Trial::new(&memory);
    let mut ops = Ops(bytes);
    while let Some(op) = ops.next() {
        trial.step(op, &mut ops);
        trial.collect_garbage();
    }
    trial.look_everywhere();
}

/// A location; those with numbers of the same parity share a hash. On the heap, so that one that
/// was freed shows.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Place(Box<u8>);

impl Hash for Place {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u8(*self.0 % 2);
    }
}

/// A number from 0 to 15, on the heap for the same reason; deltas that lead elsewhere do not apply.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Small(Box<u8>);

impl Small {
    fn new(number: u8) -> Self {
        Self(Box::new(number))
    }
}

impl Value for Small {
    type Delta = i8;
    type Predicate = std::convert::Infallible;

    fn apply(&self, delta: &i8) -> Option<Self> {
        add(*self.0, *delta).map(Self::new)
    }

    fn satisfies(&self, predicate: &Self::Predicate) -> bool {
        match *predicate {}
    }
}

fn add(number: u8, delta: i8) -> Option<u8> {
    number.checked_add_signed(delta).filter(|sum| *sum < 16)
}

/// What the storage holds.
fn stored(location: u8) -> u8 {
    location * 3
}

struct Ops<'a>(&'a [u8]);

impl Ops<'_> {
    fn next(&mut self) -> Option<u8> {
        let (byte, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*byte)
    }

    fn below(&mut self, end: u8) -> u8 {
        self.next().unwrap_or(0) % end
    }

    /// A set of locations, in an order of its own.
    fn locations(&mut self) -> Vec<u8> {
        let bits = self.next().unwrap_or(0);
        let mut set: Vec<_> = (0..LOCATIONS).filter(|n| bits & (1 << n) != 0).collect();
        if bits & 0x80 != 0 {
            set.reverse();
        }
        set
    }

    fn writes(&mut self) -> Vec<(u8, Written)> {
        let locations = self.locations();
        locations.into_iter().map(|location| (location, self.written())).collect()
    }

    fn written(&mut self) -> Written {
        let byte = self.next().unwrap_or(0);
        let delta = |nibble: u8| nibble as i8 - 4;
        match byte % 4 {
            0 | 1 => Written::Value(byte / 4 % 16),
            2 => Written::Deltas(vec![delta(byte / 4 % 8)]),
            _ => Written::Deltas(vec![delta(byte / 4 % 8), delta(byte / 32)]),
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Written {
    Hint,
    Value(u8),
    Deltas(Vec<i8>),
}

impl Written {
    fn payload(&self) -> Payload<Small> {
        match self {
            Self::Hint => unreachable!("hints are declared, not published"),
            Self::Value(number) => Payload::Value(Small::new(*number)),
            Self::Deltas(deltas) => match deltas[..] {
                [delta] => Payload::Deltas(Deltas::One(delta)),
                _ => Payload::Deltas(Deltas::Many(deltas.clone())),
            },
        }
    }
}

#[derive(Clone, Debug)]
struct ModelEntry {
    incarnation: u32,
    written: Written,
    estimate: bool,
    /// Whether readers find it before it is committed.
    shown: bool,
    /// What deltas came to.
    sum: Option<u8>,
}

impl ModelEntry {
    fn final_number(&self) -> Option<u8> {
        match self.written {
            Written::Value(number) => Some(number),
            _ => self.sum,
        }
    }
}

/// What a reader finds.
#[derive(Debug, PartialEq, Eq)]
enum Seen {
    Value(Option<Version>, u8),
    Base,
    Unknown(u8),
}

#[derive(Default)]
struct Model {
    /// By location, and then by transaction.
    entries: BTreeMap<(u8, u8), ModelEntry>,
    /// What each transaction wrote, in order.
    sets: BTreeMap<u8, Vec<u8>>,
    /// How often each transaction was executed or withdrawn.
    executions: BTreeMap<u8, u32>,
    base: BTreeMap<u8, u8>,
    /// Where readers want to find deltas.
    shows_deltas: BTreeSet<u8>,
    committed: BTreeMap<u8, (Version, u8)>,
    head: u8,
}

impl Model {
    fn set(&self, txn: u8) -> &[u8] {
        self.sets.get(&txn).map_or(&[], Vec::as_slice)
    }

    fn remove(&mut self, txn: u8) -> Vec<u8> {
        let set = self.sets.remove(&txn).unwrap_or_default();
        for location in &set {
            self.entries.remove(&(*location, txn));
        }
        set
    }

    fn insert(&mut self, txn: u8, incarnation: u32, writes: Vec<(u8, Written)>) {
        for (location, written) in writes {
            self.sets.entry(txn).or_default().push(location);
            let estimate = written == Written::Hint;
            let delta = matches!(written, Written::Deltas(_));
            let shown = !delta || self.shows_deltas.contains(&location);
            let entry = ModelEntry { incarnation, written, estimate, shown, sum: None };
            self.entries.insert((location, txn), entry);
        }
    }

    /// Whether readers find anything that the transaction wrote before it is committed.
    fn is_shown(&self, txn: u8) -> bool {
        self.set(txn).iter().any(|location| self.entries[&(*location, txn)].shown)
    }

    fn publish(&mut self, txn: u8, incarnation: u32, writes: Vec<(u8, Written)>) -> Published {
        let first = self.executions.insert(txn, incarnation + 1).is_none();
        let value = |location: u8| match self.entries[&(location, txn)].written {
            Written::Value(number) => (location, Written::Value(number)),
            _ => (location, Written::Hint),
        };
        // Only whole values are known to be the same whatever lies below.
        let before: Vec<_> = self.set(txn).iter().map(|location| value(*location)).collect();
        let was_shown = self.is_shown(txn);
        let set = self.remove(txn);
        let right = set.iter().filter(|old| writes.iter().any(|(new, _)| new == *old)).count();
        let (right, wrong) = if first { (right, set.len() - right) } else { (0, 0) };
        let same = before == writes;
        self.insert(txn, incarnation, writes);
        let changed = !same && (was_shown || self.is_shown(txn));
        Published { changed, right_hints: right, wrong_hints: wrong }
    }

    /// The entries at `location` that a reader at `at` finds, highest transaction first.
    fn below(&self, location: u8, at: u8) -> impl Iterator<Item = (u8, &ModelEntry)> {
        let range = self.entries.range((location, 0)..(location, at));
        let found = |(txn, entry): &(u8, &ModelEntry)| entry.shown || *txn < self.head;
        range.rev().map(|((_, txn), entry)| (*txn, entry)).filter(found)
    }

    fn read(&self, location: u8, at: u8, trust_hints: bool) -> Seen {
        let believed = |entry: &ModelEntry| trust_hints || entry.written != Written::Hint;
        let mut deltas = Vec::new();
        let mut found = self.base.get(&location).map(|number| (Version::BASE, *number));
        for (txn, entry) in self.below(location, at).filter(|(_, entry)| believed(entry)) {
            if entry.estimate {
                return Seen::Unknown(txn);
            }
            if let Some(number) = entry.final_number() {
                found = Some((Version::new(index(txn), entry.incarnation), number));
                break;
            }
            deltas.push((txn, &entry.written));
        }
        let Some((version, mut sum)) = found else { return Seen::Base };
        if deltas.is_empty() {
            let base = version == Version::BASE;
            return if base { Seen::Base } else { Seen::Value(Some(version), sum) };
        }
        for (txn, written) in deltas.into_iter().rev() {
            match apply(written, sum) {
                Some(next) => sum = next,
                None => return Seen::Unknown(txn),
            }
        }
        Seen::Value(None, sum)
    }

    fn final_value(&self, location: u8) -> Option<(Version, u8)> {
        let base = || Some((Version::BASE, *self.base.get(&location)?));
        self.committed.get(&location).copied().or_else(base)
    }

    /// Sums up the deltas of the head, as far as they apply.
    fn sum_deltas(&mut self) -> bool {
        let txn = self.head;
        for location in self.set(txn).to_vec() {
            let below = self.final_value(location);
            let entry = self.entries.get_mut(&(location, txn)).expect("in its transaction's set");
            if entry.final_number().is_some() {
                continue;
            }
            match below.and_then(|(_, number)| apply(&entry.written, number)) {
                Some(sum) => entry.sum = Some(sum),
                None => return false,
            }
        }
        true
    }

    /// The head's writes, and where nothing was committed before.
    fn commit(&mut self) -> (Vec<(u8, u8)>, Vec<u8>) {
        let txn = self.head;
        let (mut writes, mut touched) = (Vec::new(), Vec::new());
        for location in self.set(txn).to_vec() {
            let entry = &self.entries[&(location, txn)];
            let number = entry.final_number().expect("summed up before");
            let version = Version::new(index(txn), entry.incarnation);
            if self.committed.insert(location, (version, number)).is_none() {
                touched.push(location);
            }
            writes.push((location, number));
        }
        self.head += 1;
        (writes, touched)
    }

    /// Whether the head was executed, and not aborted since.
    fn head_is_executed(&self) -> bool {
        let txn = self.head;
        let estimate = |location: &u8| self.entries[&(*location, txn)].estimate;
        txn < TXNS && self.executions.contains_key(&txn) && !self.set(txn).iter().any(estimate)
    }
}

fn index(txn: u8) -> TxnIndex {
    TxnIndex::new(txn.into())
}

fn apply(written: &Written, below: u8) -> Option<u8> {
    match written {
        Written::Deltas(deltas) => deltas.iter().try_fold(below, |sum, delta| add(sum, *delta)),
        Written::Value(number) => Some(*number),
        Written::Hint => Some(below),
    }
}

struct Trial<'m> {
    memory: &'m MvMemory<Place, Small>,
    handle: LocalHandle<'m, Place, Small>,
    model: Model,
}

impl<'m> Trial<'m> {
    fn new(memory: &'m MvMemory<Place, Small>) -> Self {
        Self { memory, handle: memory.handle(), model: Model::default() }
    }

    fn step(&mut self, op: u8, ops: &mut Ops<'_>) {
        // A transaction that is not final yet, if there is one.
        let open = TXNS - self.model.head;
        let txn = (open > 0).then(|| self.model.head + op / 16 % open);
        match (op % 16, txn) {
            (0..5, Some(txn)) => self.publish(txn, ops.writes()),
            (5, Some(txn)) => self.mark_estimates(txn),
            (6, Some(txn)) => self.withdraw(txn),
            (7, Some(txn)) => self.declare(txn, &ops.locations()),
            (8..10, Some(_)) if self.model.head_is_executed() => self.commit(),
            (10, _) => self.fetch_base(ops.below(LOCATIONS), op / 16 == 0),
            (11, _) => self.show_deltas(ops.below(LOCATIONS)),
            _ => self.look(ops.below(LOCATIONS), self.model.head + ops.below(open + 1)),
        }
    }

    fn cell(&self, location: u8) -> &'m Cell<Place, Small> {
        self.memory.cell(&Place(Box::new(location)), &self.handle)
    }

    fn publish(&mut self, txn: u8, writes: Vec<(u8, Written)>) {
        let incarnation = self.model.executions.get(&txn).copied().unwrap_or(0);
        let cells: Vec<_> =
            writes.iter().map(|(location, written)| (self.cell(*location), written)).collect();
        let payloads = cells.into_iter().map(|(cell, written)| (cell, written.payload()));
        let found = self.memory.publish(index(txn), incarnation, payloads, &self.handle);
        assert_eq!(found, self.model.publish(txn, incarnation, writes), "publication of {txn}");
    }

    fn mark_estimates(&mut self, txn: u8) {
        self.memory.mark_estimates(index(txn));
        for location in self.model.set(txn).to_vec() {
            let entry = self.model.entries.get_mut(&(location, txn)).expect("in its set");
            entry.estimate = true;
        }
    }

    fn withdraw(&mut self, txn: u8) {
        let any = self.memory.withdraw(index(txn), &self.handle);
        *self.model.executions.entry(txn).or_default() += 1;
        assert_eq!(any, !self.model.remove(txn).is_empty(), "withdrawal of {txn}");
    }

    fn declare(&mut self, txn: u8, locations: &[u8]) {
        let cells: Vec<_> = locations.iter().map(|location| self.cell(*location)).collect();
        self.memory.declare(index(txn), &cells, &self.handle);
        if !self.model.executions.contains_key(&txn) && self.model.set(txn).is_empty() {
            let hints = locations.iter().map(|location| (*location, Written::Hint)).collect();
            self.model.insert(txn, 0, hints);
        }
    }

    fn commit(&mut self) {
        let txn = self.model.head;
        let sums_up = self.memory.sum_deltas(index(txn), &self.handle);
        assert_eq!(sums_up, self.model.sum_deltas(), "the deltas of {txn}");
        if !sums_up {
            return;
        }
        let (mut writes, mut touched) = (Vec::new(), Vec::new());
        self.memory.commit(index(txn), |_| false, &mut writes, &mut touched);
        let writes: Vec<_> =
            writes.into_iter().map(|(place, value)| (*place.0, *value.0)).collect();
        let touched: Vec<_> = touched.into_iter().map(|cell| *cell.location().0).collect();
        assert_eq!((writes, touched), self.model.commit(), "commit of {txn}");
    }

    fn fetch_base(&mut self, location: u8, fails: bool) {
        let storage = |place: &Place| -> Result<Small, BoxError> {
            if fails { Err("unreadable".into()) } else { Ok(Small::new(stored(*place.0))) }
        };
        let found = self.cell(location).fetch_base(&storage);
        let found = found.map(|(value, fetched)| (*value.0, fetched)).ok();
        let expected = match self.model.base.get(&location) {
            Some(number) => Some((*number, false)),
            None => (!fails).then_some((stored(location), true)),
        };
        assert_eq!(found, expected, "base value of {location}");
        self.model.base.extend(expected.map(|(number, _)| (location, number)));
    }

    fn show_deltas(&mut self, location: u8) {
        self.cell(location).show_deltas();
        self.model.shows_deltas.insert(location);
    }

    fn look(&self, location: u8, at: u8) {
        let cell = self.cell(location);
        let guard = &self.handle.pin();
        for trust_hints in [false, true] {
            let found = match cell.latest_below(index(at), trust_hints, &self.handle.visited, guard)
            {
                Found::Value(version, value) => Seen::Value(version, *value.0),
                Found::Base => Seen::Base,
                Found::Unknown(writer) => Seen::Unknown(writer.get() as u8),
            };
            let expected = self.model.read(location, at, trust_hints);
            assert_eq!(found, expected, "{location} below {at}");
        }
        let rests = self.model.below(location, at).all(|(_, entry)| entry.final_number().is_none());
        assert_eq!(cell.rests_on_base(index(at), guard), rests, "{location} below {at}");
        let found = cell.committed().map(|(version, value)| (version, *value.0));
        assert_eq!(found, self.model.final_value(location), "committed value of {location}");
        assert_eq!(cell.base().map(|value| *value.0), self.model.base.get(&location).copied());
    }

    fn look_everywhere(&self) {
        for location in 0..LOCATIONS {
            let place = Place(Box::new(location));
            let found = self.memory.find(&place).map(std::ptr::from_ref);
            assert!(found.is_none_or(|cell| cell == std::ptr::from_ref(self.cell(location))));
            (self.model.head..=TXNS).for_each(|at| self.look(location, at));
        }
    }

    /// Moves the epoch on, so that what was unlinked is freed.
    fn collect_garbage(&self) {
        for _ in 0..3 {
            self.handle.pin().flush();
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::{ProptestConfig, any, proptest};

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig {
            failure_persistence: None,
            ..ProptestConfig::default()
        })]

        #[test]
        fn the_memory_is_what_maps_would_be(bytes in vec(any::<u8>(), 0..400)) {
            agree(&bytes);
        }
    }

    #[test]
    #[should_panic(expected = "3 below 5")]
    fn a_disagreement_is_noticed() {
        let memory = MvMemory::new(TXNS.into(), &Arc::new(ChunkPool::new(0)));
        let mut trial = Trial::new(&memory);
        trial.publish(4, vec![(3, Written::Value(7))]);
        trial.look_everywhere();
        trial.model.insert(4, 0, vec![(3, Written::Value(8))]);
        trial.look_everywhere();
    }
}
