//! Blocks on which speculation is wasted, or nearly so, with the numbers that tell how much was.
//!
//! Each [`Shape`] stands for a kind of block that an engine may be slow on: what is wasted grows
//! with the number of threads, or with its square, as each of them executes what cannot stand, and
//! all walk over what the others left. [`simulate`] counts that for any number of workers with a
//! core each, on the one thread that calls it.

use std::convert::Infallible;
use std::num::NonZeroUsize;
use std::rc::Rc;
use std::time::{Duration, Instant};

use block_stm::conductor::{Position, Step};
use block_stm::{
    Block, BoxError, CommitSink, Config, Execution, Flow, Interrupt, Outcome, Stats, TxnIndex,
    Value, View, Vm, Writes,
};

use crate::sim::{Circumstances, Costs, Item, Latency, Pace, RoundRobin, Simulator, borrow_pool};

/// What a transaction does next. Locations are numbers; before the block each holds its own number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Op {
    /// Reads a location.
    Read(u64),
    /// Writes something to a location that no other transaction writes.
    Write(u64),
    /// Reads a location and writes one more.
    Increment(u64),
    /// Adds 1 to a location without reading it.
    Add(u64),
}

/// A number, to which numbers can be added.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tally(pub u64);

impl Value for Tally {
    type Delta = u64;
    type Predicate = Infallible;

    fn apply(&self, delta: &u64) -> Option<Self> {
        self.0.checked_add(*delta).map(Self)
    }

    fn satisfies(&self, never: &Infallible) -> bool {
        match *never {}
    }
}

/// Executes lists of [`Op`]s, each of which takes its time. The output is the sum of what was read.
#[derive(Clone, Copy, Debug, Default)]
pub struct Toil {
    /// What each transaction takes at least, awake, behind its first operation.
    pub work: Duration,
}

impl Vm for Toil {
    type Txn = (u64, Vec<Op>);
    type Location = u64;
    type Value = Tally;
    type Output = u64;
    type Invalid = Infallible;
    type Context<'b> = ();

    fn context(&self) {}

    fn execute<'b>(
        &'b self,
        (): &mut (),
        (number, ops): &(u64, Vec<Op>),
        view: &mut View<'b, Self>,
    ) -> Result<Execution<u64, Infallible>, Interrupt> {
        let mut sum = 0_u64;
        for (place, op) in ops.iter().enumerate() {
            match *op {
                Op::Read(at) => sum = sum.wrapping_add(view.read(&at)?.0),
                Op::Write(at) => view.write(&at, Tally(u64::MAX / 2 + number))?,
                Op::Increment(at) => {
                    let seen = view.read(&at)?.0;
                    view.write(&at, Tally(seen + 1))?;
                    sum = sum.wrapping_add(seen);
                }
                Op::Add(at) => drop(view.add(&at, 1)?),
            }
            if place == 0 && !self.work.is_zero() {
                let start = Instant::now();
                while start.elapsed() < self.work {
                    std::hint::spin_loop();
                }
            }
        }
        Ok(Execution::Done(sum))
    }
}

/// The state before the block.
///
/// # Errors
/// Never.
pub const fn opening(location: &u64) -> Result<Tally, BoxError> {
    Ok(Tally(*location))
}

/// A kind of block.
#[derive(Clone, Debug)]
pub struct Shape {
    /// What is hard about it.
    pub name: &'static str,
    /// The transactions.
    pub txns: Vec<(u64, Vec<Op>)>,
}

/// The first of the locations that one transaction alone writes.
const OWN: u64 = 1 << 32;

/// All kinds, with about so many transactions each.
#[must_use]
pub fn shapes(txns: u64) -> Vec<Shape> {
    use Op::{Add, Increment, Read, Write};
    let shape = |name, ops: &dyn Fn(u64) -> Vec<Op>| {
        let own = |n: u64| ops(n).into_iter().chain([Increment(OWN + n)]).collect();
        Shape { name, txns: (0..txns).map(|n| (n, own(n))).collect() }
    };
    let every = |nth: u64, n: u64, op: Op| if n.is_multiple_of(nth) { vec![op] } else { vec![] };
    let below = |n: u64, distance: u64| n.checked_sub(distance).map_or(OWN / 2, |n| 1_000 + n);
    let mixed = |n: u64| (n.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 40) % 1_000;
    let short = |name, ops: &dyn Fn(u64) -> Vec<Op>| {
        let Shape { mut txns, .. } = shape(name, ops);
        txns.truncate(30);
        Shape { name, txns }
    };
    vec![
        shape("independent", &|_| vec![]),
        shape("one hot slot", &|_| vec![Increment(0)]),
        shape("two slots in turn", &|n| vec![Increment(n % 2)]),
        shape("reads one slot, writes the other", &|n| vec![Read(n % 2), Write((n + 1) % 2)]),
        shape("4 hot slots at random", &|n| vec![Increment(mixed(n) % 4)]),
        shape("32 hot slots at random", &|n| vec![Increment(mixed(n) % 32)]),
        shape("half of all in a hot slot", &|n| {
            every(1 + mixed(n) % 2, 0, Increment(mixed(n) % 2))
        }),
        shape("a hot slot in the middle", &|n| {
            every(1, n, Increment(if (n * 3 / txns) == 1 { 0 } else { OWN * 2 + n }))
        }),
        shape("all add and read", &|_| vec![Read(0), Add(0)]),
        shape("all add, every 16th reads", &|n| [every(16, n, Read(0)), vec![Add(0)]].concat()),
        shape("all add, every 64th reads", &|n| [every(64, n, Read(0)), vec![Add(0)]].concat()),
        shape("all write, every 16th reads", &|n| [every(16, n, Read(0)), vec![Write(0)]].concat()),
        shape("all write one slot", &|_| vec![Write(0)]),
        shape("a hot slot and a sum", &|n| {
            [vec![Increment(0), Add(1)], every(8, n, Read(1))].concat()
        }),
        shape("reads from 1 to 20 below", &|n| {
            vec![Read(below(n, [1, 2, 3, 8, 20][n as usize % 5])), Write(1_000 + n)]
        }),
        shape("reads from 8 below", &|n| vec![Read(below(n, 8)), Write(1_000 + n)]),
        shape("reads from 64 below", &|n| vec![Read(below(n, 64)), Write(1_000 + n)]),
        short("short: one hot slot", &|_| vec![Increment(0)]),
        short("short: each reads from the last", &|n| vec![Read(below(n, 1)), Write(1_000 + n)]),
        short("short: two slots in turn", &|n| vec![Increment(n % 2)]),
    ]
}

/// A sink that keeps nothing.
#[derive(Clone, Copy, Debug)]
pub struct Forget;

impl<V: Vm> CommitSink<V> for Forget {
    fn commit(&mut self, _: TxnIndex, _: Outcome<V::Output, V::Invalid>, _: Writes<'_, V>) -> Flow {
        Flow::Continue
    }
}

/// What the execution of `txns` costs where each of `workers` workers has a core, and an execution
/// takes `execution_ns`: counts, and the virtual time until it is done, in nanoseconds.
///
/// # Panics
/// If the engine does.
#[must_use]
pub fn simulate(txns: &[(u64, Vec<Op>)], workers: NonZeroUsize, execution_ns: u64) -> (Stats, u64) {
    let mut costs = Costs::default();
    let txn = TxnIndex::new(0);
    let mut set = |step: Step, ns| {
        costs.set(Item::of(Some(step), false).of_any_txn(), ns);
    };
    for (step, ns) in [
        (Step::Execute(txn, Position::Head), execution_ns),
        (Step::Execute(txn, Position::Ahead), execution_ns),
        (Step::Access(txn), 30),
        (Step::Storage(txn), 50),
        (Step::Publish(txn), 60),
        (Step::Judge(txn), 50),
        (Step::Commit(txn), 60),
        (Step::Validate(txn), 50),
        (Step::Turn, 10),
        (Step::Claim, 20),
        (Step::Finish(txn), 20),
        (Step::Release(txn), 20),
    ] {
        set(step, ns);
    }
    let latency =
        Latency { wake_ns: 5_000, spawn_ns: 5_000, call_ns: 1_000, read_ns: 0, spin_ns: 3 };
    let pace = Pace::Charged(Rc::new(costs), latency);
    let circumstances = Circumstances { pace, max_steps: u64::MAX, ..Circumstances::default() };
    let engine = borrow_pool(Config::default().threads(workers).inline_below(0));
    let run = Simulator::default().run(Box::new(RoundRobin::new(1)), circumstances, || {
        engine.execute(&Block::new(&Toil::default(), txns, &opening), &mut Forget)
    });
    let executed = run.result.unwrap_or_else(|stopped| panic!("{stopped}"));
    (executed.unwrap_or_else(|error| panic!("{error}")).stats, run.time_ns)
}
