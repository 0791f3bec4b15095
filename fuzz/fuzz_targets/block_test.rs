//! Any bytes as a file of blockchain tests are read or refused with an error that names the file.
#![no_main]

use std::path::Path;

use block_stm_conformance::block_test::BlockTestFile;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    match BlockTestFile::parse(Path::new("tests.json"), bytes) {
        Ok(tests) => assert!(tests.names().is_sorted()),
        Err(error) => assert!(error.to_string().starts_with("tests.json"), "{error}"),
    }
});
