//! The rules by which a block grows, transaction by transaction: admission, limits, policy, sink.
//!
//! One copy for both ways of executing. The final outcome of the next transaction is
//! brought here.

use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::contract::block::{Block, InvalidPolicy};
use crate::contract::error::{Error, Failure};
use crate::contract::execution::Execution;
use crate::contract::limits::Cut;
use crate::contract::sink::{Admission, CommitSink, Flow, Outcome, Writes};
use crate::contract::types::Types;
use crate::execution::interruption::Interruption;
use crate::primitives::canary::{Canary, sings};
use crate::primitives::ids::TxnIndex;

/// Why no further transaction is taken.
#[derive(Debug)]
pub(crate) enum End<I: std::fmt::Debug + std::fmt::Display> {
    Cut(Cut),
    Failed(Error<I>),
}

impl<I: std::fmt::Debug + std::fmt::Display> End<I> {
    /// The cut, if the block has a result.
    pub(crate) fn cut(self) -> Result<Cut, Error<I>> {
        match self {
            Self::Cut(cut) => Ok(cut),
            Self::Failed(error) => Err(error),
        }
    }
}

/// Why a block of a VM ends.
pub(crate) type EndOf<V> = End<<V as Types>::Invalid>;

pub(crate) struct Ledger<'a, V: Types> {
    block: &'a Block<'a, V>,
    sink: &'a mut dyn CommitSink<V>,
    tally: Tally,
}

/// How far a block has grown.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Tally {
    weight: u64,
    included: usize,
    committed: usize,
}

impl Tally {
    /// How many transactions the sink was given.
    pub(crate) fn committed(&self) -> usize {
        self.committed
    }
}

impl<'a, V: Types> Ledger<'a, V> {
    /// The ledger of a block that has grown so far.
    pub(crate) fn new(
        block: &'a Block<'a, V>,
        sink: &'a mut dyn CommitSink<V>,
        tally: Tally,
    ) -> Self {
        Self { block, sink, tally }
    }

    pub(crate) fn tally(&self) -> Tally {
        self.tally
    }

    /// How many transactions the sink was given.
    pub(crate) fn committed(&self) -> usize {
        self.tally.committed
    }

    /// Ends the block if someone outside it says so.
    pub(crate) fn poll(&self) -> Result<(), EndOf<V>> {
        let limits = &self.block.limits;
        if limits.is_cancelled() {
            return Err(End::Failed(Error::Cancelled { committed: self.tally.committed }));
        }
        if limits.is_cut() {
            return Err(End::Cut(Cut::Token));
        }
        if limits.is_past_deadline() { Err(End::Cut(Cut::Deadline)) } else { Ok(()) }
    }

    /// Whether the next transaction is to be executed, then brought to [`settle`](Self::settle);
    /// else it was left out. Once for each transaction, in order.
    pub(crate) fn admit(&mut self, index: TxnIndex) -> Result<bool, EndOf<V>> {
        let count =
            if sings(Canary::CountLeftOut) { self.tally.committed } else { self.tally.included };
        if self.block.limits.max_txns.is_some_and(|max| count >= max) {
            return Err(End::Cut(Cut::Count));
        }
        match self.sink.admit(index, &self.block.txns[index.as_usize()]) {
            Admission::Admit => Ok(true),
            Admission::Refuse(reason) => self.leave_out(index, reason).map(|()| false),
            Admission::Cut => Err(End::Cut(Cut::Sink)),
        }
    }

    /// What the transaction did, if it takes effect: then its writes are to be made final, and
    /// [`commit`](Self::commit) called. `None` if it was left out: then they are void.
    pub(crate) fn settle(
        &mut self,
        index: TxnIndex,
        execution: Execution<V::Output, V::Invalid>,
    ) -> Result<Option<V::Output>, EndOf<V>> {
        let output = match execution {
            Execution::Done(output) => output,
            Execution::Invalid(reason) => {
                return self.leave_out(index, reason).map(|()| None);
            }
        };
        let txn = &self.block.txns[index.as_usize()];
        let weight = self.tally.weight.saturating_add(self.block.vm.weight(txn, &output));
        if self.block.limits.max_weight.is_some_and(|max| weight > max) {
            return Err(End::Cut(Cut::Weight));
        }
        if sings(Canary::WeighLeftOut) {
            self.tally.weight = weight;
        }
        match self.sink.settle(index, txn, &output) {
            Admission::Admit => {
                self.tally.weight = weight;
                Ok(Some(output))
            }
            Admission::Refuse(reason) => self.leave_out(index, reason).map(|()| None),
            Admission::Cut => Err(End::Cut(Cut::Sink)),
        }
    }

    /// Hands an included transaction to the sink.
    pub(crate) fn commit(
        &mut self,
        index: TxnIndex,
        output: V::Output,
        writes: Writes<'_, V>,
    ) -> Result<(), EndOf<V>> {
        self.tally.included += 1;
        self.hand_over(index, Outcome::Done(output), writes)
    }

    /// Ends the block: the transaction that is really next has no result.
    pub(crate) fn fail(&self, index: TxnIndex, failure: Failure) -> EndOf<V> {
        End::Failed(failure.at(index))
    }

    /// Ends the block: the execution of the transaction that is really next was interrupted.
    pub(crate) fn interrupted(&self, index: TxnIndex, interruption: Interruption) -> EndOf<V> {
        match interruption {
            Interruption::Failure(failure) => self.fail(index, failure),
            // Not from outside if `poll` knows of nothing: another worker panicked, and the caller
            // will see that.
            Interruption::Stopped => self.poll().err().unwrap_or_else(|| {
                End::Failed(Error::Cancelled { committed: self.tally.committed })
            }),
            interruption => {
                unreachable!("the head takes nothing for granted, but: {interruption:?}")
            }
        }
    }

    /// Does a part of the commit of `index` that calls methods of the host's locations. Their panic
    /// fails the block.
    pub(crate) fn contain<T>(
        &self,
        index: TxnIndex,
        work: impl FnOnce() -> T,
    ) -> Result<T, EndOf<V>> {
        catch_unwind(AssertUnwindSafe(work))
            .map_err(|payload| self.fail(index, Failure::panicked(payload)))
    }

    fn leave_out(&mut self, index: TxnIndex, reason: V::Invalid) -> Result<(), EndOf<V>> {
        match self.block.policy {
            InvalidPolicy::Reject => Err(End::Failed(Error::Invalid { txn: index, reason })),
            InvalidPolicy::Skip => {
                self.hand_over(index, Outcome::Invalid(reason), Writes { entries: &[] })
            }
        }
    }

    fn hand_over(
        &mut self,
        index: TxnIndex,
        outcome: Outcome<V::Output, V::Invalid>,
        writes: Writes<'_, V>,
    ) -> Result<(), EndOf<V>> {
        self.tally.committed += 1;
        match self.sink.commit(index, outcome, writes) {
            Flow::Continue => Ok(()),
            Flow::Cut => Err(End::Cut(Cut::Sink)),
        }
    }
}
