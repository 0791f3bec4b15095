//! The helper on which everything rests: parallel execution equals sequential execution.

use std::fmt::{self, Debug, Display};
use std::num::NonZeroUsize;
use std::sync::{Arc, OnceLock};

use block_stm::{
    Block, BuildError, CommitSink, Config, Engine, Flow, Outcome, Stats, TxnIndex, Vm, Writes,
};

use crate::compare::{Comparable, Difference, keeps_books, keeps_protocol, keeps_state, same};
use crate::record::{Record, record_parallel, record_sequential};
use crate::watchdog::Hang;

/// One way in which an engine is set up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arm {
    /// The number of workers.
    pub threads: usize,
    /// The look-ahead window; `None` for the engine's own choice.
    pub window: Option<usize>,
    /// Whether deltas and assumptions are taken for granted until commit.
    pub deltas: bool,
    /// Whether the engine may leave short transactions to one worker, if several gain nothing.
    pub measures: bool,
}

impl Default for Arm {
    /// Two threads, and the engine's own choices.
    fn default() -> Self {
        Self::of(2, None)
    }
}

impl Arm {
    /// So many threads and such a window, with deltas.
    #[must_use]
    pub const fn of(threads: usize, window: Option<usize>) -> Self {
        Self { threads, window, deltas: true, measures: false }
    }

    /// The same without deltas.
    #[must_use]
    pub const fn exact(self) -> Self {
        Self { deltas: false, ..self }
    }

    /// The same, but leaving short transactions to one worker where that is faster.
    #[must_use]
    pub const fn measured(self) -> Self {
        Self { measures: true, ..self }
    }

    /// One worker for every number up to 8, windows from the tightest to one beyond any block,
    /// deltas on and off, short transactions shared and not.
    pub const ALL: [Self; 14] = [
        Self::of(1, None),
        Self::of(2, None),
        Self::of(2, Some(1)),
        Self::of(2, Some(2)),
        Self::of(3, None),
        Self::of(3, None).exact(),
        Self::of(3, Some(100_000)),
        Self::of(4, Some(3)),
        Self::of(5, None),
        Self::of(6, Some(8)),
        Self::of(7, None),
        Self::of(7, Some(4)).exact(),
        Self::of(8, Some(100_000)),
        Self::of(2, None).measured(),
    ];

    /// A selection that is quick enough for hundreds of blocks.
    pub const FEW: [Self; 7] = [
        Self::of(2, None),
        Self::of(2, Some(1)),
        Self::of(3, Some(100_000)),
        Self::of(3, None).exact(),
        Self::of(4, Some(2)),
        Self::of(8, None),
        Self::of(3, None).measured(),
    ];

    /// An engine set up like this, which executes the smallest blocks in parallel too.
    ///
    /// # Errors
    /// [`BuildError`] if its threads cannot be started.
    pub fn engine(self) -> Result<Engine, BuildError> {
        let threads = NonZeroUsize::new(self.threads).unwrap_or(NonZeroUsize::MIN);
        // All of them run, on whatever cores there are: the more often they are interrupted, the
        // better.
        let inline_below = usize::from(self.measures);
        let mut config = Config::default().threads(threads).cores(threads);
        config = config.inline_below(inline_below).deltas(self.deltas);
        if let Some(window) = self.window.and_then(NonZeroUsize::new) {
            config = config.window(window);
        }
        Engine::new(config)
    }
}

impl Display for Arm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { threads, window, deltas, measures } = self;
        match window {
            Some(window) => write!(f, "{threads} threads, window {window}")?,
            None => write!(f, "{threads} threads, the engine's own window")?,
        }
        f.write_str(if *deltas { "" } else { ", deltas off" })?;
        f.write_str(if *measures { ", measured" } else { "" })
    }
}

/// What belongs to the executions of a block beside the block: a fresh sink for each, and a look
/// afterwards.
pub trait Trial<V: Vm> {
    /// The sink.
    type Sink: CommitSink<V>;

    /// Prepares the next execution: on an engine, or on the oracle.
    fn sink(&self, arm: Option<Arm>) -> Self::Sink;

    /// Looks at what an execution left behind; `stats` if it has a result.
    ///
    /// # Errors
    /// What is wrong, in words.
    fn inspect(&self, stats: Option<&Stats>) -> Result<(), String> {
        let _ = stats;
        Ok(())
    }
}

/// A trial whose sink accepts everything.
#[derive(Clone, Copy, Debug, Default)]
pub struct AcceptAll;

impl<V: Vm> Trial<V> for AcceptAll {
    type Sink = Self;

    fn sink(&self, _: Option<Arm>) -> Self {
        *self
    }
}

impl<V: Vm> CommitSink<V> for AcceptAll {
    fn commit(
        &mut self,
        _index: TxnIndex,
        _outcome: Outcome<V::Output, V::Invalid>,
        _writes: Writes<'_, V>,
    ) -> Flow {
        Flow::Continue
    }
}

/// A proof that failed.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Mismatch {
    /// Two sequential executions differ: the VM is not a pure function, or the storage changes.
    Impure(Difference),
    /// An execution broke a rule of its own.
    Broken {
        /// The set-up; `None` is the oracle.
        arm: Option<Arm>,
        /// What is wrong.
        breach: String,
    },
    /// The parallel execution is not the sequential one.
    Differs {
        /// The set-up.
        arm: Arm,
        /// Where they part ways.
        difference: Box<Difference>,
    },
    /// One of the others, under changed circumstances.
    Under {
        /// What is changed.
        circumstances: String,
        /// What failed.
        mismatch: Box<Mismatch>,
    },
    /// An execution does not end.
    Hang(Hang),
    /// One of the above, with the block that shows it.
    In {
        /// What failed.
        mismatch: Box<Mismatch>,
        /// How the block is rebuilt.
        source: String,
    },
}

impl Mismatch {
    /// Adds how the block is rebuilt.
    #[must_use]
    pub fn with_source(self, source: impl Display) -> Self {
        Self::In { mismatch: Box::new(self), source: source.to_string() }
    }
}

impl Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Impure(difference) => {
                write!(
                    f,
                    "two sequential executions differ: the VM or the storage is not \
                     pure\n{difference}"
                )
            }
            Self::Broken { arm: None, breach } => write!(f, "sequential execution: {breach}"),
            Self::Broken { arm: Some(arm), breach } => {
                write!(f, "parallel execution with {arm}: {breach}")
            }
            Self::Differs { arm, difference } => {
                write!(
                    f,
                    "parallel execution with {arm} differs from sequential execution\n{difference}"
                )
            }
            Self::Under { circumstances, mismatch } => write!(f, "{circumstances}: {mismatch}"),
            Self::Hang(hang) => write!(f, "{hang}"),
            Self::In { mismatch, source } => {
                write!(f, "{mismatch}\nrepeat it a few hundred times with this block:\n{source}")
            }
        }
    }
}

impl std::error::Error for Mismatch {}

/// Engines of many set-ups, used for one block after another.
#[derive(Debug)]
pub struct Checker {
    engines: Vec<(Arm, Engine)>,
    rounds: usize,
}

impl Checker {
    /// Starts the engines.
    ///
    /// # Errors
    /// [`BuildError`] if threads cannot be started.
    pub fn new(arms: impl IntoIterator<Item = Arm>) -> Result<Self, BuildError> {
        let start = |arm: Arm| Ok((arm, arm.engine()?));
        Ok(Self { engines: arms.into_iter().map(start).collect::<Result<_, _>>()?, rounds: 1 })
    }

    /// Sets how often each engine executes each block; interleavings differ from one time to the
    /// next.
    #[must_use]
    pub fn rounds(mut self, rounds: usize) -> Self {
        self.rounds = rounds;
        self
    }

    /// The checker with [`Arm::ALL`], started on first use and shared by the process.
    ///
    /// # Panics
    /// If threads cannot be started.
    pub fn all() -> &'static Arc<Self> {
        static ALL: OnceLock<Arc<Checker>> = OnceLock::new();
        ALL.get_or_init(|| Arc::new(Self::new(Arm::ALL).expect("threads can be started")))
    }

    /// The checker with [`Arm::FEW`], started on first use and shared by the process.
    ///
    /// # Panics
    /// If threads cannot be started.
    pub fn few() -> &'static Arc<Self> {
        static FEW: OnceLock<Arc<Checker>> = OnceLock::new();
        FEW.get_or_init(|| Arc::new(Self::new(Arm::FEW).expect("threads can be started")))
    }

    /// The engines with their set-ups.
    pub fn engines(&self) -> impl Iterator<Item = (Arm, &Engine)> {
        self.engines.iter().map(|(arm, engine)| (*arm, engine))
    }

    /// Proves that `block` has the same result on every engine as in sequential execution.
    ///
    /// Blocks with a deadline or a cancel token have no single result: see
    /// [`begins`](crate::compare::begins) for these.
    ///
    /// # Errors
    /// The first [`Mismatch`].
    pub fn check<V, T>(&self, block: &Block<'_, V>, trial: &T) -> Result<(), Mismatch>
    where
        V: Comparable,
        T: Trial<V>,
    {
        self.hold(&oracle(block, trial)?, block, trial)
    }

    /// Holds the execution of `block` on every engine against `expected`.
    pub(crate) fn hold<V, T>(
        &self,
        expected: &Record<V>,
        block: &Block<'_, V>,
        trial: &T,
    ) -> Result<(), Mismatch>
    where
        V: Comparable,
        T: Trial<V>,
    {
        for (arm, engine) in (0..self.rounds).flat_map(|_| self.engines()) {
            let found = record_parallel(engine, block, trial.sink(Some(arm)));
            same(expected, &found).map_err(|difference| Mismatch::Differs {
                arm,
                difference: Box::new(difference),
            })?;
            keeps_rules(&found, arm.threads, trial)
                .map_err(|breach| Mismatch::Broken { arm: Some(arm), breach })?;
        }
        Ok(())
    }
}

/// The right answer, and proof that there is one.
pub(crate) fn oracle<V, T>(block: &Block<'_, V>, trial: &T) -> Result<Record<V>, Mismatch>
where
    V: Comparable,
    T: Trial<V>,
{
    let expected = record_sequential(block, trial.sink(None));
    keeps_rules(&expected, 1, trial).map_err(|breach| Mismatch::Broken { arm: None, breach })?;
    let again = record_sequential(block, trial.sink(None));
    same(&expected, &again).map_err(Mismatch::Impure)?;
    Ok(expected)
}

pub(crate) fn keeps_rules<V: Vm>(
    record: &Record<V>,
    threads: usize,
    trial: &impl Trial<V>,
) -> Result<(), String> {
    keeps_protocol::<V>(&record.events)?;
    keeps_books(record, threads)?;
    keeps_state(record)?;
    trial.inspect(record.stats.as_ref())
}

/// Proves that `block` has the same result in parallel as in sequential execution, whatever the
/// circumstances.
///
/// Compared are outputs and writes of each transaction in order (so the state after every prefix),
/// the final state, errors, cuts, and the conflict graph. The circumstances: 1 to 8 threads;
/// windows from 1 to unbounded; deltas taken for granted or not; hints that are right, incomplete,
/// and wrong; invalid transactions rejected and left out; the block cut by count and by weight.
/// Blocks with a deadline or a cancel token have no single result: leave these out.
///
/// # Cost
/// Some 400 executions of the block, more for the shortest. See [`Checker`] for less.
///
/// # Errors
/// The first [`Mismatch`].
///
/// # Panics
/// If threads cannot be started.
pub fn check<V: Comparable>(block: &Block<'_, V>) -> Result<(), Mismatch> {
    Checker::all().vary(block, &AcceptAll)
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::sync::atomic::{AtomicU64, Ordering};

    use block_stm::{BoxError, Execution, Interrupt, Value, View};

    use super::*;

    /// A value without deltas and predicates.
    #[derive(Clone, Debug, PartialEq, Eq)]
    struct Plain(u64);

    impl Value for Plain {
        type Delta = Infallible;
        type Predicate = Infallible;

        fn apply(&self, delta: &Infallible) -> Option<Self> {
            match *delta {}
        }

        fn satisfies(&self, predicate: &Infallible) -> bool {
            match *predicate {}
        }
    }

    /// Copies what it reads, plus what it must not look at: how often it was called.
    struct Copier {
        calls: AtomicU64,
        pure_calls: u64,
    }

    impl Copier {
        fn pure_for(pure_calls: u64) -> Self {
            Self { calls: AtomicU64::new(0), pure_calls }
        }
    }

    impl Vm for Copier {
        type Txn = ();
        type Location = u8;
        type Value = Plain;
        type Output = u64;
        type Invalid = &'static str;
        type Context<'b> = ();

        fn context(&self) {}

        fn execute<'b>(
            &'b self,
            (): &mut (),
            (): &(),
            view: &mut View<'b, Self>,
        ) -> Result<Execution<u64, &'static str>, Interrupt> {
            // ORDERING: SeqCst: a count in a test, where speed is no matter.
            let calls = self.calls.fetch_add(1, Ordering::SeqCst);
            let Plain(value) = view.read(&0)?;
            view.write(&0, Plain(value + 1))?;
            Ok(Execution::Done(value + calls.saturating_sub(self.pure_calls)))
        }
    }

    fn verdict(vm: &Copier, storage: &dyn block_stm::Storage<u8, Plain>) -> Result<(), Mismatch> {
        check(&Block::new(vm, &[(), (), ()], storage))
    }

    #[test]
    fn honest_blocks_pass() {
        verdict(&Copier::pure_for(u64::MAX), &|_: &u8| Ok(Plain(5)))
            .expect("parallel is sequential");
    }

    #[test]
    fn an_impure_vm_is_reported() {
        let storage = |_: &u8| Ok(Plain(5));
        let verdict = verdict(&Copier::pure_for(4), &storage);
        let mismatch = verdict.expect_err("the second execution by the oracle differs");
        assert!(matches!(mismatch, Mismatch::Impure(_)), "{mismatch}");
    }

    #[test]
    fn a_vm_that_is_impure_in_parallel_only_is_reported() {
        let storage = |_: &u8| Ok(Plain(5));
        // Both executions by the oracle make six calls.
        let mismatch =
            verdict(&Copier::pure_for(6), &storage).expect_err("the engine's run differs");
        let Mismatch::Differs { difference, .. } = &mismatch else { panic!("{mismatch}") };
        assert!(difference.place.starts_with("call to the sink"), "{mismatch}");
        let text = mismatch.with_source("the source").to_string();
        assert!(text.contains("- expected") && text.ends_with("the source"), "{text}");
    }

    #[test]
    fn a_storage_that_changes_is_reported() {
        let reads = AtomicU64::new(0);
        let changing = |_: &u8| -> Result<Plain, BoxError> {
            // ORDERING: SeqCst: as above.
            Ok(Plain(reads.fetch_add(1, Ordering::SeqCst) / 2))
        };
        assert!(verdict(&Copier::pure_for(u64::MAX), &changing).is_err());
    }

    /// A trial that finds fault with every execution.
    struct Nagging;

    impl Trial<Copier> for Nagging {
        type Sink = AcceptAll;

        fn sink(&self, _: Option<Arm>) -> AcceptAll {
            AcceptAll
        }

        fn inspect(&self, _: Option<&Stats>) -> Result<(), String> {
            Err("never good enough".to_owned())
        }
    }

    #[test]
    fn what_a_trial_finds_is_reported() {
        let vm = Copier::pure_for(u64::MAX);
        let storage = |_: &u8| Ok(Plain(5));
        let verdict = Checker::few().check(&Block::new(&vm, &[()], &storage), &Nagging);
        assert!(matches!(verdict, Err(Mismatch::Broken { arm: None, .. })));
    }
}
