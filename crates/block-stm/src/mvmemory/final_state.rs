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
pub struct FinalState<L, V: Value>(Backing<L, V>);

enum Backing<L, V: Value> {
    /// The memory of a parallel execution, with the cells of it that have a committed write.
    Memory { touched: Vec<*const Cell<L, V>>, memory: Box<MvMemory<L, V>> },
    /// What a sequential execution knows, with the places of the locations that were written, in
    /// the order of the first write.
    Maps { written: Vec<usize>, known: KnownLocations<L, V> },
}

// SAFETY: the pointers lead to cells of the memory beside them, which is `Send` itself, as is what
// is in the maps.
unsafe impl<L: Send + Sync, V: Value> Send for Backing<L, V> {}
// SAFETY: only read; the memory and the maps are `Sync`.
unsafe impl<L: Send + Sync, V: Value> Sync for Backing<L, V> {}

/// Each location that was read or written.
pub(crate) type KnownLocations<L, V> = IndexMap<Key<L>, Known<V>, RandomState>;

/// What a sequential execution knows of a location that was read or written.
pub(crate) struct Known<V> {
    /// The one from before the block, if the storage was asked for it.
    pub(crate) before: Option<V>,
    /// The last transaction that asked for the value that was here.
    pub(crate) asked: Option<TxnIndex>,
    /// Whether the first transaction that wrote here had asked.
    pub(crate) writer_asked: bool,
    /// The one that a transaction left, if one did, and which.
    pub(crate) after: Option<(TxnIndex, V)>,
}

impl<V> Default for Known<V> {
    fn default() -> Self {
        Self { before: None, asked: None, writer_asked: false, after: None }
    }
}

impl<V> Known<V> {
    fn before_for_writer(&self) -> Option<&V> {
        self.before.as_ref().filter(|_| self.writer_asked)
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

impl<L: Clone, V: Value> FinalState<L, V> {
    /// # Safety
    /// `touched` are cells of `memory`, and have a committed write.
    pub(crate) unsafe fn in_memory(
        memory: MvMemory<L, V>,
        touched: Vec<*const Cell<L, V>>,
    ) -> Self {
        Self(Backing::Memory { touched, memory: Box::new(memory) })
    }

    pub(crate) fn in_maps(written: Vec<usize>, known: KnownLocations<L, V>) -> Self {
        Self(Backing::Maps { written, known })
    }

    /// The number of locations.
    #[must_use]
    pub fn len(&self) -> usize {
        match &self.0 {
            Backing::Memory { touched, .. } => touched.len(),
            Backing::Maps { written, .. } => written.len(),
        }
    }

    /// Whether nothing was written.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl<L: Eq + Hash + Clone + Send + Sync + 'static, V: Value> FinalState<L, V> {
    /// The location that was written first after `n` others; for threads that share the work.
    ///
    /// # Panics
    /// If there are no more than `n`.
    #[must_use]
    pub fn nth(&self, n: usize) -> Change<'_, L, V> {
        match &self.0 {
            Backing::Memory { touched, .. } => {
                // SAFETY: a cell of the memory beside it, says `in_memory`.
                let cell = unsafe { &*touched[n] };
                let (_, after) = cell.committed().expect("has a committed write, says `in_memory`");
                Change { location: cell.location(), before: cell.base_for_writer(), after }
            }
            Backing::Maps { written, known } => {
                let place = known.get_index(written[n]);
                let (location, values) = place.expect("nothing is taken out");
                let (_, after) = values.after.as_ref().expect("what was written has a value");
                Change { location: &location.0, before: values.before_for_writer(), after }
            }
        }
    }

    /// All of them, in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = Change<'_, L, V>> {
        (0..self.len()).map(|n| self.nth(n))
    }

    /// The final value of `location`. `None` if no transaction wrote it: then it is what it was
    /// before the block.
    #[must_use]
    pub fn value(&self, location: &L) -> Option<&V> {
        match &self.0 {
            Backing::Memory { memory, .. } => {
                let cell = memory.find(location)?;
                cell.is_committed().then_some(cell.committed()?.1)
            }
            Backing::Maps { known, .. } => Some(&known.get(&Key(location))?.after.as_ref()?.1),
        }
    }

    /// As [`Change::before`]. `None` also if no transaction wrote `location`.
    #[must_use]
    pub fn before(&self, location: &L) -> Option<&V> {
        match &self.0 {
            Backing::Memory { memory, .. } => memory.find(location)?.base_for_writer(),
            Backing::Maps { known, .. } => known.get(&Key(location))?.before_for_writer(),
        }
    }

    /// The final value of `location` if the execution holds it, be it that no transaction wrote it:
    /// then it is the one from before the block.
    ///
    /// Saves a host a question to the storage. Which of the locations that were not written are
    /// held depends on the schedule; what is held does not.
    #[must_use]
    pub fn cached(&self, location: &L) -> Option<&V> {
        match &self.0 {
            Backing::Memory { memory, .. } => Some(memory.find(location)?.committed()?.1),
            Backing::Maps { known, .. } => known.get(&Key(location))?.latest(),
        }
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
