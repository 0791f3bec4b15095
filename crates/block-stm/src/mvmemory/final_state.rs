//! What a block's transactions left behind.

use std::fmt;
use std::hash::Hash;

use foldhash::fast::RandomState;
use indexmap::IndexMap;

use crate::contract::value::Value;
use crate::mvmemory::{Cell, MvMemory};
use crate::primitives::ids::TxnIndex;
use crate::primitives::key::Key;

/// Every location that a transaction wrote, with its final value, in the order of the first write
/// in the block.
///
/// It holds what the execution left in memory, and copies nothing unless asked to: looking at it
/// costs about a cache miss for each location, dropping it next to nothing. The final value may be
/// the one from before the block.
///
/// # Examples
///
/// ```
/// use block_stm::FinalState;
///
/// fn changed<V: block_stm::Value>(state: &FinalState<u64, V>) -> Vec<u64> {
///     let real = state.iter().filter(|change| change.before != Some(change.after));
///     real.map(|change| *change.location).collect()
/// }
/// ```
pub struct FinalState<L, V: Value> {
    /// The memory of a parallel execution.
    memory: Option<Box<InMemory<L, V>>>,
    /// What was written over it, one transaction after another.
    layer: Layer<L, V>,
}

struct InMemory<L, V: Value> {
    /// Cells of `memory` that have a committed write.
    touched: Vec<*const Cell<L, V>>,
    memory: MvMemory<L, V>,
}

// SAFETY: the pointers lead to cells of the memory beside them, which is `Send` itself.
unsafe impl<L: Send + Sync, V: Value> Send for InMemory<L, V> {}
// SAFETY: only read; the memory is `Sync`.
unsafe impl<L: Send + Sync, V: Value> Sync for InMemory<L, V> {}

/// What a sequential execution knows.
pub(crate) struct Layer<L, V> {
    /// The places of the locations that were written first here, in the order of the first write.
    pub(crate) written: Vec<usize>,
    pub(crate) known: KnownLocations<L, V>,
}

/// Each location that was read or written.
pub(crate) type KnownLocations<L, V> = IndexMap<Key<L>, Known<V>, RandomState>;

/// What a sequential execution, or a stretch over the memory, knows of a location that was read or
/// written.
pub(crate) struct Known<V> {
    /// The one that was there before anything was written in this layer, if it was asked for.
    pub(crate) before: Option<V>,
    /// The last transaction that asked for the value that was here.
    pub(crate) asked: Option<TxnIndex>,
    /// Whether the first transaction that wrote here had asked; never if one wrote beneath.
    pub(crate) writer_asked: bool,
    /// Whether `after` is not written here, but lies in the memory beneath.
    pub(crate) is_beneath: bool,
    /// The one that a transaction left, if one did, and which.
    pub(crate) after: Option<(TxnIndex, V)>,
}

impl<L, V> Default for Layer<L, V> {
    fn default() -> Self {
        Self { written: Vec::new(), known: IndexMap::default() }
    }
}

impl<L: Eq + Hash, V> Layer<L, V> {
    fn get(&self, location: &L) -> Option<&Known<V>> {
        self.known.get(&Key(location))
    }

    fn after(&self, location: &L) -> Option<&V> {
        self.get(location)?.after.as_ref().map(|(_, value)| value)
    }
}

impl<V> Default for Known<V> {
    fn default() -> Self {
        Self { before: None, asked: None, writer_asked: false, is_beneath: false, after: None }
    }
}

impl<V> Known<V> {
    pub(crate) fn before_for_writer(&self) -> Option<&V> {
        self.before.as_ref().filter(|_| self.writer_asked)
    }

    /// Whether a transaction wrote here, in this layer.
    pub(crate) fn is_written(&self) -> bool {
        self.after.is_some() && !self.is_beneath
    }

    pub(crate) fn latest(&self) -> Option<&V> {
        self.after.as_ref().map(|(_, value)| value).or(self.before.as_ref())
    }
}

/// A location that was written.
pub struct Change<'a, L, V> {
    /// Where.
    pub location: &'a L,
    /// The value before the block, if the first transaction that wrote here asked for it: by
    /// reading, checking or assuming something of it, or by adding to it.
    pub before: Option<&'a V>,
    /// The value after the block's last transaction.
    pub after: &'a V,
}

impl<L, V: Value> FinalState<L, V> {
    /// # Safety
    /// `touched` are cells of `memory`, and have a committed write.
    pub(crate) unsafe fn in_memory(
        memory: MvMemory<L, V>,
        touched: Vec<*const Cell<L, V>>,
        layer: Layer<L, V>,
    ) -> Self {
        Self { memory: Some(Box::new(InMemory { touched, memory })), layer }
    }

    pub(crate) fn in_layer(layer: Layer<L, V>) -> Self {
        Self { memory: None, layer }
    }

    fn touched(&self) -> &[*const Cell<L, V>] {
        self.memory.as_ref().map_or(&[], |held| &held.touched)
    }

    /// The number of locations.
    #[must_use]
    pub fn len(&self) -> usize {
        self.touched().len() + self.layer.written.len()
    }

    /// Whether nothing was written.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl<L: Eq + Hash + Clone + Send + Sync + 'static, V: Value> FinalState<L, V> {
    fn cell(&self, location: &L) -> Option<&Cell<L, V>> {
        self.memory.as_ref()?.memory.find(location)
    }

    /// The location that was written first after `n` others; for threads that share the work.
    ///
    /// # Panics
    /// If there are no more than `n`.
    #[must_use]
    pub fn nth(&self, n: usize) -> Change<'_, L, V> {
        let touched = self.touched();
        if let Some(cell) = touched.get(n) {
            // SAFETY: a cell of `memory`, says `in_memory`.
            let cell = unsafe { &**cell };
            let location = cell.location();
            let committed = || cell.committed().map(|(_, value)| value);
            let after = self.layer.after(location).or_else(committed);
            let after = after.expect("has a committed write, says `in_memory`");
            return Change { location, before: cell.base_for_writer(), after };
        }
        let place = self.layer.known.get_index(self.layer.written[n - touched.len()]);
        let (location, values) = place.expect("nothing is taken out");
        let (_, after) = values.after.as_ref().expect("what was written has a value");
        Change { location: &location.0, before: values.before_for_writer(), after }
    }

    /// All of them, in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = Change<'_, L, V>> {
        (0..self.len()).map(|n| self.nth(n))
    }

    /// The final value of `location`. `None` if no transaction wrote it: then it is what it was
    /// before the block.
    #[must_use]
    pub fn value(&self, location: &L) -> Option<&V> {
        let committed = || self.cell(location)?.committed_write();
        self.layer.after(location).or_else(committed)
    }

    /// As [`Change::before`]. `None` also if no transaction wrote `location`.
    #[must_use]
    pub fn before(&self, location: &L) -> Option<&V> {
        let layer = || self.layer.get(location)?.before_for_writer();
        self.cell(location).and_then(Cell::base_for_writer).or_else(layer)
    }

    /// The final value of `location` if the execution holds it, be it that no transaction wrote it:
    /// then it is the one from before the block.
    ///
    /// Saves a host a question to the storage. Which of the locations that were not written are
    /// held depends on the schedule; what is held does not.
    #[must_use]
    pub fn cached(&self, location: &L) -> Option<&V> {
        let committed = || Some(self.cell(location)?.committed()?.1);
        self.layer.get(location).and_then(Known::latest).or_else(committed)
    }

    /// Copies the locations and their final values.
    #[must_use]
    pub fn to_vec(&self) -> Vec<(L, V)> {
        self.iter().map(|change| (change.location.clone(), change.after.clone())).collect()
    }
}

impl<L, V> PartialEq for FinalState<L, V>
where
    L: Eq + Hash + Clone + Send + Sync + 'static,
    V: Value,
{
    /// Whether both have the same locations in the same order, with the same final values.
    fn eq(&self, other: &Self) -> bool {
        self.len() == other.len()
            && self
                .iter()
                .zip(other.iter())
                .all(|(a, b)| (a.location, a.after) == (b.location, b.after))
    }
}

impl<L, V> fmt::Debug for FinalState<L, V>
where
    L: Eq + Hash + Clone + Send + Sync + fmt::Debug + 'static,
    V: Value + fmt::Debug,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter().map(|change| (change.location, change.after))).finish()
    }
}

impl<L: fmt::Debug, V: fmt::Debug> fmt::Debug for Change<'_, L, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Change")
            .field("location", &self.location)
            .field("before", &self.before)
            .field("after", &self.after)
            .finish()
    }
}
