//! What a batch claims.

use std::path::Path;

use alloy_primitives::{B256, Bytes};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::import::{ImportError, json::Document};

/// The format that this program writes and reads.
const VERSION: u64 = 1;

/// What is executed, from which state root to which.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, expecting = "a batch object")]
#[non_exhaustive]
pub struct Statement {
    version: u64,
    /// The state root before the batch.
    pub pre_state_root: B256,
    /// The state root after it.
    pub post_state_root: B256,
    #[serde(skip_serializing_if = "Option::is_none")]
    transition: Option<TransitionPart>,
    #[serde(skip_serializing_if = "Option::is_none")]
    block: Option<BlockPart>,
}

/// Transactions in an environment, as of `t8n`.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, expecting = "a transition object")]
pub(super) struct TransitionPart {
    pub(super) fork: String,
    pub(super) chain_id: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) reward: Option<u64>,
    pub(super) env: Box<RawValue>,
    /// The RLP list of the transactions.
    pub(super) txs: Bytes,
}

/// A block of a chain.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, expecting = "a block object")]
pub(super) struct BlockPart {
    /// The `config` of the chain's genesis file.
    pub(super) config: Box<RawValue>,
    pub(super) rlp: Bytes,
}

/// What is executed.
#[derive(Debug)]
pub(super) enum Kind<'a> {
    Transition(&'a TransitionPart),
    Block(&'a BlockPart),
}

impl Statement {
    pub(super) fn of_transition((pre, post): (B256, B256), transition: TransitionPart) -> Self {
        let (pre_state_root, post_state_root) = (pre, post);
        let transition = Some(transition);
        Self { version: VERSION, pre_state_root, post_state_root, transition, block: None }
    }

    pub(super) fn of_block((pre, post): (B256, B256), block: BlockPart) -> Self {
        let (pre_state_root, post_state_root) = (pre, post);
        let block = Some(block);
        Self { version: VERSION, pre_state_root, post_state_root, transition: None, block }
    }

    /// Reads a statement in JSON; errors call it `file`.
    ///
    /// # Errors
    ///
    /// An [`ImportError`] that names the field: also for another version of the format.
    pub fn parse(file: &Path, json: &[u8]) -> Result<Self, ImportError> {
        let document = Document::bare(file, json);
        let statement: Self = document.parse()?;
        if statement.version != VERSION {
            let version = statement.version;
            let message = format!("format version {version}, this program reads {VERSION}");
            return Err(document.wrong("version", message));
        }
        if statement.transition.is_some() == statement.block.is_some() {
            return Err(document.wrong(".", "expected one of transition and block"));
        }
        Ok(statement)
    }

    pub(super) fn kind(&self) -> Kind<'_> {
        match (&self.transition, &self.block) {
            (Some(transition), _) => Kind::Transition(transition),
            (None, Some(block)) => Kind::Block(block),
            (None, None) => unreachable!("a statement has one of them"),
        }
    }
}
