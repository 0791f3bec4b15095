//! How deep below the head a branch may begin, and forgetting what lies deeper.
//!
//! ```text
//! forgotten    headers alone, for ommers    what each block changed is kept, both ways
//! ... 30 - 31 - 32 - 33 - ... - 38 - 39 --- 40 --- 41 - 42 - ... - head
//!          \                           |    |       \
//!           32' forgotten with 31      |    root     42' - 43'
//!                                      parents from here on
//! ```
//!
//! The root is the ancestor of the head that is `depth` blocks below it. It never goes back, also
//! where the head does. Each block that is kept descends from it, so that the state can move to any
//! of them without what was forgotten. A branch that begins below the root is dropped as a whole,
//! however long it is.

use std::collections::BTreeMap;

use alloy_consensus::Header;
use alloy_primitives::B256;

use super::{Chain, error::BlockError, ommers::GENERATIONS, tree::Known};

/// How deep below the head a branch may begin, unless [`Chain::branch_depth`] says it.
const DEPTH: u64 = 256;
/// BLOCKHASH answers for so many blocks.
const BLOCK_HASHES: u64 = 256;

/// What is kept.
#[derive(Clone, Debug)]
pub(super) struct Horizon {
    depth: u64,
    /// The deepest block at which a branch may begin.
    root: B256,
    /// Its number in the beginning, when nothing was forgotten.
    start: u64,
    /// All blocks that are kept, by number.
    heights: BTreeMap<u64, Vec<B256>>,
}

impl Horizon {
    pub(super) fn new(genesis: B256, start: u64) -> Self {
        Self { depth: DEPTH, root: genesis, start, heights: [(start, vec![genesis])].into() }
    }

    /// The deepest block at which a branch may begin.
    pub(super) fn root(&self) -> B256 {
        self.root
    }

    pub(super) fn add(&mut self, number: u64, hash: B256) {
        self.heights.entry(number).or_default().push(hash);
    }
}

impl Chain {
    /// The same chain, on which a branch may begin up to `depth` blocks below the head: 256 where
    /// this is not called.
    ///
    /// What so many blocks changed is kept in memory; what is deeper is forgotten, and a block that
    /// follows on it is refused with [`BlockError::TooDeep`]. What was forgotten before is gone.
    pub fn branch_depth(mut self, depth: u64) -> Self {
        self.horizon.depth = depth;
        self.move_to(self.head);
        self.forget();
        self
    }

    /// How many blocks are kept, on all branches, those of which the header alone is left included.
    pub fn kept_blocks(&self) -> usize {
        self.blocks.len()
    }

    /// The parent of a block with the header `header`, if a block may follow on it.
    pub(super) fn parent_of(&self, header: &Header) -> Result<&Known, BlockError> {
        let (parent, root) = (header.parent_hash, self.number(self.horizon.root));
        match self.blocks.get(&parent) {
            Some(known) if known.header.number >= root => Ok(known),
            // Of what was forgotten all that is left to tell it by is the number.
            None if root == self.horizon.start || header.number > root => {
                Err(BlockError::UnknownParent(parent))
            }
            _ => Err(BlockError::TooDeep { parent, root, depth: self.horizon.depth }),
        }
    }

    /// Forgets what the head has left behind. The state must be at the head.
    pub(super) fn forget(&mut self) {
        let before = self.number(self.horizon.root);
        let Some(number) = self.number(self.head).checked_sub(self.horizon.depth) else { return };
        if number <= before {
            return;
        }
        let mut root = self.head;
        while self.number(root) > number {
            root = self.blocks[&root].header.parent_hash;
        }
        // From the new root down to the old one.
        let mut line = vec![root];
        while let Some(at) = line.last().filter(|at| self.number(**at) > before + 1) {
            line.push(self.blocks[at].header.parent_hash);
        }
        self.drop_branches(before, number, &line);
        self.horizon.root = root;
        for hash in line {
            if let Some(block) = self.blocks.get_mut(&hash) {
                block.forget_changes();
            }
        }
        let headers = self.horizon.heights.split_off(&number.saturating_sub(GENERATIONS - 1));
        for hash in std::mem::replace(&mut self.horizon.heights, headers).into_values().flatten() {
            self.blocks.remove(&hash);
        }
        self.state.remove_block_hashes_before(number.saturating_sub(BLOCK_HASHES - 1));
    }

    /// Drops what is at the heights of `line`, above `before` and up to `number`, but not in it,
    /// and what descends from that.
    fn drop_branches(&mut self, before: u64, number: u64, line: &[B256]) {
        let mut dropped: Vec<B256> = Vec::new();
        for (&height, hashes) in self.horizon.heights.range_mut(before + 1..) {
            if height > number && dropped.is_empty() {
                break;
            }
            let is_kept = |hash: &B256| match height <= number {
                true => line.contains(hash),
                false => !dropped.contains(&self.blocks[hash].header.parent_hash),
            };
            let (kept, others) = hashes.iter().partition(|hash| is_kept(hash));
            *hashes = kept;
            for hash in std::mem::replace(&mut dropped, others) {
                self.blocks.remove(&hash);
            }
        }
        for hash in dropped {
            self.blocks.remove(&hash);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use alloy_primitives::{Address, Bytes, U256};
    use proptest::prelude::*;
    use revm::{primitives::hardfork::SpecId, state::AccountInfo};

    use super::*;
    use crate::{ForkSchedule, Genesis, state_root};
    use block_stm_evm::{AccountChange, PreState, StateChanges};

    fn chain(spec: SpecId, depth: u64) -> Chain {
        let genesis =
            Genesis::new(ForkSchedule::fixed(1, spec), Header::default(), PreState::new());
        Chain::new(genesis).branch_depth(depth)
    }

    fn child(parent: B256, number: u64, difficulty: u64, name: u64) -> Header {
        Header {
            parent_hash: parent,
            number,
            difficulty: U256::from(difficulty),
            extra_data: Bytes::copy_from_slice(&name.to_be_bytes()),
            ..Header::default()
        }
    }

    /// Adds a block that pays `name` wei to one of a few accounts, if its parent is there; the
    /// state root before and after it.
    fn add(chain: &mut Chain, header: &Header, name: u64) -> Result<(B256, B256), BlockError> {
        chain.parent_of(header)?;
        chain.move_to(header.parent_hash);
        let before = chain.trie.root();
        let info = AccountInfo::default().with_balance(U256::from(name));
        let change = AccountChange::new(Address::with_last_byte((name % 5) as u8), Some(info));
        let changes = StateChanges::from_iter([change]);
        let after = chain.trie.apply(&changes);
        chain.add(header.hash_slow(), header.clone(), Vec::new(), changes);
        assert_eq!(state_root(&chain.state), after);
        Ok((before, after))
    }

    #[test]
    fn what_a_chain_keeps_does_not_grow_with_its_blocks() {
        for (depth, blocks) in [(0, 40), (5, 60), (DEPTH, 600)] {
            let mut chain = chain(SpecId::SHANGHAI, depth);
            for number in 1..=blocks {
                let header = child(chain.head(), number, 0, number);
                add(&mut chain, &header, number).expect("on the head");
                let kept = number.min(depth + GENERATIONS - 1) + 1;
                assert_eq!(chain.kept_blocks() as u64, kept, "block {number}, depth {depth}");
                assert!(chain.state.block_hashes().len() as u64 <= depth + BLOCK_HASHES);
            }
            let changes = chain.blocks.values().filter(|block| !block.changes.is_empty());
            assert_eq!(changes.count() as u64, depth);
            // The deepest block that BLOCKHASH reaches from a branch at the root.
            let deepest = (blocks - depth + 1).saturating_sub(BLOCK_HASHES);
            assert_eq!(chain.state.block_hashes().keys().next(), Some(&deepest));
        }
    }

    #[test]
    fn a_branch_begins_at_the_root_and_no_deeper() {
        let mut chain = chain(SpecId::SHANGHAI, 3);
        let mut line = vec![chain.head()];
        for number in 1..=10 {
            let header = child(chain.head(), number, 0, number);
            add(&mut chain, &header, number).expect("on the head");
            line.push(chain.head());
        }
        let error = |chain: &mut Chain, parent: B256, number| {
            let error = add(chain, &child(parent, number, 0, 99), 99).expect_err("refused");
            error.to_string()
        };
        for (number, parent) in (1..=7).zip(&line) {
            let message = error(&mut chain, *parent, number);
            assert!(message.contains("no branch can begin below block 7, 3 blocks"), "{message}");
        }
        assert!(error(&mut chain, B256::ZERO, 8).ends_with("is unknown"));
        add(&mut chain, &child(line[7], 8, 0, 99), 99).expect("the root may have children");
        // The head went back, the root stays; the branch that is left is there until the root goes
        // past.
        assert!(error(&mut chain, line[6], 7).contains("below block 7"));
        add(&mut chain, &child(line[10], 11, 0, 98), 98).expect("on the other branch");
        assert!(error(&mut chain, line[7], 8).contains("below block 8"));
        assert!(!chain.blocks.values().any(|block| block.header.extra_data.ends_with(&[99])));
    }

    proptest! {
        /// Blocks on blocks of any branch, before and after the Merge: a block is refused where it
        /// must be, and all others find the state that was there when their parent was added.
        #[test]
        fn the_state_moves_to_whatever_is_kept(
            merged: bool,
            depth in 0..6_u64,
            blocks in prop::collection::vec((0..9_usize, 1..4_u64), 1..60),
        ) {
            let mut chain = chain(if merged { SpecId::SHANGHAI } else { SpecId::LONDON }, depth);
            let genesis = (chain.head(), chain.head_header().clone(), chain.trie.root());
            let mut all = vec![genesis.clone()];
            let mut parents = HashMap::from([(genesis.0, B256::ZERO)]);
            let (mut root, mut lowest) = (genesis.0, 0);
            for (name, (back, weight)) in (1..).zip(blocks) {
                let (hash, parent, state) = all[all.len() - 1 - back % all.len()].clone();
                let difficulty = if merged { 0 } else { weight };
                let header = child(hash, parent.number + 1, difficulty, name);
                let mut above = hash;
                while above != root && above != B256::ZERO {
                    above = parents[&above];
                }
                match add(&mut chain, &header, name) {
                    Ok((before, after)) => {
                        prop_assert_eq!((above, before), (root, state));
                        all.push((header.hash_slow(), header.clone(), after));
                        parents.insert(header.hash_slow(), hash);
                    }
                    Err(error) => {
                        prop_assert!(above != root, "{}", error);
                        // Without the block it is unknown whether it was there.
                        let unknown = matches!(error, BlockError::UnknownParent(_));
                        let too_deep = matches!(error, BlockError::TooDeep { .. });
                        prop_assert!(unknown || too_deep, "{}", error);
                        continue;
                    }
                }
                let head = chain.head_header().number;
                if head > depth + lowest {
                    lowest = head - depth;
                    root = chain.head();
                    for _ in 0..depth {
                        root = parents[&root];
                    }
                }
            }
        }
    }
}
