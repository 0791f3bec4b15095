//! Blocks of a chain one behind the other, with all that a node does of them at the same time.
//!
//! ```text
//! prepare    n+2: decoding, header, body, senders
//! execute    n+1: on the state after n, which need not be checked or stored yet
//! root       n:   state root, receipts, all that the header says
//! log        n-1: the record in the log; one synchronisation for all that wait
//! flat       the flat state, in batches behind the log
//! ```
//!
//! A [`World`] is what a chain is in memory: state, trie and newest headers. [`World::open`] reads
//! it from a store. A [`Pipeline`] takes blocks in RLP, each the child of the one before it, and
//! brings world and store to the last of them.
//!
//! # How blocks are handed on
//!
//! Each stage has a thread that takes blocks from a queue and puts them into the next one. Queues
//! are short, and a stage waits for room in the next one, so memory is bounded by the blocks in
//! them. What computes does so on one pool of threads, [`Workers`], which the engine borrows as
//! well: the stages' own threads wait for it, for the disk, or execute.
//!
//! # When a block is wrong
//!
//! Execution runs ahead of the check of the root. Nothing is written before that check: a block
//! that fails, and all that was built on it, is taken back from state, trie and headers, and the
//! store has never seen it. What is before it becomes durable. The lowest block that failed is the
//! one that is reported, as blocks above it may have failed for its sake.
#![forbid(unsafe_code)]

mod error;
mod maker;
mod one_by_one;
mod pipeline;
mod prover;
mod queue;
mod record;
mod run;
mod stage;
mod stored_state;
mod task;
mod workers;
mod world;

pub use block_stm_chain;
pub use block_stm_evm;
pub use block_stm_store;

pub use error::{BoxError, Cause, OpenError, PipelineError};
pub use maker::{Draft, Maker};
pub use one_by_one::one_by_one;
pub use pipeline::{Pipeline, PipelineOptions};
pub use prover::Prover;
pub use record::{decode_receipts, encode_receipts};
pub use stage::{Stage, StageStats};
pub use stored_state::{StoredState, StoredStateError};
pub use task::{Durable, Outcome, Task, Unwatched, Watch};
pub use workers::{Workers, WorkersError};
pub use world::World;
