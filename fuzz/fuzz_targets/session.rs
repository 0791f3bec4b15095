//! Bytes are what a host does with a session, and the block that it pushes; each engine must build
//! what the plain loop builds.
#![no_main]

use libfuzzer_sys::fuzz_target;

// How sessions are drawn and compared belongs to the adapter's tests.
#[path = "../../crates/block-stm-evm/tests/it/parallel/sessions/base.rs"]
mod base;
#[path = "../../crates/block-stm-evm/tests/it/parallel/code.rs"]
mod code;
#[path = "../../crates/block-stm-evm/tests/it/parallel/decode/mod.rs"]
mod decode;
#[path = "../../crates/block-stm-evm/tests/it/parallel/sessions/drawn.rs"]
mod drawn;

fuzz_target!(|bytes: &[u8]| {
    // A byte says how long the script is.
    let Some((&len, bytes)) = bytes.split_first() else { return };
    let (script, block) = bytes.split_at(bytes.len().min(usize::from(len % 64)));
    let case = decode::Case::decode(block);
    let state = case.state();
    drawn::assert_same_session(&case.block(&state), &state, script, len >= 128);
});
