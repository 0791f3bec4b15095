//! The only judge: makes transactions final, lowest first.
//!
//! The baton's holder takes the *head*, the lowest uncommitted transaction. Everything below it is
//! final. If the head was executed optimistically, its reads are checked against the committed
//! state; if they hold, that execution did exactly what a sequential one would have done at this
//! place. If they do not, or if it was not executed yet, it is executed here and now, reading
//! committed values alone, which is what a sequential execution does. Either way its writes become
//! the committed state for the next one. By induction the block's result is the sequential one.
//!
//! Failures (storage errors, panics) of optimistic executions are not believed: the head is
//! executed again, and only a failure of *that* execution fails the block. So errors are those of
//! the sequential execution.
//!
//! The head waits for nobody, so the block always goes on: if the head is ready, the next worker
//! that looks takes the baton; if another worker owns the head, to execute or to validate it, that
//! worker looks when it is through with its stride. See `scheduler/baton.rs` for why no head is
//! left lying.

use std::borrow::Cow;
use std::panic::{AssertUnwindSafe, catch_unwind};

use super::ledger::{EndOf, Ledger};
use super::watch::Watch;
use crate::contract::block::Block;
use crate::contract::conflicts::Conflict;
use crate::contract::error::Error;
use crate::contract::execution::{Execution, ExecutionOf};
use crate::contract::limits::Cut;
use crate::contract::sink::Writes;
use crate::contract::types::Types;
use crate::contract::value::is_present;
use crate::execution::deletions::Deletions;
use crate::execution::disbelieved::Disbelieved;
use crate::execution::executor::Executor;
use crate::execution::interruption::Interruption;
use crate::execution::machine::Executable;
use crate::execution::names::CellOf;
use crate::execution::run::{Run, RunResult};
use crate::execution::shared::Shared;
use crate::mvmemory::final_state::Layer;
use crate::primitives::canary::{Canary, sings};
use crate::primitives::conductor::{Position, Step};
use crate::primitives::ids::TxnIndex;
use crate::primitives::speculating::{self, discard};
use crate::scheduler::Claim;
use crate::scheduler::gain::Gain;
use crate::scheduler::status::State;
use crate::scheduler::window::{Pause, WindowControl};

/// A run of the head that stands, and what it came to.
type Standing<'b, V> = (Box<Run<'b, V>>, ExecutionOf<V>);

/// A watch over the locations of a VM.
pub(crate) type WatchOf<V> = Box<dyn Watch<<V as Types>::Location, <V as Types>::Value>>;

/// How many runs may fail for deltas that were hidden from them before none are hidden any more.
const BLIND_RUNS: u32 = 8;

/// What only the holder of the baton touches.
pub(crate) struct Judge<'b, V: Types> {
    pub(super) ledger: Ledger<'b, V>,
    pub(super) window: WindowControl,
    pub(super) gain: Gain,
    /// The cells with a committed write, in the order of the first one.
    pub(super) touched: Vec<&'b CellOf<V>>,
    /// What was written over the memory at the end; see [`alone`](super::alone).
    pub(super) layer: Layer<V::Location, V::Value>,
    /// Below this transaction, the head is executed as others are.
    pub(super) together_until: u32,
    pub(super) edges: Option<Vec<Conflict<V::Location>>>,
    /// The last ones that were committed, where locations may be scanned.
    deletions: Deletions<&'b V::Location>,
    /// How many runs did not stand though they may have if deltas had been shown to them.
    blind: u32,
    /// The writes of the transaction that is being committed.
    writes: Vec<(&'b V::Location, &'b V::Value)>,
    /// Listed cells where nothing was left, met by the run that is being judged.
    stray: Vec<&'b CellOf<V>>,
    pub(super) watch: Option<WatchOf<V>>,
    /// How the block ended: `Ok(None)` after its last transaction.
    pub(super) end: Option<Result<Option<Cut>, Error<V::Invalid>>>,
}

/// What the committed transactions of a block leave behind.
pub(crate) struct Committed<V: Types> {
    /// How many transactions the sink was given.
    pub(crate) txns: usize,
    pub(crate) cut: Option<Cut>,
    /// The cells with a committed write, in the order of the first one.
    pub(crate) touched: Vec<*const CellOf<V>>,
    /// What was written over the memory.
    pub(crate) layer: Layer<V::Location, V::Value>,
    pub(crate) edges: Option<Vec<Conflict<V::Location>>>,
    /// How the next block had better begin, if like this one it is for the head alone.
    pub(crate) pause: Option<Pause>,
}

impl<'b, V: Executable> Judge<'b, V> {
    pub(crate) fn new(
        block: &Block<'b, V>,
        ledger: Ledger<'b, V>,
        window: WindowControl,
        gain: Gain,
        watch: Option<WatchOf<V>>,
    ) -> Self {
        Self {
            ledger,
            window,
            gain,
            touched: Vec::new(),
            layer: Layer::default(),
            together_until: 0,
            edges: block.conflict_graph.then(Vec::new),
            deletions: Deletions::new(),
            blind: 0,
            writes: Vec::new(),
            stray: Vec::new(),
            watch,
            end: None,
        }
    }

    /// What was committed, once the block is over.
    pub(crate) fn finish(mut self) -> Result<Committed<V>, Error<V::Invalid>> {
        let pause = self.window.next_pause(self.gain.last());
        let pause = pause.filter(|_| self.gain.is_short());
        let cut = self.end.expect("workers leave when the block has its end")?;
        let txns = self.ledger.committed();
        let touched = self.touched.into_iter().map(std::ptr::from_ref).collect();
        Ok(Committed { txns, cut, touched, layer: self.layer, edges: self.edges, pause })
    }

    /// Takes the block one transaction further. Whether to go on.
    pub(crate) fn commit_head(&mut self, executor: &mut Executor<'_, 'b, V>) -> bool {
        let (scheduler, txns) = (executor.shared.scheduler, executor.block.txns.len());
        let txn = scheduler.head();
        executor.step(Step::Head(txn));
        if scheduler.is_over() {
            return false;
        }
        let status = scheduler.status(txn);
        let executed = status.claim(State::Executed);
        let Some(incarnation) = executed.or_else(|| status.claim(State::Ready)) else {
            return false;
        };
        let claim = Claim { txn, incarnation };
        let lag = u64::from(scheduler.next().saturating_sub(txn.get() + 1));
        executor.stats.commit_lag_sum += lag;
        executor.stats.commit_lag_max = executor.stats.commit_lag_max.max(lag);
        let is_left = if executed.is_none() && self.goes_alone(executor, txn) {
            self.go_alone(executor, claim)
        } else {
            self.commit_claimed(executor, claim, executed.is_some()).map(|()| {
                self.pass(executor, claim);
                txn.next().as_usize() < txns
            })
        };
        let end = match is_left {
            Ok(true) => return true,
            Ok(false) => Ok(None),
            Err(end) => end.cut().map(Some),
        };
        if let Some(watch) = &mut self.watch {
            watch.end(matches!(end, Ok(None)), txns, &self.touched);
        }
        self.end = Some(end);
        scheduler.end();
        false
    }

    /// The head has passed, committed or left out: the next one is it.
    pub(super) fn pass(&mut self, executor: &Executor<'_, 'b, V>, claim: Claim) {
        let scheduler = executor.shared.scheduler;
        self.watch.iter_mut().for_each(|watch| watch.pass(claim.txn));
        scheduler.finish_commit(claim);
        let next = claim.txn.next();
        executor.step(Step::Advance(next));
        scheduler.advance(next);
    }

    fn commit_claimed(
        &mut self,
        executor: &mut Executor<'_, 'b, V>,
        claim: Claim,
        executed: bool,
    ) -> Result<(), EndOf<V>> {
        let (txn, scheduler) = (claim.txn, executor.shared.scheduler);
        let waiting = if executed { executor.waiting_runs.of(txn).run.take() } else { None };
        if let Err(end) = self.ledger.poll() {
            executor.stats.aborts.refused += u64::from(waiting.is_some());
            return Err(end);
        }
        match self.ledger.admit(txn) {
            Ok(true) => {}
            left_out => {
                executor.stats.aborts.refused += u64::from(waiting.is_some());
                left_out?;
                return self.ledger.contain(txn, || executor.withdraw(txn));
            }
        }
        let waiting = waiting.and_then(|mut run| Some((run.result.take()?, run)));
        let (stood, standing) = match waiting {
            Some((result, run)) => self.judge(executor, claim, run, result),
            None => (None, None),
        };
        let (run, execution) = match standing {
            Some(standing) => standing,
            None => self.execute_head(executor, claim, executed)?,
        };
        self.note_distance(executor, txn, stood, &run)?;
        if let Some(gains) = self.gain.note(run.took) {
            self.window.weigh(gains, &scheduler.window);
        }
        executor.step(Step::Commit(txn));
        let settled = self.ledger.settle(txn, execution);
        // Thrown away, unless the sink took it and then ended the block.
        let refused = settled.is_err() && self.ledger.committed() == txn.as_usize();
        executor.stats.aborts.refused += u64::from(refused);
        let included = match settled? {
            Some(output) => self.include(executor, txn, output, &run),
            None => self.ledger.contain(txn, || executor.withdraw(txn)),
        };
        executor.recycle(run);
        included
    }

    /// Tells the window on what the head depended, and whether its first execution ahead of its
    /// turn stood, if there was one. The block's first transaction depends on nothing, which says
    /// nothing.
    fn note_distance(
        &mut self,
        executor: &Executor<'_, 'b, V>,
        txn: TxnIndex,
        stood: Option<bool>,
        run: &Run<'b, V>,
    ) -> Result<(), EndOf<V>> {
        if txn.get() > 0 {
            let Shared { scheduler, ordered, .. } = executor.shared;
            let nearest = || run.nearest_writer(ordered, &self.deletions);
            let nearest = self.ledger.contain(txn, nearest)?;
            let distance = nearest.map(|writer| txn.get() - writer.get()).unwrap_or(u32::MAX);
            self.window.report(stood, distance, scheduler.room.workers(), &scheduler.window);
        }
        Ok(())
    }

    /// The run, if it did what a sequential execution would have done; and whether it speaks
    /// for looking ahead.
    fn judge(
        &mut self,
        executor: &mut Executor<'_, 'b, V>,
        claim: Claim,
        run: Box<Run<'b, V>>,
        result: RunResult<V>,
    ) -> (Option<bool>, Option<Standing<'b, V>>) {
        let txn = claim.txn;
        executor.step(Step::Judge(txn));
        let verdict = result.and_then(|execution| {
            executor.stats.validations += 1;
            // A value's method that panics here does so in the execution of the head, too, where it
            // is contained.
            let _speculating = speculating::start();
            let verdict = || self.hold_to_committed(executor, txn, &run, &execution);
            match catch_unwind(AssertUnwindSafe(verdict)) {
                Ok(verdict) => verdict.map(|()| execution),
                Err(_) if sings(Canary::ApprovePanics) => Ok(execution),
                Err(payload) => {
                    discard(payload);
                    Err(Disbelieved::Failure)
                }
            }
        });
        // A run that stands only because it was repeated after others does not speak for looking
        // ahead.
        let stood = Some(verdict.is_ok() && claim.incarnation == 0);
        let aborts = &mut executor.stats.aborts;
        match verdict {
            Ok(execution) => return (stood, Some((run, execution))),
            Err(Disbelieved::Failure) => aborts.failure += 1,
            Err(Disbelieved::Assumption) => aborts.assumption += 1,
            Err(Disbelieved::Stale) => {
                aborts.commit_validation += 1;
                self.learn(executor, &run);
            }
        }
        executor.recycle(run);
        (stood, None)
    }

    /// Holds a run against the committed state. If it stands, its deltas are summed up.
    fn hold_to_committed(
        &mut self,
        executor: &Executor<'_, 'b, V>,
        txn: TxnIndex,
        run: &Run<'b, V>,
        execution: &ExecutionOf<V>,
    ) -> Result<(), Disbelieved> {
        let memory = executor.shared.memory;
        self.stray.clear();
        let examined = examine(executor, run, &mut self.stray);
        memory.put_right(&self.stray);
        examined?;
        let deltas_apply = match execution {
            Execution::Done(_) => memory.sum_deltas(txn, &executor.local.handle),
            // The writes are dropped, but the VM may have come here because it was told that they
            // apply.
            Execution::Invalid(_) => {
                sings(Canary::SkipDeltas)
                    || run.deltas_apply(|cell| cell.committed().map(|(_, value)| value))
            }
        };
        if deltas_apply { Ok(()) } else { Err(Disbelieved::Assumption) }
    }

    /// A read of `run` was stale. Where deltas were hidden from it, they are shown from now on;
    /// everywhere, if that happens again and again, always at other locations.
    fn learn(&mut self, executor: &Executor<'_, 'b, V>, run: &Run<'b, V>) {
        self.blind += u32::from(run.show_deltas());
        if self.blind == BLIND_RUNS {
            executor.shared.memory.show_deltas();
        }
    }

    /// Executes the head on committed values alone; right by construction.
    fn execute_head(
        &mut self,
        executor: &mut Executor<'_, 'b, V>,
        claim: Claim,
        again: bool,
    ) -> Result<Standing<'b, V>, EndOf<V>> {
        let Claim { txn, incarnation } = claim;
        executor.stats.head_executions += 1;
        executor.step(Step::Execute(txn, Position::Head));
        let (mut run, ended) = executor.execute(txn, Position::Head);
        match ended {
            Ok(execution) => {
                let incarnation = incarnation.wrapping_add(u32::from(again));
                executor.publish(Claim { txn, incarnation }, &mut run, &execution);
                Ok((run, execution))
            }
            Err(interruption) => {
                let stopped = matches!(interruption, Interruption::Stopped);
                executor.stats.aborts.refused += u64::from(stopped);
                Err(self.ledger.interrupted(txn, interruption))
            }
        }
    }

    /// Makes the head's writes final, and hands them to the sink.
    fn include(
        &mut self,
        executor: &Executor<'_, 'b, V>,
        txn: TxnIndex,
        output: V::Output,
        run: &Run<'b, V>,
    ) -> Result<(), EndOf<V>> {
        let (memory, handle) = (executor.shared.memory, executor.handle());
        if let Some(edges) = &mut self.edges {
            self.ledger.contain(txn, || add_edges(edges, txn, run))?;
        }
        self.writes.clear();
        if let Some(watch) = &self.watch {
            watch.before_commit(txn, run.cells(), &handle.pin());
        }
        memory.commit(txn, |n| run.asked_before(n), &mut self.writes, &mut self.touched);
        if let Some(watch) = &mut self.watch {
            watch.after_commit(&self.writes);
        }
        self.ledger.contain(txn, || {
            memory.update_index(txn, handle);
            if memory.index().is_some_and(|index| !index.keeps_deleted()) {
                let deleted = self.writes.iter().filter(|(_, value)| !is_present(*value));
                deleted.for_each(|(location, _)| self.deletions.push(txn, location));
            }
        })?;
        self.ledger.commit(txn, output, Writes { entries: &self.writes })
    }
}

/// Whether a run saw what it would see on the committed state. Reads alone.
fn examine<'b, V: Executable>(
    executor: &Executor<'_, 'b, V>,
    run: &Run<'b, V>,
    stray: &mut Vec<&'b CellOf<V>>,
) -> Result<(), Disbelieved> {
    run.validate(Position::Head, |cell| {
        cell.committed().map(|(version, value)| (Some(version), Cow::Borrowed(value)))
    })?;
    if run.misses(executor.shared.memory, stray) { Err(Disbelieved::Stale) } else { Ok(()) }
}

/// Notes whom the head read from. Called before the head's own writes are committed, so that each
/// writer is a lower transaction.
fn add_edges<'b, V: Types>(
    edges: &mut Vec<Conflict<V::Location>>,
    reader: TxnIndex,
    run: &Run<'b, V>,
) {
    let writer = |cell: &'b CellOf<V>| cell.committed().and_then(|(version, _)| version.txn());
    edges.extend(run.observations(writer).into_iter().map(|(location, writer)| Conflict {
        writer,
        reader,
        location: location.clone(),
    }));
}
