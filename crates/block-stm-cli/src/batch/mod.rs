//! `block-stm batch` and `block-stm verify-batch`: a rollup's batch with a witness, and checking it
//! from the witness alone.

mod make;
mod report;
mod verify;

pub(crate) use self::{make::batch, verify::verify_batch};
