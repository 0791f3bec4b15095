//! What one thread does for a block.
//!
//! A worker for whom there is no room, or nothing to do as far as can be seen, leaves. Else a turn
//! is the first of these that is possible: commit what is ready and was executed here, which is
//! looked for once a stride; execute the lowest transaction that needs it; commit what else is
//! ready; look whether executed ones still hold; wait. All of it but committing is speculation.

use std::ops::Range;

use crate::execution::disbelieved::Disbelieved;
use crate::execution::executor::Executor;
use crate::execution::interruption::Interruption;
use crate::execution::machine::Executable;
use crate::execution::run::Run;
use crate::primitives::canary::{Canary, sings};
use crate::primitives::conductor::{Position, Step};
use crate::primitives::ids::TxnIndex;
use crate::primitives::on_drop::OnDrop;
use crate::primitives::speculating;
use crate::primitives::sync::{self, atomic::Ordering};
use crate::scheduler::Claim;
use crate::scheduler::status::State;

use super::helpers::Helpers;
use super::job::Job;
use super::scope::POOL_INTERVAL;

/// One thread's part in a block. The caller's worker has number 0, and stays until the block is
/// over; those of a pool leave when there is no work.
pub(crate) struct Worker<'j, 'b, V: Executable> {
    job: &'j Job<'b, V>,
    helpers: &'j Helpers<'j>,
    executor: Executor<'j, 'b, V>,
    /// The count of rewrites after which nothing was found to validate.
    swept: u64,
    /// Which of the block's workers it is: a helper that comes again has another one.
    id: u32,
    /// What it executes next.
    stride: Range<u32>,
    /// What it saw when it looked around, see `Room::look`.
    looks: i32,
}

/// How many more rewrites a run that holds is left alone for, each time that it does, over the
/// time before.
const REST_AFTER_LOOK: u64 = 8;

impl<'j, 'b, V: Executable> Worker<'j, 'b, V> {
    /// Works until the block is over; as a helper, at most until there is nothing to do.
    ///
    /// # Panics
    /// If something other than an execution panics: the sink, a value's method, the engine itself.
    pub(crate) fn work_for(job: &'j Job<'b, V>, helpers: &'j Helpers<'j>, number: usize) {
        // If this worker panics, the others leave and the panic can surface.
        let on_panic = OnDrop(|| job.shared.scheduler.end());
        job.shared.scheduler.room.tell(number, true);
        let mut worker = Self {
            job,
            helpers,
            executor: Executor::new(job.block, job.shared, &job.waiting_runs, number),
            swept: 0,
            // ORDERING: Relaxed: only a number.
            id: job.workers.fetch_add(1, Ordering::Relaxed),
            stride: 0..0,
            looks: 0,
        };
        while !job.shared.scheduler.is_over() && worker.turn() {}
        worker.report();
        job.shared.scheduler.room.tell(number, false);
        std::mem::forget(on_panic);
    }

    /// Does one thing. Whether to go on.
    fn turn(&mut self) -> bool {
        self.step(Step::Turn);
        self.call_for_help();
        if self.is_superfluous() {
            // What it made ready, the head perhaps, is not left lying.
            self.commit_ready();
            return false;
        }
        if self.stride.is_empty() || self.job.shared.scheduler.is_in_a_hurry() {
            self.commit_own();
        }
        let pinned = self.executor.pin();
        if let Some(claim) = self.claim() {
            self.speculate(claim);
            return true;
        }
        drop(pinned);
        self.commit_ready();
        self.validate_early() || self.idle()
    }

    /// Commits as far as possible, if no other worker does.
    fn commit_ready(&mut self) {
        self.commit(false);
    }

    /// Commits what this worker executed or no worker has, as far as possible.
    ///
    /// What another worker executed lies in that worker's cache, and that one looks at it when it
    /// is through. While nothing fails it is left there, unless there is nothing else to do.
    fn commit_own(&mut self) {
        self.commit(true);
    }

    fn commit(&mut self, own_only: bool) {
        let job = self.job;
        while job.shared.scheduler.head_is_waiting()
            && !job.shared.scheduler.is_over()
            && self.may_commit(own_only)
        {
            self.step(Step::TakeBaton);
            let Some(mut judge) = job.baton.try_take() else { return };
            while judge.commit_head(&mut self.executor) {
                self.call_for_help();
                if !self.may_commit(own_only) {
                    break;
                }
            }
            self.step(Step::GiveBaton);
            drop(judge);
            self.step(Step::LookAgain);
            if sings(Canary::LeaveHead) {
                return;
            }
        }
        if job.shared.scheduler.window.is_cautious() && job.baton.is_free() {
            job.shared.scheduler.want_head();
        }
    }

    fn may_commit(&self, own_only: bool) -> bool {
        let scheduler = self.job.shared.scheduler;
        let head = scheduler.head();
        if !own_only || scheduler.is_in_a_hurry() || head.as_usize() >= self.job.block.txns.len() {
            return true;
        }
        let mine = match scheduler.status(head).read() {
            // ORDERING: Relaxed: a hint.
            (State::Executed, _) => {
                self.job.waiting_runs.of(head).owner.load(Ordering::Relaxed) == self.id
            }
            // Part of another one's stride.
            (State::Ready, 0) => head.get() >= scheduler.next(),
            _ => true,
        };
        mine || scheduler.lags(head)
    }

    fn is_helper(&self) -> bool {
        self.executor.local.number > 0
    }

    fn step(&self, step: Step) {
        self.executor.step(step);
    }

    /// Calls for missing helpers if there is something to do for them.
    fn call_for_help(&self) {
        let scheduler = self.job.shared.scheduler;
        let (wanted, done) = (scheduler.workers_wanted() as usize - 1, scheduler.head().as_usize());
        if self.helpers.is_short(wanted, done) && scheduler.has_executions() {
            self.step(Step::Hire);
            self.helpers.hire(wanted, done);
        }
    }

    /// Whether others are enough. The first helper stays for a while even if the head alone can be
    /// executed: that may soon change.
    fn is_superfluous(&mut self) -> bool {
        let scheduler = self.job.shared.scheduler;
        if scheduler.window.workers() >= scheduler.room.workers() {
            scheduler.room.look(&mut self.looks);
        }
        let wanted = scheduler.workers_wanted().max(2) as usize;
        self.is_helper() && self.executor.local.number >= wanted && self.stride.is_empty()
    }

    /// Waits for work. Whether to go on.
    fn idle(&mut self) -> bool {
        let (scheduler, baton) = (self.job.shared.scheduler, &self.job.baton);
        let swept = self.swept;
        let has_work = || {
            scheduler.is_over()
                || (scheduler.head_is_waiting() && baton.is_free() && !sings(Canary::LeaveHead))
                || scheduler.has_executions()
                || scheduler.rewrites() != swept
        };
        if self.is_helper() {
            // A helper that sleeps here keeps the caller waiting at the block's end until it is
            // awake again.
            let stays = scheduler.linger(has_work);
            scheduler.poll_limits();
            return stays;
        }
        let on_pool = sync::is_on_pool();
        scheduler.room.tell(self.executor.local.number, false);
        let slept = scheduler.idle(on_pool.then_some(POOL_INTERVAL), has_work);
        scheduler.room.tell(self.executor.local.number, true);
        self.executor.stats.parks += u64::from(slept);
        if slept && on_pool && !has_work() {
            sync::run_local_tasks();
        }
        true
    }

    fn report(self) {
        // What it retired, and its place in the collector, go as soon as they can: it may have come
        // for a moment only.
        self.executor.pin().flush();
        let stats = self.executor.finish_stats();
        *self.job.stats.lock() += stats;
        if stats.executions > 0 {
            // A helper that leaves and comes back is the same worker.
            self.job.threads.lock().insert(std::thread::current().id());
        }
    }

    fn claim(&mut self) -> Option<Claim> {
        self.step(Step::Claim);
        let Self { job, executor, stride, .. } = self;
        job.shared.scheduler.claim_for_execution(stride, |started| {
            let declared = started.get().saturating_add(job.hint_distance);
            job.declare(TxnIndex::new(declared), executor.handle());
        })
    }

    /// Executes a claimed transaction optimistically.
    fn speculate(&mut self, claim: Claim) {
        let job = self.job;
        self.step(Step::Execute(claim.txn, Position::Ahead));
        let rewrites = job.shared.scheduler.rewrites();
        let (mut run, ended) = self.executor.execute(claim.txn, Position::Ahead);
        let result = match ended {
            Ok(execution) => {
                self.executor.publish(claim, &mut run, &execution);
                Ok(execution)
            }
            Err(Interruption::Failure(failure)) if sings(Canary::BelieveFailures) => {
                panic!("believed ahead of its turn: {failure:?}")
            }
            Err(Interruption::Failure(_)) => Err(Disbelieved::Failure),
            Err(Interruption::Contradiction) => Err(Disbelieved::Assumption),
            Err(interruption) => return self.give_up(claim, run, interruption),
        };
        let waiting = job.waiting_runs.of(claim.txn);
        run.result = Some(result);
        waiting.run.leave(run);
        // ORDERING: Relaxed: published to the next owner by the status word.
        waiting.validated.store(rewrites, Ordering::Relaxed);
        waiting.times_held.store(0, Ordering::Relaxed);
        // ORDERING: Relaxed: a hint.
        waiting.owner.store(self.id, Ordering::Relaxed);
        self.step(Step::Finish(claim.txn));
        job.shared.scheduler.finish(claim);
    }

    fn give_up(&mut self, claim: Claim, run: Box<Run<'b, V>>, interruption: Interruption) {
        self.executor.recycle(run);
        let aborts = &mut self.executor.stats.aborts;
        let after = match interruption {
            Interruption::Awaits(awaited) => {
                aborts.estimate += 1;
                Some(awaited)
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
        self.job.shared.scheduler.release(claim, after);
    }

    /// Looks whether executed transactions still hold, and executes again the first that does not.
    /// Whether anything was done.
    fn validate_early(&mut self) -> bool {
        let scheduler = self.job.shared.scheduler;
        let rewrites = scheduler.rewrites();
        if rewrites == self.swept {
            return false;
        }
        let first = scheduler.head().get().saturating_add(1);
        for txn in (first..scheduler.next()).map(TxnIndex::new) {
            // ORDERING: Relaxed: a hint.
            if self.job.waiting_runs.of(txn).validated.load(Ordering::Relaxed) >= rewrites {
                continue;
            }
            let Some(incarnation) = scheduler.status(txn).claim(State::Executed) else {
                continue;
            };
            let claim = Claim { txn, incarnation };
            self.step(Step::Validate(txn));
            if scheduler.is_last_ahead(incarnation) {
                // ORDERING: Relaxed: a hint.
                self.job.waiting_runs.of(txn).validated.store(u64::MAX, Ordering::Relaxed);
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

    /// Validates a run that the caller owns.
    fn still_holds(&mut self, claim: Claim, rewrites: u64) -> bool {
        let waiting = self.job.waiting_runs.of(claim.txn);
        let Some(run) = waiting.run.take() else { return true };
        // Each time that it holds it is left alone for longer, so that the looks at it do not grow
        // with the writes around it. ORDERING: Relaxed throughout: hints.
        let held = waiting.times_held.load(Ordering::Relaxed);
        waiting.times_held.store(held + 1, Ordering::Relaxed);
        let untouched = REST_AFTER_LOOK.saturating_pow(held);
        waiting.validated.store(rewrites.saturating_add(untouched), Ordering::Relaxed);
        self.executor.stats.early_validations += 1;
        let _speculating = speculating::start();
        let holds = match (&run.result, self.executor.speculation()) {
            (Some(Ok(_)), Some(speculation)) => speculation.holds(claim.txn, &run),
            _ => true,
        };
        waiting.run.leave(run);
        holds
    }

    fn abort_and_repeat(&mut self, claim: Claim) {
        self.executor.stats.aborts.early_validation += 1;
        self.job.shared.memory.mark_estimates(claim.txn);
        if let Some(run) = self.job.waiting_runs.of(claim.txn).run.take() {
            self.executor.recycle(run);
        }
        self.speculate(Claim { incarnation: claim.incarnation.wrapping_add(1), ..claim });
    }
}
