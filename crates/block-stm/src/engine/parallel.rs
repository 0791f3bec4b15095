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
use crate::contract::types::Types;
use crate::execution::commit_point::CommitPoint;
use crate::execution::machine::Executable;
use crate::execution::names::MemoryOf;
use crate::execution::shared::Shared;
use crate::execution::waiting_runs::WaitingRuns;
use crate::judge::commit::{Committed, Judge, WatchOf};
use crate::judge::ledger::{EndOf, Ledger, Tally};
use crate::judge::prologue::{self, Prologue};
use crate::mvmemory::final_state::FinalState;
use crate::mvmemory::{ChunkPool, MvMemory};
use crate::primitives::canary::{Canary, sings};
use crate::primitives::conductor;
use crate::primitives::sync::Mutex;
use crate::primitives::sync::atomic::AtomicU32;
use crate::scheduler::Scheduler;
use crate::scheduler::baton::Baton;
use crate::scheduler::gain::Gain;
use crate::scheduler::room::Room;
use crate::scheduler::window::{Pause, WindowControl};

/// Executes `block` with helpers that are called for here. `pause` is how the last block left the
/// window, if it was shut, and takes how this one leaves it.
pub(crate) fn execute<V: Executable>(
    block: &Block<'_, V>,
    sink: &mut dyn CommitSink<V>,
    settings: Settings,
    call_queue: &Arc<CallQueue>,
    chunks: &Arc<ChunkPool>,
    pause: &mut Option<Pause>,
    watch: Option<WatchOf<V>>,
) -> Result<Executed<V>, Error<V::Invalid>> {
    let txns = block.txns.len();
    let workers = settings.helpers_for(txns) as u32 + 1;
    // A conductor's workers have a core each, as far as it wants them to.
    let is_conducted = conductor::present().is_some();
    let room = Room::new(workers, if is_conducted { workers } else { settings.cores as u32 });
    let gain = Gain::new(settings.measures && !is_conducted);
    let window = WindowControl::new(settings.window, workers, room.workers());
    let prologue = Prologue::empty(block);
    let mut start = Start { settings, workers, room, window, gain, prologue };
    start.begin(block, sink, *pause);
    if start.prologue.next.as_usize() == txns || start.prologue.end.is_some() {
        *pause = start.gain.is_short().then(|| start.window.next_pause(None)).flatten();
        return conclude(start.prologue);
    }
    let memory = MvMemory::new(txns, chunks);
    let memory = match block.ordered {
        Some(ordered) => memory.indexed(ordered.order, block.conflict_graph, chunks),
        None => memory,
    };
    let (committed, stats) = execute_on(&memory, block, sink, start, call_queue, watch)?;
    *pause = committed.pause;
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

/// What there is of a block before its memory.
struct Start<V: Types> {
    settings: Settings,
    /// The caller included.
    workers: u32,
    room: Room,
    window: WindowControl,
    gain: Gain,
    prologue: Prologue<V>,
}

impl<V: Executable> Start<V> {
    /// Executes the block's beginning alone if the last block ended so, or a conductor likes.
    fn begin(&mut self, block: &Block<'_, V>, sink: &mut dyn CommitSink<V>, pause: Option<Pause>) {
        let pause = pause.filter(|_| self.gain.is_measured());
        if pause.is_none() && conductor::present().is_none() {
            return;
        }
        if let Some(pause) = pause {
            self.window.shut(pause);
        }
        let (ledger, room) = (Ledger::new(block, sink, Tally::default()), self.room.workers());
        self.prologue = prologue::execute(block, ledger, &mut self.window, &mut self.gain, room);
        if self.gain.is_long() {
            // What shut the window is of another time.
            self.window = WindowControl::new(self.settings.window, self.workers, room);
        }
        self.gain.restart();
    }
}

/// The result of a block that was over before it had a memory.
fn conclude<V: Types>(prologue: Prologue<V>) -> Result<Executed<V>, Error<V::Invalid>> {
    let Prologue { tally, layer, edges, stats, end, .. } = prologue;
    let cut = end.map(EndOf::<V>::cut).transpose()?;
    Ok(Executed {
        committed: tally.committed(),
        cut,
        conflict_graph: edges.map(|edges| ConflictGraph { edges }),
        state: FinalState::in_layer(layer),
        stats: Stats { committed: tally.committed() as u64, workers: 1, ..stats },
    })
}

fn execute_on<V: Executable>(
    memory: &MemoryOf<V>,
    block: &Block<'_, V>,
    sink: &mut dyn CommitSink<V>,
    start: Start<V>,
    call_queue: &Arc<CallQueue>,
    watch: Option<WatchOf<V>>,
) -> Result<(Committed<V>, Stats), Error<V::Invalid>> {
    let Start { settings, workers, room, window, gain, prologue } = start;
    let txns = block.txns.len();
    let first = prologue.next;
    let scheduler =
        Scheduler::new((txns as u32, first), workers, window.window(), room, &block.limits);
    let ledger = Ledger::new(block, sink, prologue.tally);
    let commit_point = block.ordered.map(|ordered| CommitPoint::<V> { memory, ordered });
    let shared = Shared {
        memory,
        storage: block.storage,
        ordered: block.ordered,
        commit_point: commit_point.as_ref().map(CommitPoint::ordered),
        scheduler: &scheduler,
        deltas: settings.deltas,
        measures: gain.is_measured(),
    };
    let (stats, mut threads) = (prologue.stats, HashSet::new());
    if first.get() > 0 {
        threads.insert(std::thread::current().id());
    }
    let mut judge = Judge::new(block, ledger, window, gain, watch);
    judge.take_over(block, shared, prologue);
    let job = Job {
        block,
        shared,
        waiting_runs: WaitingRuns::new(txns.min(settings.window as usize)),
        baton: Baton::new(judge),
        stats: Mutex::new(stats),
        threads: Mutex::new(threads),
        workers: AtomicU32::new(0),
        hint_distance: settings.window,
    };
    job.declare_first(first);
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
