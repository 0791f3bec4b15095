//! GeneralStateTests as they stand in JSON.

use std::collections::BTreeMap;

use alloy_primitives::{Address, B256, Bytes, U256};
use block_stm_chain::import::json::{Alloc, Number, Quantity};
use serde::{Deserialize, Deserializer};

use crate::{config::JsonConfig, info::JsonInfo};

/// One test: an environment, a state, a transaction with variants, and what each leads to under
/// each fork.
#[derive(Debug, Deserialize)]
#[serde(expecting = "a state test object")]
pub(super) struct JsonTest {
    #[serde(rename = "_info", default)]
    pub(super) info: JsonInfo,
    #[serde(default)]
    pub(super) config: JsonConfig,
    pub(super) env: JsonEnv,
    pub(super) pre: Alloc,
    pub(super) transaction: JsonTxn,
    pub(super) post: BTreeMap<String, Vec<JsonPost>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", expecting = "an environment object")]
pub(super) struct JsonEnv {
    pub(super) current_coinbase: Address,
    #[serde(default)]
    pub(super) current_difficulty: Quantity<U256>,
    pub(super) current_gas_limit: Quantity<U256>,
    pub(super) current_number: Quantity<u64>,
    pub(super) current_timestamp: Quantity<u64>,
    pub(super) current_base_fee: Option<Quantity<u64>>,
    pub(super) current_random: Option<B256>,
    pub(super) current_excess_blob_gas: Option<Quantity<u64>>,
}

/// A transaction whose data, gas limit and value are lists to choose from.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", expecting = "a transaction object")]
pub(super) struct JsonTxn {
    pub(super) data: Vec<Bytes>,
    pub(super) gas_limit: Vec<Number>,
    pub(super) value: Vec<Number>,
    pub(super) nonce: Number,
    pub(super) sender: Address,
    /// An empty string where the transaction creates a contract.
    #[serde(default, deserialize_with = "nobody_if_empty")]
    pub(super) to: Option<Address>,
    pub(super) gas_price: Option<Number>,
    pub(super) max_fee_per_gas: Option<Number>,
    pub(super) max_priority_fee_per_gas: Option<Number>,
    pub(super) max_fee_per_blob_gas: Option<Number>,
    pub(super) blob_versioned_hashes: Option<Vec<B256>>,
    /// One for each data, or none.
    #[serde(default)]
    pub(super) access_lists: Vec<Option<Vec<JsonAccessListItem>>>,
    pub(super) authorization_list: Option<Vec<JsonAuthorization>>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", expecting = "an item of an access list")]
pub(super) struct JsonAccessListItem {
    pub(super) address: Address,
    pub(super) storage_keys: Vec<Quantity<U256>>,
}

/// A signed authorization; the parity of its signature has either name, or both.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", expecting = "an authorization")]
pub(super) struct JsonAuthorization {
    pub(super) chain_id: Number,
    pub(super) address: Address,
    pub(super) nonce: Number,
    pub(super) y_parity: Option<Number>,
    pub(super) v: Option<Number>,
    pub(super) r: Number,
    pub(super) s: Number,
}

impl JsonAuthorization {
    /// The parity; `None` if there is none, or two that contradict each other.
    pub(super) fn parity(&self) -> Option<Number> {
        match (self.y_parity, self.v) {
            (Some(one), Some(other)) if one != other => None,
            (one, other) => one.or(other),
        }
    }
}

/// What one variant leads to.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", expecting = "a post state object")]
pub(super) struct JsonPost {
    pub(super) hash: B256,
    pub(super) logs: B256,
    pub(super) indexes: Indexes,
    pub(super) expect_exception: Option<String>,
}

/// Which data, gas limit and value.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(expecting = "an object of indexes")]
pub(super) struct Indexes {
    pub(super) data: usize,
    pub(super) gas: usize,
    pub(super) value: usize,
}

fn nobody_if_empty<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Address>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged, expecting = "an address or an empty string")]
    enum Recipient {
        Somebody(Address),
        Text(String),
    }
    match Option::<Recipient>::deserialize(deserializer)? {
        None => Ok(None),
        Some(Recipient::Somebody(address)) => Ok(Some(address)),
        Some(Recipient::Text(text)) if text.is_empty() => Ok(None),
        Some(Recipient::Text(_)) => {
            Err(serde::de::Error::custom("neither an address nor an empty string"))
        }
    }
}
