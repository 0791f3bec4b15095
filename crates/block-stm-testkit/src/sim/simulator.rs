//! The simulator's face: runs, circumstances, verdicts.

use std::cell::Cell;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::rc::Rc;

use block_stm::CancelToken;
use block_stm::conductor::{Step, conduct};
use corosensei::stack::DefaultStack;

use super::schedule::{Schedule, WorkerId};
use super::stage::{Current, Stage};
use super::timing::{Clock, Pace};

/// Why a simulation was stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Verdict {
    /// All workers sleep, and none is left to wake them.
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
    /// Of 64 moments at which the user's code runs, so many wait as a job on a pool does: a helper
    /// that has not begun begins there, on top of it. The other number chooses the moments.
    pub nested: (u8, u64),
    /// Of 64 times that the judge asks whether to go alone, so many get another answer than it
    /// would give itself. The other number chooses them.
    pub contrary: (u8, u64),
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
            nested: (0, 0),
            contrary: (0, 0),
            log: false,
        }
    }
}

/// A worker that does nothing for a while, unless no other worker can do anything.
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
    /// The workers that were chosen wherever there was a choice.
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
