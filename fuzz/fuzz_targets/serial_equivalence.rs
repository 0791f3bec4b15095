//! Bytes steer the drawing of a block; parallel execution must equal the sequential one.
#![no_main]

use block_stm_testkit::check::Checker;
use block_stm_testkit::strategies::{Mix, Shape, block};
use libfuzzer_sys::fuzz_target;
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

fuzz_target!(|bytes: &[u8]| {
    let rng = TestRng::from_seed(RngAlgorithm::PassThrough, bytes);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    if let Ok(drawn) = block(&Shape::new(Mix::ALL)).new_tree(&mut runner) {
        drawn.current().check(Checker::few()).unwrap_or_else(|mismatch| panic!("{mismatch}"));
    }
});
