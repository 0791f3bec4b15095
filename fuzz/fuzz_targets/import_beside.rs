//! Any bytes as a file beside a good `block.json` are imported or refused with an error that names
//! the file.
#![no_main]

use block_stm_chain::import::{MemoryFiles, import_files};
use libfuzzer_sys::fuzz_target;

const NAMES: [&str; 4] = ["prestate.json", "blockhashes.json", "ommers.json", "chain.json"];

fuzz_target!(|bytes: &[u8]| {
    let Some((first, content)) = bytes.split_first() else { return };
    let name = NAMES[usize::from(*first) % NAMES.len()];
    let block = include_bytes!("../../crates/block-stm-chain/tests/data/two-txns/block.json");
    let mut files = MemoryFiles::from([("block.json", block.as_slice()), ("prestate.json", b"{}")]);
    files.insert(name, content);
    if let Err(error) = import_files(&files) {
        // A chain of other rules may not know the block.
        let text = error.to_string();
        assert!(text.starts_with(name) || name == "chain.json" && text.starts_with("block.json"));
    }
});
