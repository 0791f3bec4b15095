//! Any bytes as a witness are read or refused; and any bytes as the nodes of a trie end an
//! execution in a result or an error.
#![no_main]

use std::{num::NonZeroUsize, path::Path, sync::OnceLock};

use alloy_eips::eip4895::Withdrawal;
use alloy_primitives::{Address, Bytes, keccak256};
use block_stm::{Config, Engine};
use block_stm_chain::witness::{Witness, WitnessState};
use block_stm_evm::{
    Block,
    revm::{context::BlockEnv, primitives::hardfork::SpecId},
};
use libfuzzer_sys::fuzz_target;

/// Payments by withdrawals, which change accounts anywhere in the trie.
fn block() -> Block {
    let withdrawal = |n: u8| Withdrawal {
        index: n.into(),
        validator_index: 0,
        address: Address::with_last_byte(n),
        amount: u64::from(n % 3),
    };
    let mut block = Block::new(SpecId::SHANGHAI, BlockEnv::default(), Vec::new());
    block.withdrawals = (0..24).map(withdrawal).collect();
    block
}

fuzz_target!(|bytes: &[u8]| {
    static ENGINE: OnceLock<Engine> = OnceLock::new();
    let engine = ENGINE.get_or_init(|| {
        let config = Config::default().threads(NonZeroUsize::MIN);
        Engine::new(config).expect("no thread is started")
    });
    if let Err(error) = Witness::parse(Path::new("witness.json"), bytes) {
        assert!(error.to_string().starts_with("witness.json"), "{error}");
    }
    let mut witness = Witness::default();
    let mut rest = bytes;
    // Two bytes say how long the node after them is.
    while let Some((len, after)) = rest.split_first_chunk() {
        let len = usize::from(u16::from_le_bytes(*len));
        let (node, after) = after.split_at(after.len().min(len));
        witness.state.push(Bytes::copy_from_slice(node));
        rest = after;
    }
    let Some(root) = witness.state.first().map(keccak256) else { return };
    let Ok(state) = WitnessState::new(&witness, root) else { return };
    let (first, second) = (state.execute(engine, &block()), state.execute(engine, &block()));
    match (first, second) {
        (Ok(first), Ok(second)) => assert_eq!(first, second),
        (Err(first), Err(second)) => assert_eq!(first.to_string(), second.to_string()),
        (first, second) => panic!("{first:?} is not {second:?}"),
    }
});
