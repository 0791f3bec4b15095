//! A block in parallel, from its memory to its result.

use std::collections::HashSet;
use std::sync::Arc;

use super::call_queue::CallQueue;
use super::config::Settings;
use super::executed::Executed;
use super::helpers::Helpers;
use super::job::Job;
use super::worker::Worker;
use super::working;
use crate::contract::block::Block;
use crate::contract::conflicts::ConflictGraph;
use crate::contract::error::Error;
use crate::contract::sink::CommitSink;
use crate::contract::stats::Stats;
use crate::execution::commit_point::CommitPoint;
use crate::execution::machine::Executable;
use crate::execution::names::MemoryOf;
use crate::execution::shared::Shared;
use crate::execution::waiting_runs::WaitingRuns;
use crate::judge::commit::{Committed, Judge, WatchOf};
use crate::judge::ledger::Ledger;
use crate::mvmemory::final_state::FinalState;
use crate::mvmemory::{ChunkPool, MvMemory};
use crate::primitives::canary::{Canary, sings};
use crate::primitives::conductor;
use crate::primitives::sync::Mutex;
use crate::primitives::sync::atomic::AtomicU32;
use crate::scheduler::Scheduler;
use crate::scheduler::baton::Baton;

/// Executes `block` with helpers that are called for here.
pub(crate) fn execute<V: Executable>(
    block: &Block<'_, V>,
    sink: &mut dyn CommitSink<V>,
    settings: Settings,
    call_queue: &Arc<CallQueue>,
    chunks: &Arc<ChunkPool>,
    watch: Option<WatchOf<V>>,
) -> Result<Executed<V>, Error<V::Invalid>> {
    let memory = MvMemory::new(block.txns.len(), chunks);
    let memory = match block.ordered {
        Some(ordered) => memory.indexed(ordered.order, block.conflict_graph, chunks),
        None => memory,
    };
    let (committed, stats) = execute_on(&memory, block, sink, settings, call_queue, watch)?;
    let touched = committed.touched;
    let touched = if sings(Canary::LoseTouched) { Vec::new() } else { touched };
    Ok(Executed {
        committed: committed.txns,
        cut: committed.cut,
        // SAFETY: what the judge touched are cells of this memory, and it touched them by
        // committing writes.
        state: unsafe { FinalState::in_memory(memory, touched, committed.layer) },
        conflict_graph: committed.edges.map(|edges| ConflictGraph { edges }),
        stats: Stats { committed: committed.txns as u64, ..stats },
    })
}

fn execute_on<V: Executable>(
    memory: &MemoryOf<V>,
    block: &Block<'_, V>,
    sink: &mut dyn CommitSink<V>,
    settings: Settings,
    call_queue: &Arc<CallQueue>,
    watch: Option<WatchOf<V>>,
) -> Result<(Committed<V>, Stats), Error<V::Invalid>> {
    let txns = block.txns.len();
    let workers = settings.helpers_for(txns) as u32 + 1;
    // A conductor's workers have a core each, as far as it wants them to.
    let cores = if conductor::present().is_some() { workers } else { settings.cores as u32 };
    let (scheduler, window) =
        Scheduler::new(txns as u32, settings.window, workers, cores, &block.limits);
    let ledger = Ledger::new(block, sink);
    let commit_point = block.ordered.map(|ordered| CommitPoint::<V> { memory, ordered });
    let shared = Shared {
        memory,
        storage: block.storage,
        ordered: block.ordered,
        commit_point: commit_point.as_ref().map(CommitPoint::ordered),
        scheduler: &scheduler,
        deltas: settings.deltas,
    };
    let job = Job {
        block,
        shared,
        waiting_runs: WaitingRuns::new(txns.min(settings.window as usize)),
        baton: Baton::new(Judge::new(block, ledger, window, watch)),
        stats: Mutex::new(Stats::default()),
        threads: Mutex::new(HashSet::new()),
        workers: AtomicU32::new(0),
        hint_distance: settings.window,
    };
    job.declare_first();
    // Under a conductor, all workers are on the caller's thread.
    let conducted = scheduler.is_conducted();
    let help = |helpers: &Helpers<'_>, number| {
        let working = if conducted { None } else { working::start() };
        if conducted || working.is_some() {
            Worker::work_for(&job, helpers, number);
        }
    };
    Helpers::gather(call_queue, &help, |helpers| {
        Worker::work_for(&job, helpers, 0);
    });
    let stats = job.finish_stats();
    Ok((job.baton.into_inner().finish()?, stats))
}
