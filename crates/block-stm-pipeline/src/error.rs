//! Why a pipeline stopped.

use block_stm_chain::BlockError;
use block_stm_store::StoreError;

use crate::Stage;

/// An error of the host's, from its blocks or its [`Watch`](crate::Watch).
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Why a pipeline stopped: all blocks before this one are durable, and none from it on is there.
///
/// Where the flat state failed, blocks from this one on may be durable: they are in the log.
#[derive(Debug, thiserror::Error)]
#[error("block {number}, {stage}: {cause}")]
pub struct PipelineError {
    /// The first block that is not there.
    pub number: u64,
    /// The stage that it did not pass.
    pub stage: Stage,
    /// Why.
    #[source]
    pub cause: Cause,
}

/// Why a block did not pass a stage.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Cause {
    /// It breaks a rule.
    #[error(transparent)]
    Block(#[from] BlockError),
    /// The store can't take it.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// It could not be had, or the host stopped it.
    #[error(transparent)]
    Host(BoxError),
}

/// A chain that can't be gone on with.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The store can't be opened or read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// What the store says of a block is not what a chain keeps there.
    #[error("the store can't be gone on with: block {number}: {what}")]
    Block {
        /// Which block.
        number: u64,
        /// What is wrong with it.
        what: String,
    },
}
