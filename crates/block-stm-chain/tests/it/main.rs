//! Integration tests: real blocks, whole chains, and wrong input.

mod chain;
mod chain_import;
mod chain_rules;
mod devnet;
mod fixtures;
mod mainnet;
mod malformed;
mod sample;
mod schedule;
