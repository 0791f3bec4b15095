//! Chaos on real threads: user code that waits, panics and starts blocks of its own, wherever user
//! code runs.
//!
//! [`storm`] draws an engine with threads of its own or of a borrowed pool, a caller inside or
//! outside of that pool, and a few blocks of the language. Everything that the engine calls, the
//! VM, the storage, the sink and the methods of values, does something else now and then: rayon's
//! `join`, `scope`, `broadcast`, `install` and parallel iterators, a whole block, a sleep, a panic.
//! The results are held against the oracle's. What user code must not do is wait for what did not
//! begin after it: a lock of its own is held across reads, but never across what needs a thread
//! that may want the lock.

use std::num::NonZeroUsize;
use std::panic::resume_unwind;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;
use std::{fmt, thread};

use block_stm::{Block, CancelToken, Config, Engine, Limits, Value};
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::{RngAlgorithm, TestRng, TestRunner};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::{IntoParallelIterator, ParallelIterator};
use rayon::{ThreadPool, ThreadPoolBuilder};

use crate::Trial;
use crate::check::Arm;
use crate::compare::{begins, same};
use crate::faults::scramble;
use crate::language::{
    ABSENT, At, Expr, LanguageBlock, LanguageVm, Locked, Number, Op, Probe, Site, Slot, Stage,
    Test, shifted,
};
use crate::record::{Ending, Event, Record, record_parallel, record_sequential};
use crate::strategies::{Mix, Shape, block};

/// What user code does at moments that a seed chooses.
pub struct Chaos {
    seed: u64,
    often: u8,
    /// Whether it may panic.
    panics: bool,
    /// Whether a lock is held across reads, and so what needs a certain thread is left out.
    locks: bool,
    /// Only while an engine executes: the oracle and the comparison are left alone.
    active: AtomicBool,
    moments: AtomicU64,
    lock: Mutex<()>,
    cancel: Option<(CancelToken, u64)>,
    pool: Option<Arc<ThreadPool>>,
}

impl fmt::Debug for Chaos {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Chaos")
            .field("seed", &self.seed)
            .field("often", &self.often)
            .field("panics", &self.panics)
            .field("locks", &self.locks)
            .field("cancel", &self.cancel.as_ref().map(|(_, moment)| moment))
            .finish_non_exhaustive()
    }
}

fn nap() {
    thread::sleep(Duration::from_micros(20));
}

/// An engine for blocks inside of executions.
fn inner() -> &'static Engine {
    static INNER: OnceLock<Engine> = OnceLock::new();
    INNER.get_or_init(|| Arm::of(3, None).engine().expect("threads can be started"))
}

/// Executes a block from where user code runs, which may be inside another block.
fn execute_a_block() {
    let increment = |slot| vec![Op::Read(At::Slot(slot)), Op::Write(At::Slot(slot), Expr::Plus(1))];
    let stage = LanguageBlock::new((0..6).map(|n| increment(n % 2))).stage();
    let executed = record_parallel(inner(), &stage.block(), stage.sink(None));
    assert!(matches!(executed.ending, Ending::Finished { committed: 6, .. }));
}

impl Chaos {
    fn disturb(&self) {
        // ORDERING: SeqCst throughout: all threads are to agree on when it begins and ends, and
        // speed is no matter.
        if !self.active.load(Ordering::SeqCst) {
            return;
        }
        let moment = self.moments.fetch_add(1, Ordering::SeqCst);
        if let Some((token, at)) = &self.cancel
            && moment == *at
        {
            token.cancel();
        }
        let word = scramble([self.seed, moment, 2]);
        if word % 64 >= u64::from(self.often) {
            return;
        }
        let kinds = if self.locks { 6 } else { 9 };
        match (word >> 8) % kinds {
            0 => {
                rayon::join(nap, || rayon::join(nap, || rayon::join(thread::yield_now, nap)));
            }
            1 => rayon::scope(|scope| {
                scope.spawn(|_| nap());
                scope.spawn(|scope| scope.spawn(|_| thread::yield_now()));
            }),
            2 => {
                let sum: u32 = (0..64_u32).into_par_iter().map(|n| n % 3).sum();
                assert_eq!(sum, 63);
            }
            3 => thread::yield_now(),
            4 => nap(),
            5 if self.panics => resume_unwind(Box::new(format!("at moment {moment}"))),
            5 => execute_a_block(),
            6 => drop(rayon::broadcast(|_| thread::yield_now())),
            7 => {
                match &self.pool {
                    Some(pool) => pool.install(|| rayon::join(nap, nap)),
                    None => rayon::join(nap, nap),
                }
                .0
            }
            _ => match &self.pool {
                Some(pool) => drop(pool.broadcast(|_| thread::yield_now())),
                None => execute_a_block(),
            },
        }
    }
}

impl Probe for Chaos {
    fn operation(&self, _: Site) {
        self.disturb();
    }

    fn hold(&self) -> Option<Box<dyn Locked + '_>> {
        let held = self.locks && self.active.load(Ordering::SeqCst);
        held.then(|| {
            let guard = self.lock.lock().unwrap_or_else(PoisonError::into_inner);
            Box::new(guard) as Box<dyn Locked + '_>
        })
    }

    fn storage(&self, _: u16) -> Result<(), String> {
        self.disturb();
        Ok(())
    }

    fn commit(&self, _: u32) {
        self.disturb();
    }
}

/// A number whose methods are as restless as everything else.
#[derive(Clone, Debug)]
pub struct Restless {
    value: u8,
    chaos: Arc<Chaos>,
}

impl PartialEq for Restless {
    fn eq(&self, other: &Self) -> bool {
        self.chaos.disturb();
        self.value == other.value
    }
}

impl Eq for Restless {}

impl Value for Restless {
    type Delta = i8;
    type Predicate = Test;

    fn apply(&self, delta: &i8) -> Option<Self> {
        self.chaos.disturb();
        shifted(self.value, *delta).map(|value| Self::mint(&self.chaos, value))
    }

    fn satisfies(&self, test: &Test) -> bool {
        self.chaos.disturb();
        test.holds(self.value)
    }

    fn is_absent(&self) -> bool {
        self.value == ABSENT
    }
}

impl Number for Restless {
    type Mint = Arc<Chaos>;

    fn mint(mint: &Arc<Chaos>, value: u8) -> Self {
        Self { value, chaos: Arc::clone(mint) }
    }

    fn get(&self) -> u8 {
        self.value
    }
}

/// Draws an engine and some blocks from `seed`, executes them amid chaos, and compares with the
/// oracle.
///
/// Runs on the calling thread and takes some milliseconds. That it ends is for the caller to watch.
///
/// # Errors
/// What differs, with the seed.
pub fn storm(seed: u64) -> Result<(), String> {
    let rng = &mut ChaCha8Rng::seed_from_u64(seed);
    let threads = NonZeroUsize::new(rng.random_range(2..=9)).unwrap_or(NonZeroUsize::MIN);
    let mut config = Config::default().threads(threads);
    // One in four may leave short transactions to one worker.
    config = config.inline_below(usize::from(rng.random_bool(0.25)));
    config = config.deltas(rng.random_bool(0.9));
    if rng.random_bool(0.5) {
        let window = NonZeroUsize::new(rng.random_range(1..=40)).unwrap_or(NonZeroUsize::MIN);
        config = config.window(window);
    }
    let pool = rng.random_bool(0.6).then(|| {
        let threads = [1, 1, 2, 3, 4, 8, 16][rng.random_range(0..7)];
        let pool = ThreadPoolBuilder::new().num_threads(threads).build();
        Arc::new(pool.expect("threads can be started"))
    });
    if let Some(pool) = &pool {
        config = config.pool(Arc::clone(pool));
    }
    let engine = Engine::new(config).map_err(|error| error.to_string())?;
    let inside = rng.random_bool(0.5);
    let mut bytes = [0; 32];
    rng.fill(&mut bytes);
    let mut runner = TestRunner::new_with_rng(
        proptest::test_runner::Config::default(),
        TestRng::from_seed(RngAlgorithm::ChaCha, &bytes),
    );
    for _ in 0..4 {
        let locks = rng.random_bool(0.3);
        let mix =
            [Mix::ALL, Mix::READS_AND_WRITES, Mix::DELTAS, Mix::SCANS][rng.random_range(0..4)];
        let shape = Shape { unreadable: rng.random_bool(0.2), ..Shape::new(mix) };
        let drawn = block(&shape).new_tree(&mut runner).map_err(|reason| reason.to_string())?;
        let mut drawn = drawn.current();
        let token = CancelToken::new();
        let chaos = Arc::new(Chaos {
            seed: rng.random(),
            often: [1, 2, 6, 20][rng.random_range(0..4)],
            panics: rng.random_bool(0.3),
            locks,
            active: AtomicBool::new(false),
            moments: AtomicU64::new(0),
            lock: Mutex::new(()),
            cancel: rng.random_bool(0.15).then(|| (token.clone(), rng.random_range(0..400))),
            pool: pool.clone(),
        });
        drawn.probe = Some(Arc::clone(&chaos) as Arc<dyn Probe>);
        let stage = drawn.stage_as::<Slot, Restless>(Arc::clone(&chaos));
        let expected = record_sequential(&stage.block(), stage.sink(None));
        let execute = || execute(&engine, &stage, &chaos, token);
        let mut found = match &pool {
            Some(pool) if inside => pool.install(execute),
            _ => execute(),
        };
        judge(&chaos, &expected, &mut found)
            .map_err(|what| format!("seed {seed}, {engine:?}, {chaos:?}: {what}\n{drawn}"))?;
    }
    Ok(())
}

type Restive = LanguageVm<Slot, Restless>;

fn execute(
    engine: &Engine,
    stage: &Stage<Slot, Restless>,
    chaos: &Chaos,
    token: CancelToken,
) -> Record<Restive> {
    let limits = Limits { cancel: Some(token), ..stage.limits() };
    let block: Block<'_, Restive> = stage.block().limits(limits);
    let sink = stage.sink(None);
    chaos.active.store(true, Ordering::SeqCst);
    let found = record_parallel(engine, &block, sink);
    chaos.active.store(false, Ordering::SeqCst);
    found
}

/// Without panics and without cancelling, everything is as in the oracle; else it is, up to where
/// the block ended.
fn judge(
    chaos: &Chaos,
    expected: &Record<Restive>,
    found: &mut Record<Restive>,
) -> Result<(), String> {
    // Where the sink itself panicked, it gave no answer.
    found.events.pop_if(|event| matches!(event, Event::Commit { answer: None, .. }));
    let stopped = match &found.ending {
        Ending::Failed { kind: "cancelled", .. } => chaos.cancel.is_some(),
        Ending::Failed { kind: "panicked", .. } | Ending::Panicked { .. } => chaos.panics,
        _ => false,
    };
    let verdict = if stopped && found.events.len() <= expected.events.len() {
        begins(expected, found)
    } else {
        same(expected, found)
    };
    verdict.map_err(|difference| difference.to_string())
}
