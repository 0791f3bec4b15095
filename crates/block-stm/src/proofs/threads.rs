//! Whole blocks on plain threads: no pool, and no lock but the engine's own.
//!
//! `tests/it` has many more blocks, on pools. These are for ThreadSanitizer, which sees an order
//! only where all of it is instrumented: it knows how threads start, and sees the engine's atomics
//! and `parking_lot`'s, but not what happens inside the standard library's locks, which pools are
//! made of.

use std::convert::Infallible;
use std::sync::Arc;

use crate::contract::block::Block;
use crate::contract::execution::{Execution, Interrupt};
use crate::contract::sink::Collect;
use crate::contract::storage::BoxError;
use crate::contract::value::Value;
use crate::engine::call_queue::{CallQueue, Spawn, Task};
use crate::engine::config::{Config, Settings};
use crate::engine::parallel;
use crate::mvmemory::ChunkPool;
use crate::proofs::watch::Invariants;
use crate::seam::execute::execute_sequential;
use crate::seam::view::View;
use crate::seam::vm::Vm;

/// A number on the heap, so that one that is freed too early shows.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Number(Box<u64>);

impl Value for Number {
    type Delta = u64;
    type Predicate = Infallible;

    fn apply(&self, delta: &u64) -> Option<Self> {
        self.0.checked_add(*delta).map(|sum| Self(Box::new(sum)))
    }

    fn satisfies(&self, never: &Infallible) -> bool {
        match *never {}
    }
}

/// Reads one location, adds to another by a delta, and writes what it read, and one, to a third.
struct Step {
    read: u32,
    add: u32,
    write: u32,
}

struct Steps;

impl Vm for Steps {
    type Txn = Step;
    type Location = u32;
    type Value = Number;
    type Output = u64;
    type Invalid = Infallible;
    type Context<'b> = ();

    fn context(&self) {}

    fn execute<'b>(
        &'b self,
        (): &mut (),
        step: &Step,
        view: &mut View<'b, Self>,
    ) -> Result<Execution<u64, Infallible>, Interrupt> {
        let seen = *view.read(&step.read)?.0;
        view.add(&step.add, 1)?;
        view.write(&step.write, Number(Box::new(seen + 1)))?;
        Ok(Execution::Done(seen))
    }
}

/// Executes steps over `locations` locations, and compares with the oracle.
fn compare(locations: u32, rounds: usize) {
    let step = |n: u32| {
        let mixed = n.wrapping_mul(2_654_435_761) >> 8;
        let at = |shift: u32| (mixed >> shift) % locations;
        Step { read: at(0), add: at(5), write: at(10) }
    };
    let txns: Vec<_> = (0..if cfg!(miri) { 12 } else { 150 }).map(step).collect();
    let storage = |location: &u32| Ok::<_, BoxError>(Number(Box::new(u64::from(*location))));
    let block = Block::new(&Steps, &txns, &storage);
    let mut expected = Collect::default();
    let spawn: Arc<Spawn> = Arc::new(|task: Task| drop(std::thread::spawn(move || task(true))));
    let sequential = execute_sequential(&block, &mut expected).expect("ends well");
    for _ in 0..if cfg!(miri) { 1 } else { rounds } {
        let mut found = Collect::default();
        let threads = 3.try_into().expect("not zero");
        let config = Config::default().threads(threads).inline_below(0);
        let settings = Settings::of(&config);
        let helpers = settings.helpers_for(block.txns.len());
        let chunks = &Arc::new(ChunkPool::new(0));
        let queue = CallQueue::new(helpers, &spawn);
        let watch = Invariants::watch();
        let parallel =
            parallel::execute(&block, &mut found, settings, &queue, chunks, &mut None, watch);
        let parallel = parallel.expect("ends well");
        assert_eq!(parallel.state, sequential.state);
        assert_eq!(found.outcomes, expected.outcomes);
    }
}

#[test]
fn few_locations() {
    compare(3, 30);
}

#[test]
fn many_locations() {
    compare(50, 30);
}
