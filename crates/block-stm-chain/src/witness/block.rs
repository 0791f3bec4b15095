//! A block of a chain from its own bytes and its witness, and nothing else.

use alloy_consensus::{Block as RlpBlock, Header};
use alloy_primitives::{B256, Bytes, Sealed, U256};
use alloy_rlp::Decodable;
use block_stm_evm::{ExecutionError, access_list::check_list_length, block_stm::Engine};

use super::{Rooted, Witness, WitnessError, WitnessFault, WitnessState};
use crate::{
    BlockError, ForkSchedule, HeaderCheck, check_header,
    import::{
        ChainBlock, SignedTxn,
        block_size::{MAX_BLOCK_BYTES, is_too_long},
        chain_block,
    },
};

/// A block can ask for the hashes of so many blocks before it.
const BLOCK_HASHES: usize = 256;

/// Why a block is refused that is checked with its witness alone.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StatelessError {
    /// The witness is none, or not that of a block with this parent.
    #[error("the witness is wrong: {0}")]
    Witness(#[from] WitnessFault),
    /// The block is wrong, or leads to something else than its header says.
    #[error(transparent)]
    Block(#[from] BlockError),
    /// The block can't be executed on the witness.
    #[error(transparent)]
    Execution(#[from] ExecutionError<WitnessError>),
}

impl StatelessError {
    /// What the witness lacks, if that is what is wrong.
    pub fn lacks(&self) -> Option<&WitnessError> {
        match self {
            Self::Execution(ExecutionError::Database { source, .. }) => Some(source),
            _ => None,
        }
    }
}

/// A block that was checked with its witness alone.
#[derive(Debug)]
#[non_exhaustive]
pub struct CheckedBlock {
    /// The block's number.
    pub number: u64,
    /// Its hash.
    pub hash: B256,
    /// The block as it was executed.
    pub block: ChainBlock,
    /// The state before it, as far as it is known.
    pub state: WitnessState,
    /// What the block led to.
    pub rooted: Rooted,
}

/// Checks the block whose RLP is `rlp` with `witness`, and nothing else.
///
/// The headers of the witness must lead from the block's parent downwards; the state before the
/// block is the one that the parent's header names. Header, body, signatures and the result of
/// execution are checked as [`Chain::import`](crate::Chain::import) does, but for ommers, which
/// take seven blocks, and for two claims that take the whole chain: that the block's ancestors are
/// right, and whether the Merge came before it, for which the difficulty is taken.
///
/// # Errors
///
/// A [`StatelessError`] with the first thing that is wrong.
///
/// # Cost
///
/// As [`WitnessState::new`] and [`WitnessState::execute`].
pub fn check_block(
    rlp: &[u8],
    schedule: &ForkSchedule,
    witness: &Witness,
    engine: &Engine,
) -> Result<CheckedBlock, StatelessError> {
    let sealed = decoded(rlp)?;
    let (hash, header) = (sealed.hash(), sealed.inner().header.clone());
    let spec = schedule.spec_of(header.number, header.timestamp, header.difficulty);
    if is_too_long(rlp.len(), spec) {
        return Err(BlockError::Size { bytes: rlp.len(), max: MAX_BLOCK_BYTES }.into());
    }
    let ancestors = ancestors(&header, &witness.headers)?;
    let parent = ancestors.first().ok_or(WitnessFault::NoParent)?;
    let before = if header.difficulty.is_zero() { U256::MAX } else { U256::ZERO };
    check_header(&header, parent, before, schedule).map_err(BlockError::from)?;
    let block = chain_block(sealed, schedule).map_err(BlockError::from)?;
    let mut state = WitnessState::new(witness, parent.state_root)?;
    let mut child = &header;
    for ancestor in &ancestors {
        state = state.block_hash(ancestor.number, child.parent_hash);
        child = ancestor;
    }
    if let Some(number) = child.number.checked_sub(1) {
        state = state.block_hash(number, child.parent_hash);
    }
    let rooted = state.execute(engine, &block.block)?;
    let mut differences = block.header.differences(&rooted.result);
    differences.extend(HeaderCheck::state_root(header.state_root, rooted.post_root));
    if !differences.is_empty() {
        return Err(BlockError::Result(differences).into());
    }
    if let (Some(_), Some(list)) = (header.block_access_list_hash, &rooted.result.access_list) {
        check_list_length(list, header.gas_limit).map_err(BlockError::from)?;
    }
    Ok(CheckedBlock { number: header.number, hash, block, state, rooted })
}

fn decoded(mut rlp: &[u8]) -> Result<Sealed<RlpBlock<SignedTxn>>, BlockError> {
    match RlpBlock::<SignedTxn>::decode_sealed(&mut rlp) {
        Ok(sealed) if rlp.is_empty() => Ok(sealed),
        Ok(_) => Err(BlockError::Encoding(format!("{} bytes follow the block", rlp.len()))),
        Err(error) => Err(BlockError::Encoding(error.to_string())),
    }
}

/// The headers before the one of the block, each the parent of the one before it.
fn ancestors(block: &Header, headers: &[Bytes]) -> Result<Vec<Header>, WitnessFault> {
    if headers.len() > BLOCK_HASHES {
        return Err(WitnessFault::Headers(headers.len()));
    }
    let (mut ancestors, mut parent) = (Vec::with_capacity(headers.len()), block.parent_hash);
    for (index, rlp) in headers.iter().enumerate() {
        let wrong = |message| WitnessFault::Header { index, message };
        let mut rest = &rlp[..];
        let header = Header::decode(&mut rest).map_err(|error| wrong(error.to_string()))?;
        if !rest.is_empty() {
            return Err(wrong(format!("{} bytes follow the header", rest.len())));
        }
        let hash = header.hash_slow();
        if hash != parent {
            return Err(WitnessFault::Parent { index, hash, parent });
        }
        parent = header.parent_hash;
        ancestors.push(header);
    }
    Ok(ancestors)
}
