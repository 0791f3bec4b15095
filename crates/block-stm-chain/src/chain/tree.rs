//! The tree of blocks, and the state that moves along it.

use std::collections::HashMap;

use alloy_consensus::Header;
use alloy_primitives::{B256, U256};
use block_stm_evm::{PreState, StateChanges};
use foldhash::fast::RandomState;

use super::{Genesis, horizon::Horizon, unexecuted::Ancestor};
use crate::{ForkSchedule, StateTrie};

/// Blocks that descend from one genesis block, and the state after one of them.
#[derive(Clone, Debug)]
pub struct Chain {
    pub(super) schedule: ForkSchedule,
    /// The whole state after block `at`, with the hashes of the blocks up to it for BLOCKHASH.
    pub(super) state: PreState,
    /// The trie of `state`.
    pub(super) trie: StateTrie,
    at: B256,
    pub(super) head: B256,
    pub(super) blocks: HashMap<B256, Known, RandomState>,
    pub(super) horizon: Horizon,
}

/// A block that was checked.
#[derive(Clone, Debug)]
pub(super) struct Known {
    pub(super) header: Header,
    /// Hashes of its ommers.
    pub(super) ommers: Vec<B256>,
    /// Of all blocks from the genesis block to this one.
    pub(super) total_difficulty: U256,
    /// What takes the parent's state to this block's, and back, unless it was forgotten.
    pub(super) changes: StateChanges,
    inverse: StateChanges,
}

impl Known {
    pub(super) fn ancestor(&self) -> Ancestor<'_> {
        (&self.header, &self.ommers, self.total_difficulty)
    }

    pub(super) fn forget_changes(&mut self) {
        (self.changes, self.inverse) = Default::default();
    }
}

/// The state does not have the root that the genesis header names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the state root of the genesis block is {computed}, not {claimed}")]
pub struct GenesisError {
    /// The header's.
    pub claimed: B256,
    /// The state's.
    pub computed: B256,
}

impl Chain {
    /// A chain of its genesis block alone.
    ///
    /// # Cost
    ///
    /// Hashes the whole state.
    pub fn new(genesis: Genesis) -> Self {
        let Genesis { schedule, mut header, state } = genesis;
        let mut trie = StateTrie::from(&state);
        header.state_root = trie.root();
        let hash = header.hash_slow();
        let total_difficulty = header.difficulty;
        let (changes, inverse) = Default::default();
        let known = Known { header, ommers: Vec::new(), total_difficulty, changes, inverse };
        let horizon = Horizon::new(hash, known.header.number);
        let blocks = HashMap::default();
        let mut chain = Self { schedule, state, trie, at: hash, head: hash, blocks, horizon };
        chain.state.insert_block_hash(known.header.number, hash);
        chain.blocks.insert(hash, known);
        chain
    }

    /// The same for a genesis header that names the state root.
    ///
    /// # Errors
    ///
    /// A [`GenesisError`] if the state has another one.
    pub fn with_genesis_header(genesis: Genesis) -> Result<Self, GenesisError> {
        let claimed = genesis.header.state_root;
        let mut chain = Self::new(genesis);
        let computed = chain.trie.root();
        if claimed == computed { Ok(chain) } else { Err(GenesisError { claimed, computed }) }
    }

    /// Hash of the head: the block with the most total difficulty, the first of several; after the
    /// Merge the one that was imported last.
    pub fn head(&self) -> B256 {
        self.head
    }

    /// The head's header.
    pub fn head_header(&self) -> &Header {
        &self.blocks[&self.head].header
    }

    /// What takes the state of the parent of the block `hash` to that of the block, unless the
    /// block is unknown, or what it changed was forgotten: see
    /// [`branch_depth`](Self::branch_depth).
    pub fn changes(&self, hash: &B256) -> Option<&StateChanges> {
        let known = self.blocks.get(hash)?;
        let root = self.number(self.horizon.root());
        (known.header.number > root).then_some(&known.changes)
    }

    /// The state after the head.
    ///
    /// # Cost
    ///
    /// Moves the state there if it is elsewhere.
    pub fn head_state(&mut self) -> &PreState {
        self.move_to(self.head);
        &self.state
    }

    /// Adds a block whose parent the state is at, and whose changes the trie, but not the state,
    /// has taken in; returns whether it is the head now.
    pub(super) fn add(
        &mut self,
        hash: B256,
        header: Header,
        ommers: Vec<B256>,
        changes: StateChanges,
    ) -> bool {
        let parent = &self.blocks[&header.parent_hash];
        let merged = self.schedule.is_merged(header.number, parent.total_difficulty);
        let total_difficulty = parent.total_difficulty.saturating_add(header.difficulty);
        let inverse = self.state.inverse(&changes);
        self.state.apply(&changes);
        self.state.insert_block_hash(header.number, hash);
        self.horizon.add(header.number, hash);
        self.at = hash;
        let heaviest = self.blocks[&self.head].total_difficulty;
        let head_is_merged = self.blocks[&self.head].header.difficulty.is_zero();
        let known = Known { header, ommers, total_difficulty, changes, inverse };
        self.blocks.insert(hash, known);
        if merged || (total_difficulty > heaviest && !head_is_merged) {
            self.head = hash;
            self.forget();
        }
        self.head == hash
    }

    /// Moves the state and the trie to be those after block `target`, which descends from the
    /// horizon's root.
    pub(super) fn move_to(&mut self, target: B256) {
        let mut ahead = Vec::new();
        let mut down = target;
        while self.at != down {
            // The deeper of the two goes up, so that they meet where the branches part.
            if self.number(down) >= self.number(self.at) {
                ahead.push(down);
                down = self.blocks[&down].header.parent_hash;
            } else {
                let block = &self.blocks[&self.at];
                self.state.apply(&block.inverse);
                self.trie.apply(&block.inverse);
                self.at = block.header.parent_hash;
            }
        }
        for hash in ahead.into_iter().rev() {
            let block = &self.blocks[&hash];
            self.state.apply(&block.changes);
            self.trie.apply(&block.changes);
            self.state.insert_block_hash(block.header.number, hash);
            self.at = hash;
        }
    }

    pub(super) fn number(&self, hash: B256) -> u64 {
        self.blocks[&hash].header.number
    }
}
