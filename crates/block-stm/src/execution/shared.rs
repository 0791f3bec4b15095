//! What executions need beside the record: the parts of the block that all workers share, and what
//! one worker has of its own.

use std::cell::Cell;

use super::names::{HandleOf, MemoryOf};
use crate::contract::storage::{Ordered, Storage};
use crate::contract::types::Types;
use crate::primitives::canary::{Canary, sings};
use crate::primitives::ids::TxnIndex;
use crate::scheduler::Scheduler;

/// What the views of a block share.
pub(crate) struct Shared<'b, V: Types> {
    pub(crate) memory: &'b MemoryOf<V>,
    pub(crate) storage: &'b dyn Storage<V::Location, V::Value>,
    /// The storage again, if locations may be scanned.
    pub(crate) ordered: Option<Ordered<'b, V::Location, V::Value>>,
    /// The same at the commit point.
    pub(crate) commit_point: Option<Ordered<'b, V::Location, V::Value>>,
    pub(crate) scheduler: &'b Scheduler<'b>,
    /// Whether optimistic executions take deltas and assumptions for granted.
    pub(crate) deltas: bool,
    /// Whether executions are timed.
    pub(crate) measures: bool,
}

impl<V: Types> Shared<'_, V> {
    /// Takes back what was published for a transaction without effect.
    pub(crate) fn withdraw(&self, txn: TxnIndex, handle: &HandleOf<'_, V>) {
        if !sings(Canary::KeepLeftOut) && self.memory.withdraw(txn, handle) {
            self.scheduler.note_rewrite();
        }
    }
}

impl<V: Types> Clone for Shared<'_, V> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<V: Types> Copy for Shared<'_, V> {}

/// What a worker's views share with it, so that it survives a view that the VM loses.
pub(crate) struct Local<'b, V: Types> {
    pub(crate) handle: HandleOf<'b, V>,
    /// Values read from the storage.
    pub(crate) base_reads: Cell<u64>,
    /// Times that a run waited briefly for a writer.
    pub(crate) waits: Cell<u64>,
    /// The worker's number.
    pub(crate) number: usize,
}

impl<'b, V: Types> Local<'b, V> {
    pub(crate) fn new(handle: HandleOf<'b, V>, number: usize) -> Self {
        Self { handle, base_reads: Cell::new(0), waits: Cell::new(0), number }
    }

    pub(super) fn count_base_read(&self, fetched: bool) {
        self.base_reads.set(self.base_reads.get() + u64::from(fetched));
    }
}
