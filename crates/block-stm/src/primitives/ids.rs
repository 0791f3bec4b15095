//! Indices as types, so that a place in the block is never mistaken for a count.

use std::fmt;

use super::canary::{Canary, sings};

/// The place of a transaction in its block, counted from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TxnIndex(u32);

impl TxnIndex {
    /// Wraps a place in the block.
    #[must_use]
    pub const fn new(index: u32) -> Self {
        Self(index)
    }

    /// The place as a number.
    #[must_use]
    pub const fn get(self) -> u32 {
        self.0
    }

    /// The place as an index into the block's slice of transactions.
    #[must_use]
    pub const fn as_usize(self) -> usize {
        self.0 as usize
    }

    pub(crate) const fn next(self) -> Self {
        Self(self.0 + 1)
    }

    pub(crate) fn previous(self) -> Option<Self> {
        self.0.checked_sub(1).map(Self)
    }
}

impl fmt::Display for TxnIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Which execution of which transaction wrote a value; [`Version::BASE`] is the state before the
/// block.
///
/// Packed into one word (transaction + 1 above, incarnation below), so that validation is one
/// compare.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Version(u64);

impl PartialEq for Version {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0 || sings(Canary::ForgetIncarnation) && self.0 >> 32 == other.0 >> 32
    }
}

impl Eq for Version {}

impl Version {
    pub(crate) const BASE: Self = Self(0);

    pub(crate) const fn new(txn: TxnIndex, incarnation: u32) -> Self {
        Self(((txn.0 as u64 + 1) << 32) | incarnation as u64)
    }

    /// The writer, or `None` for the state before the block.
    pub(crate) const fn txn(self) -> Option<TxnIndex> {
        match self.0 >> 32 {
            0 => None,
            above => Some(TxnIndex(above as u32 - 1)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_tell_writer_and_incarnation_apart() {
        let version = Version::new(TxnIndex::new(7), 3);
        assert_eq!(version.txn(), Some(TxnIndex::new(7)));
        assert_ne!(version, Version::new(TxnIndex::new(7), 4));
        assert_ne!(Version::new(TxnIndex::new(0), 0), Version::BASE);
        assert_eq!(Version::BASE.txn(), None);
    }
}
