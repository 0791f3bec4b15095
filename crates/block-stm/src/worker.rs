//! What one thread does for a block.
//!
//! A worker for whom there is no room, or nothing to do as far as can be seen, leaves. Else a turn is the first of these that is possible: commit what is ready and was executed here, which is looked for once a stride; execute
//! the lowest transaction that needs it; commit what else is ready; look whether executed ones still hold; wait. All of it but
//! committing is speculation.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;

use crossbeam_epoch::Guard;

use crate::access::Run;
use crate::canary::{Canary, sings};
use crate::conductor::{Position, Step};
use crate::crew::{Crew, POOL_INTERVAL};
use crate::error::{Failure, discard};
use crate::ids::TxnIndex;
use crate::job::{Disbelieved, Job};
use crate::mvmemory::Published;
use crate::scheduler::room::{Doing, Looks};
use crate::scheduler::status::State;
use crate::scheduler::{Awaited, Claim, Stride};
use crate::speculating::{Speculating, drop_contained};
use crate::speculative::{Interruption, Mode, Speculation, Tools};
use crate::stats::Stats;
use crate::sync::{self, atomic::Ordering};
use crate::view::{Backend, Interrupt, View};
use crate::vm::{Execution, Vm};

/// On whose thread a worker runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// The caller's: stays until the block is over.
    Caller,
    /// A pool's: leaves when there is no work, see `crew.rs`.
    Helper,
}

pub(crate) struct Worker<'j, 'b, V: Vm> {
    pub(crate) job: &'j Job<'b, V>,
    crew: &'j Crew<'j>,
    role: Role,
    context: Option<V::Context<'b>>,
    view: View<'b, V>,
    pub(crate) tools: Rc<Tools<'b, V>>,
    /// Runs that are done with, for their allocations.
    spare: Vec<Box<Run<'b, V>>>,
    pub(crate) stats: Stats,
    /// The count of rewrites after which nothing was found to validate.
    swept: u64,
    /// The worker's number.
    pub(crate) number: u32,
    /// What it executes next.
    stride: Stride,
    looks: Looks,
}

/// How many runs a worker keeps for their allocations. It may come by many that others made.
const MOST_SPARE: usize = 256;

/// How many more rewrites an attempt that holds is left alone for, each time that it does, over the time before.
const REST_AFTER_LOOK: u64 = 8;

/// Which transactions a worker makes final.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Whose {
    /// Those that it executed itself, or that nobody has.
    Own,
    All,
}

/// How an execution ended.
pub(crate) enum Ended<V: Vm> {
    Executed(Execution<V::Output, V::Invalid>),
    Failed(Failure),
    Interrupted(Interruption),
}

/// What the VM's `execute` returns.
type Returned<V> = Result<Execution<<V as Vm>::Output, <V as Vm>::Invalid>, Interrupt>;

/// Ends the block unless it is forgotten: if its worker panics, the others leave and the panic can surface.
struct EndOnPanic<'j, 'b, V: Vm>(&'j Job<'b, V>);

impl<V: Vm> Drop for EndOnPanic<'_, '_, V> {
    fn drop(&mut self) {
        self.0.scheduler.end();
    }
}

impl<'j, 'b, V: Vm> Worker<'j, 'b, V> {
    /// Works until the block is over; as a helper, at most until there is nothing to do.
    ///
    /// # Panics
    /// If something other than an execution panics: the sink, a value's method, the engine itself.
    pub(crate) fn work_for(job: &'j Job<'b, V>, crew: &'j Crew<'j>, role: Role, seat: usize) {
        let end = EndOnPanic(job);
        job.scheduler.room.tell(seat, Doing::Running);
        let tools = Rc::new(Tools::new(job.memory.desk(), seat));
        let view = fresh_view(job, &tools);
        let mut worker = Self {
            job,
            crew,
            role,
            context: None,
            view,
            tools,
            spare: Vec::new(),
            stats: Stats::default(),
            swept: 0,
            // ORDERING: Relaxed: only a number.
            number: job.workers.fetch_add(1, Ordering::Relaxed),
            stride: Stride::default(),
            looks: Looks::default(),
        };
        while !job.scheduler.is_over() && worker.turn() {}
        worker.report();
        job.scheduler.room.tell(seat, Doing::Nothing);
        std::mem::forget(end);
    }

    /// Does one thing. Whether to go on.
    fn turn(&mut self) -> bool {
        self.step(Step::Turn);
        self.call_for_help();
        if self.is_superfluous() {
            // What it made ready, the head perhaps, is not left lying.
            self.commit_ready(Whose::All);
            return false;
        }
        if self.stride.is_over() || self.job.scheduler.is_in_a_hurry() {
            self.commit_ready(Whose::Own);
        }
        let pinned = self.pin();
        if let Some(claim) = self.claim() {
            self.speculate(claim);
            return true;
        }
        drop(pinned);
        self.commit_ready(Whose::All);
        self.validate_early() || self.idle()
    }

    /// Lets a conductor decide who acts next, if there is one.
    pub(crate) fn step(&self, step: Step) {
        self.job.scheduler.step(step);
    }

    /// Calls for missing helpers if there is something to do for them.
    pub(crate) fn call_for_help(&self) {
        let scheduler = self.job.scheduler;
        let (wanted, done) = (scheduler.workers_wanted() as usize - 1, scheduler.head().as_usize());
        if self.crew.is_short(wanted, done) && scheduler.has_executions() {
            self.step(Step::Hire);
            self.crew.hire(wanted, done);
        }
    }

    /// Whether others are enough. The first helper stays for a while even if the head alone can be executed: that may soon change.
    fn is_superfluous(&mut self) -> bool {
        let scheduler = self.job.scheduler;
        if scheduler.window.workers() >= scheduler.room.workers() {
            scheduler.room.look(&mut self.looks);
        }
        let wanted = scheduler.workers_wanted().max(2) as usize;
        self.role == Role::Helper && self.tools.seat >= wanted && self.stride.is_over()
    }

    /// Waits for work. Whether to go on.
    fn idle(&mut self) -> bool {
        let Job { scheduler, baton, .. } = self.job;
        let swept = self.swept;
        let has_work = || {
            scheduler.is_over()
                || (scheduler.head_is_waiting() && baton.is_free() && !sings(Canary::LeaveHead))
                || scheduler.has_executions()
                || scheduler.rewrites() != swept
        };
        if self.role == Role::Helper {
            // Whoever sleeps here keeps the caller waiting until he is awake again, at the block's end.
            let stays = scheduler.linger(has_work);
            scheduler.poll_limits();
            return stays;
        }
        let on_pool = sync::is_on_pool();
        scheduler.room.tell(self.tools.seat, Doing::Nothing);
        let slept = scheduler.idle(on_pool.then_some(POOL_INTERVAL), has_work);
        scheduler.room.tell(self.tools.seat, Doing::Running);
        self.stats.parks += u64::from(slept);
        if slept && on_pool && !has_work() {
            sync::run_local_tasks();
        }
        true
    }

    fn report(mut self) {
        // What it retired, and its place in the collector, go as soon as they can: it may have come for a moment only.
        self.pin().flush();
        self.stats.base_reads = self.tools.base_reads.get();
        self.stats.waits = self.tools.waits.get();
        self.stats.versions = self.tools.desk.finder.visited.get();
        let mut tally = self.job.tally.lock();
        tally.stats += self.stats;
        if self.stats.executions > 0 {
            // A helper that leaves and comes back is the same worker.
            tally.threads.insert(std::thread::current().id());
        }
    }

    fn claim(&mut self) -> Option<Claim> {
        self.step(Step::Claim);
        let Self { job, tools, stride, .. } = self;
        job.scheduler.claim_for_execution(stride, |started| {
            let declared = started.get().saturating_add(job.hint_distance);
            job.declare(TxnIndex::new(declared), &tools.desk);
        })
    }

    /// Executes a claimed transaction optimistically.
    fn speculate(&mut self, claim: Claim) {
        let job = self.job;
        self.step(Step::Execute(claim.txn, Position::Ahead));
        let rewrites = job.scheduler.rewrites();
        let (mut run, ended) = self.execute(claim.txn, Mode::Optimistic);
        let result = match ended {
            Ended::Executed(execution) => {
                self.publish(claim, &mut run, &execution);
                Ok(execution)
            }
            Ended::Failed(failure) if sings(Canary::BelieveFailures) => {
                panic!("believed ahead of its turn: {failure:?}")
            }
            Ended::Failed(_) => Err(Disbelieved::Failure),
            Ended::Interrupted(Interruption::Contradiction) => Err(Disbelieved::Contradiction),
            Ended::Interrupted(interruption) => return self.give_up(claim, run, interruption),
        };
        let slot = job.slot(claim.txn);
        run.result = Some(result);
        slot.attempt.leave(run);
        // ORDERING: Relaxed: published to the next owner by the status word.
        slot.validated.store(rewrites, Ordering::Relaxed);
        slot.held.store(0, Ordering::Relaxed);
        // ORDERING: Relaxed: a hint.
        slot.owner.store(self.number, Ordering::Relaxed);
        self.step(Step::Finish(claim.txn));
        job.scheduler.finish(claim);
    }

    fn give_up(&mut self, claim: Claim, run: Box<Run<'b, V>>, interruption: Interruption) {
        self.recycle(run);
        let aborts = &mut self.stats.aborts;
        let after = match interruption {
            Interruption::Estimate(writer) => {
                aborts.estimate += 1;
                Some(Awaited { writer, until: State::Executed })
            }
            Interruption::Unsettled(writer) => {
                aborts.estimate += 1;
                Some(Awaited { writer, until: State::Committed })
            }
            Interruption::Stale => {
                aborts.early_validation += 1;
                None
            }
            Interruption::Stopped | Interruption::Contradiction | Interruption::Failure(_) => {
                aborts.refused += 1;
                None
            }
        };
        self.step(Step::Release(claim.txn));
        self.job.scheduler.release(claim, after);
    }

    /// Makes the writes of an execution visible, none if it was invalid.
    pub(crate) fn publish(
        &mut self,
        claim: Claim,
        run: &mut Run<'b, V>,
        execution: &Execution<V::Output, V::Invalid>,
    ) {
        let Claim { txn, incarnation } = claim;
        self.step(Step::Publish(txn));
        let desk = &self.tools.desk;
        let memory = self.job.memory;
        let Published { changed, right_hints, wrong_hints } = match execution {
            Execution::Done(_) => memory.publish(txn, incarnation, run.take_writes(), desk),
            Execution::Invalid(_) => memory.publish(txn, incarnation, std::iter::empty(), desk),
        };
        let scheduler = self.job.scheduler;
        if right_hints + wrong_hints > 0 {
            scheduler.trust.report(right_hints, wrong_hints);
        }
        if changed && scheduler.next() > txn.get() + 1 {
            scheduler.note_rewrite();
        }
    }

    /// Looks whether executed transactions still hold, and executes again the first that does not.
    /// Whether anything was done.
    fn validate_early(&mut self) -> bool {
        let scheduler = self.job.scheduler;
        let rewrites = scheduler.rewrites();
        if rewrites == self.swept {
            return false;
        }
        let first = scheduler.head().get().saturating_add(1);
        for txn in (first..scheduler.next()).map(TxnIndex::new) {
            // ORDERING: Relaxed: a hint.
            if self.job.slot(txn).validated.load(Ordering::Relaxed) >= rewrites {
                continue;
            }
            let Some(incarnation) = scheduler.status(txn).claim(State::Executed) else {
                continue;
            };
            let claim = Claim { txn, incarnation };
            self.step(Step::Validate(txn));
            if scheduler.is_last_ahead(incarnation) {
                // ORDERING: Relaxed: a hint.
                self.job.slot(txn).validated.store(u64::MAX, Ordering::Relaxed);
                scheduler.finish(claim);
            } else if self.still_holds(claim, rewrites) {
                scheduler.finish(claim);
            } else {
                self.abort_and_repeat(claim);
            }
            return true;
        }
        self.swept = rewrites;
        false
    }

    /// Validates an attempt that the caller owns.
    fn still_holds(&mut self, claim: Claim, rewrites: u64) -> bool {
        let slot = self.job.slot(claim.txn);
        let Some(run) = slot.attempt.take() else { return true };
        // Each time that it holds it is left alone for longer, so that the looks at it do not grow with the writes around it.
        // ORDERING: Relaxed throughout: hints.
        let held = slot.held.load(Ordering::Relaxed);
        slot.held.store(held + 1, Ordering::Relaxed);
        let untouched = REST_AFTER_LOOK.saturating_pow(held);
        slot.validated.store(rewrites.saturating_add(untouched), Ordering::Relaxed);
        self.stats.early_validations += 1;
        let _speculating = Speculating::start();
        let holds = match (&run.result, speculation(&mut self.view)) {
            (Some(Ok(_)), Some(speculation)) => speculation.holds(claim.txn, &run),
            _ => true,
        };
        slot.attempt.leave(run);
        holds
    }

    fn abort_and_repeat(&mut self, claim: Claim) {
        self.stats.aborts.early_validation += 1;
        self.job.memory.mark_estimates(claim.txn);
        if let Some(run) = self.job.slot(claim.txn).attempt.take() {
            self.recycle(run);
        }
        self.speculate(Claim { incarnation: claim.incarnation.wrapping_add(1), ..claim });
    }

    /// Executes `txn` once, containing panics and seeing through swallowed interrupts.
    pub(crate) fn execute(&mut self, txn: TxnIndex, mode: Mode) -> (Box<Run<'b, V>>, Ended<V>) {
        self.stats.executions += 1;
        let vm = self.job.block.vm;
        if let Some(speculation) = speculation(&mut self.view) {
            speculation.begin(txn, mode);
        }
        let speculating = (mode == Mode::Optimistic).then(Speculating::start);
        let caught = catch_unwind(AssertUnwindSafe(|| {
            let context = self.context.get_or_insert_with(|| vm.context());
            let result = vm.execute(context, self.job.txn(txn), &mut self.view);
            if let (Ok(_), Mode::Optimistic, Some(speculation)) =
                (&result, mode, speculation(&mut self.view))
            {
                speculation.prefetch();
                speculation.list_writes();
            }
            result
        }));
        drop(speculating);
        let empty = self.spare.pop().unwrap_or_default();
        let (run, interruption) = match speculation(&mut self.view) {
            Some(speculation) => speculation.end(empty),
            None => (empty, None),
        };
        (run, self.conclude(caught, interruption))
    }

    fn conclude(
        &mut self,
        caught: std::thread::Result<Returned<V>>,
        interruption: Option<Interruption>,
    ) -> Ended<V> {
        let lost = self.view.is_taken();
        let broken = self.view.is_broken();
        if lost || broken || caught.is_err() {
            // Whatever the context holds now, an old view perhaps, is not to be met again.
            let kept = if lost { Canary::KeepLostContext } else { Canary::KeepContext };
            if !sings(kept) {
                drop_contained(self.context.take());
            }
            let fresh = fresh_view(self.job, &self.tools);
            drop_contained(std::mem::replace(&mut self.view, fresh));
        }
        match (caught, interruption) {
            // The block was stopped, and the VM could not take it.
            (Err(payload), Some(Interruption::Stopped)) => {
                discard(payload);
                Ended::Interrupted(Interruption::Stopped)
            }
            (Err(payload), _) => Ended::Failed(Failure::panicked(payload)),
            (Ok(_), _) if broken => Ended::Failed(Failure::caught_by_the_vm()),
            (Ok(_), _) if lost => {
                Ended::Failed(Failure::Vm("the VM did not put the view back".into()))
            }
            (Ok(_), Some(Interruption::Failure(failure))) => Ended::Failed(failure),
            (Ok(Ok(execution)), Some(_)) if sings(Canary::BelieveSwallowed) => {
                Ended::Executed(execution)
            }
            (Ok(_), Some(interruption)) => Ended::Interrupted(interruption),
            (Ok(Ok(execution)), None) => Ended::Executed(execution),
            (Ok(Err(Interrupt { .. })), None) => Ended::Failed(Failure::Vm(
                "the VM returned an interrupt that its view never gave".into(),
            )),
        }
    }

    /// Keeps versions that others retire from being freed.
    pub(crate) fn pin(&self) -> Guard {
        self.tools.desk.pin()
    }

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
}

fn fresh_view<'b, V: Vm>(job: &Job<'b, V>, tools: &Rc<Tools<'b, V>>) -> View<'b, V> {
    View::new(Backend::Speculative(Speculation::new(job.shared(), Rc::clone(tools))))
}

fn speculation<'v, 'b, V: Vm>(view: &'v mut View<'b, V>) -> Option<&'v mut Speculation<'b, V>> {
    match view.backend() {
        Some(Backend::Speculative(speculation)) => Some(speculation),
        _ => None,
    }
}
