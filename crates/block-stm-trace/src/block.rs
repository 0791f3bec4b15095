//! What is traced, and what comes of it.

use alloy_primitives::B256;
use alloy_rpc_types_trace::geth::GethTrace;
use block_stm_evm::Block;
use revm_inspectors::tracing::TransactionContext;
use serde::{Serialize, Serializer, ser::SerializeStruct};

/// A block with the hashes that traces name.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct TracedBlock<'a> {
    /// What is executed.
    pub block: &'a Block,
    /// The block's hash, if it is known.
    pub hash: Option<B256>,
    /// The hashes of its transactions, in order. Where there are fewer, the traces of the others
    /// have none.
    pub txn_hashes: &'a [B256],
}

impl<'a> TracedBlock<'a> {
    /// A block of which no hash is known.
    pub fn new(block: &'a Block) -> Self {
        Self { block, hash: None, txn_hashes: &[] }
    }

    /// The same block with its hash.
    #[must_use]
    pub fn hash(mut self, hash: B256) -> Self {
        self.hash = Some(hash);
        self
    }

    /// The same block with the hashes of its transactions.
    #[must_use]
    pub fn txn_hashes(mut self, txn_hashes: &'a [B256]) -> Self {
        self.txn_hashes = txn_hashes;
        self
    }

    pub(crate) fn txn(&self, index: usize) -> TransactionContext {
        TransactionContext {
            block_hash: self.hash,
            tx_index: Some(index),
            tx_hash: self.txn_hashes.get(index).copied(),
        }
    }
}

/// The trace of one transaction.
///
/// As JSON, it is an entry of what `debug_traceBlockByNumber` answers: `{"txHash": .., "result":
/// ..}`.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct TxnTrace {
    /// The transaction's place in the block, from 0.
    pub index: usize,
    /// Its hash, if it is known.
    pub txn_hash: Option<B256>,
    /// What the tracer says.
    pub trace: GethTrace,
}

impl Serialize for TxnTrace {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut entry = serializer.serialize_struct("TxnTrace", 2)?;
        match &self.txn_hash {
            Some(hash) => entry.serialize_field("txHash", hash)?,
            None => entry.skip_field("txHash")?,
        }
        entry.serialize_field("result", &self.trace)?;
        entry.end()
    }
}
