//! Chains made from transactions, with headers that are right: what tests and measurements import.

use alloy_consensus::{
    Block as RlpBlock, BlockBody, EMPTY_OMMER_ROOT_HASH, EMPTY_ROOT_HASH, EthereumTxEnvelope,
    Header, TxEip4844, proofs::calculate_transaction_root,
};
use alloy_eips::{eip1559::BaseFeeParams, eip7685::EMPTY_REQUESTS_HASH};
use alloy_primitives::{B256, U256};
use block_stm_chain::{BlockError, ForkSchedule, Genesis, StateTrie};
use block_stm_evm::{Block, InvalidTxn, PreState, execute_sequential};

use crate::Task;

/// Makes a chain of blocks after the Merge, one after another, each executed sequentially: the
/// headers say what sequential execution leads to.
#[derive(Clone, Debug)]
pub struct Maker {
    genesis: Genesis,
    state: PreState,
    trie: StateTrie,
    parent: Header,
}

/// A block that lacks its place in a chain.
#[derive(Clone, Debug)]
pub struct Draft {
    /// Rules, circumstances and transactions. Number, time and beneficiary are kept; parent, base
    /// fee and gas limit are those of the chain.
    pub block: Block,
    /// The same transactions, signed.
    pub signed: Vec<EthereumTxEnvelope<TxEip4844>>,
}

impl Maker {
    /// A maker that goes on from `genesis`, whose header names no state root yet.
    ///
    /// # Cost
    ///
    /// Hashes the whole state.
    pub fn new(mut genesis: Genesis) -> Self {
        let mut trie = StateTrie::from(&genesis.state);
        genesis.header.state_root = trie.root();
        let mut state = genesis.state.clone();
        let parent = genesis.header.clone();
        state.insert_block_hash(parent.number, parent.hash_slow());
        Self { genesis, state, trie, parent }
    }

    /// A maker whose first block will be `first`, on the state `state`, under the rules of that
    /// block throughout: those of Prague or Osaka. All blocks have this gas limit.
    ///
    /// Blocks that use less than half of it lower the base fee, so that all can pay it.
    ///
    /// # Cost
    ///
    /// Hashes the whole state.
    pub fn before(first: &Block, gas_limit: u64, state: PreState) -> Self {
        let header = Header {
            number: first.number().saturating_sub(1),
            timestamp: first.env.timestamp.saturating_to::<u64>().saturating_sub(1),
            gas_limit,
            base_fee_per_gas: Some(first.env.basefee),
            withdrawals_root: Some(EMPTY_ROOT_HASH),
            blob_gas_used: Some(0),
            excess_blob_gas: Some(0),
            parent_beacon_block_root: Some(B256::ZERO),
            requests_hash: Some(EMPTY_REQUESTS_HASH),
            ..Header::default()
        };
        let schedule = ForkSchedule::fixed(first.chain_id, first.spec);
        Self::new(Genesis::new(schedule, header, state))
    }

    /// What the chain begins with.
    pub fn genesis(&self) -> &Genesis {
        &self.genesis
    }

    /// The header of the newest block.
    pub fn head_header(&self) -> &Header {
        &self.parent
    }

    /// Makes the next block, with its senders.
    ///
    /// # Errors
    ///
    /// The block can't be executed.
    ///
    /// # Cost
    ///
    /// That of executing the block sequentially and of hashing what it changed.
    pub fn make(&mut self, draft: Draft) -> Result<Task, BlockError> {
        let Draft { mut block, signed } = draft;
        let parent_hash = self.parent.hash_slow();
        let base_fee = self.parent.next_block_base_fee(BaseFeeParams::ethereum());
        block.parent_hash = parent_hash;
        block.env.gas_limit = self.parent.gas_limit;
        block.env.basefee = base_fee.unwrap_or_default();
        block.system_contracts = self.genesis.schedule.system_contracts();
        let result = execute_sequential(&block, &self.state, InvalidTxn::Reject)?;
        let state_root = self.trie.apply(&result.state);
        self.state.apply(&result.state);
        let env = &block.env;
        let header = Header {
            parent_hash,
            ommers_hash: EMPTY_OMMER_ROOT_HASH,
            beneficiary: env.beneficiary,
            state_root,
            transactions_root: calculate_transaction_root(&signed),
            receipts_root: result.receipts_root().unwrap_or_default(),
            logs_bloom: result.logs_bloom(),
            difficulty: U256::ZERO,
            number: self.parent.number + 1,
            gas_limit: env.gas_limit,
            gas_used: result.gas_used,
            timestamp: env.timestamp.saturating_to(),
            mix_hash: env.prevrandao.unwrap_or_default(),
            base_fee_per_gas: base_fee,
            blob_gas_used: self.parent.blob_gas_used.map(|_| result.blob_gas_used),
            excess_blob_gas: env.blob_excess_gas_and_price.map(|blobs| blobs.excess_blob_gas),
            parent_beacon_block_root: block.parent_beacon_block_root,
            requests_hash: result.requests_hash(),
            withdrawals_root: self.parent.withdrawals_root,
            ..Header::default()
        };
        let senders = Some(block.txns.iter().map(|txn| txn.caller).collect());
        let withdrawals = header.withdrawals_root.map(|_| Default::default());
        let body = BlockBody { transactions: signed, ommers: Vec::new(), withdrawals };
        self.state.insert_block_hash(header.number, header.hash_slow());
        let rlp = alloy_rlp::encode(RlpBlock::new(header.clone(), body)).into();
        self.parent = header;
        Ok(Task { rlp, senders })
    }
}
