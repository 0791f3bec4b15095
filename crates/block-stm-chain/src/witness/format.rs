//! The witness as it is handed on: JSON in the form that `debug_executionWitness` answers.

use std::path::Path;

use alloy_primitives::Bytes;
use serde::{Deserialize, Serialize};

use crate::import::{ImportError, json::Document};

/// All that executing a block takes beside the block: parts of the state before it, each found by
/// its hash.
///
/// In JSON it is the object that reth answers to `debug_executionWitness`, alloy's
/// `ExecutionWitness`: four arrays of strings in hex.
///
/// # Examples
///
/// ```
/// use std::path::Path;
/// use block_stm_chain::witness::Witness;
///
/// let json = br#"{"state": ["0x80"], "codes": []}"#;
/// let witness = Witness::parse(Path::new("witness.json"), json)?;
/// assert_eq!(witness.state.len(), 1);
/// # Ok::<_, block_stm_chain::import::ImportError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(expecting = "a witness object")]
#[non_exhaustive]
pub struct Witness {
    /// The RLP of nodes, of the accounts' trie and of all storage tries, in any order. Those that
    /// are made here are in the order of their hashes.
    pub state: Vec<Bytes>,
    /// Code, in any order.
    pub codes: Vec<Bytes>,
    /// Addresses (20 bytes) and slots (32 bytes) that are read: what the hashed keys of the tries
    /// stand for. Nothing relies on them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub keys: Vec<Bytes>,
    /// The RLP of the headers of the blocks before this one, from the parent on downwards, as far
    /// as BLOCKHASH asks. Empty for a batch that is no block of a chain.
    #[serde(default)]
    pub headers: Vec<Bytes>,
}

impl Witness {
    /// Reads a witness in JSON, also as the answer of a node; errors call it `file`.
    ///
    /// # Errors
    ///
    /// An [`ImportError`] that names the field.
    ///
    /// # Cost
    ///
    /// Memory in proportion to `json`. How long that may be is for the caller to say.
    pub fn parse(file: &Path, json: &[u8]) -> Result<Self, ImportError> {
        Document::open(file, json)?.parse()
    }

    /// The bytes of nodes, code and headers, without what the encoding in JSON adds.
    pub fn size(&self) -> usize {
        let parts = self.state.iter().chain(&self.codes).chain(&self.headers);
        parts.map(|part| part.len()).sum()
    }
}
