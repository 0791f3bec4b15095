//! Bytes are a block of the test kit's language; its parallel execution must equal the sequential
//! one.
#![no_main]

use block_stm_testkit::{Checker, decode};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    decode::block(bytes).check(Checker::few()).unwrap_or_else(|mismatch| panic!("{mismatch}"));
});
