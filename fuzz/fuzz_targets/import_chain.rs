//! Any bytes as `chain.rlp` are imported or refused with an error that names the file, whatever the
//! chain's rules.
#![no_main]

use block_stm_chain::import::{MemoryFiles, import_chain_files};
use libfuzzer_sys::fuzz_target;

/// Frontier, Byzantium, London, Shanghai, Cancun, Osaka.
const GENESIS: [&str; 6] = [
    r#"{"alloc": {}, "config": {"chainId": 1}}"#,
    r#"{"alloc": {}, "config": {"chainId": 1, "homesteadBlock": 0, "eip150Block": 0,
        "eip155Block": 0, "eip158Block": 0, "byzantiumBlock": 0}}"#,
    r#"{"alloc": {}, "config": {"chainId": 1, "homesteadBlock": 0, "eip150Block": 0,
        "eip155Block": 0, "eip158Block": 0, "byzantiumBlock": 0, "constantinopleBlock": 0,
        "istanbulBlock": 0, "berlinBlock": 0, "londonBlock": 0}}"#,
    r#"{"alloc": {}, "config": {"chainId": 1, "homesteadBlock": 0, "eip150Block": 0,
        "eip155Block": 0, "eip158Block": 0, "byzantiumBlock": 0, "constantinopleBlock": 0,
        "istanbulBlock": 0, "berlinBlock": 0, "londonBlock": 0, "terminalTotalDifficulty": 0,
        "shanghaiTime": 0}}"#,
    r#"{"alloc": {}, "config": {"chainId": 1, "homesteadBlock": 0, "eip150Block": 0,
        "eip155Block": 0, "eip158Block": 0, "byzantiumBlock": 0, "constantinopleBlock": 0,
        "istanbulBlock": 0, "berlinBlock": 0, "londonBlock": 0, "terminalTotalDifficulty": 0,
        "shanghaiTime": 0, "cancunTime": 0}}"#,
    r#"{"alloc": {}, "config": {"chainId": 1, "homesteadBlock": 0, "eip150Block": 0,
        "eip155Block": 0, "eip158Block": 0, "byzantiumBlock": 0, "constantinopleBlock": 0,
        "istanbulBlock": 0, "berlinBlock": 0, "londonBlock": 0, "terminalTotalDifficulty": 0,
        "shanghaiTime": 0, "cancunTime": 0, "pragueTime": 0, "osakaTime": 0}}"#,
];

fuzz_target!(|bytes: &[u8]| {
    let Some((first, chain)) = bytes.split_first() else { return };
    let genesis = GENESIS[usize::from(*first) % GENESIS.len()].as_bytes();
    let files = MemoryFiles::from([("genesis.json", genesis), ("chain.rlp", chain)]);
    if let Err(error) = import_chain_files(&files) {
        assert!(error.to_string().starts_with("chain.rlp"), "{error}");
    }
});
