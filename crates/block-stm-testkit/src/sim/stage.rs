//! The stage on which virtual workers act: a conductor that runs all of them on one thread.
//!
//! The calling thread is worker 0; every other worker is a [fiber](super::fiber). A worker that
//! stops asks which worker is next. If it is itself, it goes on. Otherwise a fiber suspends itself,
//! and worker 0 resumes the one that was chosen; worker 0 resumes others right where it stands, and
//! goes on when it is chosen.

use std::cell::RefCell;
use std::panic::resume_unwind;
use std::rc::Rc;
use std::time::{Duration, Instant};

use block_stm::conductor::{Conductor, Position, Step};
use corosensei::stack::DefaultStack;

use super::cast::{Body, Cast, State, Worker};
use super::fiber::{Fiber, suspend};
use super::schedule::{Schedule, WorkerId};
use super::simulator::Circumstances;
use super::timing::{Clock, Pace};

thread_local! {
    static CURRENT: RefCell<Option<Rc<Stage>>> = const { RefCell::new(None) };
}

/// Takes the stage away on every way out.
pub(super) struct Current(Option<Rc<Stage>>);

impl Current {
    pub(super) fn enter(stage: Rc<Stage>) -> Self {
        Self(CURRENT.replace(Some(stage)))
    }
}

impl Drop for Current {
    fn drop(&mut self) {
        CURRENT.set(self.0.take());
    }
}

/// How the execution stands that this thread simulates: `None` outside of simulations and
/// executions.
#[must_use]
pub fn position() -> Option<Position> {
    let stage = CURRENT.with_borrow(Option::clone)?;
    let cast = stage.cast.borrow();
    cast.workers[cast.current].position
}

/// Makes the virtual worker on this thread slow: it stops so many times, as in waiting for the
/// storage.
pub fn dawdle(steps: u32) {
    if let Some(stage) = CURRENT.with_borrow(Option::clone) {
        (0..steps).for_each(|_| stage.pause());
    }
}

/// The virtual worker on this thread works for so long, whatever real time passes. Outside of
/// simulations nothing happens.
///
/// For virtual machines that stand for real ones: what an execution takes is then a number, and a
/// forecast of [`Profile::given`](super::Profile::given) the same each time.
pub fn spend(time_ns: u64) {
    if let Some(stage) = CURRENT.with_borrow(Option::clone) {
        stage.spend(time_ns);
    }
}

/// The user's code runs: the storage, the VM, a method of a value. In a simulation in which such
/// code waits now and then, the thread may run a helper's task meanwhile, as one of rayon's pools
/// does in a `join`.
pub(crate) fn user_code() {
    if let Some(stage) = CURRENT.with_borrow(Option::clone) {
        stage.wait_as_on_a_pool();
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

/// The virtual time of the simulation on this thread.
#[must_use]
pub fn now() -> Option<Instant> {
    CURRENT.with_borrow(Option::clone).map(|stage| stage.now())
}

/// Whether a simulation runs on this thread.
#[must_use]
pub fn is_running() -> bool {
    CURRENT.with_borrow(Option::is_some)
}

/// What stops a worker of an execution that is to end now.
struct Curtain;

pub(super) struct Stage {
    pub(super) cast: RefCell<Cast>,
    opening: Instant,
}

impl Stage {
    pub(super) fn new(
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
            user_moments: 0,
            decisions: 0,
        };
        Self { cast: RefCell::new(cast), opening: Instant::now() }
    }

    /// Lets the chosen worker go on; returns when that is the calling worker.
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

    /// Lets a fiber go on until it stops. Whom it, or the schedule if it has ended, wants to go on
    /// then.
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
    pub(super) fn close(&self) {
        let Cast { workers, circumstances, .. } = &mut *self.cast.borrow_mut();
        workers[0].clock.stop_at_end(&mut circumstances.pace);
    }

    /// Lets all workers but the caller come to an end.
    pub(super) fn finish(&self) {
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

    /// The current worker's clock goes on, in the middle of an execution. Workers whose clocks are
    /// behind act first.
    fn spend(&self, time_ns: u64) {
        self.heed_verdict();
        let mut cast = self.cast.borrow_mut();
        let current = cast.current;
        cast.workers[current].clock.execute_for(time_ns);
        cast.count();
        drop(cast);
        self.give_way();
        self.heed_verdict();
    }

    /// Runs a helper that has not begun on top of the current worker, at moments of the
    /// circumstances' choice.
    fn wait_as_on_a_pool(&self) {
        // In the middle of a step of the stage's own, a value is cloned, say, for what is written
        // down.
        let Ok(mut cast) = self.cast.try_borrow_mut() else { return };
        let Some(work) = cast.begin_on_top() else { return };
        let current = cast.current;
        let below = cast.workers[current].position.take();
        drop(cast);
        work();
        self.cast.borrow_mut().workers[current].position = below;
    }

    /// Ends a worker's part if the execution is to end now.
    fn heed_verdict(&self) {
        let cast = self.cast.borrow();
        // The caller that unwinds already waits for the others on its way out. (The panic count is
        // the thread's: while the caller unwinds, fibers seem to do so, too.)
        let on_its_way_out = cast.current == 0 && std::thread::panicking();
        if cast.verdict.is_some() && !on_its_way_out {
            drop(cast);
            resume_unwind(Box::new(Curtain));
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

    fn checks_invariants(&self) -> bool {
        matches!(self.cast.borrow().circumstances.pace, Pace::Even { .. })
    }

    fn patience(&self, spins: u32) -> u32 {
        match self.cast.borrow().circumstances.pace {
            Pace::Even { .. } => spins.min(2 * <dyn Conductor>::SPINS_PER_STEP),
            _ => spins,
        }
    }

    fn goes_alone(&self, advised: bool) -> bool {
        self.cast.borrow_mut().goes_alone(advised)
    }
}
