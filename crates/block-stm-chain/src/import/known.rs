//! Blocks that were checked before, as they are executed once more.

use alloy_consensus::{Block as RlpBlock, BlockBody, Header};
use alloy_primitives::{B256, Sealed};
use block_stm_evm::Block;

use super::{SignedTxn, assemble::Parts, chain::chain_block};
use crate::{BlockError, ForkSchedule};

/// What to execute of a block whose hash is known, for hosts that keep headers and bodies.
///
/// # Errors
///
/// A transaction, or what the header says of the body, is wrong.
///
/// # Cost
///
/// Recovers the senders on all threads of rayon's current pool.
pub fn known_block(
    hash: B256,
    header: Header,
    body: BlockBody<SignedTxn>,
    schedule: &ForkSchedule,
) -> Result<Block, BlockError> {
    let block = RlpBlock::new(header, body);
    Ok(chain_block(Sealed::new_unchecked(block, hash), schedule)?.block)
}

/// Rules and environment of a block without its body, for calls on the state after it.
///
/// # Errors
///
/// The header lacks what the rules of its fork take.
///
/// # Examples
///
/// ```
/// use alloy_consensus::Header;
/// use block_stm_chain::{ForkSchedule, import::block_without_body};
/// use block_stm_chain::block_stm_evm::revm::primitives::hardfork::SpecId;
///
/// let header = Header { number: 7, base_fee_per_gas: Some(1), ..Header::default() };
/// let block = block_without_body(header, &ForkSchedule::fixed(1, SpecId::SHANGHAI))?;
/// assert_eq!((block.number(), block.txns.len()), (7, 0));
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
pub fn block_without_body(
    mut header: Header,
    schedule: &ForkSchedule,
) -> Result<Block, BlockError> {
    header.withdrawals_root = None;
    let parts = Parts {
        header,
        txns: Vec::new(),
        claims: Vec::new(),
        senders: None,
        withdrawals: Vec::new(),
        ommers: Vec::new(),
    };
    Ok(parts.assemble_any_txns(schedule)?.0)
}
