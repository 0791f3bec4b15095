//! A block header in JSON, as `eth_getBlockByNumber` returns it.

use alloy_consensus::{EMPTY_OMMER_ROOT_HASH, Header};
use alloy_primitives::{Address, B64, B256, Bloom, Bytes, U256};
use serde::Deserialize;

use super::{ImportError, files::Document, quantity::Quantity};

/// The fields of a header; what else the document holds is not looked at.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", expecting = "a block object")]
pub(super) struct JsonHeader {
    hash: Option<B256>,
    parent_hash: B256,
    #[serde(default = "no_ommers")]
    sha3_uncles: B256,
    miner: Option<Address>,
    author: Option<Address>,
    state_root: B256,
    transactions_root: B256,
    receipts_root: B256,
    logs_bloom: Bloom,
    difficulty: Quantity<U256>,
    number: Quantity<u64>,
    gas_limit: Quantity<u64>,
    gas_used: Quantity<u64>,
    timestamp: Quantity<u64>,
    extra_data: Bytes,
    mix_hash: B256,
    nonce: B64,
    base_fee_per_gas: Option<Quantity<u64>>,
    withdrawals_root: Option<B256>,
    blob_gas_used: Option<Quantity<u64>>,
    excess_blob_gas: Option<Quantity<u64>>,
    parent_beacon_block_root: Option<B256>,
    requests_hash: Option<B256>,
    block_access_list_hash: Option<B256>,
    slot_number: Option<Quantity<u64>>,
}

fn no_ommers() -> B256 {
    EMPTY_OMMER_ROOT_HASH
}

impl JsonHeader {
    /// The consensus header, whose hash agrees with the `hash` field if there is one.
    pub(super) fn into_header(self, document: Document<'_>) -> Result<Header, ImportError> {
        let claimed = self.hash;
        // The producer has two names, or both.
        let beneficiary = match (self.miner, self.author) {
            (Some(miner), Some(author)) if miner != author => {
                return Err(document.wrong("author", "it is not the miner"));
            }
            (miner, author) => {
                miner.or(author).ok_or_else(|| document.wrong("miner", "missing"))?
            }
        };
        let header = Header {
            parent_hash: self.parent_hash,
            ommers_hash: self.sha3_uncles,
            beneficiary,
            state_root: self.state_root,
            transactions_root: self.transactions_root,
            receipts_root: self.receipts_root,
            logs_bloom: self.logs_bloom,
            difficulty: self.difficulty.0,
            number: self.number.0,
            gas_limit: self.gas_limit.0,
            gas_used: self.gas_used.0,
            timestamp: self.timestamp.0,
            extra_data: self.extra_data,
            mix_hash: self.mix_hash,
            nonce: self.nonce,
            base_fee_per_gas: self.base_fee_per_gas.map(|fee| fee.0),
            withdrawals_root: self.withdrawals_root,
            blob_gas_used: self.blob_gas_used.map(|gas| gas.0),
            excess_blob_gas: self.excess_blob_gas.map(|gas| gas.0),
            parent_beacon_block_root: self.parent_beacon_block_root,
            requests_hash: self.requests_hash,
            block_access_list_hash: self.block_access_list_hash,
            slot_number: self.slot_number.map(|slot| slot.0),
        };
        match claimed {
            Some(hash) if hash != header.hash_slow() => {
                let computed = header.hash_slow();
                let message = format!("{hash} is not the hash of the header, {computed}");
                Err(document.wrong("hash", message))
            }
            _ => Ok(header),
        }
    }
}
