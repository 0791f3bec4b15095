//! A rollup's batch: what goes in, what comes out, and checking it without the state.
//!
//! ```text
//! make   whole state, env, txs ----> Batch { statement, outcome, witness } ----> files
//! check  statement, witness -------> outcome, compared with the files
//! ```
//!
//! The *statement* says what is executed, and from which state root to which: the transactions and
//! their environment, or a block of a chain with the chain's rules. The *outcome* is what follows
//! from it: receipts, state difference, access list, roots. The *witness* is the part of the state
//! that it takes to see that.
//!
//! | file | what |
//! |---|---|
//! | `batch.json` | the statement |
//! | `witness.json` | the witness, as [`Witness`] reads it |
//! | `result.json` | roots, gas, bloom, requests |
//! | `receipts.json` | the receipts |
//! | `state-diff.json` | accounts and slots before and after |
//! | `access-list.json` | the access list (EIP-7928) |
//!
//! The hashes that BLOCKHASH answers in a batch that is no block of a chain stand in its
//! environment: they are a part of the statement, and not proven.

mod check;
mod difference;
mod make;
mod outcome;
mod statement;

pub use check::{BatchError, CheckedBatch, check_batch, check_files};
pub use make::{Batch, BatchMakeError, BlockInput, batch_of_block, batch_of_transition};
pub use outcome::Outcome;
pub use statement::Statement;

/// The statement's file.
pub const BATCH_FILE: &str = "batch.json";
/// The witness's file.
pub const WITNESS_FILE: &str = "witness.json";

#[cfg(doc)]
use crate::witness::Witness;
