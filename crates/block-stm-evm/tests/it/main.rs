//! Integration tests of the chain-facing part: real blocks, a whole chain, and wrong input.

mod chain;
mod chain_import;
mod chain_rules;
mod devnet;
mod fixtures;
mod mainnet;
mod malformed;
mod parallel;
mod policy;
mod sample;
mod schedule;
mod state_changes;
