//! A block of payments that can be executed both ways, and that knows what must come of it.

use std::{
    collections::BTreeMap,
    hint::black_box,
    time::{Duration, Instant},
};

use block_stm::{Engine, Stats};
use block_stm_evm::{Block, InvalidTxn, PreState, execute_sequential};
use block_stm_workloads::{
    Params, Workload,
    p2p::{Kind, P2pBlock, P2pResult, Work},
};

use crate::{
    difference::Difference,
    error::CliError,
    measure::{Judge, parallel, plain},
};

/// One execution by the engine.
pub(super) struct Run {
    pub(super) time: Duration,
    pub(super) stats: Stats,
    pub(super) difference: Option<Difference>,
}

/// A block of payments. Comparing and freeing results is not timed.
pub(super) trait Subject {
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
                let stats = parallel.executed.stats;
                Run { time, stats, difference: self.difference(name, &parallel.into()) }
            }
            Err(error) => {
                let place = format!("{name}: outcome of the block");
                let expected = "a valid block".to_owned();
                let difference = Difference::new(place, expected, error.to_string());
                Run { time, stats: Stats::default(), difference: Some(difference) }
            }
        }
    }
}

/// Ether transfers on revm.
pub(super) struct Evm {
    block: Block,
    state: PreState,
    judge: Judge,
}

impl Evm {
    /// # Errors
    ///
    /// Parameters out of their range.
    pub(super) fn new((txns, accounts): (usize, usize), seed: u64) -> Result<Self, CliError> {
        let params = Params { txns, accounts, seed, ..Params::default() };
        let generated = Workload::Transfers.generate(&params)?;
        let (block, state) = (generated.block, generated.pre_state);
        let reference = execute_sequential(&block, &state, InvalidTxn::Reject);
        let failed =
            |message| CliError::Workload { name: Workload::Transfers.name().to_owned(), message };
        let reference = reference.map_err(|error| failed(error.to_string()))?;
        Ok(Self { block, state, judge: Judge::new(Ok(reference)) })
    }
}

impl Subject for Evm {
    fn sequential(&mut self, name: &str) -> (Duration, Option<Difference>) {
        let (time, receipts) = plain(&self.block, &self.state);
        self.judge.look_at_receipts(name, &receipts);
        (time, self.judge.take_difference())
    }

    fn parallel(&mut self, engine: &Engine, name: &str) -> Run {
        let run = parallel(engine, &self.block, &self.state);
        self.judge.look(name, &run.result);
        Run { time: run.time, stats: run.stats, difference: self.judge.take_difference() }
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
        assert_eq!(run.stats.committed, 30);
    }
}
