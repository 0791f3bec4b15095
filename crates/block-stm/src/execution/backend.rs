//! Where the two kinds of view meet: what is inside a [`View`](crate::View).

use std::ops::Bound;

use super::overlay::Overlay;
use super::scan::Visit;
use super::speculation::Speculation;
use crate::contract::execution::Interrupt;
use crate::contract::storage::BoxError;
use crate::contract::types::{DeltaOf, PredicateOf, Types};

/// A view of the state, of one kind or the other. Each method does what the [`View`](crate::View)'s
/// of the same name says.
pub(crate) enum Backend<'b, V: Types> {
    /// The oracle's: what was committed, and nothing else.
    Sequential(Overlay<'b, V>),
    /// A worker's: the multi-version memory.
    Speculative(Speculation<'b, V>),
}

impl<'b, V: Types> Backend<'b, V> {
    pub(crate) const fn kind(&self) -> &'static str {
        match self {
            Self::Sequential(_) => "sequential",
            Self::Speculative(_) => "speculative",
        }
    }

    pub(crate) const fn overlay(&mut self) -> Option<&mut Overlay<'b, V>> {
        match self {
            Self::Sequential(overlay) => Some(overlay),
            Self::Speculative(_) => None,
        }
    }

    pub(crate) const fn speculation(&mut self) -> Option<&mut Speculation<'b, V>> {
        match self {
            Self::Sequential(_) => None,
            Self::Speculative(speculation) => Some(speculation),
        }
    }

    #[inline]
    pub(crate) fn read_with<T>(
        &mut self,
        location: &V::Location,
        show: impl FnOnce(&V::Value) -> T,
    ) -> Result<T, Interrupt> {
        match self {
            Self::Sequential(view) => view.read_with(location, show),
            Self::Speculative(view) => view.read_with(location, show),
        }
    }

    #[inline]
    pub(crate) fn scan(
        &mut self,
        from: Bound<&V::Location>,
        to: Bound<&V::Location>,
        visit: &mut Visit<'_, V>,
    ) -> Result<(), Interrupt> {
        match self {
            Self::Sequential(view) => view.scan(from, to, visit),
            Self::Speculative(view) => view.scan(from, to, visit),
        }
    }

    #[inline]
    pub(crate) fn write(
        &mut self,
        location: &V::Location,
        value: V::Value,
    ) -> Result<(), Interrupt> {
        match self {
            Self::Sequential(view) => view.write(location, value),
            Self::Speculative(view) => view.write(location, value),
        }
    }

    #[inline]
    pub(crate) fn add(
        &mut self,
        location: &V::Location,
        delta: DeltaOf<V>,
    ) -> Result<bool, Interrupt> {
        match self {
            Self::Sequential(view) => view.add(location, &delta),
            Self::Speculative(view) => view.add(location, delta),
        }
    }

    #[inline]
    pub(crate) fn check(
        &mut self,
        location: &V::Location,
        predicate: PredicateOf<V>,
    ) -> Result<bool, Interrupt> {
        match self {
            Self::Sequential(view) => view.check(location, &predicate),
            Self::Speculative(view) => view.check(location, predicate),
        }
    }

    #[inline]
    pub(crate) fn assume(
        &mut self,
        location: &V::Location,
        predicate: PredicateOf<V>,
    ) -> Result<bool, Interrupt> {
        match self {
            Self::Sequential(view) => view.check(location, &predicate),
            Self::Speculative(view) => view.assume(location, predicate),
        }
    }

    #[inline]
    pub(crate) fn peek(&mut self, location: &V::Location) -> Result<V::Value, Interrupt> {
        match self {
            Self::Sequential(view) => view.peek(location),
            Self::Speculative(view) => view.peek(location),
        }
    }

    #[inline]
    pub(crate) fn glimpse(&mut self, location: &V::Location) -> Result<V::Value, Interrupt> {
        match self {
            Self::Sequential(view) => view.peek(location),
            Self::Speculative(view) => view.glimpse(location),
        }
    }

    pub(crate) fn fail(&mut self, source: BoxError) -> Interrupt {
        match self {
            Self::Sequential(view) => view.fail(source),
            Self::Speculative(view) => view.fail(source),
        }
    }

    pub(crate) fn checkpoint(&mut self) -> Result<(), Interrupt> {
        match self {
            Self::Sequential(_) => Ok(()),
            Self::Speculative(view) => view.checkpoint(),
        }
    }
}
