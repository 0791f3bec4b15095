//! Ethereum blocks on the `block-stm` engine, executed by [`revm`].
//!
//! A [`Block`] (what a header and its body mean to execution) and a [`PreState`] (the state before
//! it, or any revm [`DatabaseRef`](revm::DatabaseRef) of your own) go in.
#![forbid(unsafe_code)]

pub use revm;

mod block;
mod pre_state;

pub use block::{Block, Ommer, SystemContracts};
pub use pre_state::{PreAccount, PreState, PreStateError};
