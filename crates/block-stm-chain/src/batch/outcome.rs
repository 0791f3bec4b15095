//! What a batch leads to, as it is written in JSON.

use std::collections::BTreeMap;

use alloy_primitives::{Address, B256, Bloom, Bytes, U64, U256};
use block_stm_evm::{AccountChange, Receipt, ReceiptStatus, alloy_eip7928::BlockAccessList};
use revm::state::AccountInfo;
use serde::Serialize;

use crate::{import::access_lists_to_json, witness::Rooted};

/// What a batch leads to.
#[derive(Debug)]
#[non_exhaustive]
pub struct Outcome {
    /// How many transactions were executed.
    pub txns: usize,
    /// The gas that they used.
    pub gas_used: u64,
    /// The state root afterwards.
    pub post_root: B256,
    result: JsonResult,
    receipts: Vec<JsonReceipt>,
    state_diff: BTreeMap<Address, JsonChange>,
    access_list: BlockAccessList,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct JsonResult {
    pre_state_root: B256,
    state_root: B256,
    receipts_root: B256,
    logs_bloom: Bloom,
    gas_used: U64,
    blob_gas_used: U64,
    #[serde(skip_serializing_if = "Option::is_none")]
    requests: Option<Vec<Bytes>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    requests_hash: Option<B256>,
    block_access_list_hash: Option<B256>,
}

/// The parts of a receipt that its hash covers.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct JsonReceipt {
    r#type: U64,
    #[serde(skip_serializing_if = "Option::is_none")]
    root: Option<B256>,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<U64>,
    cumulative_gas_used: U64,
    logs_bloom: Bloom,
    logs: Vec<JsonLog>,
}

#[derive(Debug, Serialize)]
struct JsonLog {
    address: Address,
    topics: Vec<B256>,
    data: Bytes,
}

/// An account that is not the same before and after.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct JsonChange {
    /// Null where there is no account.
    before: Option<JsonAccount>,
    after: Option<JsonAccount>,
    /// Where it is new.
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<Bytes>,
    /// Whether all slots that are not listed are zero.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    storage_wiped: bool,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    storage: BTreeMap<B256, JsonSlot>,
}

#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
struct JsonAccount {
    balance: U256,
    nonce: U64,
    code_hash: B256,
}

#[derive(Debug, Serialize)]
struct JsonSlot {
    before: B256,
    after: B256,
}

impl Outcome {
    /// The outcome of a block that led to `rooted`; `before` knows accounts before it.
    pub(super) fn new<E>(
        rooted: Rooted,
        mut before: impl FnMut(Address) -> Result<Option<AccountInfo>, E>,
    ) -> Result<Self, E> {
        let Rooted { mut result, pre_root, post_root, .. } = rooted;
        let block_access_list_hash = result.access_list_hash();
        let mut state_diff = BTreeMap::new();
        for change in result.state.iter() {
            let address = change.address;
            state_diff.insert(address, JsonChange::new(before(address)?, change));
        }
        let json = JsonResult {
            pre_state_root: pre_root,
            state_root: post_root,
            receipts_root: result.receipts_root().expect("receipts have their state roots"),
            logs_bloom: result.logs_bloom(),
            gas_used: U64::from(result.gas_used),
            blob_gas_used: U64::from(result.blob_gas_used),
            requests: result.requests.as_ref().map(|all| all.iter().cloned().collect()),
            requests_hash: result.requests_hash(),
            block_access_list_hash,
        };
        Ok(Self {
            txns: result.receipts.len(),
            gas_used: result.gas_used,
            post_root,
            result: json,
            receipts: result.receipts.iter().map(JsonReceipt::from).collect(),
            state_diff,
            access_list: result.access_list.take().unwrap_or_default(),
        })
    }

    /// Names and content of the outcome's files.
    pub fn files(&self) -> [(&'static str, Vec<u8>); 4] {
        let lists = std::slice::from_ref(&self.access_list);
        [
            ("result.json", json(&self.result)),
            ("receipts.json", json(&self.receipts)),
            ("state-diff.json", json(&self.state_diff)),
            ("access-list.json", access_lists_to_json(lists)),
        ]
    }
}

/// `value` in JSON, for people and programs.
pub(super) fn json(value: &impl Serialize) -> Vec<u8> {
    let mut json = serde_json::to_vec_pretty(value).expect("plain numbers and text");
    json.push(b'\n');
    json
}

impl JsonChange {
    fn new(before: Option<AccountInfo>, change: &AccountChange) -> Self {
        let hash_before = before.as_ref().map(|info| info.code_hash);
        let code = change
            .info
            .as_ref()
            .filter(|info| !info.is_empty_code_hash() && hash_before != Some(info.code_hash));
        let code = code.and_then(|info| info.code.as_ref()).map(|code| code.original_bytes());
        let slots = change.storage.iter().map(|slot| {
            let value = JsonSlot { before: slot.before.into(), after: slot.after.into() };
            (slot.slot.into(), value)
        });
        Self {
            before: before.as_ref().map(JsonAccount::from),
            after: change.info.as_ref().map(JsonAccount::from),
            code,
            storage_wiped: change.storage_wiped,
            storage: slots.collect(),
        }
    }
}

impl From<&AccountInfo> for JsonAccount {
    fn from(info: &AccountInfo) -> Self {
        let AccountInfo { balance, nonce, code_hash, .. } = *info;
        Self { balance, nonce: U64::from(nonce), code_hash }
    }
}

impl From<&Receipt> for JsonReceipt {
    fn from(receipt: &Receipt) -> Self {
        let (root, status) = match receipt.status {
            ReceiptStatus::StateRoot(root) => (root, None),
            ReceiptStatus::Success(success) => (None, Some(U64::from(u8::from(success)))),
        };
        let log = |log: &alloy_primitives::Log| JsonLog {
            address: log.address,
            topics: log.topics().to_vec(),
            data: log.data.data.clone(),
        };
        Self {
            r#type: U64::from(receipt.txn_type),
            root,
            status,
            cumulative_gas_used: U64::from(receipt.cumulative_gas_used),
            logs_bloom: receipt.bloom(),
            logs: receipt.logs.iter().map(log).collect(),
        }
    }
}
