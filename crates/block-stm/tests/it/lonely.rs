//! Places that differ from themselves, in an order that changes: no comparison tells that a scan
//! goes round in circles, and it ends all the same.

use std::convert::Infallible;
use std::hash::{Hash, Hasher};
use std::ops::{Bound, ControlFlow};
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};

use block_stm::{
    Block, BoxError, Collect, Execution, Interrupt, OrderedStorage, Storage, Value, View, Vm,
    execute_sequential,
};

use crate::support::{engine, timely};

/// A place that never equals one, itself included; while [`TURNED`] is set, in the opposite order.
#[derive(Clone, Copy, Debug)]
struct Lonely(u64);

static TURNED: AtomicBool = AtomicBool::new(false);

impl PartialEq for Lonely {
    fn eq(&self, _: &Self) -> bool {
        false
    }
}

impl Eq for Lonely {}

impl Hash for Lonely {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.hash(state);
    }
}

impl PartialOrd for Lonely {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Lonely {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
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

impl Storage<Lonely, Something> for Nothing {
    fn read(&self, _: &Lonely) -> Result<Something, BoxError> {
        Ok(Something)
    }
}

impl OrderedStorage<Lonely, Something> for Nothing {
    fn next(&self, _: (Bound<&Lonely>, Bound<&Lonely>)) -> Result<Option<Lonely>, BoxError> {
        Ok(None)
    }
}

/// Puts places in one order, and scans them in the other.
struct Turner;

impl Vm for Turner {
    type Txn = Option<u64>;
    type Location = Lonely;
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

#[test]
fn a_scan_over_places_that_differ_from_themselves_ends_whatever_their_order() {
    timely(|| {
        let txns: Vec<_> = (1..40).map(|n| (n % 3 > 0).then_some(n * 7 % 40)).collect();
        let block = Block::ordered(&Turner, &txns, &Nothing);
        execute_sequential(&block, &mut Collect::default()).expect("no errors");
        for threads in [2, 4] {
            engine(threads).execute(&block, &mut Collect::default()).expect("no errors");
        }
    });
}
