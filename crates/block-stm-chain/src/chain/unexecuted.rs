//! What is checked of a block before its body is looked at and anything is executed.

use alloy_consensus::{Block as RlpBlock, Header};
use alloy_primitives::{B256, Sealed, U256};

use super::{BlockError, ommers::check_ommers};
use crate::{
    ForkSchedule, check_header,
    import::{
        SignedTxn,
        block_size::{MAX_BLOCK_BYTES, is_too_long},
    },
};

/// What is known of a block above: its header, the hashes of its ommers, the total difficulty.
pub(super) type Ancestor<'a> = (&'a Header, &'a [B256], U256);

/// Checks the length, the header against the parent, and the ommers of a block whose encoding has
/// `bytes` bytes. Returns the hashes of its ommers.
///
/// `parent` finds the block that it may follow on, `known` any above it.
pub(super) fn check_unexecuted<'a>(
    (block, bytes): (&Sealed<RlpBlock<SignedTxn>>, usize),
    schedule: &ForkSchedule,
    parent: impl FnOnce(&Header) -> Result<Ancestor<'a>, BlockError>,
    known: impl Fn(&B256) -> Option<Ancestor<'a>>,
) -> Result<Vec<B256>, BlockError> {
    let RlpBlock { header, body } = block.inner();
    let spec = schedule.spec_of(header.number, header.timestamp, header.difficulty);
    if is_too_long(bytes, spec) {
        return Err(BlockError::Size { bytes, max: MAX_BLOCK_BYTES });
    }
    let (above, _, total_difficulty) = parent(header)?;
    check_header(header, above, total_difficulty, schedule)?;
    check_ommers(&body.ommers, (block.hash(), header.parent_hash), schedule, known)?;
    Ok(body.ommers.iter().map(Header::hash_slow).collect())
}
