//! What a block's ommers must be, before the Merge.

use std::collections::HashSet;

use alloy_consensus::Header;
use alloy_primitives::B256;

use super::{Chain, OmmerFault};
use crate::check_header;

/// So many generations above a block hold ancestors, ommers of theirs, and parents of its own
/// ommers.
pub(super) const GENERATIONS: u64 = 7;
const OMMERS_MAX: usize = 2;

impl Chain {
    /// Checks the ommers of a block `hash` whose parent is `parent` (yellow paper, section 11.1).
    pub(super) fn check_ommers(
        &self,
        ommers: &[Header],
        hash: B256,
        parent: B256,
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
            let Some(block) = self.blocks.get(&at) else { break };
            ancestors.insert(at);
            included.extend(block.ommers.iter().copied());
            at = block.header.parent_hash;
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
            let above = self.blocks.get(&ommer.parent_hash).filter(|_| is_related);
            let above = above.ok_or(OmmerFault::Unrelated(hash))?;
            check_header(ommer, &above.header, above.total_difficulty, &self.schedule)
                .map_err(|fault| OmmerFault::Header { hash, fault })?;
        }
        Ok(())
    }
}
