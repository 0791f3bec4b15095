//! Any bytes as blocks after a genesis block are imported or refused, and a refused block leaves no
//! trace.
#![no_main]

use std::path::Path;

use block_stm_chain::{Chain, Genesis, rlp_blocks, state_root};
use block_stm::{Config, Engine};
use libfuzzer_sys::fuzz_target;

/// Shanghai, with less gas than on mainnet, so that no block takes long; the seed's blocks follow
/// it.
const GENESIS: &str = r#"{"alloc": {}, "gasLimit": 10000000, "baseFeePerGas": 7, "config": {
    "chainId": 1, "homesteadBlock": 0, "eip150Block": 0, "eip155Block": 0, "eip158Block": 0,
    "byzantiumBlock": 0, "constantinopleBlock": 0, "istanbulBlock": 0, "berlinBlock": 0,
    "londonBlock": 0, "terminalTotalDifficulty": 0, "shanghaiTime": 0}}"#;

fuzz_target!(|bytes: &[u8]| {
    let genesis = Genesis::parse(Path::new("genesis.json"), GENESIS.as_bytes());
    let genesis = genesis.expect("a genesis file");
    let engine = Engine::new(Config::default().threads(std::num::NonZeroUsize::MIN));
    let engine = engine.expect("no threads are started");
    // So that there is something to forget.
    let mut chain = Chain::new(genesis).branch_depth(2);
    for (_, block) in rlp_blocks(bytes) {
        let Ok(block) = block else { break };
        let _refused = chain.import(block, &engine);
        let root = chain.head_header().state_root;
        assert_eq!(state_root(chain.head_state()), root);
    }
});
