//! Locations whose methods panic once: an error, or the right result; never a panic out of the
//! engine.

use std::convert::Infallible;
use std::hash::{Hash, Hasher};
use std::ops::{Bound, ControlFlow};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering::Relaxed};

use block_stm::{
    Block, BoxError, Collect, Engine, Error, Executed, Execution, Interrupt, InvalidPolicy,
    OrderedStorage, Storage, Value, View, Vm, execute_sequential, quiet_speculation,
};

use crate::support::{engine, timely};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Method {
    Clone,
    Compare,
    Hash,
    Order,
}

/// The method that panics when its calls are counted down.
#[derive(Debug)]
struct Fuse {
    method: Method,
    calls: AtomicI64,
}

impl Fuse {
    fn burn(&self, method: Method) {
        if method == self.method {
            assert_ne!(self.calls.fetch_sub(1, Relaxed), 0, "the fuse");
        }
    }
}

#[derive(Debug)]
struct Fused(u64, Arc<Fuse>);

impl Clone for Fused {
    fn clone(&self) -> Self {
        self.1.burn(Method::Clone);
        Self(self.0, Arc::clone(&self.1))
    }
}

impl PartialEq for Fused {
    fn eq(&self, other: &Self) -> bool {
        self.1.burn(Method::Compare);
        self.0 == other.0
    }
}

impl Eq for Fused {}

impl Hash for Fused {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.1.burn(Method::Hash);
        self.0.hash(state);
    }
}

impl PartialOrd for Fused {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Fused {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.1.burn(Method::Order);
        self.0.cmp(&other.0)
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Number(u64);

impl Value for Number {
    type Delta = u64;
    type Predicate = Infallible;

    fn apply(&self, delta: &u64) -> Option<Self> {
        self.0.checked_add(*delta).map(Number)
    }

    fn satisfies(&self, never: &Infallible) -> bool {
        match *never {}
    }

    fn is_absent(&self) -> bool {
        self.0 == 0
    }
}

/// Reads, writes, adds and scans among a few locations; every fifth transaction is invalid.
struct Walker(Arc<Fuse>);

impl Walker {
    fn at(&self, number: u64) -> Fused {
        Fused(number % 8, Arc::clone(&self.0))
    }
}

impl Vm for Walker {
    type Txn = u64;
    type Location = Fused;
    type Value = Number;
    type Output = u64;
    type Invalid = &'static str;
    type Context<'b> = ();

    fn context(&self) {}

    fn execute<'b>(
        &'b self,
        (): &mut (),
        txn: &u64,
        view: &mut View<'b, Self>,
    ) -> Result<Execution<u64, &'static str>, Interrupt> {
        let mut seen = view.read(&self.at(txn * 3))?.0;
        view.write(&self.at(txn * 5), Number((seen + txn) % 3))?;
        view.add(&self.at(txn * 7), 1)?;
        view.scan(Bound::Included(&self.at(0)), Bound::Unbounded, |_, value| {
            seen += value.0;
            if seen % 7 == 0 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })?;
        Ok(if txn % 5 == 4 { Execution::Invalid("fifth") } else { Execution::Done(seen) })
    }
}

struct Empty;

impl Storage<Fused, Number> for Empty {
    fn read(&self, _: &Fused) -> Result<Number, BoxError> {
        Ok(Number(0))
    }
}

impl OrderedStorage<Fused, Number> for Empty {
    fn next(&self, _: (Bound<&Fused>, Bound<&Fused>)) -> Result<Option<Fused>, BoxError> {
        Ok(None)
    }
}

/// The outputs, or the message and place of the panic that failed the block.
fn outcome(
    executed: Result<Executed<Walker>, Error<&'static str>>,
    sink: Collect<u64, &'static str>,
) -> Result<String, u32> {
    match executed {
        Ok(_) => Ok(format!("{:?}", sink.outcomes)),
        Err(Error::Panicked { txn, message }) => {
            assert!(message.contains("the fuse"), "{message}");
            Err(txn.get())
        }
        Err(error) => panic!("no panic: {error}"),
    }
}

fn execute(
    engine: Option<&Engine>,
    graph: bool,
    method: Method,
    calls: i64,
) -> Result<String, u32> {
    let vm = Walker(Arc::new(Fuse { method, calls: AtomicI64::new(calls) }));
    let txns: Vec<u64> = (0..24).collect();
    let block = Block::ordered(&vm, &txns, &Empty).policy(InvalidPolicy::Skip);
    let block = if graph { block.conflict_graph() } else { block };
    let mut sink = Collect::default();
    let executed = match engine {
        Some(engine) => engine.execute(&block, &mut sink),
        None => execute_sequential(&block, &mut sink),
    };
    outcome(executed, sink)
}

#[test]
fn a_panic_of_a_location_is_an_error_or_of_no_account() {
    timely(|| {
        quiet_speculation();
        let engines = [engine(2), engine(4)];
        let methods = [Method::Clone, Method::Compare, Method::Hash, Method::Order];
        // Without a graph, most are executed one after another.
        for (method, graph) in methods.into_iter().flat_map(|it| [(it, true), (it, false)]) {
            let right = execute(None, graph, method, -1).expect("no fuse burns");
            let mut failed = 0;
            for calls in 0..600 {
                let arms = [None].into_iter().chain(engines.iter().map(Some));
                for outcome in arms.map(|engine| execute(engine, graph, method, calls)) {
                    match outcome {
                        Ok(outputs) => assert_eq!(outputs, right, "{method:?} {calls}"),
                        Err(_) => failed += 1,
                    }
                }
            }
            assert!(failed > 0, "{method:?} never failed a block");
        }
    });
}
