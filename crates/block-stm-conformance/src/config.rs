//! What a test says about its network beside the name.

use std::collections::BTreeMap;

use alloy_eips::eip7840::BlobParams;
use block_stm_chain::import::json::Quantity;
use serde::Deserialize;

/// The `config` of a test; chain id and limits are those of the mainnet where it has none.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase", expecting = "a config object")]
pub(crate) struct JsonConfig {
    chainid: Option<Quantity<u64>>,
    chain_id: Option<Quantity<u64>>,
    blob_schedule: BTreeMap<String, JsonBlobs>,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "camelCase", expecting = "an object of blob limits")]
struct JsonBlobs {
    target: Quantity<u64>,
    max: Quantity<u64>,
    base_fee_update_fraction: Quantity<u128>,
}

impl JsonConfig {
    /// The EIP-155 chain id, which has two names. `None` if they contradict each other.
    pub(crate) fn chain_id(&self) -> Option<u64> {
        match (self.chainid, self.chain_id) {
            (Some(one), Some(other)) if one != other => None,
            (one, other) => Some(one.or(other).map_or(1, |id| id.0)),
        }
    }

    /// Blob limits, by the forks that they come with.
    pub(crate) fn blobs(&self) -> BTreeMap<String, BlobParams> {
        let blobs = self.blob_schedule.iter();
        blobs.map(|(fork, params)| (fork.clone(), (*params).into())).collect()
    }
}

impl From<JsonBlobs> for BlobParams {
    fn from(json: JsonBlobs) -> Self {
        Self {
            target_blob_count: json.target.0,
            max_blob_count: json.max.0,
            update_fraction: json.base_fee_update_fraction.0,
            ..Self::osaka()
        }
    }
}
