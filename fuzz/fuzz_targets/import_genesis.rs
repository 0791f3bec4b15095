//! Any bytes as `genesis.json` are imported or refused with an error that names the file, and rules
//! can be asked for.
#![no_main]

use block_stm_chain::{
    import::{MemoryFiles, import_chain_files},
    state_root,
};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let files = MemoryFiles::from([("genesis.json", bytes), ("chain.rlp", b"")]);
    match import_chain_files(&files) {
        Ok(chain) => {
            for at in [0, 1, 1 << 32, u64::MAX] {
                let _rules = (chain.schedule.spec_at(at, at), chain.schedule.blob_params_at(at));
            }
            let _root = state_root(&chain.genesis);
        }
        Err(error) => assert!(error.to_string().starts_with("genesis.json"), "{error}"),
    }
});
