//! Integration tests: blocks against a plain loop over the transactions.

mod bad;
mod batch;
mod blocks;
#[path = "../../../block-stm-evm/tests/it/parallel/code.rs"]
#[expect(dead_code, reason = "the blocks of another crate's tests need some of it")]
mod code;
#[path = "../../../block-stm-evm/tests/it/parallel/decode/mod.rs"]
mod decode;
mod examples;
mod inspected;
mod rebirths;
mod same;
mod vaults;
