//! Bytes are operations on the multi-version memory, which must agree with a model made of maps.
#![no_main]

use libfuzzer_sys::fuzz_target;

// The memory is private; the core opens a door where `fuzzing` is set, as cargo-fuzz does.
#[cfg(fuzzing)]
fuzz_target!(|bytes: &[u8]| block_stm::fuzzing::version_chain(bytes));
#[cfg(not(fuzzing))]
fuzz_target!(|_bytes: &[u8]| unreachable!("run by cargo-fuzz"));
