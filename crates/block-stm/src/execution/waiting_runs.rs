//! The optimistic executions that wait for the judge.

use super::run::Run;
use crate::contract::types::Types;
use crate::primitives::ids::TxnIndex;
use crate::primitives::sync::Handover;
use crate::primitives::sync::atomic::{AtomicU32, AtomicU64};

/// One place for each transaction within the window.
pub(crate) struct WaitingRuns<'b, V: Types>(Box<[WaitingRun<'b, V>]>);

/// A transaction's latest run, touched by the transaction's owner alone.
pub(crate) struct WaitingRun<'b, V: Types> {
    /// An optimistic run that waits for its judge, with its result.
    pub(crate) run: Handover<Run<'b, V>>,
    /// The count of rewrites up to which the run need not be validated.
    pub(crate) validated: AtomicU64,
    /// How often the run was seen to hold before its turn.
    pub(crate) times_held: AtomicU32,
    /// The worker that executed it.
    pub(crate) owner: AtomicU32,
}

impl<V: Types> WaitingRun<'_, V> {
    fn new() -> Self {
        Self {
            run: Handover::new(),
            validated: AtomicU64::new(0),
            times_held: AtomicU32::new(0),
            owner: AtomicU32::new(0),
        }
    }
}

impl<'b, V: Types> WaitingRuns<'b, V> {
    /// Places for `txns` transactions that are started and not committed.
    pub(crate) fn new(txns: usize) -> Self {
        Self((0..txns.next_power_of_two()).map(|_| WaitingRun::new()).collect())
    }

    /// The place of a started, uncommitted transaction. Others that share it are a window or more
    /// away, so they are committed, with nothing left in it, or not started yet.
    pub(crate) fn of(&self, txn: TxnIndex) -> &WaitingRun<'b, V> {
        &self.0[txn.as_usize() & (self.0.len() - 1)]
    }

    /// How many runs have not been judged.
    pub(crate) fn unjudged(&self) -> usize {
        self.0.iter().filter(|waiting| waiting.run.is_full()).count()
    }
}
