//! The state before the block.

use std::error::Error as StdError;
use std::ops::Bound;

use crate::primitives::order::Order;

/// A failure of the host's state or of the VM itself, kept as the source of the engine's error.
pub type BoxError = Box<dyn StdError + Send + Sync>;

/// The state before the block.
pub trait Storage<L, V>: Sync {
    /// The value of `location`. A state in which a location may be absent says so in its value
    /// type.
    ///
    /// Called from several threads, and never under a lock of the engine. In parallel execution, a
    /// value is kept for the rest of the block: a location is read once, except after an error, and
    /// by workers that ask at the same time and do not want to wait for each other; what the first
    /// of them was told counts for all.
    ///
    /// # Errors
    /// Whatever keeps the host from answering. It surfaces as
    /// [`Error::Storage`](crate::Error::Storage) if the transaction that asked is really reached,
    /// and is forgotten if only a doomed execution asked.
    fn read(&self, location: &L) -> Result<V, BoxError>;
}

impl<L, V, F> Storage<L, V> for F
where
    F: Fn(&L) -> Result<V, BoxError> + Sync,
{
    fn read(&self, location: &L) -> Result<V, BoxError> {
        self(location)
    }
}

/// A state before the block whose locations have an order, for
/// [`Block::ordered`](crate::Block::ordered).
pub trait OrderedStorage<L, V>: Storage<L, V> {
    /// The lowest location within the range that holds something, that is, whose value is not
    /// [absent](crate::Value::is_absent).
    ///
    /// It must agree with [`read`](Storage::read). Called from several threads. An answer is kept
    /// for the rest of the block: that nothing lies between the range's beginning and the location.
    /// The range is never empty or inverted, as `BTreeMap::range` requires.
    ///
    /// # Errors
    /// As for [`read`](Storage::read); [`Error::Storage`](crate::Error::Storage) names the range.
    /// Whether it fails may depend on what lies between the range's beginning and the answer, not
    /// on where it was asked to begin.
    fn next(&self, range: (Bound<&L>, Bound<&L>)) -> Result<Option<L>, BoxError>;
}

/// What makes a block's locations scannable.
pub(crate) struct Ordered<'a, L, V> {
    pub(crate) storage: &'a dyn OrderedStorage<L, V>,
    pub(crate) order: Order<L>,
}

impl<L, V> Clone for Ordered<'_, L, V> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<L, V> Copy for Ordered<'_, L, V> {}
