//! Any bytes as a file of state tests are read or refused with an error that names the file.
#![no_main]

use std::path::Path;

use block_stm_conformance::state_test::StateTestFile;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    match StateTestFile::parse(Path::new("tests.json"), bytes) {
        // To run them could take for ever: it is for a test to say how much gas there is.
        Ok(tests) => assert!(tests.names().is_sorted()),
        Err(error) => assert!(error.to_string().starts_with("tests.json"), "{error}"),
    }
});
