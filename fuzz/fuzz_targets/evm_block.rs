//! Bytes are a block of contracts that meet; every path must come to what the plain revm loop comes
//! to.
#![no_main]

use block_stm_evm::{InvalidTxn, execute_sequential};
use libfuzzer_sys::fuzz_target;

// How blocks are made and compared belongs to the adapter's tests, which draw the bytes at random.
#[path = "../../crates/block-stm-evm/tests/it/parallel/code.rs"]
mod code;
#[path = "../../crates/block-stm-evm/tests/it/parallel/decode/mod.rs"]
mod decode;
#[path = "../../crates/block-stm-evm/tests/it/parallel/definition/mod.rs"]
mod definition;
#[path = "../../crates/block-stm-evm/tests/it/parallel/lists.rs"]
mod lists;
#[path = "../../crates/block-stm-evm/tests/it/parallel/same.rs"]
mod same;

fuzz_target!(|bytes: &[u8]| {
    let case = decode::Case::decode(bytes);
    let state = case.state();
    let block = case.block(&state);
    // Either is fine, as long as all paths agree.
    let _same = same::assert_same(&block, &state);
    let expected = execute_sequential(&block, &state, InvalidTxn::Reject);
    let expected = expected.map_err(|error| error.to_string());
    if let Some(list) = lists::assert_same_lists(&block, &state, InvalidTxn::Reject, &expected) {
        lists::assert_wrong_lists_are_refused(&block, &state, &list, 4);
    }
});
