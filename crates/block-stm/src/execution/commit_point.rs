//! The state at the commit point as a storage: what the memory has of it, and the block's storage
//! beneath.

use std::ops::{Bound, ControlFlow};

use super::names::MemoryOf;
use crate::contract::storage::{BoxError, Ordered, OrderedStorage, Storage};
use crate::contract::types::Types;
use crate::mvmemory::ListKind;

/// What is committed in a memory, over an ordered storage. Only the holder of the baton may look.
pub(crate) struct CommitPoint<'b, V: Types> {
    pub(crate) memory: &'b MemoryOf<V>,
    pub(crate) ordered: Ordered<'b, V::Location, V::Value>,
}

impl<V: Types> CommitPoint<'_, V> {
    pub(crate) fn ordered(&self) -> Ordered<'_, V::Location, V::Value> {
        Ordered { storage: self, order: self.ordered.order }
    }
}

impl<V: Types> Storage<V::Location, V::Value> for CommitPoint<'_, V> {
    fn read(&self, location: &V::Location) -> Result<V::Value, BoxError> {
        match self.memory.find(location).and_then(|cell| cell.committed()) {
            Some((_, value)) => Ok(value.clone()),
            None => self.ordered.storage.read(location),
        }
    }
}

impl<V: Types> OrderedStorage<V::Location, V::Value> for CommitPoint<'_, V> {
    /// The lower one of what the storage names, deleted since or not, and of what is held.
    fn next(
        &self,
        range: (Bound<&V::Location>, Bound<&V::Location>),
    ) -> Result<Option<V::Location>, BoxError> {
        let Ordered { storage, order } = self.ordered;
        let named = storage.next(range)?;
        let mut held = None;
        if let Some(index) = self.memory.index() {
            index.walk(ListKind::Present, range.0, range.1, |cell| {
                held = Some(cell.location());
                ControlFlow::Break(())
            });
        }
        let is_lower =
            |held: &&V::Location| named.as_ref().is_none_or(|named| order.is_less(held, named));
        Ok(held.filter(is_lower).cloned().or(named))
    }
}
