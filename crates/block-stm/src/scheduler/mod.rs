//! Which speculative work is done when. Nothing in here can change a result, only the time it
//! takes.
//!
//! Transactions are started in order, as far as the [`window`] above the commit point allows, by as
//! many workers as their [`distances`] can feed and there is [`room`] for; those whose execution
//! was thrown away wait in [`retry_set`]; workers without work sleep in [`parking`]. Who owns a
//! transaction is said by its [`status`] alone. Every counter and bit beside it is a hint.
//!
//! What keeps a block going whatever happens to the hints: the lowest uncommitted transaction, the
//! head, is executed and committed by the worker that finds the baton free, and waits for no other
//! (see `judge/commit.rs`).
//!
//! # An example
//!
//! The block of the [memory](crate::mvmemory)'s example, with two workers. This time a hint says
//! that txn 0 writes `x`:
//!
//! ```text
//! txn 0:  x := 5
//! txn 1:  y := x
//! txn 2:  if x >= 1, x += 1
//! ```
//!
//! After each step, this is what the status words say, and with them `head`, the lowest uncommitted
//! transaction, and `next`, the lowest that was never started:
//!
//! ```text
//!                                     head  next  txn 0      txn 1      txn 2
//! 1  worker 0 claims the head         0     0     CLAIMED 0  READY 0    READY 0
//! 2  worker 1 claims the next txn     0     2     CLAIMED 0  CLAIMED 0  READY 0
//! 3  it gives txn 1 back              0     2     CLAIMED 0  READY 1    READY 0
//! 4  it gives txn 2 back, too         0     3     CLAIMED 0  READY 1    READY 1
//! 5  worker 0 commits txn 0           1     3     COMMITTED  READY 1    READY 1
//! 6  worker 0 claims the head         1     3     COMMITTED  CLAIMED 1  READY 1
//! 7  worker 1 claims txn 2            1     3     COMMITTED  CLAIMED 1  CLAIMED 1
//! 8  worker 1 finishes txn 2          1     3     COMMITTED  CLAIMED 1  EXECUTED 1
//! 9  worker 0 commits txn 1           2     3     COMMITTED  COMMITTED  EXECUTED 1
//! ```
//!
//! 1. Worker 0 finds the baton free and the head ready. It executes txn 0, with the baton in hand.
//! 2. The head is the committer's, so worker 1 starts behind it: `next` passes txn 0 and txn 1, and
//!    worker 1 owns txn 1.
//! 3. Txn 1 reads `x`, where the hint has left an estimate of txn 0. Worker 1 spins for a moment,
//!    as txn 0 is being executed; then it gives txn 1 back, for the next incarnation. Txn 1 enters
//!    the [list of those that wait](waiters) for txn 0.
//! 4. Txn 2 ends in the same way. Now there is nothing that worker 1 could start, and it
//!    [parks](parking).
//! 5. Worker 0 commits txn 0. It then empties the list: both bits are set in the
//!    [retry set](retry_set), and worker 1 is woken.
//! 6. Worker 0 has the baton still, and the head is ready: it claims txn 1 itself. The bit of txn 1
//!    stays in the retry set.
//! 7. Worker 1 takes the lowest bit, that of txn 1, and fails to claim it. A bit is a hint, so
//!    nothing is lost: it takes the next one, and owns txn 2.
//! 8. Txn 2 sees the committed 5, which is at least 1, and its delta is published.
//! 9. Worker 0 commits txn 1 and moves the head. Txn 2 is executed, so it is judged next.
//!
//! A test goes through these steps (`tests.rs`).

// LENGTH: the essay is a ninth; what the scheduler is made of has files of its own.

pub(crate) mod baton;
pub(crate) mod distances;
pub(crate) mod gain;
pub(crate) mod hint_score;
pub(crate) mod parking;
pub(crate) mod retry_set;
pub(crate) mod room;
pub(crate) mod status;
pub(crate) mod waiters;
pub(crate) mod window;

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use crate::contract::limits::Limits;
use crate::primitives::canary::{Canary, sings};
use crate::primitives::conductor::{self, Conductor, Step};
use crate::primitives::ids::TxnIndex;
use crate::primitives::observer::{self, Observer};
use crate::primitives::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, Ordering};
use crate::primitives::sync::{self, IDLE_SPINS, Padded, WAIT_SPINS};
use hint_score::HintScore;
use parking::Parking;
use retry_set::RetrySet;
use room::Room;
use status::{State, Status};
use waiters::{Awaited, Waiters};
use window::Window;

/// A signal: no more results are wanted, runs are interrupted.
const STOPPING: u8 = 0b01;
/// A signal: a conductor decides who acts next.
const CONDUCTED: u8 = 0b10;
/// A signal: the committer waits for the head, which a worker executes that began when it was not
/// the head yet.
const HEAD_WANTED: u8 = 0b100;
/// A signal, though one that disturbs nobody: an observer is told of each step.
const OBSERVED: u8 = 0b1000;
/// The last incarnation that is executed ahead of its turn. A transaction that has failed so often
/// is left to the head, which bounds what a block can cost whatever the VM does; see
/// [`Scheduler::release`].
const LAST_AHEAD: u32 = 3;
/// How often a sleeping worker looks at the clock and the cancel token, where there are any.
const POLL_INTERVAL: Duration = Duration::from_millis(1);

pub(crate) struct Scheduler<'b> {
    txns: u32,
    workers: u32,
    observer: Option<Arc<dyn Observer>>,
    statuses: Box<[Status]>,
    /// Transactions that wait for a write of this one.
    waiters: Box<[Waiters]>,
    /// The lowest uncommitted transaction.
    head: Padded<AtomicU32>,
    /// The lowest transaction that was never started, about.
    next: Padded<AtomicU32>,
    /// Counts publications that readers may have missed.
    rewrites: Padded<AtomicU64>,
    /// What workers look at on every access, in one word.
    signals: AtomicU8,
    /// The block has its end; workers leave.
    over: AtomicBool,
    limits: &'b Limits,
    pub(crate) window: Window,
    pub(crate) room: Room,
    pub(crate) retry_set: RetrySet,
    pub(crate) hint_score: HintScore,
    parking: Parking,
}

/// A transaction that the calling worker now owns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Claim {
    pub(crate) txn: TxnIndex,
    pub(crate) incarnation: u32,
}

impl<'b> Scheduler<'b> {
    /// A scheduler of `txns` transactions, of which those below `first` are committed, for
    /// `workers` workers as far as there is room.
    pub(crate) fn new(
        (txns, first): (u32, TxnIndex),
        workers: u32,
        window: Window,
        room: Room,
        limits: &'b Limits,
    ) -> Self {
        let status = |txn| if txn < first.get() { Status::committed() } else { Status::new() };
        let observer = observer::present();
        let conducted = if conductor::present().is_some() { CONDUCTED } else { 0 };
        let observed = if observer.is_some() { OBSERVED } else { 0 };
        Self {
            txns,
            workers,
            observer,
            statuses: (0..txns).map(status).collect(),
            waiters: (0..txns).map(|_| Waiters::new()).collect(),
            head: Padded(AtomicU32::new(first.get())),
            next: Padded(AtomicU32::new(first.get())),
            rewrites: Padded(AtomicU64::new(0)),
            signals: AtomicU8::new(conducted | observed),
            over: AtomicBool::new(false),
            limits,
            window,
            room,
            retry_set: RetrySet::new(txns as usize),
            hint_score: HintScore::new(),
            parking: Parking::new(),
        }
    }

    /// A scheduler of `txns` transactions for workers with a core each.
    #[cfg(test)]
    pub(crate) fn of(txns: u32, window: u32, workers: u32, limits: &'b Limits) -> Self {
        let control = window::WindowControl::new(window, workers, workers);
        let room = Room::new(workers, workers);
        Self::new((txns, TxnIndex::new(0)), workers, control.window(), room, limits)
    }

    pub(crate) fn status(&self, txn: TxnIndex) -> &Status {
        &self.statuses[txn.as_usize()]
    }

    /// The lowest uncommitted transaction; the number of transactions once all are committed.
    pub(crate) fn head(&self) -> TxnIndex {
        // ORDERING: SeqCst: workers that look whether the head wants them are part of the hand-over
        // in `judge/commit.rs`.
        TxnIndex::new(self.head.load(Ordering::SeqCst))
    }

    /// The committer moves on.
    pub(crate) fn advance(&self, head: TxnIndex) {
        let skips = sings(Canary::SkipTxn) && head.get() + 1 < self.txns;
        let head = if skips { head.next() } else { head };
        // ORDERING: SeqCst: see `head`.
        self.head.store(head.get(), Ordering::SeqCst);
        if self.is_head_wanted() {
            // ORDERING: Relaxed: advice only.
            self.signals.fetch_and(!HEAD_WANTED, Ordering::Relaxed);
        }
        self.step(Step::Wake);
        if self.first_startable() < self.limit() {
            self.parking.wake_one();
        }
    }

    /// The next transaction that is worth starting: the head itself is the committer's.
    fn first_startable(&self) -> u32 {
        self.next().max(self.head().get() + 1)
    }

    /// The lowest transaction that was never started, about.
    pub(crate) fn next(&self) -> u32 {
        // ORDERING: SeqCst: parking workers look here after announcing themselves.
        self.next.load(Ordering::SeqCst)
    }

    /// The first transaction beyond the window.
    fn limit(&self) -> u32 {
        self.head().get().saturating_add(self.window.size()).min(self.txns)
    }

    /// Whether everything had better be committed at once: what is wrong should be known while
    /// things fail, and what is finished should count where the block may be stopped.
    pub(crate) fn is_in_a_hurry(&self) -> bool {
        self.window.stride() == 1 || self.limits.can_stop()
    }

    /// Whether what was started fills half of the window above `head`.
    pub(crate) fn lags(&self, head: TxnIndex) -> bool {
        self.next().saturating_sub(head.get()) > self.window.size() / 2
    }

    /// Takes the lowest transaction that needs an execution: an aborted one, else the next one of
    /// the worker's stride, else the first of a new stride. A *stride* is transactions in a row
    /// that one worker has taken on, and claims one after another.
    ///
    /// `on_start` is told of each transaction that is passed for the first time.
    pub(crate) fn claim_for_execution(
        &self,
        stride: &mut Range<u32>,
        mut on_start: impl FnMut(TxnIndex),
    ) -> Option<Claim> {
        if self.is_stopping() {
            return None;
        }
        while !self.retry_set.is_empty()
            && let Some(txn) = self.retry_set.take_lowest(self.head())
        {
            if let Some(incarnation) = self.status(txn).claim(State::Ready) {
                return Some(Claim { txn, incarnation });
            }
        }
        loop {
            for txn in stride.by_ref().map(TxnIndex::new) {
                if let Some(incarnation) = self.status(txn).claim(State::Ready) {
                    return Some(Claim { txn, incarnation });
                }
            }
            let seen = self.next();
            let next = seen.max(self.head().get() + 1);
            let limit = self.limit();
            if next >= limit {
                return None;
            }
            let end = next + self.stride_at(next).clamp(1, limit - next);
            // ORDERING: SeqCst: see `next`.
            if self.next.compare_exchange(seen, end, Ordering::SeqCst, Ordering::Relaxed).is_ok() {
                (seen..end).map(TxnIndex::new).for_each(&mut on_start);
                *stride = next..end;
            }
        }
    }

    /// How many transactions from `next` on a worker takes: fewer towards the block's end, so that
    /// all have some to the end.
    fn stride_at(&self, next: u32) -> u32 {
        self.window.stride().min((self.txns - next) / (2 * self.workers))
    }

    /// How many workers are wanted, the caller included.
    pub(crate) fn workers_wanted(&self) -> u32 {
        self.window.workers().min(self.room.workers())
    }

    /// Tells the head's owner, if it has one, that all wait for it: an execution that is not worth
    /// finishing ends.
    pub(crate) fn want_head(&self) {
        let head = self.head();
        if head.get() < self.txns
            && !self.is_head_wanted()
            && self.status(head).state() == State::Claimed
        {
            // ORDERING: Relaxed: advice only.
            self.signals.fetch_or(HEAD_WANTED, Ordering::Relaxed);
        }
    }

    /// Whether the head's owner was told that all wait for it.
    pub(crate) fn is_head_wanted(&self) -> bool {
        // ORDERING: Relaxed: advice only.
        self.signals.load(Ordering::Relaxed) & HEAD_WANTED != 0
    }

    /// Lets a conductor decide who acts next, and tells an observer, if there is one.
    #[inline]
    pub(crate) fn step(&self, step: Step) {
        // ORDERING: Relaxed: set before the workers begin, and never changed.
        if self.signals.load(Ordering::Relaxed) & (CONDUCTED | OBSERVED) != 0 {
            self.tell(step);
        }
    }

    /// Lets a conductor decide who acts next. Observers are not told of accesses, which are many.
    pub(crate) fn step_at_access(&self, txn: TxnIndex) {
        if self.is_conducted() {
            conductor::step(Step::Access(txn));
        }
    }

    #[cold]
    fn tell(&self, step: Step) {
        if let Some(observer) = &self.observer {
            observer.step(step);
        }
        if self.is_conducted() {
            conductor::step(step);
        }
    }

    /// Whether a conductor decides who acts next.
    pub(crate) fn is_conducted(&self) -> bool {
        // ORDERING: Relaxed: set before the workers begin, and never changed.
        self.signals.load(Ordering::Relaxed) & CONDUCTED != 0
    }

    /// Whether the holder of the baton executes the head without versions, as it is advised to, or
    /// as a conductor likes.
    pub(crate) fn goes_alone(&self, advised: bool) -> bool {
        let conductor = if self.is_conducted() { conductor::present() } else { None };
        conductor.map_or(advised, |conductor| conductor.goes_alone(advised))
    }

    /// Waits awake until there is an answer, for up to `spins` spins.
    fn spin<T>(&self, spins: u32, mut answer: impl FnMut() -> Option<T>) -> Option<T> {
        let conductor = if self.is_conducted() { conductor::present() } else { None };
        let rounds = conductor.as_ref().map_or(spins, |conductor| {
            conductor.patience(spins).div_ceil(<dyn Conductor>::SPINS_PER_STEP)
        });
        for round in 0..rounds {
            if let Some(answer) = answer() {
                return Some(answer);
            }
            match &conductor {
                None => sync::spin(round),
                Some(conductor) => conductor.step(Step::Spin),
            }
        }
        None
    }

    /// The owner executed its transaction. Wakes those who wait for its writes.
    pub(crate) fn finish(&self, claim: Claim) {
        self.status(claim.txn).finish(claim.incarnation);
        self.release_waiters(claim.txn);
    }

    /// The owner made its transaction final.
    pub(crate) fn finish_commit(&self, claim: Claim) {
        self.status(claim.txn).commit(claim.incarnation);
        self.release_waiters(claim.txn);
    }

    /// Whether `incarnation` is not to be followed by another one ahead of its turn.
    pub(crate) fn is_last_ahead(&self, incarnation: u32) -> bool {
        incarnation >= LAST_AHEAD
    }

    /// The owner gives its transaction back, to be executed at once, or when another one has come
    /// so far; or by the committer alone, if it is the head, or was given back too often.
    ///
    /// Each execution ahead of its turn comes from a first start, from here, or from an early
    /// validation, which asks [`is_last_ahead`](Self::is_last_ahead), too. So there are no more
    /// than `LAST_AHEAD + 1` for each transaction.
    pub(crate) fn release(&self, claim: Claim, after: Option<Awaited>) {
        self.status(claim.txn).release(claim.incarnation);
        self.step(Step::Enqueue(claim.txn));
        let is_last = self.is_last_ahead(claim.incarnation) && !sings(Canary::NeverGiveUp);
        if is_last || self.head() == claim.txn {
            // It may be the head.
            self.parking.wake_one();
            return;
        }
        if let Some(Awaited { writer, until }) = after {
            let mut waiters = self.waiters[writer.as_usize()].add();
            // Looked at under the lock, which we have announced: either `release_waiters`, which
            // looks after the state has changed, finds us, or we see the state.
            let state = self.status(writer).state();
            if (state != State::Committed && state != until) || sings(Canary::WaitBlindly) {
                waiters.push(claim.txn);
                return;
            }
        }
        self.retry_set.insert(claim.txn);
        self.parking.wake_one();
    }

    fn release_waiters(&self, txn: TxnIndex) {
        let released = self.waiters[txn.as_usize()].take();
        if released.is_empty() {
            return;
        }
        released.iter().for_each(|waiter| self.retry_set.insert(*waiter));
        if released.len() == 1 { self.parking.wake_one() } else { self.parking.wake_all() }
    }

    /// Spins while `writer` is being executed. Whether it is worth looking again.
    pub(crate) fn wait_briefly(&self, writer: TxnIndex) -> bool {
        let is_known = || match self.status(writer).state() {
            State::Ready => Some(false),
            State::Executed | State::Committed => Some(true),
            State::Claimed => self.is_stopping().then_some(false),
        };
        self.spin(WAIT_SPINS, is_known).unwrap_or(false)
    }

    /// Spins until `done`, but not for long.
    pub(crate) fn spin_until(&self, mut done: impl FnMut() -> bool) {
        self.spin(WAIT_SPINS, || (done() || self.is_stopping()).then_some(()));
    }

    pub(crate) fn trusts_hints(&self) -> bool {
        self.hint_score.holds()
    }

    /// Notes that something was published which readers above may have missed.
    pub(crate) fn note_rewrite(&self) {
        // ORDERING: Relaxed: a hint for early validation.
        self.rewrites.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn rewrites(&self) -> u64 {
        // ORDERING: Relaxed: as above.
        self.rewrites.load(Ordering::Relaxed)
    }

    /// Whether the head can be committed or executed right now.
    pub(crate) fn head_is_waiting(&self) -> bool {
        let head = self.head();
        head.get() < self.txns
            && matches!(self.status(head).state(), State::Ready | State::Executed)
    }

    /// Waits awake for work; whether there is some.
    pub(crate) fn linger(&self, has_work: impl Fn() -> bool) -> bool {
        self.spin(IDLE_SPINS, || has_work().then_some(())).is_some()
    }

    /// Waits for work, first awake, then asleep, for `at_most` or until woken. Whether it slept.
    pub(crate) fn idle(&self, at_most: Option<Duration>, has_work: impl Fn() -> bool) -> bool {
        if self.linger(&has_work) {
            return false;
        }
        let poll = self.limits.can_stop().then_some(POLL_INTERVAL).or(at_most);
        if let Some(observer) = &self.observer {
            observer.step(Step::Park);
        }
        let slept = self.parking.park(poll, has_work);
        self.poll_limits();
        slept
    }

    /// Whether there is something to execute.
    pub(crate) fn has_executions(&self) -> bool {
        // After a stop only the head matters: its owner ends the block.
        !self.is_stopping() && (!self.retry_set.is_empty() || self.first_startable() < self.limit())
    }

    /// Looks at the clock and the cancel token, and interrupts every run if the block is to stop.
    pub(crate) fn poll_limits(&self) {
        if self.limits.can_stop() && self.limits.stop() {
            self.stop();
        }
    }

    /// Interrupts every run at its next access.
    pub(crate) fn stop(&self) {
        // ORDERING: Relaxed: carries no data.
        self.signals.fetch_or(STOPPING, Ordering::Relaxed);
    }

    pub(crate) fn is_stopping(&self) -> bool {
        // ORDERING: Relaxed: carries no data.
        self.signals.load(Ordering::Relaxed) & STOPPING != 0
    }

    /// Whether a worker may go on without looking what the matter is.
    pub(crate) fn is_undisturbed(&self) -> bool {
        // ORDERING: Relaxed: carries no data.
        self.signals.load(Ordering::Relaxed) & !OBSERVED == 0
    }

    /// Ends the block: runs are interrupted, workers leave.
    pub(crate) fn end(&self) {
        self.stop();
        // ORDERING: SeqCst: parking workers look here after announcing themselves.
        self.over.store(true, Ordering::SeqCst);
        self.parking.wake_all();
    }

    pub(crate) fn is_over(&self) -> bool {
        // ORDERING: SeqCst: see `end`.
        self.over.load(Ordering::SeqCst)
    }
}

#[cfg(test)]
mod tests;
