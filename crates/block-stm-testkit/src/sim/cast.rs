//! The workers of a simulation, and which of them is next.

use block_stm::conductor::{Position, Step};
use corosensei::stack::DefaultStack;

use super::fiber::Fiber;
use super::schedule::{Moment, Schedule, WorkerId};
use super::simulator::{Circumstances, Verdict};
use super::timing::{Clock, Item, Pace};
use crate::faults::scramble;

/// More steps are not written down.
const MAX_LOG: usize = 10_000;

pub(super) struct Cast {
    pub(super) workers: Vec<Worker>,
    pub(super) current: WorkerId,
    /// Whom a fiber that suspends itself wants to be resumed.
    pub(super) next: WorkerId,
    pub(super) schedule: Box<dyn Schedule>,
    pub(super) circumstances: Circumstances,
    pub(super) steps: u64,
    /// Those among the steps that are not mere waiting.
    pub(super) moves: u64,
    pub(super) choices: Vec<WorkerId>,
    pub(super) log: Vec<(WorkerId, Step)>,
    pub(super) verdict: Option<Verdict>,
    pub(super) stacks: Vec<DefaultStack>,
    /// Used anew for each choice.
    pub(super) candidates: Vec<WorkerId>,
    /// How often the user's code has run.
    pub(super) user_moments: u64,
    /// How often the judge has asked whether it goes alone.
    pub(super) decisions: u64,
}

pub(super) struct Worker {
    pub(super) state: State,
    pub(super) body: Body,
    pub(super) about_to: Option<Step>,
    /// If it waits awake: how many moves there had been when it last looked.
    pub(super) waits_since: Option<u64>,
    /// Whether it is the caller before its first step.
    pub(super) opens: bool,
    pub(super) position: Option<Position>,
    pub(super) clock: Clock,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    Awake,
    Asleep { place: usize, until_ns: Option<u64> },
    Gone,
}

pub(super) enum Body {
    /// The calling thread, a fiber that runs right now, or one that is gone.
    Elsewhere,
    New(Box<dyn FnOnce() + Send>),
    Stopped(Fiber),
}

impl Worker {
    pub(super) fn new(body: Body, clock: Clock) -> Self {
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

    /// Lets the clock go on by what was done since the last step.
    pub(super) fn account(&mut self, pace: &mut Pace) {
        let opens = std::mem::take(&mut self.opens);
        self.clock.stop(Item::of(self.about_to.take(), opens), pace);
    }
}

impl Cast {
    /// The next worker, which counts as the current one from now on. `None` if no worker is left.
    pub(super) fn choose(&mut self) -> Option<WorkerId> {
        let chosen = match self.circumstances.pace {
            Pace::Even { .. } => self.choose_by_schedule(),
            _ => self.choose_by_clock(),
        }?;
        let worker = &mut self.workers[chosen];
        worker.state = State::Awake;
        self.begin(chosen);
        Some(chosen)
    }

    pub(super) fn begin(&mut self, worker: WorkerId) {
        self.current = worker;
        self.workers[worker].clock.start(&self.circumstances.pace);
    }

    pub(super) fn choose_by_schedule(&mut self) -> Option<WorkerId> {
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

    pub(super) fn choose_by_clock(&mut self) -> Option<WorkerId> {
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

    pub(super) fn gather(&mut self, can_act: impl Fn(&Worker) -> bool) {
        let workers = self.workers.iter().enumerate();
        self.candidates.clear();
        self.candidates.extend(workers.filter(|(_, worker)| can_act(worker)).map(|(id, _)| id));
    }

    /// Workers that wait awake until another one moves, and one that is stalled, let others go
    /// first.
    pub(super) fn leave_out_those_who_wait(&mut self) {
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

    /// No worker is awake: time passes until the sleep of one is over.
    pub(super) fn wake_by_time(&mut self) -> Option<WorkerId> {
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

    /// No worker can act. If one is still there, that is a bug: wakes all of them to their end.
    pub(super) fn hang(&mut self) -> Option<WorkerId> {
        let asleep = self.workers.iter().position(|worker| worker.state != State::Gone)?;
        self.verdict.get_or_insert(Verdict::Hang);
        for worker in &mut self.workers {
            if worker.state != State::Gone {
                worker.state = State::Awake;
            }
        }
        Some(asleep)
    }

    /// What a helper that has not begun would do, if it is to begin on top of the current worker
    /// now.
    pub(super) fn begin_on_top(&mut self) -> Option<Box<dyn FnOnce() + Send>> {
        let (of_64, seed) = self.circumstances.nested;
        if of_64 == 0 || self.verdict.is_some() {
            return None;
        }
        self.user_moments += 1;
        if scramble([seed, self.user_moments, 1]) % 64 >= u64::from(of_64) {
            return None;
        }
        let new = self.workers.iter_mut().find(|worker| matches!(worker.body, Body::New(_)))?;
        new.state = State::Gone;
        match std::mem::replace(&mut new.body, Body::Elsewhere) {
            Body::New(work) => Some(work),
            Body::Elsewhere | Body::Stopped(_) => None,
        }
    }

    /// Whether the judge goes alone: as it is advised to, or the other way.
    pub(super) fn goes_alone(&mut self, advised: bool) -> bool {
        let (of_64, seed) = self.circumstances.contrary;
        if of_64 == 0 {
            return advised;
        }
        self.decisions += 1;
        advised != (scramble([seed, self.decisions, 2]) % 64 < u64::from(of_64))
    }

    /// Counts a step.
    pub(super) fn count(&mut self) {
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

    pub(super) fn note(&mut self, step: Step) {
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
    pub(super) fn log(&mut self, step: Step) {
        if self.circumstances.log && self.log.len() < MAX_LOG {
            self.log.push((self.current, step));
        }
    }

    pub(super) fn wake(&mut self, place: usize, most: usize) {
        let wake_ns = self.circumstances.pace.wake_ns();
        let now_ns = self.workers[self.current].clock.now_ns + wake_ns;
        let mut woken = 0;
        let asleep = |worker: &&mut Worker| match worker.state {
            State::Asleep { place: at, .. } => at == place,
            _ => false,
        };
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
