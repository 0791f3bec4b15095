//! How much memory a block needs at once, against sequential execution.

use std::num::NonZeroUsize;

use block_stm::{Config, Engine};
use block_stm_benches::{Case, Lone};
use block_stm_workloads::Workload;

use crate::counter::{live, measure};
use crate::subject::{Subject, synthetic};

/// The most that a parallel execution may need, in executions in order.
#[derive(Clone, Copy, Debug)]
struct Ratio {
    block: &'static str,
    /// By a worker that is alone.
    alone: f64,
    /// With all transactions executed ahead of their turn, the most that speculation can need.
    ahead: f64,
}

const fn ratio(block: &'static str, alone: f64, ahead: f64) -> Ratio {
    Ratio { block, alone, ahead }
}

/// What was counted, and some per cent more. The aim is 1.5 or less everywhere; a ratio that falls
/// is written down here, so that the gain is kept.
const RATIOS: [Ratio; 4] = [
    ratio("transfers", 1.28, 2.2),
    ratio("erc20", 2.03, 2.8),
    ratio("amm", 1.9, 3.7),
    ratio("synthetic", 1.56, 3.1),
];
const TXNS: usize = 10_000;

/// The peak over what was there before, of the second of two executions: what the first one left to
/// it counts.
fn peak<T>(before: i64, execute: impl Fn() -> T) -> f64 {
    drop(execute());
    (measure(execute).1.peak - before) as f64
}

/// With a window that is no limit.
fn two_workers() -> Engine {
    let number = |n| NonZeroUsize::new(n).expect("not zero");
    let config = Config::default().threads(number(2)).cores(number(2)).window(number(TXNS));
    Engine::new(config).expect("a thread starts")
}

/// A large block, with its result, needs no more memory than it may.
pub(crate) fn are_bounded() {
    let generated = |workload| Box::new(Case::generate(workload, TXNS)) as Box<dyn Subject>;
    let subjects = [
        generated(Workload::Transfers),
        generated(Workload::Erc20),
        generated(Workload::Amm),
        Box::new(synthetic(TXNS as u64)) as Box<dyn Subject>,
    ];
    println!("\npeak      in order            alone              ahead              2 workers");
    let over: Vec<_> = subjects
        .iter()
        .zip(RATIOS)
        .flat_map(|(subject, allowed)| overdrawn(&**subject, allowed))
        .collect();
    assert!(
        over.is_empty(),
        "blocks of {TXNS} txns need more memory than they may; RATIOS in {} say what to do\n{}",
        file!(),
        over.join("\n")
    );
}

/// Which ways of executing a block need more memory than they may.
fn overdrawn(subject: &dyn Subject, allowed: Ratio) -> Vec<String> {
    let block = allowed.block;
    assert_eq!(subject.name(), block);
    let sequential = peak(live(), || subject.sequential());
    let alone = {
        let before = live();
        let lone = Lone::new();
        peak(before, || subject.parallel(lone.engine()))
    };
    let [ahead, shared] = [Subject::ahead, Subject::parallel].map(|execute| {
        let before = live();
        let engine = two_workers();
        peak(before, || execute(subject, &engine))
    });
    let sides = [
        ("alone", alone / sequential, allowed.alone),
        ("ahead", ahead / sequential, allowed.ahead),
        ("2 workers", shared / sequential, allowed.ahead),
    ];
    let shown = [alone, ahead, shared]
        .map(|bytes| format!("{:6.2} MB = {:.3}x", bytes / 1e6, bytes / sequential));
    println!("{block:10} {:6.2} MB  {}", sequential / 1e6, shown.join("  "));
    let over = sides.into_iter().filter(|(_, ratio, allowed)| ratio > allowed);
    let over = over
        .map(|(side, ratio, allowed)| format!("{block}, {side}: {ratio:.3}, allowed {allowed}"));
    over.collect()
}
