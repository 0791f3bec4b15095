//! BlockchainTests as they stand in JSON.

use alloy_primitives::{B256, Bytes};
use block_stm_chain::import::json::Alloc;
use block_stm_evm::alloy_eip7928::BlockAccessList;
use serde::Deserialize;

use crate::{config::JsonConfig, info::JsonInfo};

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
