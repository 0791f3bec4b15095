//! Witnesses of real blocks, and what becomes of those that were tampered with.

mod batches;
mod chain;
#[path = "../it/fixtures.rs"]
mod fixtures;
mod hostile;
mod proofs;
mod scene;
