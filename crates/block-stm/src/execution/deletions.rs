//! The last deletions that were committed, for telling on whom a scan depends.
//!
//! A scan that finds nothing where something was depends on the transaction that deleted it, as a
//! read of what was written depends on the writer. But it looks at nothing there, so its record has
//! no read that would say so.

use std::collections::VecDeque;

use crate::primitives::ids::TxnIndex;

/// How many are remembered. A distance matters where it is short.
const REMEMBERED: usize = 8;

/// The last few locations that were deleted, by whom, the last one first.
pub(crate) struct Deletions<L>(VecDeque<(TxnIndex, L)>);

impl<L> Deletions<L> {
    pub(crate) const fn new() -> Self {
        Self(VecDeque::new())
    }

    pub(crate) fn push(&mut self, txn: TxnIndex, location: L) {
        self.0.truncate(REMEMBERED - 1);
        self.0.push_front((txn, location));
    }

    /// The nearest transaction that deleted one of these locations.
    pub(crate) fn nearest(&self, mut among: impl FnMut(&L) -> bool) -> Option<TxnIndex> {
        self.0.iter().find(|(_, location)| among(location)).map(|(txn, _)| *txn)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_of_the_last_few_is_found() {
        let mut deletions = Deletions::new();
        for txn in 0..20 {
            deletions.push(TxnIndex::new(txn), txn % 5);
        }
        assert_eq!(deletions.nearest(|location| *location == 3), Some(TxnIndex::new(18)));
        assert_eq!(deletions.nearest(|_| true), Some(TxnIndex::new(19)));
        assert_eq!(deletions.nearest(|location| *location == 7), None);
        let count = deletions.0.len();
        assert_eq!(count, REMEMBERED);
    }
}
