//! A witness that was looked through: what it has, by hash.

use std::{
    collections::{BTreeMap, HashMap, hash_map::Entry},
    sync::Arc,
};

use alloy_primitives::{Address, B256, keccak256};
use alloy_trie::{Nibbles, nodes::TrieNode};
use foldhash::fast::RandomState;
use revm::state::Bytecode;

use super::{
    Witness,
    source::{Source, WitnessError, bytecode, decode, short},
};

/// Why bytes are no witness, whatever is executed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WitnessFault {
    /// A node can't be one of a trie.
    #[error("state[{index}] ({bytes}): {reason}")]
    Node {
        /// Its place in the list, from 0.
        index: usize,
        /// How it begins.
        bytes: String,
        /// What is wrong.
        reason: &'static str,
    },
    /// Something is there twice.
    #[error("{list}[{index}] is the same as {list}[{earlier}]")]
    Repeated {
        /// `state` or `codes`.
        list: &'static str,
        /// Its place in the list, from 0.
        index: usize,
        /// The place of the first one.
        earlier: usize,
    },
    /// There are more headers than BLOCKHASH can ask for.
    #[error("{0} headers are more than the 256 that a block can ask for")]
    Headers(usize),
    /// A header can't be decoded.
    #[error("headers[{index}]: {message}")]
    Header {
        /// Its place in the list, from 0.
        index: usize,
        /// What is wrong.
        message: String,
    },
    /// A header is not the parent of the one before it; the first, not that of the block.
    #[error("headers[{index}] has the hash {hash}, and the block before has the parent {parent}")]
    Parent {
        /// Its place in the list, from 0.
        index: usize,
        /// The header's hash.
        hash: B256,
        /// Which one is expected.
        parent: B256,
    },
    /// The parent's header, which tells the state root, is not there.
    #[error("headers: the parent's is missing, which tells the state root before the block")]
    NoParent,
}

/// Nodes, code and hashes of blocks. Each node and each code is found by its own hash alone, so
/// that a wrong one is none.
#[derive(Debug, Default)]
pub(super) struct Known {
    nodes: HashMap<B256, Arc<TrieNode>, RandomState>,
    codes: HashMap<B256, Bytecode, RandomState>,
    pub(super) block_hashes: BTreeMap<u64, B256>,
}

impl Known {
    /// Hashes and decodes what `witness` has.
    ///
    /// A witness may hold more than is needed, which is not looked for. The same node or code twice
    /// is refused.
    pub(super) fn new(witness: &Witness) -> Result<Self, WitnessFault> {
        let mut known = Self::default();
        let mut places = HashMap::with_hasher(RandomState::default());
        for (index, bytes) in witness.state.iter().enumerate() {
            let hash = keccak256(bytes);
            unique(&mut places, hash, "state", index)?;
            let fault = |reason| WitnessFault::Node { index, bytes: short(bytes), reason };
            known.nodes.insert(hash, Arc::new(decode(bytes).map_err(fault)?));
        }
        places.clear();
        for (index, bytes) in witness.codes.iter().enumerate() {
            let hash = keccak256(bytes);
            unique(&mut places, hash, "codes", index)?;
            known.codes.insert(hash, bytecode(bytes.clone()));
        }
        Ok(known)
    }
}

fn unique(
    places: &mut HashMap<B256, usize, RandomState>,
    hash: B256,
    list: &'static str,
    index: usize,
) -> Result<(), WitnessFault> {
    match places.entry(hash) {
        Entry::Occupied(earlier) => {
            Err(WitnessFault::Repeated { list, index, earlier: *earlier.get() })
        }
        Entry::Vacant(place) => {
            place.insert(index);
            Ok(())
        }
    }
}

impl Source for Known {
    fn node(
        &self,
        of: Option<Address>,
        place: &Nibbles,
        hash: B256,
    ) -> Result<Arc<TrieNode>, WitnessError> {
        let node = self.nodes.get(&hash).cloned();
        node.ok_or_else(|| WitnessError::missing(of, place, hash))
    }

    fn code(&self, hash: B256) -> Result<Bytecode, WitnessError> {
        self.codes.get(&hash).cloned().ok_or(WitnessError::MissingCode { hash })
    }

    fn block_hash(&self, number: u64) -> Result<B256, WitnessError> {
        let hash = self.block_hashes.get(&number).copied();
        hash.ok_or(WitnessError::MissingBlockHash { number })
    }
}
