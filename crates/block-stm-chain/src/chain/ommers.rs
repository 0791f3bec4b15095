//! What a block's ommers must be, before the Merge.

use std::collections::HashSet;

use alloy_consensus::Header;
use alloy_primitives::B256;

use super::{OmmerFault, unexecuted::Ancestor};
use crate::{ForkSchedule, check_header};

/// So many generations above a block hold ancestors, ommers of theirs, and parents of its own
/// ommers.
pub(super) const GENERATIONS: u64 = 7;
const OMMERS_MAX: usize = 2;

/// Checks the ommers of a block, given with the hash of its parent (yellow paper, section 11.1).
/// `known` finds the blocks above it.
pub(super) fn check_ommers<'a>(
    ommers: &[Header],
    (hash, parent): (B256, B256),
    schedule: &ForkSchedule,
    known: impl Fn(&B256) -> Option<Ancestor<'a>>,
) -> Result<(), OmmerFault> {
    if ommers.is_empty() {
        return Ok(());
    }
    if ommers.len() > OMMERS_MAX {
        return Err(OmmerFault::TooMany(ommers.len()));
    }
    let mut ancestors = HashSet::from([hash]);
    let mut included = HashSet::new();
    let mut at = parent;
    for _ in 0..GENERATIONS {
        let Some((header, ommers, _)) = known(&at) else { break };
        ancestors.insert(at);
        included.extend(ommers.iter().copied());
        at = header.parent_hash;
    }
    let mut seen = HashSet::new();
    for ommer in ommers {
        let hash = ommer.hash_slow();
        if !seen.insert(hash) {
            return Err(OmmerFault::Repeated(hash));
        }
        if included.contains(&hash) {
            return Err(OmmerFault::Included(hash));
        }
        if ancestors.contains(&hash) {
            return Err(OmmerFault::Ancestor(hash));
        }
        let is_related = ancestors.contains(&ommer.parent_hash) && ommer.parent_hash != parent;
        let above = known(&ommer.parent_hash).filter(|_| is_related);
        let (header, _, difficulty) = above.ok_or(OmmerFault::Unrelated(hash))?;
        check_header(ommer, header, difficulty, schedule)
            .map_err(|fault| OmmerFault::Header { hash, fault })?;
    }
    Ok(())
}
