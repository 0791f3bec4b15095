//! Who is told of slots while a block still runs.

use alloy_primitives::{Address, U256};

/// Takes the slots that transactions leave behind, as the transactions become final.
///
/// A host that keeps a trie, or warms a cache, begins with them before the block is over. The block
/// may still fail, and later transactions may overwrite or wipe what was told.
pub trait SlotFeed: Sync {
    /// Takes the slots that one transaction wrote: address, slot, value. Never empty.
    ///
    /// # Cost
    ///
    /// The call is on the path of every commit: an implementation hands the slots on and returns.
    fn committed(&self, slots: Vec<(Address, U256, U256)>);
}
