//! One block under execution: what its workers share.

use crate::sync::atomic::{AtomicU32, AtomicU64};
use std::collections::HashSet;
use std::thread::ThreadId;

use crate::sync::{Handover, Mutex};

use crate::access::{Run, Stale};
use crate::block::Block;
use crate::commit::Committer;
use crate::ids::TxnIndex;
use crate::scheduler::Scheduler;
use crate::scheduler::baton::Baton;
use crate::speculative::{DeskOf, MemoryOf, Shared};
use crate::stats::Stats;
use crate::vm::Vm;

pub(crate) struct Job<'b, V: Vm> {
    pub(crate) block: &'b Block<'b, V>,
    pub(crate) memory: &'b MemoryOf<V>,
    pub(crate) scheduler: &'b Scheduler<'b>,
    /// One for each transaction within the window; see [`Job::slot`].
    pub(crate) slots: Box<[Slot<'b, V>]>,
    pub(crate) baton: Baton<Committer<'b, V>>,
    pub(crate) tally: Mutex<Tally>,
    /// How many workers there have been.
    pub(crate) workers: AtomicU32,
    /// How far ahead of its start a transaction's declared writes are looked at.
    pub(crate) hint_distance: u32,
    /// Whether optimistic executions take deltas and assumptions for granted.
    pub(crate) deltas: bool,
}

/// What the workers that have left counted.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) stats: Stats,
    /// The threads that executed anything.
    pub(crate) threads: HashSet<ThreadId>,
}

/// A transaction's latest execution, touched by the transaction's owner alone.
pub(crate) struct Slot<'b, V: Vm> {
    /// An optimistic run that waits for its judge, with its result.
    pub(crate) attempt: Handover<Run<'b, V>>,
    /// The count of rewrites up to which the attempt need not be validated.
    pub(crate) validated: AtomicU64,
    /// How often the attempt was seen to hold before its turn.
    pub(crate) held: AtomicU32,
    /// The number of the worker that executed the attempt.
    pub(crate) owner: AtomicU32,
}

/// Why an attempt cannot be committed as it is.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Disbelieved {
    /// A storage error, a panic, a failure of the VM.
    Failure,
    /// It took something for granted that is false.
    Contradiction,
    /// What it saw is not what a sequential execution would have seen.
    Stale(Stale),
}

impl<V: Vm> Slot<'_, V> {
    pub(crate) fn new() -> Self {
        Self {
            attempt: Handover::new(),
            validated: AtomicU64::new(0),
            held: AtomicU32::new(0),
            owner: AtomicU32::new(0),
        }
    }
}

impl<'b, V: Vm> Job<'b, V> {
    pub(crate) fn shared(&self) -> Shared<'b, V> {
        Shared {
            memory: self.memory,
            storage: self.block.storage,
            ordered: self.block.ordered,
            scheduler: self.scheduler,
            deltas: self.deltas,
        }
    }

    /// Puts estimates where the block's first transactions will probably write.
    pub(crate) fn declare_first(&self) {
        if self.block.hints.is_some() {
            let desk = self.memory.desk();
            let first = self.hint_distance.min(self.block.txns.len() as u32);
            (0..first).for_each(|txn| self.declare(TxnIndex::new(txn), &desk));
        }
    }

    /// What the workers counted, once they have left, with the attempts that nobody judged.
    pub(crate) fn finish_stats(&self) -> Stats {
        let tally = self.tally.lock();
        let mut stats = tally.stats;
        stats.workers = tally.threads.len() as u64;
        let unjudged = self.slots.iter().filter(|slot| slot.attempt.is_full()).count();
        stats.aborts.refused += unjudged as u64;
        stats
    }

    /// Puts estimates where `txn` will probably write, if somebody said so.
    pub(crate) fn declare(&self, txn: TxnIndex, desk: &DeskOf<'b, V>) {
        let Some(hints) = self.block.hints else { return };
        let Some(entry) = self.block.txns.get(txn.as_usize()) else { return };
        let mut cells = Vec::new();
        hints.declare(txn, entry, &mut |location| cells.push(self.memory.cell(&location, desk)));
        cells.sort_unstable_by_key(|cell| std::ptr::from_ref(*cell).addr());
        cells.dedup_by(|a, b| std::ptr::eq(*a, *b));
        cells.iter().for_each(|cell| self.memory.list_pending(cell, desk));
        self.memory.declare(txn, &cells, desk);
    }

    /// The slot of a started, uncommitted transaction. Others that share it are a window or more away, so they are
    /// committed, with nothing left in it, or not started yet.
    pub(crate) fn slot(&self, txn: TxnIndex) -> &Slot<'b, V> {
        &self.slots[txn.as_usize() & (self.slots.len() - 1)]
    }

    pub(crate) fn txn(&self, txn: TxnIndex) -> &'b V::Txn {
        &self.block.txns[txn.as_usize()]
    }
}
