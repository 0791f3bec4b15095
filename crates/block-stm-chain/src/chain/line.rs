//! A chain without branches, for hosts that hold state and trie themselves.
//!
//! [`Chain::import`](super::Chain::import) does all of a block before it looks at the next one. A
//! host that has several blocks under way takes the same checks one by one:
//!
//! ```text
//! Line::take          encoding, header, ommers, body, signatures: needs the headers above alone
//! Prepared::execute   gas, and what the block changes: needs the state before
//! Prepared::check     receipts, bloom, requests, access list, state root: needs the results alone
//! ```

use std::collections::VecDeque;

use alloy_consensus::Header;
use alloy_primitives::{Address, B256, U256};
use block_stm_evm::{
    Block, BlockResult, InvalidTxn, PreState, ReceiptStatus, StateChanges, block_stm::Engine,
    execute_sequential, steps::execute_observed,
};

use super::{
    BlockError, decode, lists,
    unexecuted::{Ancestor, check_unexecuted},
};
use crate::{ForkSchedule, HeaderCheck, HeaderChecks, import::chain_block_from};

/// So many headers are kept: those that ommers are checked against, and as many blocks as can be
/// taken back.
const KEPT: usize = 256;

/// The newest headers of a chain, which the next block is checked against.
///
/// # Examples
///
/// ```
/// use alloy_consensus::Header;
/// use block_stm_chain::{ForkSchedule, Line};
/// use block_stm_chain::block_stm_evm::revm::primitives::hardfork::SpecId;
///
/// let line = Line::new(ForkSchedule::fixed(1, SpecId::OSAKA), Header::default());
/// assert_eq!(line.head().0, 0);
/// ```
#[derive(Clone, Debug)]
pub struct Line {
    schedule: ForkSchedule,
    /// The newest last; never empty.
    known: VecDeque<Recent>,
}

#[derive(Clone, Debug)]
struct Recent {
    hash: B256,
    header: Header,
    ommers: Vec<B256>,
    total_difficulty: U256,
}

impl Recent {
    fn ancestor(&self) -> Ancestor<'_> {
        (&self.header, &self.ommers, self.total_difficulty)
    }
}

/// A block that is right as far as can be said without the state.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Prepared {
    /// Its hash.
    pub hash: B256,
    /// Its header.
    pub header: Header,
    /// The hashes of its transactions, in their order.
    pub txns: Vec<B256>,
    /// What to execute.
    pub block: Block,
    /// What the header says of the result.
    pub claims: HeaderChecks,
    ommers: Vec<B256>,
}

impl Line {
    /// A chain of its genesis block alone, of which this is the header.
    pub fn new(schedule: ForkSchedule, genesis: Header) -> Self {
        let total_difficulty = genesis.difficulty;
        let mut line = Self { schedule, known: VecDeque::new() };
        line.add(genesis.hash_slow(), genesis, Vec::new(), total_difficulty);
        line
    }

    /// A chain of which these are the newest headers, each with its ommers, the oldest first; the
    /// last has this total difficulty. `None` where there is no header.
    pub fn resume(
        schedule: ForkSchedule,
        blocks: impl IntoIterator<Item = (Header, Vec<Header>)>,
        total_difficulty: U256,
    ) -> Option<Self> {
        let blocks: Vec<_> = blocks.into_iter().collect();
        let sum = blocks.iter().map(|(header, _)| header.difficulty);
        let sum = sum.fold(U256::ZERO, U256::saturating_add);
        let mut before = total_difficulty.saturating_sub(sum);
        let mut line = Self { schedule, known: VecDeque::new() };
        for (header, ommers) in blocks {
            before = before.saturating_add(header.difficulty);
            let ommers = ommers.iter().map(Header::hash_slow).collect();
            line.add(header.hash_slow(), header, ommers, before);
        }
        (!line.known.is_empty()).then_some(line)
    }

    /// Number and hash of the newest block.
    pub fn head(&self) -> (u64, B256) {
        let newest = self.newest();
        (newest.header.number, newest.hash)
    }

    /// The header of the newest block.
    pub fn head_header(&self) -> &Header {
        &self.newest().header
    }

    /// Whether this is one of the newest blocks.
    pub fn contains(&self, hash: &B256) -> bool {
        self.known.iter().any(|known| known.hash == *hash)
    }

    fn newest(&self) -> &Recent {
        self.known.back().expect("a line is never empty")
    }

    /// Takes the block whose RLP is `rlp` as the newest one, after checking all that can be checked
    /// without the state. Where `senders` are given they are believed, and no signature is looked
    /// at.
    ///
    /// # Errors
    ///
    /// A [`BlockError`] with the first rule that is broken; the line is as it was.
    ///
    /// # Cost
    ///
    /// Signatures are recovered on all threads of rayon's current pool.
    pub fn take(
        &mut self,
        rlp: &[u8],
        senders: Option<Vec<Address>>,
    ) -> Result<Prepared, BlockError> {
        let prepared = self.prepare(rlp, senders)?;
        let difficulty = self.newest().total_difficulty.saturating_add(prepared.header.difficulty);
        self.add(prepared.hash, prepared.header.clone(), prepared.ommers.clone(), difficulty);
        Ok(prepared)
    }

    fn prepare(&self, rlp: &[u8], senders: Option<Vec<Address>>) -> Result<Prepared, BlockError> {
        let sealed = decode(rlp)?;
        let (hash, header) = (sealed.hash(), sealed.inner().header.clone());
        let ommers = check_unexecuted(
            (&sealed, rlp.len()),
            &self.schedule,
            |header| {
                let newest = Some(self.newest()).filter(|it| it.hash == header.parent_hash);
                let newest = newest.ok_or(BlockError::UnknownParent(header.parent_hash))?;
                Ok(newest.ancestor())
            },
            |hash| self.known.iter().rev().find(|it| it.hash == *hash).map(Recent::ancestor),
        )?;
        let block = chain_block_from(sealed, senders, &self.schedule)?;
        let (claims, txns) = (block.header, block.txn_hashes);
        Ok(Prepared { hash, header, txns, block: block.block, claims, ommers })
    }

    fn add(&mut self, hash: B256, header: Header, ommers: Vec<B256>, total_difficulty: U256) {
        if self.known.len() == KEPT {
            self.known.pop_front();
        }
        self.known.push_back(Recent { hash, header, ommers, total_difficulty });
    }

    /// Makes the block `number` the newest one again; `false` if it is not one of the newest, and
    /// then nothing is changed.
    pub fn go_back(&mut self, number: u64) -> bool {
        let Some(at) = self.known.iter().position(|known| known.header.number == number) else {
            return false;
        };
        self.known.truncate(at + 1);
        true
    }
}

impl Prepared {
    /// Executes the block on `state`, the state before it, with the threads of `engine`. What its
    /// header says of the result is left to [`check`](Self::check).
    ///
    /// # Errors
    ///
    /// The block can't be executed.
    pub fn execute(&self, engine: &Engine, state: &PreState) -> Result<BlockResult, BlockError> {
        lists::execute(engine, &self.block, state, &self.claims, None)
    }

    /// Executes the block one transaction after another, without an access list.
    ///
    /// # Errors
    ///
    /// The block can't be executed.
    pub fn execute_sequential(&self, state: &PreState) -> Result<BlockResult, BlockError> {
        Ok(execute_sequential(&self.block, state, InvalidTxn::Reject)?)
    }

    /// What the state is after each transaction, as changes of `state`, the one before the block,
    /// where receipts hold the root of it: before Byzantium. `None` from then on.
    ///
    /// # Errors
    ///
    /// The block can't be executed.
    ///
    /// # Cost
    ///
    /// Executes the block once more, and copies what all transactions so far changed after each.
    pub fn changes_within(
        &self,
        result: &BlockResult,
        state: &PreState,
    ) -> Result<Option<Vec<StateChanges>>, BlockError> {
        if !result
            .receipts
            .iter()
            .any(|receipt| matches!(receipt.status, ReceiptStatus::StateRoot(_)))
        {
            return Ok(None);
        }
        let mut within = Vec::with_capacity(result.receipts.len());
        execute_observed(&self.block, state, InvalidTxn::Reject, |after| {
            within.push(after.clone().into_changes());
        })?;
        Ok(Some(within))
    }

    /// Compares a result, and the root of the state after it, with what the header says.
    ///
    /// # Errors
    ///
    /// [`BlockError::Result`] with all that differs.
    ///
    /// # Cost
    ///
    /// Encodes and hashes all receipts.
    pub fn check(&self, result: &BlockResult, root: B256) -> Result<(), BlockError> {
        self.check_with(self.claims.differences(result), root)
    }

    /// [`check`](Self::check), where `differences` are those of the result from the
    /// [`claims`](Self::claims): a host finds them while the root is computed.
    ///
    /// # Errors
    ///
    /// As [`check`](Self::check).
    pub fn check_with(
        &self,
        mut differences: Vec<HeaderCheck>,
        root: B256,
    ) -> Result<(), BlockError> {
        differences.extend(HeaderCheck::state_root(self.claims.state_root, root));
        if differences.is_empty() { Ok(()) } else { Err(BlockError::Result(differences)) }
    }
}
