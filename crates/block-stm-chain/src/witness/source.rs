//! Where nodes, code and block hashes come from, and what is wrong where they don't.

use std::sync::Arc;

use alloy_primitives::{Address, B256, U256, hex};
use alloy_rlp::Decodable;
use alloy_trie::{
    Nibbles,
    nodes::{RlpNode, TrieNode},
};
use revm::{database_interface::DBErrorMarker, state::Bytecode};

/// What a witness can't answer. Nothing is guessed: a block that needs it can't be executed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WitnessError {
    /// A node on the way to an account or a slot, or beside a removed one, is not there.
    #[error("the witness lacks the node {hash}, at {place} of the trie of {}", trie(*account))]
    MissingNode {
        /// Whose storage; `None` for the trie of accounts.
        account: Option<Address>,
        /// The nibbles from the root to the node.
        place: String,
        /// Keccak-256 of the node.
        hash: B256,
    },
    /// A node is there, but can't be one of a state at this place: the root before the block is
    /// none of a state.
    #[error("the node at {place} of the trie of {} is wrong: {reason}", trie(*account))]
    WrongNode {
        /// Whose storage; `None` for the trie of accounts.
        account: Option<Address>,
        /// The nibbles from the root to the node.
        place: String,
        /// What is wrong.
        reason: &'static str,
    },
    /// Code that is executed or looked at is not there.
    #[error("the witness lacks the code with the hash {hash}")]
    MissingCode {
        /// Keccak-256 of the code.
        hash: B256,
    },
    /// BLOCKHASH asks for a block that no header tells of.
    #[error("the witness lacks the hash of block {number}")]
    MissingBlockHash {
        /// The block's number.
        number: u64,
    },
}

impl DBErrorMarker for WitnessError {}

fn trie(account: Option<Address>) -> String {
    account.map_or_else(|| "accounts".to_owned(), |account| format!("the storage of {account}"))
}

impl WitnessError {
    pub(super) fn missing(of: Option<Address>, place: &Nibbles, hash: B256) -> Self {
        Self::MissingNode { account: of, place: shown(place), hash }
    }

    pub(super) fn wrong(of: Option<Address>, place: &Nibbles, reason: &'static str) -> Self {
        Self::WrongNode { account: of, place: shown(place), reason }
    }
}

fn shown(place: &Nibbles) -> String {
    if place.is_empty() {
        return "the root".to_owned();
    }
    let nibbles = place.to_vec();
    nibbles.iter().filter_map(|nibble| char::from_digit(u32::from(*nibble), 16)).collect()
}

/// What a state is read from: a witness, or the whole state while a witness is made.
pub(super) trait Source: Sync {
    /// The node with the hash `hash`, which is at `place` of the accounts' trie, or of the storage
    /// of `of`.
    fn node(
        &self,
        of: Option<Address>,
        place: &Nibbles,
        hash: B256,
    ) -> Result<Arc<TrieNode>, WitnessError>;

    /// The code with the hash `hash`.
    fn code(&self, hash: B256) -> Result<Bytecode, WitnessError>;

    /// The hash of a block before this one.
    fn block_hash(&self, number: u64) -> Result<B256, WitnessError>;

    /// Takes note that an account, or a slot of it, is read.
    fn notes(&self, address: Address, slot: Option<U256>) {
        let _ = (address, slot);
    }
}

/// The node that `reference` stands for: of the source where it is a hash, or in the reference
/// itself.
pub(super) fn resolve<S: Source>(
    source: &S,
    of: Option<Address>,
    place: &Nibbles,
    reference: &RlpNode,
) -> Result<Arc<TrieNode>, WitnessError> {
    if let Some(hash) = reference.as_hash() {
        return source.node(of, place, hash);
    }
    let node = decode(reference);
    node.map(Arc::new).map_err(|reason| WitnessError::wrong(of, place, reason))
}

/// The node that `bytes` encode, and nothing else.
pub(super) fn decode(mut bytes: &[u8]) -> Result<TrieNode, &'static str> {
    match TrieNode::decode(&mut bytes) {
        Ok(node) if bytes.is_empty() => Ok(node),
        Ok(_) => Err("bytes follow the node"),
        Err(_) => Err("it is not the RLP of a trie's node"),
    }
}

/// The code in `bytes`. What looks like a delegation and is none was deployed before these were
/// known, and does what code that can't be executed does.
pub(super) fn bytecode(bytes: alloy_primitives::Bytes) -> Bytecode {
    Bytecode::new_raw_checked(bytes.clone()).unwrap_or_else(|_| Bytecode::new_legacy(bytes))
}

/// The first bytes in hex, for messages.
pub(super) fn short(bytes: &[u8]) -> String {
    let first = hex::encode_prefixed(&bytes[..bytes.len().min(8)]);
    if bytes.len() > 8 { format!("{first}... of {} bytes", bytes.len()) } else { first }
}
