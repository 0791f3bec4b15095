//! The only judge: makes transactions final, lowest first.
//!
//! Whoever holds the baton takes the *head*, the lowest uncommitted transaction. Everything below it is
//! final. If the head was executed optimistically, its reads are checked against the committed state; if they
//! hold, that execution did exactly what a sequential one would have done at this place. If they do not, or if it was
//! not executed yet, it is executed here and now, reading committed values alone, which is what a sequential execution does.
//! Either way its writes become the committed state for the next one. By induction the block's result is the sequential one.
//!
//! Failures (storage errors, panics) of optimistic executions are not believed: the head is executed again, and
//! only a failure of *that* execution fails the block. So errors are those of the sequential execution.
//!
//! The head waits for nobody, so the block always goes on: if the head is ready, whoever looks next takes the baton; if somebody
//! else owns it (executes or validates it), he looks when he is through with his stride. See `scheduler/baton.rs` for why no head is left lying.

use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::access::{CellOf, Reading, Run, Stage, Stale};
use crate::block::Block;
use crate::canary::{Canary, sings};
use crate::conductor::{Position, Step};
use crate::conflicts::Conflict;
use crate::error::{Error, discard};
use crate::ids::TxnIndex;
use crate::job::Disbelieved;
use crate::ledger::{End, Entry, Ledger, Settled};
use crate::limits::Cut;
use crate::scheduler::Claim;
use crate::scheduler::status::State;
use crate::scheduler::window::{Report, WindowControl};
use crate::sink::Writes;
use crate::speculating::Speculating;
use crate::speculative::{DeskOf, Interruption, MemoryOf, Mode};
use crate::sync::atomic::Ordering;
use crate::vm::{Execution, Vm};
use crate::watch::Watch;
use crate::worker::{Ended, Whose, Worker};

type ExecutionOf<V> = Execution<<V as Vm>::Output, <V as Vm>::Invalid>;
/// A run of the head, and what it came to.
type HeadRun<'b, V> = (Box<Run<'b, V>>, ExecutionOf<V>);
/// Whether the first attempt stood, if there was one.
type Stood = Option<bool>;

/// How many runs may fail for deltas that were hidden from them before none are hidden any more.
const BLIND_RUNS: u32 = 8;

/// What only the holder of the baton touches.
pub(crate) struct Committer<'b, V: Vm> {
    ledger: Ledger<'b, V>,
    window: WindowControl,
    /// The cells with a committed write, in the order of the first one.
    touched: Vec<&'b CellOf<V>>,
    edges: Option<Vec<Conflict<V::Location>>>,
    /// How many runs did not stand though they may have if deltas had been shown to them.
    blind: u32,
    /// The writes of the transaction that is being committed.
    writes: Vec<(&'b V::Location, &'b V::Value)>,
    watch: Option<Watch<V>>,
    end: Option<Ending<V>>,
}

/// How the block ended: `Ok(None)` after its last transaction.
pub(crate) type Ending<V> = Result<Option<Cut>, Error<<V as Vm>::Invalid>>;

/// What the committer leaves behind.
pub(crate) struct Final<'b, V: Vm> {
    pub(crate) end: Ending<V>,
    pub(crate) committed: usize,
    pub(crate) touched: Vec<&'b CellOf<V>>,
    pub(crate) edges: Option<Vec<Conflict<V::Location>>>,
}

impl<'b, V: Vm> Committer<'b, V> {
    pub(crate) fn new(
        block: &Block<'b, V>,
        ledger: Ledger<'b, V>,
        window: WindowControl,
        watch: Option<Watch<V>>,
    ) -> Self {
        Self {
            ledger,
            window,
            touched: Vec::new(),
            edges: block.conflict_graph.then(Vec::new),
            blind: 0,
            writes: Vec::new(),
            watch,
            end: None,
        }
    }

    /// The block's end, once it is over.
    pub(crate) fn finish(self) -> Final<'b, V> {
        Final {
            end: self.end.expect("workers leave when the block has its end"),
            committed: self.ledger.committed(),
            touched: if sings(Canary::LoseTouched) { Vec::new() } else { self.touched },
            edges: self.edges,
        }
    }

    fn set_end(&mut self, end: Ending<V>, txns: usize) {
        if let Some(watch) = &mut self.watch {
            watch.end(matches!(end, Ok(None)), txns, &self.touched);
        }
        self.end = Some(end);
    }

    /// Hands the head's settled writes to the sink and makes them final.
    fn include(
        &mut self,
        memory: &'b MemoryOf<V>,
        txn: TxnIndex,
        output: V::Output,
        run: &Run<'b, V>,
        desk: &DeskOf<'b, V>,
    ) -> Result<(), End<V::Invalid>> {
        if let Some(edges) = &mut self.edges {
            self.ledger.contain(txn, || add_edges(edges, txn, run))?;
        }
        self.writes.clear();
        if let Some(watch) = &self.watch {
            watch.before_commit(txn, run, &desk.pin());
        }
        memory.commit(txn, |n| run.asked_before(n), &mut self.writes, &mut self.touched);
        if let Some(watch) = &mut self.watch {
            watch.after_commit(&self.writes);
        }
        self.ledger.contain(txn, || memory.settle_index(txn, desk))?;
        self.ledger.commit(txn, output, Writes { entries: &self.writes })
    }

    /// A read of `run` was stale. Where deltas were hidden from it, they are shown from now on; everywhere, if that happens again and again,
    /// always at other locations.
    fn learn(&mut self, memory: &MemoryOf<V>, run: &Run<'b, V>) {
        self.blind += u32::from(run.show_deltas());
        if self.blind == BLIND_RUNS {
            memory.show_deltas();
        }
    }
}

/// Notes whom the head read from. Called before the head's own writes are committed, so that each writer is a lower
/// transaction.
fn add_edges<'b, V: Vm>(
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

impl<'b, V: Vm> Worker<'_, 'b, V> {
    /// Commits as far as possible, if nobody else does.
    ///
    /// What another worker executed lies in that one's cache, and he will come for it; while nothing fails it is left to him,
    /// unless there is nothing else to do.
    pub(crate) fn commit_ready(&mut self, whose: Whose) {
        let job = self.job;
        while job.scheduler.head_is_waiting() && !job.scheduler.is_over() && self.may_commit(whose)
        {
            self.step(Step::TakeBaton);
            let Some(mut committer) = job.baton.try_take() else { return };
            while self.commit_head(&mut committer) && self.may_commit(whose) {}
            self.step(Step::GiveBaton);
            drop(committer);
            self.step(Step::LookAgain);
            if sings(Canary::LeaveHead) {
                return;
            }
        }
        if job.scheduler.window.is_cautious() && job.baton.is_free() {
            job.scheduler.want_head();
        }
    }

    fn may_commit(&self, whose: Whose) -> bool {
        let scheduler = self.job.scheduler;
        let head = scheduler.head();
        if whose == Whose::All
            || scheduler.is_in_a_hurry()
            || head.as_usize() >= self.job.block.txns.len()
        {
            return true;
        }
        let mine = match scheduler.status(head).read() {
            // ORDERING: Relaxed: a hint.
            (State::Executed, _) => {
                self.job.slot(head).owner.load(Ordering::Relaxed) == self.number
            }
            // Part of another one's stride.
            (State::Ready, 0) => head.get() >= scheduler.next(),
            _ => true,
        };
        mine || scheduler.lags(head)
    }

    /// Takes the block one transaction further. Whether to go on.
    fn commit_head(&mut self, committer: &mut Committer<'b, V>) -> bool {
        let scheduler = self.job.scheduler;
        let txn = scheduler.head();
        self.step(Step::Head(txn));
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
        self.stats.commit_lag_sum += lag;
        self.stats.commit_lag_max = self.stats.commit_lag_max.max(lag);
        let end = match self.commit_claimed(committer, claim, executed.is_some()) {
            Ok(()) => {
                committer.watch.iter_mut().for_each(|watch| watch.pass(txn));
                scheduler.finish_commit(claim);
                let mut next = txn.next();
                if sings(Canary::SkipTxn) && next.as_usize() + 1 < self.job.block.txns.len() {
                    next = next.next();
                }
                self.step(Step::Advance(next));
                scheduler.advance(next);
                self.call_for_help();
                if next.as_usize() < self.job.block.txns.len() {
                    return true;
                }
                Ok(None)
            }
            Err(End::Cut(cut)) => Ok(Some(cut)),
            Err(End::Failed(error)) => Err(error),
        };
        committer.set_end(end, self.job.block.txns.len());
        scheduler.end();
        false
    }

    fn commit_claimed(
        &mut self,
        committer: &mut Committer<'b, V>,
        claim: Claim,
        executed: bool,
    ) -> Result<(), End<V::Invalid>> {
        let txn = claim.txn;
        let attempt = if executed { self.job.slot(txn).attempt.take() } else { None };
        if let Err(end) = committer.ledger.poll() {
            self.stats.aborts.refused += u64::from(attempt.is_some());
            return Err(end);
        }
        match committer.ledger.admit(txn) {
            Ok(Entry::Execute) => {}
            left_out => {
                self.stats.aborts.refused += u64::from(attempt.is_some());
                left_out?;
                return committer.ledger.contain(txn, || self.withdraw(txn));
            }
        }
        let (stood, standing) = self.judge(committer, claim, attempt);
        let (run, execution) = match standing {
            Some(standing) => standing,
            None => self.execute_head(committer, claim, executed)?,
        };
        self.note_distance(committer, txn, stood, &run);
        self.step(Step::Commit(txn));
        let settled = committer.ledger.settle(txn, execution);
        // Thrown away, unless the sink took it and then ended the block.
        let refused = settled.is_err() && committer.ledger.committed() == txn.as_usize();
        self.stats.aborts.refused += u64::from(refused);
        let included = match settled? {
            Settled::Include(output) => {
                committer.include(self.job.memory, txn, output, &run, &self.tools.desk)
            }
            Settled::LeftOut => committer.ledger.contain(txn, || self.withdraw(txn)),
        };
        self.recycle(run);
        included
    }

    /// Tells the window on what the head depended. The block's first transaction depends on nothing, which says nothing.
    fn note_distance(
        &self,
        committer: &mut Committer<'b, V>,
        txn: TxnIndex,
        stood: Stood,
        run: &Run<'b, V>,
    ) {
        if txn.get() > 0 {
            let scheduler = self.job.scheduler;
            let distance = run.nearest_writer().map(|writer| txn.get() - writer.get());
            let report = Report { stood, distance: distance.unwrap_or(u32::MAX) };
            committer.window.report(report, scheduler.room.workers(), &scheduler.window);
        }
    }

    /// The attempt, if it did what a sequential execution would have done.
    fn judge(
        &mut self,
        committer: &mut Committer<'b, V>,
        claim: Claim,
        attempt: Option<Box<Run<'b, V>>>,
    ) -> (Stood, Option<HeadRun<'b, V>>) {
        let txn = claim.txn;
        let attempt = attempt.and_then(|mut run| Some((run.result.take()?, run)));
        let Some((result, run)) = attempt else { return (None, None) };
        self.step(Step::Judge(txn));
        let verdict = result.and_then(|execution| {
            self.stats.validations += 1;
            // A value's method that panics here does so in the execution of the head, too, where it is contained.
            let _speculating = Speculating::start();
            let verdict = || self.examine(txn, &run, &execution);
            match catch_unwind(AssertUnwindSafe(verdict)) {
                Ok(verdict) => verdict.map(|()| execution),
                Err(_) if sings(Canary::ApprovePanics) => Ok(execution),
                Err(payload) => {
                    discard(payload);
                    Err(Disbelieved::Failure)
                }
            }
        });
        // A run that stands only because it was repeated after others does not speak for looking ahead.
        let stood = Some(verdict.is_ok() && claim.incarnation == 0);
        let aborts = &mut self.stats.aborts;
        match verdict {
            Ok(execution) => return (stood, Some((run, execution))),
            Err(Disbelieved::Failure) => aborts.failure += 1,
            Err(Disbelieved::Stale(Stale::Read)) => {
                aborts.commit_validation += 1;
                committer.learn(self.job.memory, &run);
            }
            Err(Disbelieved::Contradiction | Disbelieved::Stale(Stale::Assumption)) => {
                aborts.assumption += 1;
            }
        }
        self.recycle(run);
        (stood, None)
    }

    /// Holds a run against the committed state.
    fn examine(
        &self,
        txn: TxnIndex,
        run: &Run<'b, V>,
        execution: &ExecutionOf<V>,
    ) -> Result<(), Disbelieved> {
        run.validate(Stage::Commit, |cell| {
            cell.committed().map(|(version, value)| (Some(version), Reading::Borrowed(value)))
        })
        .map_err(Disbelieved::Stale)?;
        if run.misses(self.job.memory) {
            return Err(Disbelieved::Stale(Stale::Read));
        }
        let deltas_apply = match execution {
            Execution::Done(_) => self.job.memory.settle(txn, &self.tools.desk),
            // The writes are dropped, but the VM may have come here because it was told that they apply.
            Execution::Invalid(_) => {
                sings(Canary::SkipDeltas)
                    || run.deltas_apply(|cell| cell.committed().map(|(_, value)| value))
            }
        };
        if deltas_apply { Ok(()) } else { Err(Disbelieved::Contradiction) }
    }

    /// Executes the head on committed values alone; right by construction.
    fn execute_head(
        &mut self,
        committer: &mut Committer<'b, V>,
        claim: Claim,
        again: bool,
    ) -> Result<HeadRun<'b, V>, End<V::Invalid>> {
        let Claim { txn, incarnation } = claim;
        self.stats.head_executions += 1;
        self.step(Step::Execute(txn, Position::Head));
        let (mut run, ended) = self.execute(txn, Mode::Head);
        match ended {
            Ended::Executed(execution) => {
                let incarnation = incarnation.wrapping_add(u32::from(again));
                self.publish(Claim { txn, incarnation }, &mut run, &execution);
                Ok((run, execution))
            }
            Ended::Failed(failure) => Err(committer.ledger.fail(txn, failure)),
            Ended::Interrupted(Interruption::Stopped) => {
                self.stats.aborts.refused += 1;
                committer.ledger.poll()?;
                // Not stopped from outside: another worker panicked, and the caller will see that.
                Err(End::Failed(Error::Cancelled { committed: committer.ledger.committed() }))
            }
            Ended::Interrupted(interruption) => {
                unreachable!("the head takes nothing for granted, but: {interruption:?}")
            }
        }
    }

    /// Takes back what was published for a transaction without effect.
    fn withdraw(&mut self, txn: TxnIndex) {
        if !sings(Canary::KeepLeftOut) && self.job.memory.withdraw(txn, &self.tools.desk) {
            self.job.scheduler.note_rewrite();
        }
    }
}
