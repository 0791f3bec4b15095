//! Forecasts with costs that are given: the schedule alone decides.

use std::convert::Infallible;

use block_stm::{Block, Collect, Engine, Execution, Interrupt, Value, View, Vm};
use block_stm_testkit::sim::{Profile, spend};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Sum(u64);

impl Value for Sum {
    type Delta = Infallible;
    type Predicate = Infallible;

    fn apply(&self, never: &Infallible) -> Option<Self> {
        match *never {}
    }

    fn satisfies(&self, never: &Infallible) -> bool {
        match *never {}
    }
}

/// Adds 1 to a place, in a time that does not pass.
struct Adder;

/// The place, and the time in nanoseconds.
type Addition = (u32, u64);

impl Vm for Adder {
    type Txn = Addition;
    type Location = u32;
    type Value = Sum;
    type Output = ();
    type Invalid = Infallible;
    type Context<'b> = ();

    fn context(&self) {}

    fn execute<'b>(
        &'b self,
        (): &mut (),
        (place, time_ns): &Addition,
        view: &mut View<'b, Self>,
    ) -> Result<Execution<(), Infallible>, Interrupt> {
        let Sum(sum) = view.read(place)?;
        spend(*time_ns);
        view.write(place, Sum(sum + 1))?;
        Ok(Execution::Done(()))
    }
}

/// The bound and the makespan on so many workers, in nanoseconds.
fn forecast(txns: &[Addition], workers: usize) -> (u64, u64) {
    let storage = |_: &u32| Ok(Sum(0));
    let block = Block::new(&Adder, txns, &storage).conflict_graph();
    let work = |engine: &Engine| engine.execute(&block, &mut Collect::default());
    let profile = Profile::given(txns.iter().map(|(_, time_ns)| *time_ns).collect());
    let forecast = profile.forecast(&work, workers).expect("it ends");
    let executed = forecast.result.expect("nothing fails");
    let conflicts = executed.conflict_graph.expect("asked for");
    (profile.bound_ns(&conflicts, workers), forecast.makespan_ns)
}

#[test]
fn given_costs_are_all_that_takes_time() {
    // Far more than a thread that waits awake counts for.
    const TIME: u64 = 1_000_000;
    let apart: Vec<Addition> = (0..40).map(|place| (place, TIME)).collect();
    let chain: Vec<Addition> = (0..40).map(|_| (0, TIME)).collect();
    assert_eq!(forecast(&apart, 1), (40 * TIME, 40 * TIME));
    assert_eq!(forecast(&chain, 4).0, 40 * TIME);
    let (bound, makespan) = forecast(&apart, 4);
    assert_eq!(bound, 10 * TIME);
    assert!((bound..bound + TIME).contains(&makespan), "{makespan}");
    let (bound, makespan) = forecast(&chain, 4);
    assert!((bound..=2 * bound).contains(&makespan), "{makespan}");
    assert_eq!(forecast(&chain, 4), (bound, makespan), "nothing is measured");
}
