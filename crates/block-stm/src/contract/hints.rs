//! Declared writes: what a transaction will probably write.

use crate::contract::types::Types;
use crate::primitives::ids::TxnIndex;

/// Knows, or guesses, which locations a transaction will write.
///
/// A reader of such a location waits for the transaction instead of reading too early. Hints are
/// always safe: a missing one costs a re-execution, a wrong one a short wait, and when wrong ones
/// abound they are no longer believed. They never change a result.
pub trait Hints<V: Types>: Sync {
    /// Calls `declare` with each location that `txn` will probably write.
    ///
    /// Called at most once for each transaction, from several threads, some time before it is
    /// executed.
    fn declare(&self, index: TxnIndex, txn: &V::Txn, declare: &mut dyn FnMut(V::Location));
}
