//! Declared writes: right, wrong, missing, absurd. The result is always the same.

use std::panic::resume_unwind;

use block_stm::{Block, Hints, TxnIndex};
use block_stm_testkit::Checker;
use block_stm_testkit::Trial;
use block_stm_testkit::faults::{Hold, Jitter};
use block_stm_testkit::language::{LanguageBlock, LanguageHints, Program, Slot};
use block_stm_testkit::record::{Ending, record_parallel};

use crate::support::{
    Language, increment, oracle, parallel, prove, prove_quickly, simulated, tangle, timely,
};

fn with_hints(block: LanguageBlock, slots: impl Fn(u16) -> Vec<u16>) -> LanguageBlock {
    let hints = (0..block.programs.len() as u16).map(slots).collect();
    LanguageBlock { hints: Some(LanguageHints(hints)), ..block }
}

#[test]
fn right_hints() {
    let block = tangle(60).with_true_hints();
    prove(&block);
    prove(&block.clone().probe(Jitter { seed: 1, often: 16 }));
    prove(&block.probe(Hold::new(0, 30)));
}

#[test]
fn wrong_and_missing_hints() {
    type Guess = fn(u16) -> Vec<u16>;
    let guesses: [Guess; 6] = [
        |_| vec![],
        // Where everybody reads, but not all write.
        |_| (0..12).collect(),
        |n| vec![100 + n],
        |n| if n % 2 == 0 { vec![0, 1, 2] } else { vec![] },
        // The same one again and again.
        |n| vec![n % 5; 20],
        |n| (0..n).rev().collect(),
    ];
    for guess in guesses {
        let block = with_hints(tangle(30), guess);
        prove(&block);
        prove_quickly(&block.probe(Jitter { seed: 9, often: 16 }));
    }
}

#[test]
fn hints_for_fewer_txns_than_there_are() {
    let mut block = tangle(20).with_true_hints();
    if let Some(LanguageHints(hints)) = &mut block.hints {
        hints.truncate(7);
    }
    prove(&block);
}

#[test]
fn absurdly_many_hints() {
    prove_quickly(&with_hints(tangle(40), |_| (0..2_000).collect()));
}

#[test]
fn hints_of_txns_that_are_refused_or_invalid() {
    let mut block = tangle(20).skip_invalid().with_true_hints();
    block.rules.refuse.extend([0, 3, 4, 19]);
    for n in [1, 5, 18] {
        block.programs[n].ops.push(block_stm_testkit::language::Op::Invalid);
    }
    prove(&block);
    prove_quickly(&block.probe(Hold::new(0, 10)));
}

#[test]
fn right_hints_spare_a_chain_its_failures() {
    let blind = LanguageBlock::new((0..200).map(|_| increment(0)));
    let block = blind.clone().with_true_hints();
    for workers in [2, 4] {
        let failed = |block| {
            let aborts = simulated(workers, block).aborts;
            aborts.commit_validation + aborts.early_validation
        };
        assert_eq!(failed(&block), 0, "with {workers} workers");
        assert!(failed(&blind) > 0, "with {workers} workers, without hints");
    }
}

/// Panics for one transaction.
struct Panicking(u32);

impl Hints<Language> for Panicking {
    fn declare(&self, index: TxnIndex, _: &Program, _: &mut dyn FnMut(Slot)) {
        if index.get() == self.0 {
            resume_unwind(Box::new("hints panic"));
        }
    }
}

#[test]
fn a_panic_in_the_hints_surfaces_and_the_engine_goes_on() {
    timely(|| {
        let stage = tangle(20).stage();
        let expected = oracle(&stage);
        for (arm, engine) in Checker::all().engines().filter(|(arm, _)| arm.threads > 1) {
            for txn in [0, 1, 10, 19] {
                let hints = Panicking(txn);
                let block = Block::new(&stage.vm, &stage.spec.programs, &stage.storage);
                let block = block.conflict_graph().hints(&hints);
                let ending = record_parallel(engine, &block, stage.sink(Some(arm))).ending;
                let surfaced = Ending::Panicked { message: "hints panic".to_owned() };
                // Whoever is at the end before the hints are asked has no panic to show.
                assert!(ending == surfaced || ending == expected.ending, "with {arm}: {ending:?}");
                assert_eq!(parallel(engine, &stage).ending, expected.ending, "with {arm}");
            }
        }
    });
}
