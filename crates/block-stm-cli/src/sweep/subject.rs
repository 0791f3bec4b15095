//! Blocks that can be executed both ways, and that know what must come of them.

use std::{
    collections::BTreeMap,
    hint::black_box,
    time::{Duration, Instant},
};

use block_stm::Engine;
use block_stm_evm::{Block, InvalidTxn, PreState, execute_sequential};
use block_stm_workloads::p2p::{Kind, P2pBlock, P2pResult, Work};

use crate::{
    difference::Difference,
    error::CliError,
    load::Load,
    measure::{Judge, parallel, plain},
};

/// One execution by the engine.
#[derive(Debug, Default)]
pub(super) struct Run {
    pub(super) time: Duration,
    pub(super) executions: u64,
    pub(super) aborts: u64,
    pub(super) difference: Option<Difference>,
}

/// A block, or several in a row. Comparing and freeing results is not timed.
pub(super) trait Subject {
    /// How many transactions there are.
    fn txns(&self) -> usize;
    /// Executes it by a plain loop; `name` is what to call this execution if it differs.
    fn sequential(&mut self, name: &str) -> (Duration, Option<Difference>);
    /// Executes it by the engine.
    fn parallel(&mut self, engine: &Engine, name: &str) -> Run;
}

/// Payments on the engine itself.
pub(super) struct P2p {
    block: P2pBlock,
    reference: P2pResult,
}

impl P2p {
    pub(super) fn new(kind: Kind, work: Work, (txns, accounts): (usize, usize), seed: u64) -> Self {
        // The parser knows that so many can be numbered.
        let accounts = accounts as u32;
        let block = P2pBlock::generate(kind, work, txns, accounts, seed);
        let reference = block.execute_plain().into();
        Self { block, reference }
    }

    /// Where `found` is not the reference.
    fn difference(&self, name: &str, found: &P2pResult) -> Option<Difference> {
        let different = |what: &str, expected: String, found: String| {
            Some(Difference::new(format!("{name}: {what}"), expected, found))
        };
        let expected = &self.reference;
        if expected == found {
            return None;
        }
        let mut receipts = expected.receipts.iter().zip(&found.receipts).enumerate();
        if let Some((txn, (expected, found))) = receipts.find(|(_, (a, b))| a != b) {
            let what = format!("receipt of txn {txn}");
            return different(&what, format!("{expected:?}"), format!("{found:?}"));
        }
        let receipts = (expected.receipts.len(), found.receipts.len());
        let (expected, found) = (&expected.changes, &found.changes);
        let mut changed = expected.keys().chain(found.keys());
        match changed.find(|location| expected.get(location) != found.get(location)) {
            Some(location) => {
                let value = |state: &BTreeMap<_, u64>| {
                    state.get(location).map_or_else(|| "unchanged".to_owned(), u64::to_string)
                };
                different(&format!("{location:?}"), value(expected), value(found))
            }
            None => different("number of receipts", receipts.0.to_string(), receipts.1.to_string()),
        }
    }
}

impl Subject for P2p {
    fn txns(&self) -> usize {
        self.reference.receipts.len()
    }

    fn sequential(&mut self, name: &str) -> (Duration, Option<Difference>) {
        let start = Instant::now();
        let plain = black_box(black_box(&self.block).execute_plain());
        let time = start.elapsed();
        (time, self.difference(name, &plain.into()))
    }

    fn parallel(&mut self, engine: &Engine, name: &str) -> Run {
        let start = Instant::now();
        let executed = black_box(black_box(&self.block).execute_parallel(engine));
        let time = start.elapsed();
        match executed {
            Ok(parallel) => {
                let stats = &parallel.executed.stats;
                let (executions, aborts) = (stats.executions, stats.aborts.total());
                let difference = self.difference(name, &parallel.into());
                Run { time, executions, aborts, difference }
            }
            Err(error) => {
                let place = format!("{name}: outcome of the block");
                let expected = "a valid block".to_owned();
                let difference = Difference::new(place, expected, error.to_string());
                Run { time, difference: Some(difference), ..Run::default() }
            }
        }
    }
}

/// Blocks on revm, one after another.
pub(super) struct Evm {
    blocks: Vec<OnState>,
}

/// A block, the state before it, and what knows what must come of it.
struct OnState {
    block: Block,
    state: PreState,
    judge: Judge,
}

impl Evm {
    /// The blocks of a load.
    ///
    /// # Errors
    ///
    /// A block that can't be generated or executed.
    pub(super) fn new(load: &Load) -> Result<Self, CliError> {
        let mut blocks = Vec::with_capacity(load.blocks());
        load.each(|_, block, state| {
            let reference = execute_sequential(block, state, InvalidTxn::Reject);
            let reference = reference.map_err(|error| error.to_string())?;
            let judge = Judge::new(Ok(reference));
            blocks.push(OnState { block: block.clone(), state: state.clone(), judge });
            Ok(())
        })?;
        Ok(Self { blocks })
    }
}

impl Subject for Evm {
    fn txns(&self) -> usize {
        self.blocks.iter().map(|one| one.block.txns.len()).sum()
    }

    fn sequential(&mut self, name: &str) -> (Duration, Option<Difference>) {
        let (mut all, mut difference) = (Duration::ZERO, None);
        for OnState { block, state, judge } in &mut self.blocks {
            let (time, receipts) = plain(block, state);
            judge.look_at_receipts(name, &receipts);
            all += time;
            difference = difference.or(judge.take_difference());
        }
        (all, difference)
    }

    fn parallel(&mut self, engine: &Engine, name: &str) -> Run {
        let mut all = Run::default();
        for OnState { block, state, judge } in &mut self.blocks {
            let run = parallel(engine, block, state);
            judge.look(name, &run.result);
            all.time += run.time;
            all.executions += run.stats.executions;
            all.aborts += run.stats.aborts.total();
            all.difference = all.difference.or(judge.take_difference());
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn p2p() -> P2p {
        P2p::new(Kind::Aptos, Work::NONE, (30, 5), 0)
    }

    /// The canary: whatever is different is seen, with its place.
    #[test]
    fn differences_are_seen() {
        let subject = p2p();
        assert_eq!(subject.difference("run", &subject.reference), None);
        let place = |change: fn(&mut P2pResult)| {
            let mut other = subject.reference.clone();
            change(&mut other);
            subject.difference("run", &other).expect("it differs").place
        };
        let receipt = place(|result| result.receipts[7].digest ^= 1);
        assert_eq!(receipt, "run: receipt of txn 7");
        let value = place(|result| result.changes.values_mut().for_each(|value| *value += 1));
        assert!(value.starts_with("run: Of(0, "), "{value}");
        assert!(place(|result| result.changes.clear()).starts_with("run: Of(0, "));
        assert!(place(|result| result.receipts.truncate(29)).ends_with("number of receipts"));
    }

    #[test]
    fn both_ways_agree() {
        let engine = block_stm::Engine::new(block_stm::Config::default()).expect("threads start");
        let mut subject = p2p();
        assert_eq!(subject.sequential("first").1, None);
        let run = subject.parallel(&engine, "second");
        assert_eq!(run.difference, None);
        assert!(run.executions >= 30, "{run:?}");
    }
}
