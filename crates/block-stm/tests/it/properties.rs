//! Drawn blocks of the transaction language: parallel execution is sequential execution.
//!
//! `PROPTEST_CASES` sets how many blocks each property tries.

use block_stm_testkit::Checker;
use block_stm_testkit::language::{Colliding, LanguageBlock, Small};
use block_stm_testkit::strategies::{Mix, Shape, block};
use proptest::prelude::{ProptestConfig, TestCaseError, proptest};

/// A hang makes shrinking slow, so it is bounded.
fn config() -> ProptestConfig {
    ProptestConfig {
        failure_persistence: None,
        max_shrink_time: 120_000,
        ..ProptestConfig::default()
    }
}

fn check(block: &LanguageBlock) -> Result<(), TestCaseError> {
    block.check(Checker::few()).map_err(|mismatch| TestCaseError::fail(mismatch.to_string()))
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn reads_and_writes(block in block(&Shape::new(Mix::READS_AND_WRITES).jitter())) {
        check(&block)?;
    }

    #[test]
    fn other_circumstances(block in block(&Shape { txns: 0..=12, ..Shape::new(Mix::ALL) })) {
        let verdict = block.vary(Checker::few());
        verdict.map_err(|mismatch| TestCaseError::fail(mismatch.to_string()))?;
    }

    #[test]
    fn many_slots_of_which_some_are_hot(
        block in block(&Shape { slots: 60, zipf: true, ..Shape::new(Mix::ALL).jitter() }),
    ) {
        check(&block)?;
    }

    #[test]
    fn one_slot_for_all(block in block(&Shape { slots: 1, ..Shape::new(Mix::ALL).jitter() })) {
        check(&block)?;
    }

    #[test]
    fn everything_over_few_slots(block in block(&Shape::new(Mix::ALL))) {
        check(&block)?;
    }

    #[test]
    fn everything_over_few_slots_with_delays(block in block(&Shape::new(Mix::ALL).jitter())) {
        check(&block)?;
    }

    #[test]
    fn everything_over_many_slots(block in block(&Shape { slots: 200, ..Shape::new(Mix::ALL) })) {
        check(&block)?;
    }

    #[test]
    fn deltas(block in block(&Shape { slots: 3, ..Shape::new(Mix::DELTAS).jitter() })) {
        check(&block)?;
    }

    #[test]
    fn scans(block in block(&Shape { slots: 4, ..Shape::new(Mix::SCANS).jitter() })) {
        check(&block)?;
    }

    #[test]
    fn scans_amid_limits_and_failures(
        block in block(&Shape {
            rules: true,
            unreadable: true,
            slots: 6,
            ..Shape::new(Mix { failures: 1, ..Mix::SCANS }).jitter()
        }),
    ) {
        check(&block)?;
    }

    #[test]
    fn scans_over_colliding_locations(
        block in block(&Shape { slots: 12, ..Shape::new(Mix::SCANS) })
    ) {
        let verdict = block.check_as::<Colliding, Small>(Checker::few(), ());
        verdict.map_err(|mismatch| TestCaseError::fail(mismatch.to_string()))?;
    }

    #[test]
    fn long_programs(
        block in block(&Shape { ops: 20..=60, txns: 0..=16, slots: 24, ..Shape::new(Mix::ALL) })
    ) {
        check(&block)?;
    }

    #[test]
    fn limits_and_refusals(
        block in block(&Shape { rules: true, ..Shape::new(Mix::ALL).jitter() })
    ) {
        check(&block)?;
    }

    #[test]
    fn failures(block in block(&Shape { unreadable: true, ..Shape::new(Mix::FAILURES).jitter() })) {
        check(&block)?;
    }

    #[test]
    fn failures_amid_limits(
        block in block(&Shape {
            rules: true,
            unreadable: true,
            slots: 9,
            ..Shape::new(Mix::FAILURES)
        }),
    ) {
        check(&block)?;
    }

    #[test]
    fn colliding_locations(block in block(&Shape { slots: 12, ..Shape::new(Mix::ALL).jitter() })) {
        let verdict = block.check_as::<Colliding, Small>(Checker::few(), ());
        verdict.map_err(|mismatch| TestCaseError::fail(mismatch.to_string()))?;
    }
}
