//! Where committed transactions go, one by one and in order, while the rest of the block still
//! runs.

use crate::contract::types::Types;
use crate::primitives::ids::TxnIndex;

/// What a transaction came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome<O, I> {
    /// It took effect.
    Done(O),
    /// It was left out, without any effect.
    Invalid(I),
}

/// The answer to "may this transaction stand at this place?".
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Admission<I> {
    /// It may.
    Admit,
    /// It may not: treated like a transaction that the VM found invalid.
    Refuse(I),
    /// The block ends before it.
    Cut,
}

/// The answer to "go on after this transaction?".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flow {
    /// Go on.
    Continue,
    /// The block ends here; this transaction is in it.
    Cut,
}

/// The committed writes of one transaction, in the order in which it first wrote each location.
///
/// Deltas appear as the values that they led to.
#[derive(Debug)]
pub struct Writes<'a, V: Types> {
    pub(crate) entries: &'a [(&'a V::Location, &'a V::Value)],
}

impl<'a, V: Types> Writes<'a, V> {
    /// The locations and their new values.
    pub fn iter(&self) -> impl Iterator<Item = (&'a V::Location, &'a V::Value)> + use<'a, V> {
        self.entries.iter().copied()
    }
}

/// Receives the block's transactions in order, each exactly once, as they become final.
///
/// The calls for one transaction are `admit`, then `settle` if it was executed, then `commit`
/// unless the block was cut or failed there. They come from whichever thread commits, never from
/// two at once. A sink should be quick: while it works, nothing else can be committed. When the
/// block fails in the end, what was committed before is a prefix of the sequential execution.
///
/// A panic in a sink stops the block and resurfaces on the caller's thread.
pub trait CommitSink<V: Types>: Send {
    /// Whether `txn` may stand at its place, given all that was committed before it.
    ///
    /// The place for rules such as "its gas limit must fit in what the block has left".
    fn admit(&mut self, index: TxnIndex, txn: &V::Txn) -> Admission<V::Invalid> {
        let _ = (index, txn);
        Admission::Admit
    }

    /// Whether `txn` may stand at its place, given what it did.
    ///
    /// The place for rules such as "leave it out if its real gas does not fit any more".
    fn settle(
        &mut self,
        index: TxnIndex,
        txn: &V::Txn,
        output: &V::Output,
    ) -> Admission<V::Invalid> {
        let _ = (index, txn, output);
        Admission::Admit
    }

    /// Takes what became final. `writes` is empty for an invalid transaction.
    fn commit(
        &mut self,
        index: TxnIndex,
        outcome: Outcome<V::Output, V::Invalid>,
        writes: Writes<'_, V>,
    ) -> Flow;
}

/// A sink that keeps every outcome, in order.
#[derive(Debug)]
pub struct Collect<O, I> {
    /// What each transaction came to.
    pub outcomes: Vec<Outcome<O, I>>,
}

impl<O, I> Default for Collect<O, I> {
    fn default() -> Self {
        Self { outcomes: Vec::new() }
    }
}

impl<V: Types> CommitSink<V> for Collect<V::Output, V::Invalid> {
    fn commit(
        &mut self,
        _index: TxnIndex,
        outcome: Outcome<V::Output, V::Invalid>,
        _writes: Writes<'_, V>,
    ) -> Flow {
        self.outcomes.push(outcome);
        Flow::Continue
    }
}
