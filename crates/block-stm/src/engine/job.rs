//! One block under execution: what its workers share.

use std::collections::HashSet;
use std::thread::ThreadId;

use crate::contract::block::Block;
use crate::contract::stats::Stats;
use crate::contract::types::Types;
use crate::execution::names::HandleOf;
use crate::execution::shared::Shared;
use crate::execution::waiting_runs::WaitingRuns;
use crate::judge::commit::Judge;
use crate::primitives::ids::TxnIndex;
use crate::primitives::sync::Mutex;
use crate::primitives::sync::atomic::AtomicU32;
use crate::scheduler::baton::Baton;

pub(crate) struct Job<'b, V: Types> {
    pub(crate) block: &'b Block<'b, V>,
    pub(crate) shared: Shared<'b, V>,
    pub(crate) waiting_runs: WaitingRuns<'b, V>,
    pub(crate) baton: Baton<Judge<'b, V>>,
    /// What the workers that have left counted.
    pub(crate) stats: Mutex<Stats>,
    /// The threads that executed anything.
    pub(crate) threads: Mutex<HashSet<ThreadId>>,
    /// How many workers there have been.
    pub(crate) workers: AtomicU32,
    /// How far ahead of its start a transaction's declared writes are looked at.
    pub(crate) hint_distance: u32,
}

impl<'b, V: Types> Job<'b, V> {
    /// Puts estimates where the transactions from `first` on will probably write.
    pub(crate) fn declare_first(&self, first: TxnIndex) {
        if self.block.hints.is_some() {
            let handle = self.shared.memory.handle();
            let (first, txns) = (first.get(), self.block.txns.len() as u32);
            let beyond = first.saturating_add(self.hint_distance).min(txns);
            (first..beyond).for_each(|txn| self.declare(TxnIndex::new(txn), &handle));
        }
    }

    /// What the workers counted, once they have left, with the runs that were never judged.
    pub(crate) fn finish_stats(&self) -> Stats {
        let mut stats = *self.stats.lock();
        stats.workers = self.threads.lock().len() as u64;
        stats.aborts.refused += self.waiting_runs.unjudged() as u64;
        stats
    }

    /// Puts estimates where `txn` will probably write, if the hints say so.
    pub(crate) fn declare(&self, txn: TxnIndex, handle: &HandleOf<'b, V>) {
        let Some(hints) = self.block.hints else { return };
        let Some(entry) = self.block.txns.get(txn.as_usize()) else { return };
        let memory = self.shared.memory;
        let mut cells = Vec::new();
        hints.declare(txn, entry, &mut |location| cells.push(memory.cell(&location, handle)));
        cells.sort_unstable_by_key(|cell| std::ptr::from_ref(*cell).addr());
        cells.dedup_by(|a, b| std::ptr::eq(*a, *b));
        cells.iter().for_each(|cell| memory.list_pending(cell, handle));
        memory.declare(txn, &cells, handle);
    }
}
