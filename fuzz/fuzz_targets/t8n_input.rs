//! Any bytes as the input of a state transition, under any fork, are read or refused with an error
//! that says why; never a panic.
#![no_main]

use block_stm_chain::t8n::{T8nFiles, T8nFork, T8nOptions, T8nSource, Transition};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Some((&first, json)) = bytes.split_first() else { return };
    let names = T8nFork::names();
    let files = T8nFiles {
        alloc: T8nSource::Shared,
        env: T8nSource::Shared,
        txs: T8nSource::Shared,
        blob_params: (first & 1 == 1).then_some(T8nSource::Shared),
        shared: Some(json),
    };
    let fork = names[usize::from(first >> 1) % names.len()];
    let options = T8nOptions { fork, chain_id: 1, reward: Some(u64::from(first)) };
    match Transition::new(&files, &options) {
        Ok(transition) => assert_eq!(transition.block().chain_id, 1),
        Err(error) => assert!(!error.to_string().is_empty()),
    }
});
