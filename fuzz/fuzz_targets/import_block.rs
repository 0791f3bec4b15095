//! Any bytes as `block.json` are imported or refused with an error that says why; never a panic.
#![no_main]

use block_stm_chain::import::{MemoryFiles, import_files};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let files = MemoryFiles::from([("block.json", bytes), ("prestate.json", b"{}")]);
    if let Err(error) = import_files(&files) {
        assert!(!error.to_string().is_empty());
    }
});
