//! Updating the trie while the block still runs.

use std::{
    sync::mpsc::{self, Receiver, Sender},
    thread,
};

use alloy_primitives::{Address, U256};
use block_stm_evm::SlotFeed;

use super::StateTrie;

/// The slots that one transaction wrote.
type Batch = Vec<(Address, U256, U256)>;

/// Sends what is committed to the thread that follows.
struct Follower(Sender<Batch>);

impl SlotFeed for Follower {
    fn committed(&self, slots: Batch) {
        // The receiver lives as long as the feed does, but for a panic, which is its own message.
        let _ = self.0.send(slots);
    }
}

impl StateTrie {
    /// Runs `block` and takes the slots that it feeds into the trie meanwhile, on a thread of their
    /// own. [`ParallelOptions`](block_stm_evm::ParallelOptions) hand the feed to an execution.
    ///
    /// The root is that of the changes which are [applied](Self::apply) next, whatever was fed. A
    /// block that fails is followed by applying no changes, which takes everything back.
    ///
    /// # Panics
    ///
    /// If no thread can be started, or if `block` panics.
    pub fn follow<R>(&mut self, block: impl FnOnce(&dyn SlotFeed) -> R) -> R {
        let (sender, receiver) = mpsc::channel();
        thread::scope(|scope| {
            scope.spawn(move || self.take_in(receiver));
            // Dropped at the end, so that the thread sees it.
            let feed = Follower(sender);
            block(&feed)
        })
    }

    fn take_in(&mut self, batches: Receiver<Batch>) {
        for batch in batches {
            for (address, slot, value) in batch {
                self.anticipate(address, slot, value);
            }
        }
        self.hash_ahead();
    }
}
