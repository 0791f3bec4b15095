//! One seed, one execution: a drawn block under a drawn schedule, held against the sequential
//! oracle.

use std::cell::RefCell;
use std::fmt;
use std::rc::Rc;
use std::sync::Arc;

use block_stm::conductor::Step;
use block_stm::{Block, CancelToken, Cut, Limits, Stats};
use proptest::sample::subsequence;
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use super::nuisance::Nuisance;
use super::schedule::{Exhaustive, Replay, Schedule, WorkerId};
use super::setup::{Faults, Setup, shape};
use super::shrink::shrink;
use super::simulator::{Circumstances, Simulator};
use super::stage;
use super::timing::Pace;
use crate::check::{Arm, Trial, keeps_rules};
use crate::compare::{begins, same};
use crate::language::{LanguageBlock, LanguageVm, Slot, Small, Stage};
use crate::record::{Ending, Record, record_parallel, record_sequential};
use crate::shapes::adversarial;
use crate::strategies::block;

/// So many consecutive seeds stand for the same block, under different schedules.
pub const SEEDS_PER_BLOCK: u64 = 64;

/// How many steps of a finding are shown.
const SHOWN: usize = 400;

/// What an execution without a finding came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Passed {
    /// The steps of all workers.
    pub steps: u64,
    /// What it cost, if it has a result.
    pub stats: Option<Stats>,
    /// Whether it ended with an error or a panic, as it should.
    pub failed: bool,
    /// Whether it was cut, cancelled, or late.
    pub cut: bool,
}

/// A difference, a broken rule, a hang: everything that must not be.
#[derive(Debug)]
pub struct Finding {
    /// The seed that shows it.
    pub seed: u64,
    /// What is wrong.
    pub what: String,
    /// The set-up.
    pub setup: Setup,
    /// The block, as small as could be made.
    pub block: LanguageBlock,
    /// What every worker did.
    pub log: Vec<(WorkerId, Step)>,
    /// The workers that were chosen wherever there was a choice.
    pub choices: Vec<WorkerId>,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { seed, what, setup, block, log, .. } = self;
        writeln!(f, "seed {seed}: {what}")?;
        writeln!(f, "with {setup}, in this block (shrunk):\n{block}\nby these steps:")?;
        for (number, (worker, step)) in log.iter().enumerate() {
            match number {
                SHOWN => writeln!(f, "  and {} more", log.len() - SHOWN)?,
                ..SHOWN => writeln!(f, "  {:width$}{worker} {step}", "", width = 4 * worker)?,
                _ => {}
            }
        }
        write!(f, "repeat it: block-stm sim --seed {seed} --seeds 1")
    }
}

impl std::error::Error for Finding {}

/// What is wrong with one execution, and how it came to that.
#[derive(Debug)]
pub struct Failure {
    /// What is wrong.
    pub what: String,
    /// What every worker did, if that was written down.
    pub log: Vec<(WorkerId, Step)>,
    /// The workers that were chosen wherever there was a choice.
    pub choices: Vec<WorkerId>,
}

/// A block that is set up for any number of simulated executions.
pub struct Scene {
    stage: Stage<Slot, Small>,
    nuisance: Arc<Nuisance>,
    expected: Record<LanguageVm>,
}

impl fmt::Debug for Scene {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scene").field("block", &self.stage.spec).finish_non_exhaustive()
    }
}

impl Scene {
    /// Sets `block` up, and executes it sequentially. Its probe is replaced.
    ///
    /// # Errors
    /// What is wrong with the sequential execution itself.
    pub fn new(block: &LanguageBlock) -> Result<Self, String> {
        let nuisance = Arc::new(Nuisance::default());
        let stage = block.clone().probe(Arc::clone(&nuisance)).stage();
        let expected = record_sequential(&stage.block(), stage.sink(None));
        keeps_rules(&expected, 1, &stage).map_err(|breach| format!("sequentially: {breach}"))?;
        Ok(Self { stage, nuisance, expected })
    }

    /// The number of transactions.
    #[must_use]
    pub fn txns(&self) -> usize {
        self.stage.spec.programs.len()
    }

    /// Executes the block once, as `setup` says.
    ///
    /// # Errors
    /// The [`Failure`].
    pub fn run(&self, simulator: &Simulator, setup: &Setup, log: bool) -> Result<Passed, Failure> {
        self.run_with(simulator, setup, setup.order.schedule(), log)
    }

    /// Executes the block once, as `setup` says, but under `schedule`.
    ///
    /// # Errors
    /// The [`Failure`].
    pub fn run_with(
        &self,
        simulator: &Simulator,
        setup: &Setup,
        schedule: Box<dyn Schedule>,
        log: bool,
    ) -> Result<Passed, Failure> {
        let token = CancelToken::new();
        let faults = &setup.faults;
        self.nuisance.plan(faults);
        let circumstances = Circumstances {
            pace: Pace::Even { step_ns: setup.step_ns },
            stall: faults.stall,
            cancel: faults.cancel_at.map(|step| (token.clone(), step)),
            room: faults.room.unwrap_or(usize::MAX),
            nested: (faults.nested, faults.seed),
            contrary: (faults.contrary, faults.seed),
            log,
            ..Circumstances::default()
        };
        let (engine, arm) =
            (setup.engine(), Arm { deltas: setup.deltas, ..Arm::of(setup.workers, setup.window) });
        let run = simulator.run(schedule, circumstances, || {
            let block = self.block(setup, token);
            record_parallel(&engine, &block, self.stage.sink(Some(arm)))
        });
        let verdict = match &run.result {
            Err(stopped) => Err(stopped.to_string()),
            Ok(found) => self.judge(setup, found),
        };
        verdict.map_err(|what| Failure { what, log: run.log, choices: run.choices })?;
        Ok(run.result.map_or_else(
            |_| Passed::default(),
            |found| Passed {
                steps: run.steps,
                stats: found.stats,
                failed: !matches!(found.ending, Ending::Finished { .. }),
                cut: matches!(found.ending, Ending::Finished { cut: Some(_), .. }),
            },
        ))
    }

    fn block(&self, setup: &Setup, token: CancelToken) -> Block<'_, LanguageVm> {
        let now = stage::now().expect("a simulation runs");
        let deadline = setup.faults.deadline().map(|time| now + time);
        let cancel = setup.faults.cancel_at.map(|_| token);
        self.stage.block().limits(Limits { deadline, cancel, ..self.stage.limits() })
    }

    fn judge(&self, setup: &Setup, found: &Record<LanguageVm>) -> Result<(), String> {
        let Faults { cancel_at, deadline_ns, .. } = setup.faults;
        let cancelled = matches!(found.ending, Ending::Failed { kind: "cancelled", .. });
        let late = matches!(found.ending, Ending::Finished { cut: Some(Cut::Deadline), .. });
        let verdict = if cancelled && cancel_at.is_some() || late && deadline_ns.is_some() {
            begins(&self.expected, found)
        } else {
            same(&self.expected, found)
        };
        verdict.map_err(|difference| format!("differs from sequential execution\n{difference}"))?;
        keeps_rules(found, setup.workers, &self.stage)
    }
}

/// Explores seeds, one after another.
#[derive(Debug, Default)]
pub struct Explorer {
    simulator: Simulator,
    /// The scene of the block that the last seed stood for.
    scene: Option<(u64, Scene)>,
}

impl Explorer {
    /// Executes what `seed` stands for. The same seed does the same each time, with the same
    /// version of this code.
    ///
    /// # Errors
    /// The [`Finding`], shrunk.
    pub fn check(&mut self, seed: u64) -> Result<Passed, Box<Finding>> {
        self.run(seed).map_err(|found| {
            let (setup, failure) = *found;
            let shrunk = shrink(&self.simulator, draw(seed / SEEDS_PER_BLOCK), setup, failure);
            let Failure { what, log, choices } = shrunk.failure;
            Box::new(Finding { seed, what, setup: shrunk.setup, block: shrunk.block, log, choices })
        })
    }

    /// As [`check`](Explorer::check), without shrinking.
    ///
    /// # Errors
    /// The [`Failure`] and its set-up.
    pub fn run(&mut self, seed: u64) -> Result<Passed, Box<(Setup, Failure)>> {
        let number = seed / SEEDS_PER_BLOCK;
        if self.scene.as_ref().is_none_or(|(of, _)| *of != number) {
            let block = draw(number).current();
            let scene = Scene::new(&block).map_err(|what| {
                let failure = Failure { what, log: Vec::new(), choices: Vec::new() };
                Box::new((Setup::draw(seed, block.programs.len()), failure))
            })?;
            self.scene = Some((number, scene));
        }
        let (_, scene) = self.scene.as_ref().expect("made just above");
        let setup = Setup::draw(seed, scene.txns());
        scene.run(&self.simulator, &setup, false).map_err(|failure| Box::new((setup, failure)))
    }
}

/// A block that can be shrunk.
pub(super) type BlockTree = Box<dyn ValueTree<Value = LanguageBlock>>;

/// The block that a number stands for.
fn draw(number: u64) -> BlockTree {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&number.to_le_bytes());
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    if number % 8 == 7 {
        return Box::new(hard_block(number / 8).new_tree(&mut runner).expect("it can be drawn"));
    }
    let drawn = block(&shape(number)).prop_map(move |mut block| {
        if number % 20 == 11 {
            block.rules.panic_at = Some((number / 20 % 7) as u32);
        }
        block
    });
    Box::new(drawn.new_tree(&mut runner).expect("a block can be drawn"))
}

/// One of the [adversarial] blocks, with any of its transactions left out.
fn hard_block(number: u64) -> impl Strategy<Value = LanguageBlock> {
    let hard = adversarial(3 + (number / 8 % 6) as u16);
    let (_, block) = hard[(number % hard.len() as u64) as usize].clone();
    let programs: Vec<_> = block.programs.iter().map(|program| program.ops.clone()).collect();
    let fewest = programs.len().min(2);
    subsequence(programs.clone(), fewest..=programs.len()).prop_map(move |programs| LanguageBlock {
        programs: LanguageBlock::new(programs).programs,
        ..block.clone()
    })
}

/// What trying every order of a block came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exhausted {
    /// How many orders were tried.
    pub runs: u64,
    /// Whether these were all.
    pub all: bool,
}

/// Executes `block` in every order with up to `max_preemptions` preemptions, or in the first
/// `max_runs` of them.
///
/// # Errors
/// The first [`Failure`], with its log.
pub fn exhaust(
    block: &LanguageBlock,
    setup: &Setup,
    max_preemptions: usize,
    max_runs: u64,
) -> Result<Exhausted, Failure> {
    let simulator = Simulator::default();
    let without_log = |what| Failure { what, log: Vec::new(), choices: Vec::new() };
    let scene = Scene::new(block).map_err(without_log)?;
    let schedule = Rc::new(RefCell::new(Exhaustive::new(max_preemptions)));
    for runs in 1..=max_runs {
        let verdict = scene.run_with(&simulator, setup, Box::new(Rc::clone(&schedule)), false);
        if let Err(failure) = verdict {
            let again = Box::new(Replay::new(failure.choices.clone()));
            return Err(scene.run_with(&simulator, setup, again, true).err().unwrap_or(failure));
        }
        if !schedule.borrow_mut().advance() {
            return Ok(Exhausted { runs, all: true });
        }
    }
    Ok(Exhausted { runs: max_runs, all: false })
}
