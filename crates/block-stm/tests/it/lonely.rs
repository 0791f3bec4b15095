//! Places that differ from themselves, in an order that changes or is a circle: no comparison tells
//! that a scan goes round, and it ends all the same.

use std::cmp::Ordering::{self, Equal, Greater, Less};
use std::convert::Infallible;
use std::hash::{Hash, Hasher};
use std::ops::{Bound, ControlFlow};
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};

use block_stm::{
    Block, BoxError, Collect, Execution, Interrupt, OrderedStorage, Storage, Value, View, Vm,
    execute_sequential,
};

use crate::support::{engine, timely};

/// A place that never equals one, itself included. While [`TURNED`] is set, in the opposite order;
/// or each before the half of all that comes next in a circle.
#[derive(Clone, Copy, Debug)]
struct Lonely<const CIRCLE: bool>(u64);

/// How many are in a circle.
const AROUND: u64 = 307;

static TURNED: AtomicBool = AtomicBool::new(false);

impl<const CIRCLE: bool> PartialEq for Lonely<CIRCLE> {
    fn eq(&self, _: &Self) -> bool {
        false
    }
}

impl<const CIRCLE: bool> Eq for Lonely<CIRCLE> {}

impl<const CIRCLE: bool> Hash for Lonely<CIRCLE> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.hash(state);
    }
}

impl<const CIRCLE: bool> PartialOrd for Lonely<CIRCLE> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<const CIRCLE: bool> Ord for Lonely<CIRCLE> {
    fn cmp(&self, other: &Self) -> Ordering {
        if CIRCLE {
            return match (other.0 + AROUND - self.0) % AROUND {
                0 => Equal,
                onward if onward <= AROUND / 2 => Less,
                _ => Greater,
            };
        }
        let order = self.0.cmp(&other.0);
        // ORDERING: SeqCst: speed is no matter.
        if TURNED.load(SeqCst) { order.reverse() } else { order }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Something;

impl Value for Something {
    type Delta = Infallible;
    type Predicate = Infallible;

    fn apply(&self, never: &Infallible) -> Option<Self> {
        match *never {}
    }

    fn satisfies(&self, never: &Infallible) -> bool {
        match *never {}
    }
}

struct Nothing;

impl<const CIRCLE: bool> Storage<Lonely<CIRCLE>, Something> for Nothing {
    fn read(&self, _: &Lonely<CIRCLE>) -> Result<Something, BoxError> {
        Ok(Something)
    }
}

impl<const CIRCLE: bool> OrderedStorage<Lonely<CIRCLE>, Something> for Nothing {
    fn next(
        &self,
        _: (Bound<&Lonely<CIRCLE>>, Bound<&Lonely<CIRCLE>>),
    ) -> Result<Option<Lonely<CIRCLE>>, BoxError> {
        Ok(None)
    }
}

/// Puts places in one order, and scans them in the other.
struct Turner<const CIRCLE: bool>;

impl<const CIRCLE: bool> Vm for Turner<CIRCLE> {
    type Txn = Option<u64>;
    type Location = Lonely<CIRCLE>;
    type Value = Something;
    type Output = usize;
    type Invalid = Infallible;
    type Context<'b> = ();

    fn context(&self) {}

    fn execute<'b>(
        &'b self,
        (): &mut (),
        put: &Option<u64>,
        view: &mut View<'b, Self>,
    ) -> Result<Execution<usize, Infallible>, Interrupt> {
        let mut seen = 0;
        TURNED.store(put.is_some(), SeqCst);
        match *put {
            Some(place) => view.write(&Lonely(place), Something)?,
            None => view.scan(Bound::Unbounded, Bound::Unbounded, |_, _| {
                seen += 1;
                ControlFlow::Continue(())
            })?,
        }
        Ok(Execution::Done(seen))
    }
}

fn check<const CIRCLE: bool>(places: u64) {
    timely(move || {
        let scanned = places / 3;
        let put = |n: u64| (!n.is_multiple_of(scanned)).then_some(n * 7 % places);
        let txns: Vec<_> = (1..=places + 3).map(put).collect();
        let vm = Turner::<CIRCLE>;
        let block = Block::ordered(&vm, &txns, &Nothing);
        execute_sequential(&block, &mut Collect::default()).expect("no errors");
        for threads in [2, 4] {
            engine(threads).execute(&block, &mut Collect::default()).expect("no errors");
        }
    });
}

#[test]
fn a_scan_over_places_that_differ_from_themselves_ends_whatever_their_order() {
    check::<false>(40);
}

#[test]
fn a_scan_over_places_that_differ_from_themselves_in_a_circle_ends() {
    check::<true>(AROUND);
}
