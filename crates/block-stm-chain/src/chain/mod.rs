//! A chain that grows by blocks which are checked in full.
//!
//! # What is checked
//!
//! [`Chain::import`] takes a block in RLP and checks, in this order: the encoding and its length;
//! that the parent is known; the header against its parent ([`check_header`]); the ommers; the
//! roots of transactions and withdrawals; signatures; then it executes the block in parallel, and
//! checks gas, bloom, receipts, requests, the access list and the state root. The seal, the proof
//! of work before the Merge, is not checked.
//!
//! # Branches
//!
//! ```text
//! genesis -- 1 -- 2 -- 3        head: most difficulty; after the Merge, the last block that came
//!             \
//!              2' -- 3' -- 4'   the state moves: 3, 2 are undone, 2', 3' done again
//! ```
//!
//! There is one state and one trie, those after some block. Each block keeps what it changed and
//! the inverse of that, so that the state can move along the tree of blocks to any parent. A move
//! costs as much as the blocks on the way changed. What lies deeper below the head than
//! [`Chain::branch_depth`] says is forgotten, so that memory grows with the state and not with the
//! length of the chain. It does grow with the blocks of one height, and with branches that never
//! become the head's: a host that imports from strangers limits these.

mod error;
mod file;
mod genesis;
mod horizon;
mod line;
mod lists;
mod ommers;
mod tree;
mod unexecuted;
mod witness;

use alloy_consensus::Block as RlpBlock;
use alloy_primitives::{B256, Sealed};
use block_stm_evm::block_stm::Engine;
use block_stm_evm::{
    Block, BlockResult, InvalidTxn, ParallelOptions, PreState, alloy_eip7928::BlockAccessList,
    execute_parallel,
};

pub use error::{BlockError, OmmerFault};
pub use file::rlp_blocks;
pub use genesis::Genesis;
pub use line::{Line, Prepared};
pub use tree::{Chain, GenesisError};

use self::{tree::Known, unexecuted::check_unexecuted};
use crate::{
    HeaderCheck, HeaderChecks, StateTrie,
    import::{AssembleError, SignedTxn, chain_block, chain_block_any_txns},
};

fn decode(mut rlp: &[u8]) -> Result<Sealed<RlpBlock<SignedTxn>>, BlockError> {
    let sealed = RlpBlock::<SignedTxn>::decode_sealed(&mut rlp)
        .map_err(|error| BlockError::Encoding(error.to_string()))?;
    if rlp.is_empty() {
        return Ok(sealed);
    }
    let message = format!("{} bytes follow the block", rlp.len());
    Err(BlockError::Encoding(message))
}

impl From<AssembleError> for BlockError {
    fn from(error: AssembleError) -> Self {
        match error {
            AssembleError::Field(field, message) => Self::Body { field, message },
            AssembleError::Txn((index, hash, reason)) => Self::Txn { index, hash, reason },
        }
    }
}

/// A block that was imported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Imported {
    /// The block's hash.
    pub hash: B256,
    /// Its number.
    pub number: u64,
    /// How many transactions it has.
    pub txns: usize,
    /// The gas that they used.
    pub gas_used: u64,
    /// Whether the chain's head is this block now.
    pub is_head: bool,
}

impl Chain {
    /// Checks the block whose RLP is `rlp`, and adds it. A block that is known already, and was not
    /// forgotten, is not executed again.
    ///
    /// # Errors
    ///
    /// A [`BlockError`] with the first rule that is broken; the chain is as it was.
    ///
    /// # Cost
    ///
    /// That of executing the block, on the threads of `engine`, and of hashing what it changed.
    /// Signatures are recovered on all threads of rayon's current pool. Before Byzantium, where
    /// receipts hold state roots, the block is executed twice. A branch costs a move of the state,
    /// as much as the blocks on the way changed.
    pub fn import(&mut self, rlp: &[u8], engine: &Engine) -> Result<Imported, BlockError> {
        self.import_block(rlp, None, engine)
    }

    /// [`import`](Self::import) of a block that comes with its access list (EIP-7928), which is
    /// executed with it.
    ///
    /// The list must be the one that the header names, where it names one, must not be too long
    /// then, and must be right.
    ///
    /// # Errors
    ///
    /// As [`import`](Self::import), and [`BlockError::ListForm`] and [`BlockError::AccessList`] if
    /// nothing else is wrong with the block.
    ///
    /// # Cost
    ///
    /// As [`import`](Self::import), but for execution, see
    /// [`execute_with_access_list`](block_stm_evm::access_list::execute_with_access_list). A block
    /// whose list is wrong is executed once more without it.
    pub fn import_with_access_list(
        &mut self,
        rlp: &[u8],
        list: BlockAccessList,
        engine: &Engine,
    ) -> Result<Imported, BlockError> {
        self.import_block(rlp, Some(list), engine)
    }

    fn import_block(
        &mut self,
        rlp: &[u8],
        list: Option<BlockAccessList>,
        engine: &Engine,
    ) -> Result<Imported, BlockError> {
        let sealed = decode(rlp)?;
        let hash = sealed.hash();
        let header = sealed.inner().header.clone();
        let txns = sealed.inner().body.transactions.len();
        let (number, gas_used) = (header.number, header.gas_used);
        let imported = |is_head| Imported { hash, number, txns, gas_used, is_head };
        if self.blocks.contains_key(&hash) {
            return Ok(imported(self.head() == hash));
        }
        let ommers = check_unexecuted(
            (&sealed, rlp.len()),
            &self.schedule,
            |header| self.parent_of(header).map(Known::ancestor),
            |hash| self.blocks.get(hash).map(Known::ancestor),
        )?;
        let block = chain_block(sealed, &self.schedule)?;
        self.move_to(header.parent_hash);
        let result = self.execute(&block.block, &block.header, list, engine)?;
        let is_head = self.add(hash, header, ommers, result.state);
        Ok(imported(is_head))
    }

    /// Why the transactions of a block can't be executed, if they can't, whatever its header says
    /// of them and of what they lead to.
    ///
    /// For blocks that [`import`](Self::import) refuses for the root of their transactions, to say
    /// more of them.
    ///
    /// # Errors
    ///
    /// A [`BlockError`]; also if the encoding is wrong or the parent unknown.
    pub fn check_txns(&mut self, rlp: &[u8], engine: &Engine) -> Result<(), BlockError> {
        let (block, state) = self.block_and_state(rlp)?;
        execute_parallel(engine, &block, state, &ParallelOptions::default())?;
        Ok(())
    }

    /// The block whose RLP is `rlp`, whatever its header says, and the state before it.
    ///
    /// # Errors
    ///
    /// A [`BlockError`] if the encoding or a signature is wrong, or the parent unknown.
    ///
    /// # Cost
    ///
    /// Moves the state to the parent if it is elsewhere.
    pub fn block_and_state(&mut self, rlp: &[u8]) -> Result<(Block, &PreState), BlockError> {
        let sealed = decode(rlp)?;
        let parent = sealed.inner().header.parent_hash;
        self.parent_of(&sealed.inner().header)?;
        let block = chain_block_any_txns(sealed, &self.schedule)?;
        self.move_to(parent);
        Ok((block.block, &self.state))
    }

    /// Executes a block on the state, and leaves the trie at the block's end if all is as `claims`
    /// say.
    ///
    /// What is wrong with a list comes last, as in the specification: there, execution knows of no
    /// list, and the one that it leads to is compared in the end. So a block that is refused for
    /// the list that came with it is executed without it, to say what is wrong with the block.
    fn execute(
        &mut self,
        block: &Block,
        claims: &HeaderChecks,
        list: Option<BlockAccessList>,
        engine: &Engine,
    ) -> Result<BlockResult, BlockError> {
        let has_list = list.is_some();
        match self.execute_once(block, claims, list, engine) {
            Err(fault) if has_list && lists::is_at_fault(&fault) => {
                match self.execute_once(block, claims, None, engine) {
                    Ok(result) => {
                        self.trie.apply(&self.state.inverse(&result.state));
                        Err(fault)
                    }
                    Err(error) if lists::is_at_fault(&error) => Err(fault),
                    Err(error) => Err(error),
                }
            }
            executed => executed,
        }
    }

    fn execute_once(
        &mut self,
        block: &Block,
        claims: &HeaderChecks,
        list: Option<BlockAccessList>,
        engine: &Engine,
    ) -> Result<BlockResult, BlockError> {
        if let Some(list) = &list {
            lists::check_given(list, block, claims)?;
        }
        let Self { state, trie, .. } = self;
        let executed = trie.follow(|feed| match list {
            Some(list) => lists::execute_given(engine, block, &*state, list, feed),
            None => lists::execute(engine, block, &*state, claims, Some(feed)),
        });
        let mut result = match executed {
            Ok(result) => result,
            Err(error) => {
                trie.apply(&Default::default());
                return Err(error);
            }
        };
        let root = trie.apply(&result.state);
        let back = |trie: &mut StateTrie, result: &BlockResult| {
            trie.apply(&state.inverse(&result.state));
        };
        if result.receipts_root().is_none() {
            back(trie, &result);
            let roots = trie.roots_within(state, block, InvalidTxn::Reject)?;
            result.set_state_roots(&roots);
            trie.apply(&result.state);
        }
        let mut differences = claims.differences(&result);
        differences.extend(HeaderCheck::state_root(claims.state_root, root));
        if differences.is_empty() {
            return Ok(result);
        }
        back(trie, &result);
        Err(BlockError::Result(differences))
    }
}
