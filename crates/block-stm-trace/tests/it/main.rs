//! Integration tests: traces in parallel against traces one after another, and both against what
//! blocks come to.

mod bad;
mod blocks;
#[path = "../../../block-stm-evm/tests/it/parallel/code.rs"]
mod code;
#[path = "../../../block-stm-evm/tests/it/parallel/decode/mod.rs"]
mod decode;
#[path = "../../../block-stm-evm/tests/it/fixtures.rs"]
mod fixtures;
mod form;
#[path = "../../../block-stm-evm/tests/it/parallel/rebirths.rs"]
#[expect(dead_code, reason = "another crate's tests tell more stories")]
mod rebirths;
mod same;
#[path = "../../../block-stm-evm/tests/it/parallel/scene.rs"]
#[expect(dead_code, reason = "another crate's tests have more scenes")]
mod scene;
mod stories;
