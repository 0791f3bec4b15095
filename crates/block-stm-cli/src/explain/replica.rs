//! "Without this place" against a forecast of the block without the conflicts there.
//!
//! The replica of a block has as many transactions, which read and write where the block's meet,
//! and cost what the block's cost. The gas stands for the cost, so that nothing is measured and all
//! numbers are the same each time. Two sides are held against each other, once with all places and
//! once with those of the top place taken out:
//!
//! - `explain` leaves the edges of a place out of the block's graph, and looks for the most costly
//!   chain;
//! - the engine executes the replica without the reads and writes of the place: its conflict graph
//!   gives the forecast's bound, and its schedule on virtual workers the forecast.
//!
//! The bounds are equal. The forecast lies between the bound and what greedy schedules keep: while
//! a worker is idle, the chain at whose end the block ends goes on. So the makespan is at most the
//! work shared by the workers and a chain (Graham 1969). An engine that speculates adds two things:
//! work that is thrown away is work, too; and a link of the chain may have to wait for the end of a
//! run of its own that is already in vain, at most as long as the link itself.

use std::{convert::Infallible, path::PathBuf};

use block_stm::{Block, Collect, Config, Engine, Execution, Interrupt, Value, View, Vm};
use block_stm_chain::import::import_folder;
use block_stm_evm::{InvalidTxn, PreState, execute_sequential};
use block_stm_testkit::sim::{Profile, spend};
use block_stm_workloads::{Params, Workload};

use super::{
    analysis::Graph,
    names::Names,
    study::Study,
};
use crate::args::NameArgs;

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
    cost: u64,
}

/// The transactions of a graph, without those of the places of which `gone` says so.
fn replica(graph: &Graph, gone: impl Fn(usize) -> bool) -> Vec<Txn> {
    let costs = graph.costs.iter().enumerate();
    let mut txns: Vec<Txn> =
        costs.map(|(number, cost)| Txn { number, cost: *cost, ..Txn::default() }).collect();
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

struct Spender;

impl Vm for Spender {
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
        spend(txn.cost);
        for place in &txn.writes {
            view.write(place, Writer(txn.number))?;
        }
        Ok(Execution::Done(()))
    }
}

/// What the engine makes of transactions, in units of their costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Forecast {
    /// No schedule takes less, by the engine's own conflict graph.
    bound: u64,
    /// What the schedule of the engine takes.
    makespan: u64,
    /// All executions together, those in vain as well.
    executed: u64,
}

fn forecast(txns: &[Txn]) -> Forecast {
    let storage = |_: &usize| Ok(Writer(usize::MAX));
    let block = Block::new(&Spender, txns, &storage).conflict_graph();
    let execute = |engine: &Engine| engine.execute(&block, &mut Collect::default());
    let profile = Profile::given(txns.iter().map(|txn| txn.cost).collect());
    let forecast = profile.forecast(&execute, WORKERS).expect("it ends");
    let executed = forecast.result.expect("nothing fails");
    let conflicts = executed.conflict_graph.expect("asked for");
    Forecast {
        bound: profile.bound_ns(&conflicts, WORKERS),
        makespan: forecast.makespan_ns,
        executed: forecast.clocks.iter().map(|clock| clock.executing_ns).sum(),
    }
}

/// The block's graph, with gas for times.
fn graph(name: &str, block: &block_stm_evm::Block, state: &PreState) -> Graph {
    let one = Config::default().threads(std::num::NonZeroUsize::MIN);
    let engine = Engine::new(one).expect("threads start");
    let none = NameArgs { labels: Vec::new(), layout: Vec::new(), abi: Vec::new() };
    let mut names = Names::new(&none).expect("no files");
    let study = Study::new(name.to_owned(), (block, state), &engine, 1, &mut names);
    let ordered = execute_sequential(block, state, InvalidTxn::Reject).expect("a valid block");
    let mut before = 0;
    let gas = ordered.receipts.iter().map(|receipt| {
        let gas = receipt.cumulative_gas_used - before;
        before = receipt.cumulative_gas_used;
        gas
    });
    Graph { costs: gas.collect(), ..study.expect("it can be executed").graph }
}

/// Holds both sides against each other.
fn compare(name: &str, graph: &Graph) {
    let places = graph.edges.iter().map(|edge| edge.place + 1).max().unwrap_or(0);
    let burdens = graph.burdens(places);
    let Some(top) = (0..places).max_by_key(|place| burdens[*place].lost_ns) else { return };
    let mut line = format!("{name:<12}");
    for gone in [None, Some(top)] {
        let is_gone = |place: usize| Some(place) == gone;
        let forecast = forecast(&replica(graph, is_gone));
        let total = graph.total() as f64;
        let chain = graph.critical_without(is_gone);
        let makespan = forecast.makespan as f64;
        line += &format!(
            "  {:>6.2} {:>6.2} ({:>4.2} {:>4.2} {:>4.2})",
            total / chain as f64,
            total / makespan,
            forecast.bound as f64 / makespan,
            makespan / (forecast.executed as f64 / WORKERS as f64 + chain as f64),
            forecast.executed as f64 / total,
        );
    }
    println!("{line}");
}

#[test]
fn without_the_top_place_agrees_with_a_forecast_without_it() {
    for workload in Workload::ALL {
        let params = Params { txns: 200, accounts: 400, ..Params::default() };
        let generated = workload.generate(&params).expect("in range");
        compare(workload.name(), &graph(workload.name(), &generated.block, &generated.pre_state));
    }
    let Some(root) = std::env::var_os("BLOCK_STM_FIXTURES") else { return };
    let mut folders: Vec<_> = std::fs::read_dir(PathBuf::from(root).join("mainnet"))
        .expect("a folder")
        .map(|entry| entry.expect("an entry").path())
        .collect();
    folders.sort();
    for folder in folders {
        let Ok(imported) = import_folder(&folder) else { continue };
        let name = imported.number.to_string();
        compare(&name, &graph(&name, &imported.block, &imported.pre_state));
    }
}
