//! What executes transactions for one worker: on its machine, into its records.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;

use crossbeam_epoch::Guard;

use super::backend::Backend;
use super::interruption::Interruption;
use super::machine::{Executable, Machine};
use super::names::HandleOf;
use super::overlay::Overlay;
use super::run::Run;
use super::shared::{Local, Shared};
use super::speculation::Speculation;
use super::waiting_runs::WaitingRuns;
use crate::contract::block::Block;
use crate::contract::error::Failure;
use crate::contract::execution::{Execution, ExecutionOf, Interrupt};
use crate::contract::stats::Stats;
use crate::contract::types::Types;
use crate::mvmemory::Published;
use crate::primitives::canary::{Canary, sings};
use crate::primitives::conductor::{Position, Step};
use crate::primitives::ids::TxnIndex;
use crate::primitives::speculating::{self, discard, drop_contained};
use crate::scheduler::Claim;
use crate::scheduler::gain::Stopwatch;

/// How many runs a worker keeps for their allocations. It may come by many that others made.
const MOST_SPARE: usize = 256;

/// A machine with all that an execution on it needs and leaves. Both the worker and the judge
/// execute with it.
pub(crate) struct Executor<'j, 'b, V: Executable> {
    pub(crate) block: &'b Block<'b, V>,
    pub(crate) shared: Shared<'b, V>,
    pub(crate) waiting_runs: &'j WaitingRuns<'b, V>,
    pub(crate) local: Rc<Local<'b, V>>,
    pub(crate) machine: V::Machine<'b>,
    /// Runs that are done with, for their allocations.
    spare: Vec<Box<Run<'b, V>>>,
    stopwatch: Stopwatch,
    pub(crate) stats: Stats,
}

impl<'j, 'b, V: Executable> Executor<'j, 'b, V> {
    pub(crate) fn new(
        block: &'b Block<'b, V>,
        shared: Shared<'b, V>,
        waiting_runs: &'j WaitingRuns<'b, V>,
        number: usize,
    ) -> Self {
        let local = Rc::new(Local::new(shared.memory.handle(), number));
        let machine = V::Machine::new(block.vm, fresh_view(shared, &local));
        let stopwatch = Stopwatch::new(shared.measures);
        let (spare, stats) = (Vec::new(), Stats::default());
        Self { block, shared, waiting_runs, local, machine, spare, stopwatch, stats }
    }

    /// Lets a conductor decide who acts next, if there is one.
    pub(crate) fn step(&self, step: Step) {
        self.shared.scheduler.step(step);
    }

    /// Keeps versions that others retire from being freed.
    pub(crate) fn pin(&self) -> Guard {
        self.local.handle.pin()
    }

    pub(crate) fn handle(&self) -> &HandleOf<'b, V> {
        &self.local.handle
    }

    /// What is inside the machine's view, unless the VM has lost it.
    pub(crate) fn speculation(&mut self) -> Option<&mut Speculation<'b, V>> {
        speculation(&mut self.machine)
    }

    /// Lets the machine see `overlay` until [`leave_overlay`](Self::leave_overlay) is called.
    pub(crate) fn see_overlay(&mut self, overlay: Overlay<'b, V>) {
        self.machine.replace_view(Backend::Sequential(overlay));
    }

    /// Lets the machine see the memory again. What it saw, unless the VM has lost that.
    pub(crate) fn leave_overlay(&mut self) -> Option<Overlay<'b, V>> {
        let fresh = || fresh_view(self.shared, &self.local);
        let backend = self.machine.backend().map(|backend| std::mem::replace(backend, fresh()));
        if backend.is_none() || self.machine.is_broken() {
            self.machine.replace_view(fresh());
        }
        match backend {
            Some(Backend::Sequential(overlay)) => {
                self.local.base_reads.update(|reads| reads + overlay.base_reads);
                Some(overlay)
            }
            Some(Backend::Speculative(_)) | None => None,
        }
    }

    /// Executes `txn` once, containing panics and seeing through swallowed interrupts.
    pub(crate) fn execute(
        &mut self,
        txn: TxnIndex,
        position: Position,
    ) -> (Box<Run<'b, V>>, Result<ExecutionOf<V>, Interruption>) {
        self.stats.executions += 1;
        if let Some(speculation) = self.speculation() {
            speculation.begin(txn, position);
        }
        let is_ahead = position == Position::Ahead;
        let speculating = is_ahead.then(speculating::start);
        let began = self.stopwatch.start();
        let caught = catch_unwind(AssertUnwindSafe(|| {
            let result = self.machine.execute(&self.block.txns[txn.as_usize()]);
            if let (Ok(_), true, Some(speculation)) =
                (&result, is_ahead, speculation(&mut self.machine))
            {
                speculation.prefetch();
                speculation.list_writes();
            }
            result
        }));
        let took = began.map(|began| began.elapsed());
        drop(speculating);
        let empty = self.spare.pop().unwrap_or_default();
        let (mut run, interruption) = match self.speculation() {
            Some(speculation) => speculation.end(empty),
            None => (empty, None),
        };
        run.took = took;
        (run, self.conclude(caught, interruption))
    }

    fn conclude(
        &mut self,
        caught: std::thread::Result<Result<ExecutionOf<V>, Interrupt>>,
        interruption: Option<Interruption>,
    ) -> Result<ExecutionOf<V>, Interruption> {
        let lost = self.machine.backend().is_none();
        let broken = self.machine.is_broken();
        if lost || broken || caught.is_err() {
            // Whatever the context holds now, an old view perhaps, is not to be met again.
            let kept = if lost { Canary::KeepLostContext } else { Canary::KeepContext };
            if !sings(kept) {
                self.machine.drop_context();
            }
            self.machine.replace_view(fresh_view(self.shared, &self.local));
        }
        let failed = |failure| Err(Interruption::Failure(failure));
        match (caught, interruption) {
            // The block was stopped, and the VM could not take it.
            (Err(payload), Some(Interruption::Stopped)) => {
                discard(payload);
                Err(Interruption::Stopped)
            }
            (Err(payload), _) => failed(Failure::panicked(payload)),
            (Ok(_), _) if broken => failed(Failure::caught_by_the_vm()),
            (Ok(_), _) if lost => failed(Failure::Vm("the VM did not put the view back".into())),
            (Ok(_), Some(Interruption::Failure(failure))) => failed(failure),
            (Ok(Ok(execution)), Some(_)) if sings(Canary::BelieveSwallowed) => Ok(execution),
            (Ok(_), Some(interruption)) => Err(interruption),
            (Ok(Ok(execution)), None) => Ok(execution),
            (Ok(Err(Interrupt { .. })), None) => {
                failed(Failure::Vm("the VM returned an interrupt that its view never gave".into()))
            }
        }
    }

    /// Makes the writes of an execution visible, none if it was invalid.
    pub(crate) fn publish(
        &mut self,
        claim: Claim,
        run: &mut Run<'b, V>,
        execution: &ExecutionOf<V>,
    ) {
        let Claim { txn, incarnation } = claim;
        self.step(Step::Publish(txn));
        let handle = &self.local.handle;
        let Shared { memory, scheduler, .. } = self.shared;
        let Published { changed, right_hints, wrong_hints } = match execution {
            Execution::Done(_) => memory.publish(txn, incarnation, run.take_writes(), handle),
            Execution::Invalid(_) => memory.publish(txn, incarnation, std::iter::empty(), handle),
        };
        if right_hints + wrong_hints > 0 {
            scheduler.hint_score.report(right_hints, wrong_hints);
        }
        if changed && scheduler.next() > txn.get() + 1 {
            scheduler.note_rewrite();
        }
    }

    /// Takes back what was published for a transaction without effect.
    pub(crate) fn withdraw(&self, txn: TxnIndex) {
        self.shared.withdraw(txn, &self.local.handle);
    }

    /// Keeps the allocations of a run that is done with.
    pub(crate) fn recycle(&mut self, mut run: Box<Run<'b, V>>) {
        if self.spare.len() >= MOST_SPARE {
            return drop_contained(run);
        }
        match catch_unwind(AssertUnwindSafe(|| run.clear())) {
            Ok(()) => self.spare.push(run),
            Err(payload) => {
                discard(payload);
                drop_contained(run);
            }
        }
    }

    /// What was counted.
    pub(crate) fn finish_stats(&self) -> Stats {
        let mut stats = self.stats;
        stats.base_reads = self.local.base_reads.get();
        stats.waits = self.local.waits.get();
        stats.versions = self.local.handle.visited.get();
        stats
    }
}

fn fresh_view<'b, V: Types>(shared: Shared<'b, V>, local: &Rc<Local<'b, V>>) -> Backend<'b, V> {
    Backend::Speculative(Speculation::new(shared, Rc::clone(local)))
}

fn speculation<'m, 'b, V: Types>(
    machine: &'m mut impl Machine<'b, V>,
) -> Option<&'m mut Speculation<'b, V>> {
    machine.backend().and_then(Backend::speculation)
}
