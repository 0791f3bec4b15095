//! The first bytes choose a set-up and which worker acts at each step, the others are a block of
//! the test kit's language.
#![no_main]

use block_stm_testkit::decode;
use block_stm_testkit::sim::Simulator;
use libfuzzer_sys::fuzz_target;

thread_local! {
    /// Kept, for its stacks.
    static SIMULATOR: Simulator = Simulator::default();
}

fuzz_target!(|bytes: &[u8]| {
    SIMULATOR.with(|simulator| {
        decode::scheduled(simulator, bytes).unwrap_or_else(|failure| panic!("{failure}"));
    });
});
