//! The locations of the language: numbered slots, with an honest and a hostile hash.

use std::fmt;
use std::hash::{Hash, Hasher};

/// A location that stands for a numbered slot, and has the order of the numbers.
pub trait Place: Clone + Ord + Hash + fmt::Debug + Send + Sync + 'static {
    /// The location of a slot.
    fn at(slot: u16) -> Self;

    /// The slot.
    fn slot(&self) -> u16;
}

/// A slot by its number.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Slot(u16);

impl fmt::Debug for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "slot {}", self.0)
    }
}

impl Place for Slot {
    fn at(slot: u16) -> Self {
        Self(slot)
    }

    fn slot(&self) -> u16 {
        self.0
    }
}

/// A slot whose hash is the same for all: an engine that identifies a location by its hash mixes
/// them up.
///
/// Its key lies on the heap, so that one that is freed too early shows.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Colliding(Box<u16>);

impl Hash for Colliding {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u16(0);
    }
}

impl fmt::Debug for Colliding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "slot {}", self.0)
    }
}

impl Place for Colliding {
    fn at(slot: u16) -> Self {
        Self(Box::new(slot))
    }

    fn slot(&self) -> u16 {
        *self.0
    }
}
