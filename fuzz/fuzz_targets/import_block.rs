//! Any bytes as `block.json` are imported or refused with an error that says why; never a panic.
#![no_main]

use std::fs;

use block_stm_evm::import::import_folder;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let folder = std::env::temp_dir().join(format!("block-stm-fuzz-{}", std::process::id()));
    fs::create_dir_all(&folder).expect("a temporary folder can be made");
    fs::write(folder.join("prestate.json"), "{}").expect("a temporary file can be written");
    fs::write(folder.join("block.json"), bytes).expect("a temporary file can be written");
    if let Err(error) = import_folder(&folder) {
        assert!(!error.to_string().is_empty());
    }
});
