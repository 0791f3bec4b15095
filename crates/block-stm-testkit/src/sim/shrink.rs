//! From a failure to a small one: fewer transactions, fewer operations, fewer workers, no faults,
//! few preemptions.

use std::time::{Duration, Instant};

use super::explore::{BlockTree, Failure, Scene, exhaust};
use super::setup::{Faults, Setup};
use super::simulator::Simulator;
use crate::language::LanguageBlock;

/// How long shrinking may take.
const TIME: Duration = Duration::from_secs(20);
/// Under how many orders a smaller block is tried before it counts as one that does not fail.
const ORDERS: u64 = 150;
/// How many orders are tried to find one with few preemptions.
const FEW_PREEMPTIONS: u64 = 20_000;

/// A small failure.
pub(super) struct Shrunk {
    pub(super) block: LanguageBlock,
    pub(super) setup: Setup,
    pub(super) failure: Failure,
}

/// Makes the failure of `tree`'s block under `setup` as small as it gets in a time.
pub(super) fn shrink(
    simulator: &Simulator,
    mut tree: BlockTree,
    setup: Setup,
    failure: Failure,
) -> Shrunk {
    let end = Instant::now() + TIME;
    let mut best = Shrunk { block: tree.current(), setup, failure };
    for simpler in simpler_setups(&best.setup) {
        if let Some((setup, failure)) = fails(simulator, &best.block, &simpler) {
            best = Shrunk { setup, failure, ..best };
        }
    }
    let mut smaller = tree.simplify();
    while smaller && Instant::now() < end {
        let block = tree.current();
        smaller = match fails(simulator, &block, &best.setup) {
            Some((setup, failure)) => {
                best = Shrunk { block, setup, failure };
                tree.simplify()
            }
            None => tree.complicate(),
        };
    }
    for preemptions in 0..=2 {
        if let Err(failure) = exhaust(&best.block, &best.setup, preemptions, FEW_PREEMPTIONS) {
            return Shrunk { failure, ..best };
        }
    }
    // With its log this time.
    if let Ok(scene) = Scene::new(&best.block)
        && let Err(failure) = scene.run(simulator, &best.setup, true)
    {
        best.failure = failure;
    }
    best
}

/// Set-ups with less in them, boldest first.
fn simpler_setups(setup: &Setup) -> Vec<Setup> {
    let calm = Setup { faults: Faults::default(), ..setup.clone() };
    let faults = setup.faults;
    let without = |faults| Setup { faults, ..setup.clone() };
    vec![
        without(Faults { stall: None, ..faults }),
        without(Faults { slow_reads: 0, ..faults }),
        without(Faults { nested: 0, ..faults }),
        without(Faults { contrary: 0, ..faults }),
        without(Faults { cancel_at: None, deadline_ns: None, ..faults }),
        without(Faults { panics_ahead: 0, failures_ahead: 0, ..faults }),
        calm.clone(),
        Setup { workers: 2, ..calm },
    ]
}

/// How the block fails: under the set-up's order, or another one of the same kind.
fn fails(simulator: &Simulator, block: &LanguageBlock, setup: &Setup) -> Option<(Setup, Failure)> {
    // A block that fails without any speculation would be another finding.
    let scene = Scene::new(block).ok()?;
    let orders = (0..ORDERS).map(|seed| setup.order.reseeded(seed));
    let setups = std::iter::once(setup.order).chain(orders);
    setups.map(|order| Setup { order, ..setup.clone() }).find_map(|setup| {
        let failure = scene.run(simulator, &setup, false).err()?;
        Some((setup, failure))
    })
}
