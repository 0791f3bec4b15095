//! What executing a block returns, the same for the sequential and the parallel path.

use alloy_eip7928::{BlockAccessList, compute_block_access_list_hash};
use alloy_eips::eip7685::Requests;
use alloy_primitives::{B256, Bloom, Bytes};
use revm::{
    context::{
        TxEnv,
        result::{ExecutionResult, HaltReason, Output, SuccessReason},
    },
    primitives::hardfork::SpecId,
};

use crate::{
    Block, BlockGas, InvalidTxnReason, Receipt, ReceiptStatus, StateChanges, receipts::logs_bloom,
};

/// What happens to a transaction that is invalid at its place.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum InvalidTxn {
    /// The block is invalid: execution ends with an error that names the transaction. For
    /// validators.
    #[default]
    Reject,
    /// The transaction is left out, without effects and without a receipt. For builders.
    Skip,
}

/// All that a block's execution produced.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct BlockResult {
    /// Receipts of the executed transactions, in order; a skipped one has none.
    pub receipts: Vec<Receipt>,
    /// One outcome per transaction of the block, in order.
    pub outcomes: Vec<TxnOutcome>,
    /// The header's gas used.
    pub gas_used: u64,
    /// The header's blob gas used; 0 before Cancun.
    pub blob_gas_used: u64,
    /// Requests to the consensus layer (EIP-7685), empty ones left out; `None` before Prague.
    pub requests: Option<Requests>,
    /// What the block changed in the state.
    pub state: StateChanges,
    /// The block's access list (EIP-7928), if it was asked for.
    pub access_list: Option<BlockAccessList>,
}

impl BlockResult {
    /// Root of the receipts trie, or `None` before Byzantium, where receipts hold state roots that
    /// can't be computed from the part of the state that a block touches. An owner of the whole
    /// state can supply them with [`set_state_roots`](Self::set_state_roots).
    #[cfg(feature = "trie")]
    pub fn receipts_root(&self) -> Option<B256> {
        crate::receipts::receipts_root(&self.receipts)
    }

    /// Puts state roots into receipts that hold them, those before Byzantium; others stay as they
    /// are.
    ///
    /// `roots` are the state roots after each executed transaction, as
    /// `block_stm_chain::state_roots_within` returns them.
    pub fn set_state_roots(&mut self, roots: &[B256]) {
        for (receipt, root) in self.receipts.iter_mut().zip(roots) {
            if let ReceiptStatus::StateRoot(known) = &mut receipt.status {
                *known = Some(*root);
            }
        }
    }

    /// The header's log bloom.
    pub fn logs_bloom(&self) -> Bloom {
        logs_bloom(&self.receipts)
    }

    /// The header's block access list hash (EIP-7928), if the list was asked for.
    pub fn access_list_hash(&self) -> Option<B256> {
        self.access_list.as_deref().map(compute_block_access_list_hash)
    }

    /// The same result with the block's access list.
    #[must_use]
    pub(crate) fn access_list(mut self, list: BlockAccessList) -> Self {
        self.access_list = Some(list);
        self
    }

    /// The header's requests hash (EIP-7685); `None` before Prague.
    pub fn requests_hash(&self) -> Option<B256> {
        self.requests.as_ref().map(Requests::requests_hash)
    }
}

/// What became of one transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TxnOutcome {
    /// It was executed and has a receipt.
    Executed {
        /// How it ended.
        end: TxnEnd,
        /// Gas it paid for, after refunds.
        gas_used: u64,
    },
    /// It was invalid and left out.
    Skipped(InvalidTxnReason),
}

/// How an executed transaction ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TxnEnd {
    /// It succeeded.
    Success {
        /// The opcode that ended it.
        reason: SuccessReason,
        /// What it returned or created.
        output: Output,
    },
    /// It reverted and returned this.
    Revert(Bytes),
    /// It broke a rule of the VM or ran out of gas.
    Halt(HaltReason),
}

/// Outcomes, receipts and gas of a block while its transactions are committed, in block order.
///
/// Both paths feed it: first [`admit`](Self::admit), then one of [`executed`](Self::executed) and
/// [`skipped`](Self::skipped), for every transaction.
#[derive(Clone, Debug)]
pub struct BlockRecord {
    byzantium: bool,
    gas: BlockGas,
    receipts: Vec<Receipt>,
    outcomes: Vec<TxnOutcome>,
}

impl BlockRecord {
    /// Nothing committed yet.
    pub fn new(block: &Block) -> Self {
        Self {
            byzantium: block.spec.is_enabled_in(SpecId::BYZANTIUM),
            gas: BlockGas::new(block),
            receipts: Vec::with_capacity(block.txns.len()),
            outcomes: Vec::with_capacity(block.txns.len()),
        }
    }

    /// Checks that the block has room for `txn`; this rule comes before those that revm checks.
    ///
    /// # Errors
    ///
    /// Which rule it breaks.
    pub fn admit(&self, txn: &TxEnv) -> Result<(), InvalidTxnReason> {
        self.gas.admit(txn)
    }

    /// Appends the next transaction, which was executed with `result`.
    pub fn executed(&mut self, txn: &TxEnv, result: ExecutionResult) {
        let success = result.is_success();
        let status = if self.byzantium {
            ReceiptStatus::Success(success)
        } else {
            ReceiptStatus::StateRoot(None)
        };
        let gas_used = result.tx_gas_used();
        let cumulative = self.gas.record(txn, result.gas());
        let (end, logs) = match result {
            ExecutionResult::Success { reason, output, logs, .. } => {
                (TxnEnd::Success { reason, output }, logs)
            }
            ExecutionResult::Revert { output, logs, .. } => (TxnEnd::Revert(output), logs),
            ExecutionResult::Halt { reason, logs, .. } => (TxnEnd::Halt(reason), logs),
        };
        self.receipts.push(Receipt::new(txn.tx_type, status, cumulative, logs));
        self.outcomes.push(TxnOutcome::Executed { end, gas_used });
    }

    /// Appends the next transaction, which was left out.
    pub fn skipped(&mut self, reason: InvalidTxnReason) {
        self.outcomes.push(TxnOutcome::Skipped(reason));
    }

    /// Where the record stands, to come back to.
    pub(crate) fn mark(&self) -> RecordMark {
        let (receipts, outcomes) = (self.receipts.len(), self.outcomes.len());
        RecordMark { gas: self.gas.clone(), receipts, outcomes }
    }

    /// Forgets what came after `mark`.
    pub(crate) fn roll_back(&mut self, mark: &RecordMark) {
        self.gas = mark.gas.clone();
        self.receipts.truncate(mark.receipts);
        self.outcomes.truncate(mark.outcomes);
    }

    /// What the block has left.
    pub(crate) fn gas(&self) -> &BlockGas {
        &self.gas
    }

    /// How many transactions were appended, those that were left out included.
    pub(crate) fn len(&self) -> usize {
        self.outcomes.len()
    }

    /// Receipts so far.
    pub fn receipts(&self) -> &[Receipt] {
        &self.receipts
    }

    /// What became of the last transaction, with its receipt if it has one.
    pub(crate) fn last(&self) -> (&TxnOutcome, Option<&Receipt>) {
        let outcome = self.outcomes.last().expect("a transaction was appended");
        let executed = matches!(outcome, TxnOutcome::Executed { .. });
        (outcome, self.receipts.last().filter(|_| executed))
    }

    /// The receipts alone.
    pub fn into_receipts(self) -> Vec<Receipt> {
        self.receipts
    }

    /// The result, once the requests and the changes of the whole block are known.
    pub fn finish(self, requests: Option<Requests>, state: StateChanges) -> BlockResult {
        BlockResult {
            gas_used: self.gas.gas_used(),
            blob_gas_used: self.gas.blob_gas_used(),
            receipts: self.receipts,
            outcomes: self.outcomes,
            requests,
            state,
            access_list: None,
        }
    }
}

/// Where a record stood.
#[derive(Clone, Debug)]
pub(crate) struct RecordMark {
    gas: BlockGas,
    receipts: usize,
    outcomes: usize,
}
