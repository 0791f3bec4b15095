//! Witnesses of a chain's blocks.

use alloy_consensus::Header;
use alloy_primitives::{B256, Bytes};
use block_stm_evm::block_stm::Engine;

use super::{BlockError, Chain, decode};
use crate::{
    HeaderCheck,
    import::chain_block,
    witness::{Witnessed, execute_with_witness},
};

impl Chain {
    /// Executes the block whose RLP is `rlp` on the state of its parent, checks what it leads to
    /// against its header, and makes its witness, with the headers that it takes. The block is not
    /// added.
    ///
    /// What [`import`](Self::import) checks of a header and of ommers without execution is not
    /// checked.
    ///
    /// # Errors
    ///
    /// A [`BlockError`]; the chain is as it was.
    ///
    /// # Cost
    ///
    /// As [`execute_with_witness`]. Moves the state to the parent if it is elsewhere.
    pub fn witness(&mut self, rlp: &[u8], engine: &Engine) -> Result<Witnessed, BlockError> {
        let sealed = decode(rlp)?;
        let header = sealed.inner().header.clone();
        let parent = header.parent_hash;
        self.parent_of(&header)?;
        let block = chain_block(sealed, &self.schedule)?;
        self.move_to(parent);
        let mut made = execute_with_witness(engine, &block.block, &self.state, &mut self.trie)?;
        let mut differences = block.header.differences(&made.rooted.result);
        let after = made.rooted.post_root;
        differences.extend(HeaderCheck::state_root(header.state_root, after));
        if !differences.is_empty() {
            return Err(BlockError::Result(differences));
        }
        made.witness.headers = self.headers(parent, made.oldest_hash);
        Ok(made)
    }

    /// The headers from block `first` downwards, as far as they tell the hash of block `oldest`: it
    /// stands in its child's.
    fn headers(&self, first: B256, oldest: Option<u64>) -> Vec<Bytes> {
        let known = |hash: &B256| self.blocks.get(hash).map(|known| &known.header);
        let ancestors = std::iter::successors(known(&first), |child: &&Header| {
            let wanted = oldest.is_some_and(|oldest| child.number > oldest.saturating_add(1));
            if wanted { known(&child.parent_hash) } else { None }
        });
        ancestors.map(|header| alloy_rlp::encode(header).into()).collect()
    }
}
