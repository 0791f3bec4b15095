//! BlockchainTests as they stand in JSON.

use std::collections::BTreeMap;

use alloy_eips::eip7840::BlobParams;
use alloy_primitives::{B256, Bytes};
use block_stm_evm::{
    BlockAccessList,
    import::json::{Alloc, Quantity},
};
use serde::Deserialize;

use crate::info::JsonInfo;

/// One test: a network, a genesis block, blocks to import, and what they lead to.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", expecting = "a blockchain test object")]
pub(super) struct JsonTest {
    #[serde(rename = "_info", default)]
    pub(super) info: JsonInfo,
    pub(super) network: String,
    #[serde(default)]
    pub(super) config: JsonConfig,
    pub(super) seal_engine: Option<String>,
    pub(super) pre: Alloc,
    #[serde(rename = "genesisRLP")]
    pub(super) genesis_rlp: Bytes,
    pub(super) blocks: Vec<JsonBlock>,
    pub(super) lastblockhash: B256,
    pub(super) post_state: Option<Alloc>,
    pub(super) post_state_hash: Option<B256>,
}

/// What the test says about its network beside the name.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase", expecting = "a config object")]
pub(super) struct JsonConfig {
    #[serde(alias = "chainId")]
    pub(super) chainid: Option<Quantity<u64>>,
    pub(super) blob_schedule: BTreeMap<String, JsonBlobs>,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "camelCase", expecting = "an object of blob limits")]
pub(super) struct JsonBlobs {
    target: Quantity<u64>,
    max: Quantity<u64>,
    base_fee_update_fraction: Quantity<u128>,
}

/// A block to import, in the order of the list whatever branch it is on.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", expecting = "a block object")]
pub(super) struct JsonBlock {
    pub(super) rlp: Bytes,
    pub(super) expect_exception: Option<String>,
    pub(super) block_header: Option<JsonHeader>,
    pub(super) block_access_list: Option<BlockAccessList>,
    #[serde(rename = "rlp_decoded")]
    pub(super) rlp_decoded: Option<JsonDecoded>,
}

/// What the bytes of a block that must be refused say.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", expecting = "a block object")]
pub(super) struct JsonDecoded {
    pub(super) block_access_list: Option<BlockAccessList>,
}

#[derive(Debug, Deserialize)]
#[serde(expecting = "a header object")]
pub(super) struct JsonHeader {
    pub(super) hash: B256,
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
