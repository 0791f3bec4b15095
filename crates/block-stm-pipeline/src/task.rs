//! What goes in and what comes out.

use std::time::Duration;

use alloy_primitives::{Address, Bytes};

use crate::{BoxError, Stage, StageStats};

/// A block that is to be done.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Task {
    /// The block in RLP.
    pub rlp: Bytes,
    /// The senders of its transactions, where they are known, as a node knows those that were in
    /// its pool. They are believed; without them signatures are recovered.
    pub senders: Option<Vec<Address>>,
}

impl Task {
    /// A block whose senders are not known.
    pub fn new(rlp: Bytes) -> Self {
        Self { rlp, senders: None }
    }
}

/// A block that is durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Durable {
    /// Its number.
    pub number: u64,
    /// Its transactions.
    pub txns: usize,
    /// The gas that they used.
    pub gas_used: u64,
}

/// Looks on while blocks go through the stages.
///
/// The methods are called by the stages' threads, and a block waits for them.
pub trait Watch: Sync {
    /// A stage begins with a block.
    ///
    /// # Errors
    ///
    /// An error stops the pipeline as if the block had failed in this stage.
    fn begins(&self, stage: Stage, number: u64) -> Result<(), BoxError> {
        let _ = (stage, number);
        Ok(())
    }

    /// A block, and with it all before it, is durable.
    fn durable(&self, block: Durable) {
        let _ = block;
    }
}

/// A [`Watch`] that does nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Unwatched;

impl Watch for Unwatched {}

/// What was done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Outcome {
    /// Blocks that became durable.
    pub blocks: u64,
    /// Their transactions.
    pub txns: u64,
    /// The gas that these used.
    pub gas_used: u64,
    /// From the beginning until the last of them was durable.
    pub elapsed: Duration,
    /// How often the log was synchronised.
    pub syncs: u64,
    /// What each stage did, in the order of [`Stage::ALL`].
    pub stages: [StageStats; 5],
}

impl Outcome {
    /// What one stage did.
    pub fn stage(&self, stage: Stage) -> &StageStats {
        &self.stages[stage as usize]
    }

    pub(crate) fn count(&mut self, block: Durable) {
        self.blocks += 1;
        self.txns += block.txns as u64;
        self.gas_used += block.gas_used;
    }
}
