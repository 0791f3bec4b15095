//! Integration tests of the chain-facing part: real blocks, a whole chain, and wrong input.

mod chain;
mod fixtures;
mod mainnet;
