//! The stage on which virtual workers act: a conductor that runs all of them on one thread.
//!
//! The calling thread is worker 0; every other worker is a [fiber](super::fiber). A worker that stops asks who is next. If it is
//! itself, it goes on. Otherwise a fiber suspends itself, and worker 0 resumes the one that was chosen; worker 0
//! resumes others right where it stands, and goes on when it is chosen.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::rc::Rc;
use std::time::{Duration, Instant};

use block_stm::CancelToken;
use block_stm::conductor::{Conductor, Position, Step, conduct};
use corosensei::stack::DefaultStack;

use super::fiber::{Fiber, suspend};
use super::schedule::{Moment, Schedule, WorkerId};
use super::timing::{Clock, Item, Pace};

/// Why a simulation was stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Verdict {
    /// Everybody sleeps, and nobody is left to wake them.
    Hang,
    /// It took more steps than it was allowed.
    Endless,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Hang => "everybody sleeps, and nobody is left to wake them",
            Self::Endless => "the execution does not end",
        })
    }
}

/// The circumstances of a simulation.
#[derive(Clone, Debug)]
pub struct Circumstances {
    /// How time passes.
    pub pace: Pace,
    /// After so many steps, the execution counts as endless.
    pub max_steps: u64,
    /// A worker that does nothing for a while, as if its thread had been descheduled.
    pub stall: Option<Stall>,
    /// Cancels the block at a step.
    pub cancel: Option<(CancelToken, u64)>,
    /// The most helpers that find room in the pool at the same time.
    pub room: usize,
    /// Whether to write down what every worker does, up to 10,000 steps.
    pub log: bool,
}

impl Default for Circumstances {
    fn default() -> Self {
        Self {
            pace: Pace::Even { step_ns: 100 },
            max_steps: 200_000,
            stall: None,
            cancel: None,
            room: usize::MAX,
            log: false,
        }
    }
}

/// A worker that does nothing for a while, unless nobody else can do anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stall {
    /// Which.
    pub worker: WorkerId,
    /// From this step on.
    pub from: u64,
    /// Up to this step.
    pub to: u64,
}

/// What a simulation left behind.
#[derive(Debug)]
pub struct Run<T> {
    /// What the work returned, or why it has no result.
    pub result: Result<T, Stopped>,
    /// Who was chosen wherever there was a choice.
    pub choices: Vec<WorkerId>,
    /// What every worker did, if it was asked for.
    pub log: Vec<(WorkerId, Step)>,
    /// How many steps were taken.
    pub steps: u64,
    /// The virtual time that passed for the caller.
    pub time_ns: u64,
    /// What each worker's time went into, with paces that measure or charge.
    pub clocks: Vec<Clock>,
}

/// Why a simulation has no result.
#[derive(Debug)]
#[non_exhaustive]
pub enum Stopped {
    /// The simulator stopped it.
    Verdict(Verdict),
    /// It panicked.
    Panic(String),
}

impl fmt::Display for Stopped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Verdict(verdict) => verdict.fmt(f),
            Self::Panic(message) => write!(f, "panic: {message}"),
        }
    }
}

/// Runs work in which an engine executes blocks, under a schedule, step by step.
///
/// One simulator serves any number of runs and reuses its stacks. Runs on the calling thread.
#[derive(Default)]
pub struct Simulator {
    stacks: Cell<Vec<DefaultStack>>,
}

impl fmt::Debug for Simulator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Simulator").finish_non_exhaustive()
    }
}

impl Simulator {
    /// Runs `work` under `schedule`.
    pub fn run<T>(
        &self,
        schedule: Box<dyn Schedule>,
        circumstances: Circumstances,
        work: impl FnOnce() -> T,
    ) -> Run<T> {
        let stage = Rc::new(Stage::new(schedule, circumstances, self.stacks.take()));
        let _current = Current::enter(Rc::clone(&stage));
        let result = catch_unwind(AssertUnwindSafe(|| {
            conduct(Rc::<Stage>::clone(&stage), || {
                let result = catch_unwind(AssertUnwindSafe(work));
                stage.close();
                // Helpers that come too late find the door closed.
                stage.finish();
                result.unwrap_or_else(|payload| resume_unwind(payload))
            })
        }));
        let cast = &mut *stage.cast.borrow_mut();
        self.stacks.set(std::mem::take(&mut cast.stacks));
        let result = result.map_err(|payload| match cast.verdict {
            Some(verdict) => Stopped::Verdict(verdict),
            None => Stopped::Panic(crate::record::text_of(&*payload)),
        });
        Run {
            result: match cast.verdict {
                // The work may have survived by accident.
                Some(verdict) => Err(Stopped::Verdict(verdict)),
                None => result,
            },
            choices: std::mem::take(&mut cast.choices),
            log: std::mem::take(&mut cast.log),
            steps: cast.steps,
            time_ns: cast.workers[0].clock.now_ns,
            clocks: cast.workers.iter().map(|worker| worker.clock.clone()).collect(),
        }
    }
}

thread_local! {
    static CURRENT: RefCell<Option<Rc<Stage>>> = const { RefCell::new(None) };
}

/// Takes the stage away on every way out.
struct Current(Option<Rc<Stage>>);

impl Current {
    fn enter(stage: Rc<Stage>) -> Self {
        Self(CURRENT.replace(Some(stage)))
    }
}

impl Drop for Current {
    fn drop(&mut self) {
        CURRENT.set(self.0.take());
    }
}

/// How the execution stands that this thread simulates: `None` outside of simulations and executions.
#[must_use]
pub fn position() -> Option<Position> {
    let stage = CURRENT.with_borrow(Option::clone)?;
    let cast = stage.cast.borrow();
    cast.workers[cast.current].position
}

/// Makes the virtual worker on this thread slow: it stops so many times, as in waiting for the storage.
pub fn dawdle(steps: u32) {
    if let Some(stage) = CURRENT.with_borrow(Option::clone) {
        (0..steps).for_each(|_| stage.pause());
    }
}

/// Takes steps without doing anything in between, to find out what a step takes by itself.
pub(super) fn mark_time(steps: u32) {
    for _ in 0..steps {
        if let Some(stage) = CURRENT.with_borrow(Option::clone) {
            stage.step(Step::Turn);
        }
    }
}

/// Lets time pass for the virtual worker on this thread.
pub fn pass(time: Duration) {
    if let Some(stage) = CURRENT.with_borrow(Option::clone) {
        stage.wait(usize::MAX, Some(time));
    }
}

/// More steps are not written down.
const MAX_LOG: usize = 10_000;

/// What stops a worker of an execution that is to end now.
struct Curtain;

struct Stage {
    cast: RefCell<Cast>,
    opening: Instant,
}

struct Cast {
    workers: Vec<Worker>,
    current: WorkerId,
    /// Whom a fiber that suspends itself wants to be resumed.
    next: WorkerId,
    schedule: Box<dyn Schedule>,
    circumstances: Circumstances,
    steps: u64,
    /// Those among the steps that are not mere waiting.
    moves: u64,
    choices: Vec<WorkerId>,
    log: Vec<(WorkerId, Step)>,
    verdict: Option<Verdict>,
    stacks: Vec<DefaultStack>,
    /// Used anew for each choice.
    candidates: Vec<WorkerId>,
}

struct Worker {
    state: State,
    body: Body,
    about_to: Option<Step>,
    /// If it waits awake: how many moves there had been when it last looked.
    waits_since: Option<u64>,
    /// Whether it is the caller before its first step.
    opens: bool,
    position: Option<Position>,
    clock: Clock,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Awake,
    Asleep { place: usize, until_ns: Option<u64> },
    Gone,
}

enum Body {
    /// The calling thread, a fiber that runs right now, or one that is gone.
    Elsewhere,
    New(Box<dyn FnOnce() + Send>),
    Stopped(Fiber),
}

impl Worker {
    fn new(body: Body, clock: Clock) -> Self {
        Self {
            state: State::Awake,
            body,
            about_to: None,
            waits_since: None,
            opens: false,
            position: None,
            clock,
        }
    }
}

impl Worker {
    /// Lets the clock go on by what was done since the last step.
    fn account(&mut self, pace: &mut Pace) {
        let opens = std::mem::take(&mut self.opens);
        self.clock.stop(Item::of(self.about_to.take(), opens), pace);
    }
}

impl Stage {
    fn new(
        schedule: Box<dyn Schedule>,
        circumstances: Circumstances,
        stacks: Vec<DefaultStack>,
    ) -> Self {
        let mut caller = Worker::new(Body::Elsewhere, Clock::default());
        caller.clock.start(&circumstances.pace);
        caller.opens = true;
        let cast = Cast {
            workers: vec![caller],
            current: 0,
            next: 0,
            schedule,
            circumstances,
            steps: 0,
            moves: 0,
            choices: Vec::new(),
            log: Vec::new(),
            verdict: None,
            stacks,
            candidates: Vec::new(),
        };
        Self { cast: RefCell::new(cast), opening: Instant::now() }
    }

    /// Lets whoever is chosen go on; returns when that is the calling worker.
    fn give_way(&self) {
        let mut cast = self.cast.borrow_mut();
        let me = cast.current;
        let Some(mut next) = cast.choose() else { return };
        if next == me {
            return;
        }
        if me != 0 {
            cast.next = next;
            drop(cast);
            suspend();
            return;
        }
        drop(cast);
        while next != 0 {
            match self.resume(next) {
                Some(chosen) => next = chosen,
                None => return,
            }
        }
    }

    /// Lets a fiber go on until it stops. Whom it, or the schedule if it has ended, wants to go on then.
    fn resume(&self, worker: WorkerId) -> Option<WorkerId> {
        let mut cast = self.cast.borrow_mut();
        let cast_mut = &mut *cast;
        let body = std::mem::replace(&mut cast_mut.workers[worker].body, Body::Elsewhere);
        let mut fiber = match body {
            Body::New(work) => Fiber::new(&mut cast_mut.stacks, work),
            Body::Stopped(fiber) => fiber,
            Body::Elsewhere => unreachable!("worker {worker} is chosen where it stands"),
        };
        cast.begin(worker);
        drop(cast);
        let ended = fiber.resume();
        let mut cast = self.cast.borrow_mut();
        if ended {
            cast.stacks.push(fiber.into_stack());
            cast.workers[worker].state = State::Gone;
            return cast.choose();
        }
        cast.workers[worker].body = Body::Stopped(fiber);
        Some(cast.next)
    }

    /// The caller's work is done: its clock stops.
    fn close(&self) {
        let Cast { workers, circumstances, .. } = &mut *self.cast.borrow_mut();
        workers[0].clock.stop_at_end(&mut circumstances.pace);
    }

    /// Lets everybody but the caller come to an end.
    fn finish(&self) {
        let mut cast = self.cast.borrow_mut();
        cast.workers[0].state = State::Gone;
        let mut next = cast.choose();
        drop(cast);
        while let Some(worker) = next {
            next = self.resume(worker);
        }
    }

    /// The current worker lets others go first, in the middle of what it does.
    fn pause(&self) {
        self.heed_verdict();
        self.cast.borrow_mut().count();
        self.give_way();
        self.heed_verdict();
    }

    /// Ends a worker's part if the execution is to end now.
    fn heed_verdict(&self) {
        let cast = self.cast.borrow();
        // The caller that unwinds already waits for the others on its way out. (The panic count is the thread's: while the
        // caller unwinds, fibers seem to do so, too.)
        let on_its_way_out = cast.current == 0 && std::thread::panicking();
        if cast.verdict.is_some() && !on_its_way_out {
            drop(cast);
            resume_unwind(Box::new(Curtain));
        }
    }
}

impl Cast {
    /// Whoever is next, who counts as the current worker from now on. `None` if nobody is left.
    fn choose(&mut self) -> Option<WorkerId> {
        let chosen = match self.circumstances.pace {
            Pace::Even { .. } => self.choose_by_schedule(),
            _ => self.choose_by_clock(),
        }?;
        let worker = &mut self.workers[chosen];
        worker.state = State::Awake;
        self.begin(chosen);
        Some(chosen)
    }

    fn begin(&mut self, worker: WorkerId) {
        self.current = worker;
        self.workers[worker].clock.start(&self.circumstances.pace);
    }

    fn choose_by_schedule(&mut self) -> Option<WorkerId> {
        let now_ns = self.workers[self.current].clock.now_ns;
        self.gather(|worker| match worker.state {
            State::Awake => true,
            State::Asleep { until_ns, .. } => until_ns.is_some_and(|until| until <= now_ns),
            State::Gone => false,
        });
        if self.candidates.is_empty() {
            return self.wake_by_time().or_else(|| self.hang());
        }
        if !self.schedule.is_strict() {
            self.leave_out_those_who_wait();
            if let [only] = *self.candidates {
                return Some(only);
            }
        }
        let current = Some(self.current).filter(|current| self.candidates.contains(current));
        let workers = &self.workers;
        let about_to = |worker: WorkerId| workers[worker].about_to;
        let (candidates, done) = (&*self.candidates, self.log.len());
        let moment = Moment { candidates, current, done, about_to: &about_to };
        let chosen = self.schedule.choose(&moment);
        self.choices.push(chosen);
        Some(chosen)
    }

    fn choose_by_clock(&mut self) -> Option<WorkerId> {
        let ready_ns = |worker: &Worker| match worker.state {
            State::Awake => Some(worker.clock.now_ns),
            State::Asleep { until_ns, .. } => until_ns,
            State::Gone => None,
        };
        let ready = self.workers.iter().enumerate();
        let ready = ready.filter_map(|(id, worker)| Some((ready_ns(worker)?, id)));
        match ready.min() {
            Some((ready_ns, chosen)) => {
                self.workers[chosen].clock.sleep_until(ready_ns);
                Some(chosen)
            }
            None => self.hang(),
        }
    }

    fn gather(&mut self, can_act: impl Fn(&Worker) -> bool) {
        let workers = self.workers.iter().enumerate();
        self.candidates.clear();
        self.candidates.extend(workers.filter(|(_, worker)| can_act(worker)).map(|(id, _)| id));
    }

    /// Workers that wait awake until somebody moves, and one that is stalled, let others go first.
    fn leave_out_those_who_wait(&mut self) {
        let (steps, moves) = (self.steps, self.moves);
        let stalled = self.circumstances.stall;
        let stalled = stalled.filter(|stall| (stall.from..stall.to).contains(&steps));
        let workers = &self.workers;
        let ready = |worker: &WorkerId| {
            workers[*worker].waits_since != Some(moves)
                && stalled.is_none_or(|stall| stall.worker != *worker)
        };
        if self.candidates.iter().any(ready) {
            self.candidates.retain(ready);
        }
    }

    /// Nobody is awake: time passes until somebody's sleep is over.
    fn wake_by_time(&mut self) -> Option<WorkerId> {
        let until = |worker: &Worker| match worker.state {
            State::Asleep { until_ns, .. } => until_ns,
            _ => None,
        };
        let workers = self.workers.iter().enumerate();
        let (until_ns, first) =
            workers.filter_map(|(id, worker)| Some((until(worker)?, id))).min()?;
        self.workers.iter_mut().for_each(|worker| worker.clock.sleep_until(until_ns));
        Some(first)
    }

    /// Nobody can act. If somebody is still there, that is a bug: wakes all of them to their end.
    fn hang(&mut self) -> Option<WorkerId> {
        let asleep = self.workers.iter().position(|worker| worker.state != State::Gone)?;
        self.verdict.get_or_insert(Verdict::Hang);
        for worker in &mut self.workers {
            if worker.state != State::Gone {
                worker.state = State::Awake;
            }
        }
        Some(asleep)
    }

    /// Counts a step.
    fn count(&mut self) {
        self.steps += 1;
        self.moves += 1;
        if let Pace::Even { step_ns } = self.circumstances.pace {
            self.workers.iter_mut().for_each(|worker| worker.clock.now_ns += step_ns);
        }
        if self.steps > self.circumstances.max_steps {
            self.verdict.get_or_insert(Verdict::Endless);
        }
        if let Some((token, at)) = &self.circumstances.cancel
            && *at == self.steps
        {
            token.cancel();
        }
    }

    fn note(&mut self, step: Step) {
        let waits = matches!(step, Step::Spin | Step::Blocked);
        let moves = self.moves;
        self.count();
        if waits {
            self.moves = moves;
        }
        let current = self.current;
        let worker = &mut self.workers[current];
        worker.account(&mut self.circumstances.pace);
        worker.about_to = Some(step);
        worker.waits_since = waits.then_some(moves);
        worker.position = match step {
            Step::Execute(_, position) => Some(position),
            Step::Access(_) | Step::Storage(_) | Step::Blocked | Step::Spin => worker.position,
            _ => None,
        };
    }

    /// The current worker does what it was about to do.
    fn log(&mut self, step: Step) {
        if self.circumstances.log && self.log.len() < MAX_LOG {
            self.log.push((self.current, step));
        }
    }

    fn wake(&mut self, place: usize, most: usize) {
        let wake_ns = self.circumstances.pace.wake_ns();
        let now_ns = self.workers[self.current].clock.now_ns + wake_ns;
        let mut woken = 0;
        let asleep = |worker: &&mut Worker| matches!(worker.state, State::Asleep { place: at, .. } if at == place);
        for worker in self.workers.iter_mut().filter(asleep).take(most) {
            worker.state = State::Awake;
            worker.clock.sleep_until(now_ns);
            woken += 1;
        }
        if woken > 0 {
            self.workers[self.current].clock.now_ns += self.circumstances.pace.call_ns();
        }
    }
}

impl Conductor for Stage {
    fn spawn(&self, work: Box<dyn FnOnce() + Send>) {
        let mut cast = self.cast.borrow_mut();
        let here = cast.workers.iter().skip(1).filter(|worker| worker.state != State::Gone).count();
        if here >= cast.circumstances.room {
            // It would come after the end; dropping it is the same.
            return;
        }
        let (spawn_ns, call_ns) =
            (cast.circumstances.pace.spawn_ns(), cast.circumstances.pace.call_ns());
        let current = cast.current;
        let caller = &mut cast.workers[current].clock;
        let now_ns = caller.now_ns + spawn_ns;
        caller.now_ns += call_ns;
        let worker = Worker::new(Body::New(work), Clock::starting_at(now_ns));
        // A helper that comes back is the same thread again.
        match cast.workers.iter().skip(1).position(|worker| worker.state == State::Gone) {
            Some(gone) => {
                let clock = std::mem::take(&mut cast.workers[gone + 1].clock);
                cast.workers[gone + 1] = Worker { clock: clock.resumed_at(now_ns), ..worker };
            }
            None => cast.workers.push(worker),
        }
    }

    fn step(&self, step: Step) {
        self.heed_verdict();
        self.cast.borrow_mut().note(step);
        self.give_way();
        self.cast.borrow_mut().log(step);
        self.heed_verdict();
    }

    fn wait(&self, place: usize, at_most: Option<Duration>) {
        self.heed_verdict();
        let mut cast = self.cast.borrow_mut();
        let current = cast.current;
        let Cast { workers, circumstances, .. } = &mut *cast;
        let worker = &mut workers[current];
        worker.account(&mut circumstances.pace);
        let until_ns = at_most.map(|time| worker.clock.now_ns + time.as_nanos() as u64);
        worker.state = State::Asleep { place, until_ns };
        drop(cast);
        self.give_way();
        self.heed_verdict();
    }

    fn notify_one(&self, place: usize) {
        self.cast.borrow_mut().wake(place, 1);
    }

    fn notify_all(&self, place: usize) {
        self.cast.borrow_mut().wake(place, usize::MAX);
    }

    fn now(&self) -> Instant {
        let cast = self.cast.borrow();
        self.opening + Duration::from_nanos(cast.workers[cast.current].clock.now_ns)
    }

    fn patience(&self, spins: u32) -> u32 {
        match self.cast.borrow().circumstances.pace {
            Pace::Even { .. } => spins.min(2 * <dyn Conductor>::SPINS_PER_STEP),
            _ => spins,
        }
    }
}
