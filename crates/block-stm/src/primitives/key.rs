//! Locations as keys, whatever their equality does.
//!
//! `Eq` promises that a location equals itself. Nothing holds a host to it, and a location that
//! does not (a NaN, say) would never be found again: each look would add another one. Here such
//! locations are the same if their hashes are.

use std::hash::{Hash, Hasher};

use indexmap::Equivalent;

/// Whether both are the same location, given that their hashes are equal.
pub(crate) fn is_same<L: Eq>(a: &L, b: &L) -> bool {
    let equals_itself = |location: &L, again: &L| location == again;
    a == b || !(equals_itself(a, a) || equals_itself(b, b))
}

/// A location as a key: one that a map owns, or a borrowed one that is looked up.
#[derive(Clone, Debug)]
pub(crate) struct Key<L>(pub(crate) L);

impl<L: Eq> PartialEq for Key<L> {
    fn eq(&self, other: &Self) -> bool {
        is_same(&self.0, &other.0)
    }
}

impl<L: Eq> Eq for Key<L> {}

impl<L: Hash> Hash for Key<L> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.hash(state);
    }
}

impl<L: Eq> Equivalent<Key<L>> for Key<&L> {
    fn equivalent(&self, key: &Key<L>) -> bool {
        is_same(self.0, &key.0)
    }
}
