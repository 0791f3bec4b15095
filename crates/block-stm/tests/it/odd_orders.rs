//! Locations whose order does what an order must not do: whatever comes of it, it ends.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::hash::{Hash, Hasher};
use std::num::NonZeroUsize;
use std::ops::{Bound, ControlFlow};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::thread;
use std::time::Duration;

use block_stm::{
    Block, BoxError, Collect, Config, Engine, Execution, Interrupt, OrderedStorage, Storage, Value,
    View, Vm, execute_sequential,
};

use crate::support::timely;

/// How locations compare.
#[derive(Clone, Copy, Debug)]
enum Way {
    AsNumbers,
    AlwaysLess,
    NeverEqual,
    /// Each beats half of the others.
    InCircles,
    /// One thing now, the other later.
    Changing,
    AsItComes,
    /// Panics now and then.
    Panicking,
    /// Hands something to other threads now and then, and waits for it.
    Waiting,
}

#[derive(Clone, Debug)]
struct Odd(u64, Way, &'static AtomicU64);

impl PartialEq for Odd {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}

impl Eq for Odd {}

impl Hash for Odd {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.hash(state);
    }
}

impl PartialOrd for Odd {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Odd {
    fn cmp(&self, other: &Self) -> Ordering {
        let count = self.2.fetch_add(1, Relaxed);
        let numbers = self.0.cmp(&other.0);
        match self.1 {
            Way::AsNumbers => numbers,
            Way::AlwaysLess => Ordering::Less,
            Way::NeverEqual => numbers.then(Ordering::Greater),
            Way::InCircles => match other.0.wrapping_sub(self.0) % 64 {
                0 => numbers,
                1..32 => Ordering::Less,
                _ => Ordering::Greater,
            },
            Way::Changing if count / 500 % 2 == 1 => numbers.reverse(),
            Way::Changing => numbers,
            Way::AsItComes => match count.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 62 {
                0 => Ordering::Equal,
                1 => Ordering::Greater,
                _ => Ordering::Less,
            },
            Way::Panicking if count % 301 == 300 => resume_unwind(Box::new("cannot compare")),
            Way::Panicking => numbers,
            Way::Waiting => {
                if count.is_multiple_of(150) {
                    let nap = || thread::sleep(Duration::from_micros(30));
                    rayon::join(nap, || rayon::join(nap, nap));
                }
                numbers
            }
        }
    }
}

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

/// Pops one from between two places, and puts another one in.
struct Market(Way, &'static AtomicU64);

impl Market {
    fn new(way: Way) -> Self {
        Self(way, Box::leak(Box::default()))
    }
}

impl Vm for Market {
    type Txn = u64;
    type Location = Odd;
    type Value = Entry;
    type Output = u64;
    type Invalid = Infallible;
    type Context<'b> = ();

    fn context(&self) {}

    fn execute<'b>(
        &'b self,
        (): &mut (),
        txn: &u64,
        view: &mut View<'b, Self>,
    ) -> Result<Execution<u64, Infallible>, Interrupt> {
        let at = |number| Odd(number, self.0, self.1);
        let (mut seen, mut first) = (0, None);
        for (from, to) in [(txn % 20, 60), (0, 30 + txn % 40)] {
            view.scan(Bound::Included(&at(from)), Bound::Excluded(&at(to)), |location, _| {
                seen += 1;
                first.get_or_insert(location.clone());
                if seen % 16 == 15 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            })?;
        }
        if let Some(location) = first {
            view.write(&location, Entry(None))?;
        }
        view.write(&at(txn * 7 % 80), Entry(Some(*txn)))?;
        Ok(Execution::Done(seen))
    }
}

/// A storage whose own order is sound.
struct Sound(BTreeMap<u64, u64>, Way, &'static AtomicU64);

impl Storage<Odd, Entry> for Sound {
    fn read(&self, location: &Odd) -> Result<Entry, BoxError> {
        Ok(Entry(self.0.get(&location.0).copied()))
    }
}

impl OrderedStorage<Odd, Entry> for Sound {
    fn next(&self, (from, to): (Bound<&Odd>, Bound<&Odd>)) -> Result<Option<Odd>, BoxError> {
        let first = self.0.iter().find(|(location, _)| {
            let is_behind = match from {
                Bound::Included(from) => **location >= from.0,
                Bound::Excluded(from) => **location > from.0,
                Bound::Unbounded => true,
            };
            is_behind && matches!(to, Bound::Excluded(to) if **location < to.0)
        });
        Ok(first.map(|(location, _)| Odd(*location, self.1, self.2)))
    }
}

/// Executes blocks in this order, in both ways, as often. What surfaced as a panic.
fn execute(way: Way, blocks: usize, txns: u64) -> Vec<Box<dyn std::any::Any + Send>> {
    let threads = NonZeroUsize::new(5).expect("5 is not 0");
    let engine = Engine::new(Config::default().threads(threads).inline_below(0))
        .expect("threads can be started");
    let txns: Vec<_> = (0..txns).collect();
    let mut panics = Vec::new();
    for _ in 0..blocks {
        let vm = Market::new(way);
        let storage = Sound((0..50).map(|at| (at, at)).collect(), way, vm.1);
        let block = Block::ordered(&vm, &txns, &storage);
        let (mut expected, mut found) = (Collect::default(), Collect::default());
        let oracle =
            || execute_sequential(&block, &mut expected).map(|executed| executed.committed);
        let parallel = || engine.execute(&block, &mut found).map(|executed| executed.committed);
        let results =
            [catch_unwind(AssertUnwindSafe(oracle)), catch_unwind(AssertUnwindSafe(parallel))];
        if matches!(way, Way::AsNumbers | Way::Waiting) {
            assert!(results.iter().all(|result| matches!(result, Ok(Ok(_)))), "{way:?}");
            assert_eq!(found.outcomes, expected.outcomes, "{way:?}");
        }
        panics.extend(results.into_iter().filter_map(Result::err));
    }
    panics
}

#[test]
fn a_contradictory_order_gives_some_result() {
    timely(|| {
        for way in [Way::AlwaysLess, Way::NeverEqual, Way::InCircles, Way::Changing, Way::AsItComes]
        {
            assert!(execute(way, 8, 150).is_empty(), "{way:?}: a panic");
        }
    });
}

#[test]
fn an_order_that_panics_fails_the_block_and_leaves_the_engine_whole() {
    timely(|| {
        assert!(execute(Way::Panicking, 30, 60).is_empty(), "a panic comes out of the engine");
        assert!(execute(Way::AsNumbers, 1, 150).is_empty());
    });
}

#[test]
fn an_order_that_waits_for_other_threads_keeps_nobody_waiting() {
    timely(|| assert!(execute(Way::Waiting, 1, 60).is_empty()));
}
