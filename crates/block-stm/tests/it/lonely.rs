//! Places that differ from themselves, in an order that changes or contradicts itself: no
//! comparison tells that a scan goes round, and it ends all the same.

use std::cmp::Ordering;
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
/// or each before every one, itself included.
#[derive(Clone, Copy, Debug)]
struct Lonely<const BEFORE_ALL: bool>(u64);

static TURNED: AtomicBool = AtomicBool::new(false);

impl<const BEFORE_ALL: bool> PartialEq for Lonely<BEFORE_ALL> {
    fn eq(&self, _: &Self) -> bool {
        false
    }
}

impl<const BEFORE_ALL: bool> Eq for Lonely<BEFORE_ALL> {}

impl<const BEFORE_ALL: bool> Hash for Lonely<BEFORE_ALL> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.hash(state);
    }
}

impl<const BEFORE_ALL: bool> PartialOrd for Lonely<BEFORE_ALL> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<const BEFORE_ALL: bool> Ord for Lonely<BEFORE_ALL> {
    fn cmp(&self, other: &Self) -> Ordering {
        if BEFORE_ALL {
            return Ordering::Less;
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

impl<const BEFORE_ALL: bool> Storage<Lonely<BEFORE_ALL>, Something> for Nothing {
    fn read(&self, _: &Lonely<BEFORE_ALL>) -> Result<Something, BoxError> {
        Ok(Something)
    }
}

impl<const BEFORE_ALL: bool> OrderedStorage<Lonely<BEFORE_ALL>, Something> for Nothing {
    fn next(
        &self,
        _: (Bound<&Lonely<BEFORE_ALL>>, Bound<&Lonely<BEFORE_ALL>>),
    ) -> Result<Option<Lonely<BEFORE_ALL>>, BoxError> {
        Ok(None)
    }
}

/// Puts places in one order, and scans them in the other.
struct Turner<const BEFORE_ALL: bool>;

impl<const BEFORE_ALL: bool> Vm for Turner<BEFORE_ALL> {
    type Txn = Option<u64>;
    type Location = Lonely<BEFORE_ALL>;
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

fn check<const BEFORE_ALL: bool>(places: u64) {
    timely(move || {
        let scanned = places / 3;
        let put = |n: u64| (!n.is_multiple_of(scanned)).then_some(n * 7 % places);
        let txns: Vec<_> = (1..=places + 3).map(put).collect();
        let vm = Turner::<BEFORE_ALL>;
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
fn a_scan_over_places_each_of_which_is_before_all_ends() {
    check::<true>(200);
}
