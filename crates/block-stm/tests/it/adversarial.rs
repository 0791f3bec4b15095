//! Blocks that are made to be hard, small and large, under all circumstances.

use block_stm_testkit::Checker;
use block_stm_testkit::faults::Jitter;
use block_stm_testkit::shapes::adversarial;

#[test]
fn small_ones_under_all_circumstances() {
    for (name, block) in adversarial(7) {
        block.vary(Checker::all()).unwrap_or_else(|mismatch| panic!("{name}: {mismatch}"));
    }
}

#[test]
fn large_ones_with_and_without_delays() {
    for (name, block) in adversarial(400) {
        let shaken = block.clone().probe(Jitter { seed: 7, often: 3 });
        for block in [block, shaken] {
            block.check(Checker::few()).unwrap_or_else(|mismatch| panic!("{name}: {mismatch}"));
        }
    }
}
