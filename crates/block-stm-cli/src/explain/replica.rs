//! "Without this place" against a forecast of the block without the conflicts there.
//!
//! The replica of a block has as many transactions, which read and write where the block's meet,
//! and cost what the block's cost. The gas stands for the cost: nothing is measured, so that all
//! numbers are the same each time. Two sides are held against each other, with all places, without
//! the top one, and without all that a table shows:
//!
//! - `explain` leaves the edges of places out of the block's graph, and looks for the most costly
//!   chain;
//! - the engine executes the replica without the reads and writes there. Its own conflict graph
//!   gives the forecast's bound, and its schedule on virtual workers the forecast.
//!
//! The bounds are equal, and no forecast is faster. How much slower one may be follows from
//! Graham's bound for greedy schedules (1969): while a worker is idle, the chain at whose end the
//! block ends goes on, so the block takes at most the work, shared by all workers, and the longest
//! chain. Work in vain is work. The engine is greedy as far as its window reaches, and as long as
//! an execution in vain does not hold a chain up: that is so on real blocks with 8 workers. On
//! blocks that are made to abort, and with workers for a whole block, the head's progress alone is
//! sure: a transaction is executed at its turn, after a run in vain at the most.

use std::{
    convert::Infallible,
    hash::{DefaultHasher, Hash, Hasher},
    io::Write,
    num::NonZeroUsize,
    path::PathBuf,
};

use block_stm::{Block, Collect, Config, Engine, Execution, Interrupt, Value, View, Vm};
use block_stm_chain::import::import_folder;
use block_stm_evm::{InvalidTxn, PreState, execute_sequential};
use block_stm_testkit::sim::{Profile, spend};
use block_stm_workloads::{Params, Workload};

use super::{
    analysis::{Edge, Graph},
    findings::Findings,
    names::Names,
    study::Study,
};
use crate::args::NameArgs;

const WORKERS: usize = 8;

/// How many places are taken out at the most, as many as tables show.
const TOP: usize = 10;

/// What a transaction left, which depends on what it read: a run on stale values leaves another
/// one, as in a block, so that none that read from it is right by chance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Left(u64);

impl Value for Left {
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
    type Value = Left;
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
        let mut left = DefaultHasher::new();
        txn.number.hash(&mut left);
        for place in &txn.reads {
            view.read(place)?.0.hash(&mut left);
        }
        spend(txn.cost);
        for place in &txn.writes {
            view.write(place, Left(left.finish()))?;
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

fn forecast(txns: &[Txn], workers: usize) -> Forecast {
    let storage = |_: &usize| Ok(Left(0));
    let block = Block::new(&Spender, txns, &storage).conflict_graph();
    let execute = |engine: &Engine| engine.execute(&block, &mut Collect::default());
    let profile = Profile::given(txns.iter().map(|txn| txn.cost).collect());
    let forecast = profile.forecast(&execute, workers).expect("it ends");
    let executed = forecast.result.expect("nothing fails");
    let conflicts = executed.conflict_graph.expect("asked for");
    Forecast {
        bound: profile.bound_ns(&conflicts, workers),
        makespan: forecast.makespan_ns,
        executed: forecast.clocks.iter().map(|clock| clock.executing_ns).sum(),
    }
}

/// What `explain` finds, with gas for times.
fn explained(name: &str, block: &block_stm_evm::Block, state: &PreState) -> (Graph, Findings) {
    let one = Config::default().threads(NonZeroUsize::MIN);
    let engine = Engine::new(one).expect("threads start");
    let none = NameArgs { labels: Vec::new(), layout: Vec::new(), abi: Vec::new() };
    let mut names = Names::new(&none).expect("no files");
    let study = Study::new(name.to_owned(), (block, state), &engine, 1, &mut names);
    let mut study = study.expect("it can be executed");
    let ordered = execute_sequential(block, state, InvalidTxn::Reject).expect("a valid block");
    let mut before = 0;
    for (cost, receipt) in study.graph.costs.iter_mut().zip(&ordered.receipts) {
        *cost = receipt.cumulative_gas_used - before;
        before = receipt.cumulative_gas_used;
    }
    let findings = Findings::new(&study, &names, TOP);
    (study.graph, findings)
}

/// How far behind its bound a schedule may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tolerance {
    /// Twice the time of one worker.
    Head,
    /// The work shared by all workers, and the longest chain.
    Greedy,
}

/// Holds both sides against each other, without the places of which `gone` says so. The speed-ups,
/// by `explain` and by the forecast.
fn agree(
    graph: &Graph,
    workers: usize,
    tolerance: Tolerance,
    gone: impl Fn(usize) -> bool,
) -> [f64; 2] {
    let forecast = forecast(&replica(graph, &gone), workers);
    let (total, chain) = (graph.total().max(1), graph.critical_without(&gone));
    let speedup = |time: u64| total as f64 / time.max(1) as f64;
    let allowed = graph.speedup(Some(workers as u64), &gone);
    assert!((speedup(forecast.bound) - allowed).abs() < 1e-9, "{forecast:?} {allowed}");
    let most = match tolerance {
        Tolerance::Head => 2 * total,
        Tolerance::Greedy => forecast.executed.div_ceil(workers as u64) + chain,
    };
    let makespan = forecast.makespan;
    assert!((forecast.bound..=most).contains(&makespan), "{forecast:?}: at most {most}");
    [allowed, speedup(makespan)]
}

/// Both sides of a block with all places, without the top one, and without all that are shown.
fn compare(
    name: &str,
    (block, state): (&block_stm_evm::Block, &PreState),
    workers: usize,
    tolerance: Tolerance,
) -> [[f64; 2]; 3] {
    let (graph, findings) = explained(name, block, state);
    let shown: Vec<_> = findings.locations.iter().map(|location| location.place).collect();
    let gone = [&[], &shown[..shown.len().min(1)], &shown];
    let all = gone.map(|gone| agree(&graph, workers, tolerance, |place| gone.contains(&place)));
    println!("{name:<12} {all:>6.2?}");
    all
}

#[test]
fn without_the_top_place_agrees_with_a_forecast_without_it() {
    println!("workload, {WORKERS} workers: [allowed, forecast] with all, without top, without ten");
    for workload in Workload::ALL {
        let params = Params { txns: 200, accounts: 400, ..Params::default() };
        let generated = workload.generate(&params).expect("in range");
        let parts = (&generated.block, &generated.pre_state);
        let sides = compare(workload.name(), parts, WORKERS, Tolerance::Head);
        if workload == Workload::Orders {
            // The fees' account is in all trades of a token: without it four times as fast, on
            // both sides.
            let [allowed, forecast] = [0, 1].map(|side| sides[1][side] / sides[0][side]);
            assert!(allowed > 4.0 && forecast > 4.0, "{sides:?}");
        }
    }
}

#[test]
fn without_the_top_place_real_blocks_agree_as_greedy_schedules_do() {
    let Some(root) = std::env::var_os("BLOCK_STM_FIXTURES") else {
        // Shown also where the test passes, as what `println!` prints is not.
        let _ = writeln!(
            std::io::stderr(),
            "skipped: without_the_top_place... needs BLOCK_STM_FIXTURES"
        );
        return;
    };
    let folders = std::fs::read_dir(PathBuf::from(root).join("mainnet")).expect("a folder");
    let mut folders: Vec<_> = folders.map(|entry| entry.expect("an entry").path()).collect();
    folders.sort();
    println!("block, {WORKERS} workers: [allowed, forecast] with all, without top, without ten");
    let mut logarithms = Vec::new();
    for folder in &folders {
        let imported = import_folder(folder).expect("a block of the fixtures");
        let parts = (&imported.block, &imported.pre_state);
        let name = imported.number.to_string();
        let sides = compare(&name, parts, WORKERS, Tolerance::Greedy);
        let [allowed, forecast] = [0, 1].map(|side| sides[1][side] / sides[0][side]);
        logarithms.push((forecast / allowed).ln());
    }
    let mean = (logarithms.iter().sum::<f64>() / logarithms.len() as f64).exp();
    println!("gains without the top place: forecast over allowed {mean:.3} in the geometric mean");
    assert!(logarithms.len() > 40 && (0.95..1.05).contains(&mean), "{mean}");
}

#[test]
fn a_replica_without_a_place_has_no_reads_there() {
    let edge = |writer, reader, place| Edge { writer, reader, place };
    let graph = Graph { costs: vec![5, 5, 5], edges: vec![edge(0, 1, 7), edge(0, 2, 8)] };
    let all = replica(&graph, |_| false);
    assert_eq!((all[0].writes.len(), all[1].reads.len(), all[2].reads.len()), (2, 1, 1));
    let less = replica(&graph, |place| place == 7);
    assert_eq!((less[0].writes.len(), less[1].reads.len(), less[2].reads.len()), (1, 0, 1));
}
