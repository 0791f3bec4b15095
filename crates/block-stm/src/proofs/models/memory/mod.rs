//! The multi-version memory under loom; see `crate::models` for what that means.

pub(crate) mod chain;
pub(crate) mod index;
pub(crate) mod table;

use std::cmp::Ordering;
use std::hash::{Hash, Hasher};

use loom::cell::UnsafeCell;

use crate::contract::value::Value;

/// A number that loom watches: a thread that reads it without having synchronised with its making
/// fails the model.
pub(super) struct Watched(UnsafeCell<u8>);

// SAFETY: written only while it is made; loom looks after the rest.
unsafe impl Sync for Watched {}
// SAFETY: a plain number.
unsafe impl Send for Watched {}

impl Watched {
    pub(super) fn new(number: u8) -> Self {
        Self(UnsafeCell::new(number))
    }

    pub(super) fn get(&self) -> u8 {
        // SAFETY: never written once it is made.
        self.0.with(|number| unsafe { *number })
    }
}

impl Clone for Watched {
    fn clone(&self) -> Self {
        Self::new(self.get())
    }
}

impl PartialEq for Watched {
    fn eq(&self, other: &Self) -> bool {
        self.get() == other.get()
    }
}

impl Eq for Watched {}

impl PartialOrd for Watched {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Watched {
    fn cmp(&self, other: &Self) -> Ordering {
        self.get().cmp(&other.get())
    }
}

impl Hash for Watched {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u8(self.get());
    }
}

impl std::fmt::Debug for Watched {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.get().fmt(f)
    }
}

impl Value for Watched {
    type Delta = u8;
    type Predicate = u8;

    fn apply(&self, delta: &u8) -> Option<Self> {
        self.get().checked_add(*delta).map(Self::new)
    }

    fn satisfies(&self, at_least: &u8) -> bool {
        self.get() >= *at_least
    }
}
