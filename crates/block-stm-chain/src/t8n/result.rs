//! The outcome of a transition, as it is written in JSON.

use std::collections::BTreeMap;

use alloy_consensus::Transaction;
use alloy_eips::eip4844::DATA_GAS_PER_BLOB;
use alloy_primitives::{Address, B256, Bloom, Bytes, Log, U64, U256, b256, keccak256};
use block_stm_evm::{PreAccount, PreState, Receipt, ReceiptStatus};
use revm::context::{BlockEnv, TxEnv};
use serde::Serialize;

use crate::import::SignedTxn;

/// The hash that stands in for the block's, which is not known.
const BLOCK_HASH: B256 = b256!("1337000000000000000000000000000000000000000000000000000000000000");

/// What a transition says about its block; the fields of geth's `result`.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct T8nResult {
    /// Root of the state after the block.
    pub(super) state_root: B256,
    /// Root of the transactions that were executed.
    pub(super) tx_root: B256,
    /// Root of their receipts.
    pub(super) receipts_root: B256,
    /// Keccak-256 of the RLP list of all logs.
    pub(super) logs_hash: B256,
    /// Union of the receipts' blooms.
    pub(super) logs_bloom: Bloom,
    /// One for each transaction that was executed.
    pub(super) receipts: Vec<JsonReceipt>,
    /// The transactions that were left out, by their place in the input.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) rejected: Vec<RejectedTxn>,
    /// The block's difficulty before the Merge.
    pub(super) current_difficulty: Option<U256>,
    /// Gas that the transactions used.
    pub(super) gas_used: U64,
    /// From London on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) current_base_fee: Option<U64>,
    /// From Shanghai on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) withdrawals_root: Option<B256>,
    /// From Cancun on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) current_excess_blob_gas: Option<U64>,
    /// From Cancun on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) blob_gas_used: Option<U64>,
    /// From Prague on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) requests_hash: Option<B256>,
    /// From Prague on: requests that are not empty, each with its type in front.
    pub(super) requests: Option<Vec<Bytes>>,
    /// From Amsterdam on, and with `+7928`: the RLP of the block's access list (EIP-7928).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) block_access_list: Option<Bytes>,
    /// As the list.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) block_access_list_hash: Option<B256>,
}

/// A transaction that was left out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct RejectedTxn {
    /// Its place in the input, from 0.
    pub(super) index: usize,
    /// Why; starts with the words that geth has for it.
    pub(super) error: String,
}

/// A receipt with what follows from its transaction.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct JsonReceipt {
    #[serde(skip_serializing_if = "U64::is_zero")]
    r#type: U64,
    root: Bytes,
    status: U64,
    cumulative_gas_used: U64,
    logs_bloom: Bloom,
    logs: Vec<JsonLog>,
    transaction_hash: B256,
    contract_address: Address,
    gas_used: U64,
    effective_gas_price: U256,
    #[serde(skip_serializing_if = "U64::is_zero")]
    blob_gas_used: U64,
    #[serde(skip_serializing_if = "Option::is_none")]
    blob_gas_price: Option<U256>,
    block_hash: B256,
    block_number: U256,
    transaction_index: U64,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct JsonLog {
    address: Address,
    topics: Vec<B256>,
    data: Bytes,
    block_number: U256,
    transaction_hash: B256,
    transaction_index: U64,
    block_hash: B256,
    log_index: U64,
    removed: bool,
}

/// Where a receipt lies in its block.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place<'a> {
    pub(super) block: &'a BlockEnv,
    pub(super) index: usize,
    /// Logs of the block before this receipt.
    pub(super) logs_before: usize,
    pub(super) gas_used: u64,
}

impl JsonReceipt {
    pub(super) fn new(
        receipt: &Receipt,
        signed: &SignedTxn,
        txn: &TxEnv,
        place: Place<'_>,
    ) -> Self {
        let (status, root) = match receipt.status {
            ReceiptStatus::Success(success) => (u64::from(success), Bytes::new()),
            // Before Byzantium the root is all that there is.
            ReceiptStatus::StateRoot(root) => (1, root.unwrap_or_default().into()),
        };
        let block = place.block;
        let blob_gas = DATA_GAS_PER_BLOB.saturating_mul(txn.blob_hashes.len() as u64);
        let blob_price = block.blob_excess_gas_and_price.filter(|_| blob_gas > 0);
        let created = signed.is_create().then(|| txn.caller.create(txn.nonce));
        let transaction_hash = *signed.tx_hash();
        let transaction_index = number(place.index);
        let log = |(log, index): (&Log, usize)| JsonLog {
            address: log.address,
            topics: log.topics().to_vec(),
            data: log.data.data.clone(),
            block_number: block.number,
            transaction_hash,
            transaction_index,
            block_hash: BLOCK_HASH,
            log_index: number(index),
            removed: false,
        };
        Self {
            r#type: U64::from(receipt.txn_type),
            root,
            status: U64::from(status),
            cumulative_gas_used: U64::from(receipt.cumulative_gas_used),
            logs_bloom: receipt.bloom(),
            logs: receipt.logs.iter().zip(place.logs_before..).map(log).collect(),
            transaction_hash,
            contract_address: created.unwrap_or_default(),
            gas_used: U64::from(place.gas_used),
            effective_gas_price: U256::from(signed.effective_gas_price(Some(block.basefee))),
            blob_gas_used: U64::from(blob_gas),
            blob_gas_price: blob_price.map(|blobs| U256::from(blobs.blob_gasprice)),
            block_hash: BLOCK_HASH,
            block_number: block.number,
            transaction_index,
        }
    }
}

fn number(count: usize) -> U64 {
    U64::from(count as u64)
}

/// Keccak-256 of the RLP list of all logs of `receipts`.
pub(super) fn logs_hash(receipts: &[Receipt]) -> B256 {
    let logs: Vec<&Log> = receipts.iter().flat_map(|receipt| &receipt.logs).collect();
    let mut bytes = Vec::new();
    alloy_rlp::encode_list::<&Log, Log>(&logs, &mut bytes);
    keccak256(bytes)
}

/// A state in JSON, by ascending address.
pub(super) type JsonAlloc = BTreeMap<Address, JsonAccount>;

/// An account; what is zero or empty is left out, but for the balance.
#[derive(Clone, Debug, Serialize)]
pub(super) struct JsonAccount {
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<Bytes>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    storage: BTreeMap<B256, B256>,
    balance: U256,
    #[serde(skip_serializing_if = "U64::is_zero")]
    nonce: U64,
}

/// All of `state`, for JSON.
pub(super) fn alloc(state: &PreState) -> JsonAlloc {
    let json = |(address, account): (&Address, &PreAccount)| {
        let code = state.code(&account.info.code_hash).unwrap_or_default();
        let slots = account.storage.iter();
        let account = JsonAccount {
            code: (!code.is_empty()).then(|| code.original_bytes()),
            storage: slots.map(|(slot, value)| ((*slot).into(), (*value).into())).collect(),
            balance: account.info.balance,
            nonce: U64::from(account.info.nonce),
        };
        (*address, account)
    };
    state.accounts().map(json).collect()
}
