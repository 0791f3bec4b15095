//! What blocks of tiny transactions cost, where the engine itself is all that there is to measure:
//! a loop over a map, the sequential execution, and engines of 1 to 8 threads.
//!
//! ```sh
//! cargo run --release -p block-stm-testkit --example tiny [TXNS]
//! ```
//!
//! Times are medians, in milliseconds. A number behind a slash is the speed-up over the sequential
//! execution. Transactions of less than a microsecond cannot gain from more threads; what they lose
//! is shown. An engine learns that from the first such block; *first* is that block, on 2 threads.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::error::Error;
use std::hint::black_box;
use std::num::NonZeroUsize;
use std::ops::{Bound, ControlFlow};
use std::time::{Duration, Instant};

use block_stm::{
    Block, BoxError, Config, Engine, Execution, Interrupt, OrderedStorage, Storage, Value, View,
    Vm, execute_sequential,
};
use block_stm_testkit::waste::Forget;

const THREADS: [usize; 4] = [1, 2, 4, 8];
const TWO: NonZeroUsize = NonZeroUsize::new(2).unwrap();
const RUNS: usize = 25;

#[derive(Clone, Debug, PartialEq, Eq)]
struct Entry(Option<u64>);

impl Value for Entry {
    type Delta = Infallible;
    type Predicate = Infallible;

    fn apply(&self, never: &Infallible) -> Option<Self> {
        match *never {}
    }

    fn satisfies(&self, never: &Infallible) -> bool {
        match *never {}
    }

    fn is_absent(&self) -> bool {
        self.0.is_none()
    }
}

#[derive(Clone, Copy, Debug)]
enum Op {
    /// Takes the first entry away.
    Pop,
    Put(u64),
    /// Adds 1 to an entry.
    Increment(u64),
}

struct Store(BTreeMap<u64, u64>);

impl Storage<u64, Entry> for Store {
    fn read(&self, at: &u64) -> Result<Entry, BoxError> {
        Ok(Entry(self.0.get(at).copied()))
    }
}

impl OrderedStorage<u64, Entry> for Store {
    fn next(&self, (from, to): (Bound<&u64>, Bound<&u64>)) -> Result<Option<u64>, BoxError> {
        Ok(self.0.range((from.cloned(), to.cloned())).next().map(|(at, _)| *at))
    }
}

struct Entries;

impl Vm for Entries {
    type Txn = Op;
    type Location = u64;
    type Value = Entry;
    type Output = u64;
    type Invalid = Infallible;
    type Context<'b> = ();

    fn context(&self) {}

    fn execute<'b>(
        &'b self,
        (): &mut (),
        op: &Op,
        view: &mut View<'b, Self>,
    ) -> Result<Execution<u64, Infallible>, Interrupt> {
        let mut seen = 0;
        match *op {
            Op::Pop => {
                view.scan(Bound::Unbounded, Bound::Unbounded, |at, _| {
                    seen = *at;
                    ControlFlow::Break(())
                })?;
                view.write(&seen, Entry(None))?;
            }
            Op::Put(at) => view.write(&at, Entry(Some(at)))?,
            Op::Increment(at) => {
                seen = view.read(&at)?.0.unwrap_or(0);
                view.write(&at, Entry(Some(seen + 1)))?;
            }
        }
        Ok(Execution::Done(seen))
    }
}

/// The plain program for one thread.
fn loop_over_map(state: &BTreeMap<u64, u64>, ops: &[Op]) {
    let mut state = state.clone();
    for op in ops {
        match *op {
            Op::Pop => drop(black_box(state.pop_first())),
            Op::Put(at) => drop(black_box(state.insert(at, at))),
            Op::Increment(at) => *state.entry(at).or_default() += 1,
        }
    }
    black_box(state);
}

fn median(mut run: impl FnMut()) -> Duration {
    median_of(|| {
        let start = Instant::now();
        run();
        start.elapsed()
    })
}

fn median_of(mut time: impl FnMut() -> Duration) -> Duration {
    let mut times: Vec<_> = (0..RUNS).map(|_| time()).collect();
    times.sort_unstable();
    times[RUNS / 2]
}

fn main() -> Result<(), Box<dyn Error>> {
    let txns: u64 = std::env::args().nth(1).map_or(Ok(8_000), |txns| txns.parse())?;
    let engines: Vec<Engine> = THREADS
        .into_iter()
        .filter_map(NonZeroUsize::new)
        .map(|threads| Engine::new(Config::default().threads(threads)))
        .collect::<Result<_, _>>()?;
    let mixed = |n: u64| n.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40;
    let ops = |op: &dyn Fn(u64) -> Op| (0..txns).map(op).collect::<Vec<_>>();
    let turns = |n: u64| if (n / 500).is_multiple_of(2) { 0 } else { n };
    let shapes = [
        ("pops of a queue", txns, ops(&|_| Op::Pop)),
        (
            "puts and pops",
            0,
            ops(&|n| if n.is_multiple_of(2) { Op::Put(mixed(n)) } else { Op::Pop }),
        ),
        ("one hot slot", 0, ops(&|_| Op::Increment(0))),
        ("500 in a hot slot, 500 not", 0, ops(&|n| Op::Increment(turns(n)))),
        ("4 hot slots at random", 0, ops(&|n| Op::Increment(mixed(n) % 4))),
        ("independent", 0, ops(&Op::Increment)),
    ];
    print!("{:27} {:>6} {:>8} {:>8}", "block", "txns", "map", "sequence");
    THREADS.iter().for_each(|threads| print!(" | {:>15}", format!("{threads} threads")));
    print!(" | {:>15}", "first");
    println!();
    for (name, entries, ops) in shapes {
        let store = Store((0..entries).map(|at| (at, at)).collect());
        let block = Block::ordered(&Entries, &ops, &store);
        let mut failed = Ok(());
        let map = median(|| loop_over_map(&store.0, &ops));
        let sequence = median(|| failed = execute_sequential(&block, &mut Forget).map(drop));
        let millis = |time: Duration| time.as_secs_f64() * 1e3;
        print!("{name:27} {txns:>6} {:>8.3} {:>8.3}", millis(map), millis(sequence));
        let cell = |wall: Duration| {
            let speed_up = sequence.as_secs_f64() / wall.as_secs_f64();
            print!(" | {:>8.3} / {speed_up:.2}", millis(wall));
        };
        for engine in &engines {
            cell(median(|| failed = engine.execute(&block, &mut Forget).map(drop)));
        }
        cell(median_of(|| {
            let engine = Engine::new(Config::default().threads(TWO)).expect("it was built before");
            let start = Instant::now();
            failed = engine.execute(&block, &mut Forget).map(drop);
            start.elapsed()
        }));
        println!();
        failed?;
    }
    Ok(())
}
