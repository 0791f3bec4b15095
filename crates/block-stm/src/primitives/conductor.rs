//! Execution step by step, for simulators and schedule explorers.
//!
//! A [`Conductor`] runs all workers of a block on one thread, as coroutines, say, and decides at
//! each [`Step`] which of them acts next. What it steps through is the code that runs in
//! production, not a model of it. Between two steps a worker does what real workers do to each
//! other in that time: a whole publication, a whole validation. How the primitives beneath
//! interleave is not a conductor's concern.
//!
//! Without a conductor, a step is a test of a flag that the worker looks at anyway.

use std::cell::RefCell;
use std::fmt;
use std::rc::Rc;
use std::time::{Duration, Instant};

use super::ids::TxnIndex;
use super::on_drop::OnDrop;

/// What a worker is about to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Step {
    /// Look for something to do.
    Turn,
    /// Take the baton, having seen the head ready.
    TakeBaton,
    /// Give the baton back.
    GiveBaton,
    /// Look at the head again, having given the baton back.
    LookAgain,
    /// Claim the head, the baton in hand.
    Head(TxnIndex),
    /// Hold an optimistic execution of the head against the committed state.
    Judge(TxnIndex),
    /// Make the head final.
    Commit(TxnIndex),
    /// Move the head on.
    Advance(TxnIndex),
    /// Look for a transaction to execute.
    Claim,
    /// Start an execution: of the head, or optimistically.
    Execute(TxnIndex, Position),
    /// Access the state in an execution.
    Access(TxnIndex),
    /// Ask the storage, for an execution.
    Storage(TxnIndex),
    /// Make the writes of an execution visible.
    Publish(TxnIndex),
    /// Say that an execution has ended.
    Finish(TxnIndex),
    /// Give a transaction back, to be executed again.
    Release(TxnIndex),
    /// Look whether the transaction that the released one waits for has come far enough meanwhile.
    Enqueue(TxnIndex),
    /// Look whether an executed transaction still holds.
    Validate(TxnIndex),
    /// Call for helpers.
    Hire,
    /// Wake a sleeping worker, having made work for it.
    Wake,
    /// Wait for another worker, awake: for as many spins as `SPINS_PER_STEP` says.
    Spin,
    /// Fall asleep, having announced it.
    Park,
    /// Wait for a lock that another worker holds over a step of its own.
    Blocked,
}

/// Where an execution stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Position {
    /// Lower transactions may still change.
    Ahead,
    /// Every lower transaction is final.
    Head,
}

/// Decides which worker acts next. Everything in it happens on the one thread that runs
/// [`conduct`].
///
/// The calling worker is the one that runs; the others stand in [`step`](Conductor::step) or
/// [`wait`](Conductor::wait), or have not begun.
pub trait Conductor {
    /// A new worker is there, which will run `work` when it is its turn.
    fn spawn(&self, work: Box<dyn FnOnce() + Send>);

    /// The calling worker is about to do this; returns when it is its turn to.
    ///
    /// May panic to end the execution; the panic resurfaces from [`conduct`].
    fn step(&self, step: Step);

    /// The calling worker sleeps at `place` until notified there, or for `at_most`.
    fn wait(&self, place: usize, at_most: Option<Duration>);

    /// Wakes one of the workers that sleep at `place`, if there are any.
    fn notify_one(&self, place: usize);

    /// Wakes all workers that sleep at `place`.
    fn notify_all(&self, place: usize);

    /// The time.
    fn now(&self) -> Instant;

    /// Whether invariants that are too costly for production are checked at every commit.
    fn checks_invariants(&self) -> bool {
        true
    }

    /// How many of `spins` spins a worker waits before it gives up. Fewer make shorter
    /// explorations.
    fn patience(&self, spins: u32) -> u32 {
        spins
    }

    /// Whether the holder of the baton executes the next transaction alone, without versions: what
    /// the engine would do, or something else. No answer is wrong.
    fn goes_alone(&self, advised: bool) -> bool {
        advised
    }
}

impl dyn Conductor {
    /// How many spins of a waiting worker make a [`Step::Spin`].
    pub const SPINS_PER_STEP: u32 = 25;
}

thread_local! {
    static PRESENT: RefCell<Option<Rc<dyn Conductor>>> = const { RefCell::new(None) };
}

/// The conductor that this thread works under.
pub(crate) fn present() -> Option<Rc<dyn Conductor>> {
    PRESENT.with_borrow(Option::clone)
}

/// Lets the conductor decide who acts next.
#[cold]
pub(crate) fn step(step: Step) {
    if let Some(conductor) = present() {
        conductor.step(step);
    }
}

/// Runs `work` under `conductor`: an engine that it calls executes its block on the calling thread,
/// step by step.
///
/// The caller is the block's first worker; the others are [spawned](Conductor::spawn). The engine's
/// settings mean what they always mean; its threads sleep.
///
/// # Panics
/// With the conductor's own panics, those of `work`, and if an invariant is broken.
pub fn conduct<T>(conductor: Rc<dyn Conductor>, work: impl FnOnce() -> T) -> T {
    let mut before = PRESENT.replace(Some(conductor));
    let _present = OnDrop(|| PRESENT.set(before.take()));
    work()
}

impl Step {
    /// The transaction that it is about, if it is about one.
    #[must_use]
    pub const fn txn(self) -> Option<TxnIndex> {
        match self {
            Self::Head(txn)
            | Self::Judge(txn)
            | Self::Commit(txn)
            | Self::Advance(txn)
            | Self::Execute(txn, _)
            | Self::Access(txn)
            | Self::Storage(txn)
            | Self::Publish(txn)
            | Self::Finish(txn)
            | Self::Release(txn)
            | Self::Enqueue(txn)
            | Self::Validate(txn) => Some(txn),
            Self::Turn
            | Self::TakeBaton
            | Self::GiveBaton
            | Self::LookAgain
            | Self::Claim
            | Self::Hire
            | Self::Wake
            | Self::Spin
            | Self::Park
            | Self::Blocked => None,
        }
    }
}

impl fmt::Display for Step {
    /// As a person would say it: `executes txn 3`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Turn => f.write_str("looks around"),
            Self::TakeBaton => f.write_str("takes the baton"),
            Self::GiveBaton => f.write_str("gives the baton back"),
            Self::LookAgain => f.write_str("looks at the head again"),
            Self::Head(txn) => write!(f, "looks at the head, txn {txn}"),
            Self::Judge(txn) => write!(f, "judges txn {txn}"),
            Self::Commit(txn) => write!(f, "commits txn {txn}"),
            Self::Advance(txn) => write!(f, "moves the head to txn {txn}"),
            Self::Claim => f.write_str("looks for a txn"),
            Self::Execute(txn, Position::Ahead) => write!(f, "executes txn {txn} ahead"),
            Self::Execute(txn, Position::Head) => write!(f, "executes txn {txn} as the head"),
            Self::Access(txn) => write!(f, "accesses the state in txn {txn}"),
            Self::Storage(txn) => write!(f, "asks the storage for txn {txn}"),
            Self::Publish(txn) => write!(f, "publishes txn {txn}"),
            Self::Finish(txn) => write!(f, "finishes txn {txn}"),
            Self::Release(txn) => write!(f, "gives txn {txn} back"),
            Self::Enqueue(txn) => write!(f, "queues txn {txn}"),
            Self::Validate(txn) => write!(f, "validates txn {txn}"),
            Self::Hire => f.write_str("calls for help"),
            Self::Wake => f.write_str("wakes others"),
            Self::Spin => f.write_str("spins"),
            Self::Park => f.write_str("falls asleep"),
            Self::Blocked => f.write_str("waits for a lock"),
        }
    }
}
