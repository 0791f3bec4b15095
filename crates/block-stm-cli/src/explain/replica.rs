//! "Without this place" against a forecast of the block without the conflicts there.
//!
//! The replica of a block has its transactions with their costs, which read and write where the
//! block's do. The engine itself executes it on virtual workers, once with all places and once
//! with those of the top place taken out. So the two numbers come from different sides: one from
//! the longest chain in a graph, one from the engine's schedule.

use std::{
    convert::Infallible,
    num::NonZeroUsize,
    path::PathBuf,
    time::{Duration, Instant},
};

use block_stm::{Block, Collect, Config, Engine, Execution, Interrupt, Value, View, Vm};
use block_stm_chain::import::import_folder;
use block_stm_testkit::sim::{Latency, Profile};

use super::{analysis::Graph, names::Names, study::Study};
use crate::args::NameArgs;

const FORECASTS: usize = 7;
/// As many as no chain of these blocks leaves work for.
const WORKERS: usize = 64;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Writer(usize);

impl Value for Writer {
    type Delta = Infallible;
    type Predicate = Infallible;

    fn apply(&self, never: &Infallible) -> Option<Self> {
        match *never {}
    }

    fn satisfies(&self, never: &Infallible) -> bool {
        match *never {}
    }
}

/// One transaction: what it reads first, how long it takes, what it writes in the end.
#[derive(Clone, Debug, Default)]
struct Txn {
    number: usize,
    reads: Vec<usize>,
    writes: Vec<usize>,
    cost: Duration,
}

/// The transactions of a graph, without those of the places of which `gone` says so.
fn replica(graph: &Graph, gone: impl Fn(usize) -> bool) -> Vec<Txn> {
    let costs = graph.costs.iter().enumerate();
    let mut txns: Vec<Txn> = costs
        .map(|(number, cost)| Txn { number, cost: Duration::from_nanos(*cost), ..Txn::default() })
        .collect();
    for edge in graph.edges.iter().filter(|edge| !gone(edge.place)) {
        txns[edge.reader].reads.push(edge.place);
        txns[edge.writer].writes.push(edge.place);
    }
    for txn in &mut txns {
        for places in [&mut txn.reads, &mut txn.writes] {
            places.sort_unstable();
            places.dedup();
        }
    }
    txns
}

struct Spinner;

impl Vm for Spinner {
    type Txn = Txn;
    type Location = usize;
    type Value = Writer;
    type Output = ();
    type Invalid = Infallible;
    type Context<'b> = ();

    fn context(&self) {}

    fn execute<'b>(
        &'b self,
        (): &mut (),
        txn: &Txn,
        view: &mut View<'b, Self>,
    ) -> Result<Execution<(), Infallible>, Interrupt> {
        for place in &txn.reads {
            view.read(place)?;
        }
        let start = Instant::now();
        while start.elapsed() < txn.cost {
            std::hint::spin_loop();
        }
        for place in &txn.writes {
            view.write(place, Writer(txn.number))?;
        }
        Ok(Execution::Done(()))
    }
}

/// The speed-up of the transactions on virtual workers: the best of some forecasts, since other
/// work on the machine can only make a measured transaction longer.
fn forecast(txns: &[Txn], total_ns: u64) -> f64 {
    (0..FORECASTS).map(|_| forecast_once(txns, total_ns)).fold(0.0, f64::max)
}

fn forecast_once(txns: &[Txn], total_ns: u64) -> f64 {
    let work = |engine: &Engine| {
        let storage = |_: &usize| Ok(Writer(usize::MAX));
        let mut outcomes = Collect::default();
        engine.execute(&Block::new(&Spinner, txns, &storage), &mut outcomes).map(|_| ())
    };
    let latency = Latency { wake_ns: 0, spawn_ns: 0, call_ns: 0, read_ns: 0, spin_ns: 10 };
    let repeat = NonZeroUsize::new(3).expect("not zero");
    let profile = Profile::measure(&work, txns.len(), latency, repeat).expect("it ends");
    let forecast = profile.forecast(&work, WORKERS).expect("it ends");
    forecast.result.expect("nothing fails");
    total_ns as f64 / forecast.makespan_ns.max(1) as f64
}

#[test]
fn without_the_top_place_agrees_with_a_forecast_without_it() {
    let Some(root) = std::env::var_os("BLOCK_STM_FIXTURES") else {
        println!("skipped: without_the_top_place... needs BLOCK_STM_FIXTURES");
        return;
    };
    let one = Config::default().threads(NonZeroUsize::MIN);
    let engine = Engine::new(one).expect("threads start");
    println!("block      bound  forecast   without: bound  forecast   gain: bound  forecast");
    for number in ["10760440", "12459406", "13217637", "15274915", "19933122"] {
        let imported = import_folder(&PathBuf::from(&root).join("mainnet").join(number));
        let imported = imported.expect("a block of the fixtures");
        let none = NameArgs { labels: Vec::new(), layout: Vec::new(), abi: Vec::new() };
        let mut names = Names::new(&none).expect("no files");
        let parts = (&imported.block, &imported.pre_state);
        let study = Study::new(number.to_owned(), parts, &engine, 3, &mut names);
        let graph = study.expect("it can be executed").graph;
        let places = graph.edges.iter().map(|edge| edge.place + 1).max().unwrap_or(0);
        let burdens = graph.burdens(places);
        let top = (0..places).max_by_key(|place| burdens[*place].lost_ns).expect("a place");
        let workers = Some(WORKERS as u64);
        let bounds = [graph.speedup(workers, |_| false), graph.speedup(workers, |at| at == top)];
        let forecasts = [
            forecast(&replica(&graph, |_| false), graph.total()),
            forecast(&replica(&graph, |at| at == top), graph.total()),
        ];
        let gains = [bounds[1] / bounds[0], forecasts[1] / forecasts[0]];
        println!(
            "{number:>8}  {:>5.2}x  {:>7.2}x  {:>13.2}x  {:>7.2}x  {:>10.2}x  {:>7.2}x",
            bounds[0], forecasts[0], bounds[1], forecasts[1], gains[0], gains[1],
        );
        for (bound, forecast) in bounds.iter().zip(forecasts) {
            // No schedule beats the bound; the engine's own work and thrown-away runs cost some.
            assert!(forecast < 1.1 * bound && forecast > 0.6 * bound, "{forecast} of {bound}");
        }
        assert!((gains[1] / gains[0] - 1.0).abs() < 0.25, "{number}: {gains:?}");
    }
}

#[test]
fn a_replica_without_a_place_has_no_reads_there() {
    use super::analysis::Edge;
    let edge = |writer, reader, place| Edge { writer, reader, place };
    let graph = Graph { costs: vec![5, 5, 5], edges: vec![edge(0, 1, 7), edge(0, 2, 8)] };
    let all = replica(&graph, |_| false);
    assert_eq!((all[0].writes.len(), all[1].reads.len(), all[2].reads.len()), (2, 1, 1));
    let less = replica(&graph, |place| place == 7);
    assert_eq!((less[0].writes.len(), less[1].reads.len(), less[2].reads.len()), (1, 0, 1));
}
