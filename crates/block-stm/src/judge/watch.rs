//! What is told of the judge's work, where there is time for that.

use crossbeam_epoch::Guard;

use crate::contract::value::Value;
use crate::mvmemory::Cell;
use crate::primitives::ids::TxnIndex;

/// Is told of each commit. Debug builds and simulations have one, which asserts what must hold.
pub(crate) trait Watch<L, V: Value>: Send {
    /// `txn` is about to be committed, after a run that looked at these cells.
    fn before_commit(&self, txn: TxnIndex, cells: &[&Cell<L, V>], guard: &Guard);

    /// These writes were committed.
    fn after_commit(&mut self, writes: &[(&L, &V)]);

    /// `txn` has passed, committed or left out.
    fn pass(&mut self, txn: TxnIndex);

    /// The block has its end; `whole` if after its last transaction, of `txns`.
    fn end(&mut self, whole: bool, txns: usize, touched: &[&Cell<L, V>]);
}
