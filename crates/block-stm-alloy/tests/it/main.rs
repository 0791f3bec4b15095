//! Integration tests: the executor against alloy-evm's own.

mod any;
mod bad;
mod blocks;
#[path = "../../../block-stm-evm/tests/it/parallel/code.rs"]
#[expect(dead_code, reason = "the blocks of another crate's tests need some of it")]
mod code;
mod cost;
#[path = "../../../block-stm-evm/tests/it/parallel/decode/mod.rs"]
mod decode;
mod examples;
mod given;
mod official;
mod one_by_one;
mod same;
mod spec;
