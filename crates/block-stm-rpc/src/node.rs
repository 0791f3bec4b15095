//! What handlers ask: the store, the trie, and what a block is called.

use std::{sync::Arc, time::Instant};

use alloy_consensus::{BlockBody, EthereumTxEnvelope, Header, TxEip4844};
use alloy_eips::{BlockId, BlockNumberOrTag};
use alloy_primitives::B256;
use alloy_rlp::Decodable;
use block_stm_chain::ForkSchedule;
use block_stm_evm::block_stm::Engine;
use block_stm_pipeline::Prover;
use block_stm_store::{Snapshot, Store, StoredBlock};

use crate::{Limits, fault::Fault};

/// A transaction as it is in a block.
pub(crate) type Txn = EthereumTxEnvelope<TxEip4844>;

/// A chain that is served.
///
/// Handlers take a snapshot of the store and answer from it alone, so that no answer is of two
/// blocks.
#[derive(Debug)]
pub struct Node {
    pub(crate) store: Arc<Store>,
    pub(crate) schedule: ForkSchedule,
    pub(crate) prover: Prover,
    /// For traces.
    pub(crate) engine: Engine,
    pub(crate) limits: Limits,
    /// What `web3_clientVersion` says.
    pub(crate) version: String,
}

/// A block with what its header and body say.
#[derive(Debug)]
pub(crate) struct Known {
    pub(crate) stored: StoredBlock,
    pub(crate) header: Header,
    pub(crate) body: BlockBody<Txn>,
}

impl Node {
    /// The chain of `store`, whose rules are those of `schedule` and whose newest block `prover`
    /// proves. `engine` makes the traces; `version` is what clients are told.
    pub fn new(
        store: Arc<Store>,
        (schedule, prover): (ForkSchedule, Prover),
        engine: Engine,
        limits: Limits,
        version: String,
    ) -> Self {
        Self { store, schedule, prover, engine, limits, version }
    }

    /// When a request that begins to work now is to end.
    pub(crate) fn deadline(&self) -> Instant {
        Instant::now() + self.limits.work_time
    }

    /// An error if the deadline is over.
    pub(crate) fn in_time(&self, deadline: Instant) -> Result<(), Fault> {
        if Instant::now() < deadline { Ok(()) } else { Err(self.too_long()) }
    }

    pub(crate) fn too_long(&self) -> Fault {
        let most = self.limits.work_time.as_millis();
        Fault::Limit(format!("the request takes more than {most} ms"))
    }

    /// The newest block, and all below it.
    pub(crate) fn head(&self) -> Result<Snapshot, Fault> {
        Ok(self.store.snapshot()?)
    }

    /// The number that a number or a tag stands for, up to the head that `head` shows.
    ///
    /// `pending` is `latest`: there are no transactions that wait. `safe` and `finalized` are the
    /// newest block that no crash takes back.
    pub(crate) fn number(&self, head: &Snapshot, tag: BlockNumberOrTag) -> Option<u64> {
        let number = match tag {
            BlockNumberOrTag::Latest | BlockNumberOrTag::Pending => head.number(),
            BlockNumberOrTag::Safe | BlockNumberOrTag::Finalized => {
                self.store.durable().min(head.number())
            }
            BlockNumberOrTag::Earliest => self.earliest(head)?,
            BlockNumberOrTag::Number(number) => number,
        };
        (number <= head.number()).then_some(number)
    }

    /// The number of the genesis block.
    fn earliest(&self, head: &Snapshot) -> Option<u64> {
        head.number_of(&self.store.genesis()).ok().flatten()
    }

    /// The number of the block that `id` names, if there is one.
    pub(crate) fn find(&self, head: &Snapshot, id: BlockId) -> Result<Option<u64>, Fault> {
        match id {
            // There is one branch alone: each block is canonical.
            BlockId::Hash(hash) => Ok(head.number_of(&hash.block_hash)?),
            BlockId::Number(tag) => Ok(self.number(head, tag)),
        }
    }

    /// State and chain after the block that `id` names; the newest one if nothing is said.
    pub(crate) fn state_at(&self, id: Option<BlockId>) -> Result<Snapshot, Fault> {
        let head = self.head()?;
        let number = self.find(&head, id.unwrap_or_default())?.ok_or(Fault::UnknownBlock)?;
        self.state_after(head, number)
    }

    /// State and chain after the block `number`.
    pub(crate) fn state_after(&self, head: Snapshot, number: u64) -> Result<Snapshot, Fault> {
        if number == head.number() { Ok(head) } else { Ok(self.store.snapshot_at(number)?) }
    }

    /// The block `number`, at the head or below it.
    pub(crate) fn block(&self, head: &Snapshot, number: u64) -> Result<Known, Fault> {
        let forgotten = || Fault::Pruned(format!("block {number} is not kept"));
        let stored = head.block(number)?.ok_or_else(forgotten)?;
        let header = decoded::<Header>(number, &stored.header)?;
        let body = match stored.body.is_empty() {
            // A genesis block has none.
            true => {
                let withdrawals = header.withdrawals_root.map(|_| Default::default());
                BlockBody { withdrawals, ..BlockBody::default() }
            }
            false => decoded(number, &stored.body)?,
        };
        Ok(Known { stored, header, body })
    }

    /// The header of the block `number`, at the head or below it.
    pub(crate) fn header(&self, head: &Snapshot, number: u64) -> Result<(B256, Header), Fault> {
        let forgotten = || Fault::Pruned(format!("block {number} is not kept"));
        let stored = head.block(number)?.ok_or_else(forgotten)?;
        Ok((stored.hash, decoded(number, &stored.header)?))
    }
}

fn decoded<T: Decodable>(number: u64, mut bytes: &[u8]) -> Result<T, Fault> {
    T::decode(&mut bytes).map_err(|error| unreadable(number, error))
}

/// What the store has of a block is not what a chain keeps there.
pub(crate) fn unreadable(number: u64, error: impl std::fmt::Display) -> Fault {
    tracing::error!("block {number}: {error}");
    Fault::Store(format!("what the store has of block {number} can't be read"))
}
