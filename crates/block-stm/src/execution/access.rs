//! What a run did at one location.

use super::names::CellOf;
use crate::contract::types::{PredicateOf, Types};
use crate::mvmemory::Payload;
use crate::primitives::ids::Version;

/// Everything that a run did at one location.
pub(crate) struct Access<'b, V: Types> {
    pub(crate) cell: &'b CellOf<V>,
    /// The value from below that the run was shown, the same whenever it looks again.
    pub(crate) seen: Option<Seen<V::Value>>,
    /// Whether the run was shown some value from below beside `seen`.
    pub(crate) glimpsed: bool,
    /// Whether the run stands or falls with `seen`, beyond its assertions.
    pub(crate) relied_on: bool,
    /// When the VM first read what another transaction had written here, counted from 1; 0 for
    /// never.
    pub(crate) observed: u32,
    /// Whether the location was a candidate when its surroundings were scanned for the first time.
    pub(crate) is_covered: bool,
    /// Whether the VM came to know something of what lies below.
    pub(crate) asked: bool,
    /// Whether a predicate was taken for granted here, which the judge will ask for.
    pub(crate) assumed: bool,
    pub(crate) own: Option<Payload<V::Value>>,
    /// `own` is made by deltas alone, so that reading it observes what lies below.
    pub(crate) by_delta: bool,
}

impl<'b, V: Types> Access<'b, V> {
    pub(super) const fn new(cell: &'b CellOf<V>) -> Self {
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

    /// The value from below.
    ///
    /// # Panics
    /// If the run was shown none.
    pub(super) fn below(&self) -> &V::Value {
        &self.seen.as_ref().expect("the run looked").value
    }

    /// The value as the run left it: its own, or the one from below.
    ///
    /// # Panics
    /// If it has none of its own but deltas, and was shown none from below.
    pub(super) fn current(&self) -> &V::Value {
        match &self.own {
            Some(Payload::Value(value)) => value,
            Some(Payload::Deltas(_)) | None => self.below(),
        }
    }
}

/// A value from below, with the version that wrote it unless it was summed up from deltas.
#[derive(Clone, Debug)]
pub(crate) struct Seen<T> {
    pub(crate) version: Option<Version>,
    pub(crate) value: T,
}

/// A predicate and what it answered, or was taken to answer.
pub(crate) struct Assertion<V: Types> {
    pub(crate) place: usize,
    pub(crate) predicate: PredicateOf<V>,
    pub(crate) answer: bool,
    /// The answer came from the value seen, not from faith.
    pub(crate) looked: bool,
}
