//! The first bytes choose a set-up and who acts at each step, the others are a block of the test kit's language.
#![no_main]

use block_stm_testkit::decode;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    decode::scheduled(bytes).unwrap_or_else(|failure| panic!("{failure}"));
});
