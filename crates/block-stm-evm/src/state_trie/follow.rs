//! Updating the trie while the block still runs.

use std::{
    sync::mpsc::{self, Receiver, Sender},
    thread,
};

use alloy_primitives::{Address, U256};

use super::StateTrie;

/// The slots that one transaction wrote.
type Batch = Vec<(Address, U256, U256)>;

/// Takes what transactions wrote, as they are committed; see [`StateTrie::follow`].
#[derive(Debug)]
pub struct SlotFeed(Sender<Batch>);

impl SlotFeed {
    /// Tells of the slots that a transaction left behind: address, slot, value.
    ///
    /// # Cost
    ///
    /// Sends a message; nothing is hashed on the caller's thread.
    pub fn committed(&self, slots: impl IntoIterator<Item = (Address, U256, U256)>) {
        let batch: Batch = slots.into_iter().collect();
        if !batch.is_empty() {
            // The receiver lives as long as the feed does, but for a panic, which is its own message.
            let _ = self.0.send(batch);
        }
    }
}

impl StateTrie {
    /// Runs `block` and takes the slots that it feeds into the trie meanwhile, on a thread of their own.
    ///
    /// The root is that of the changes which are [applied](Self::apply) next, whatever was fed. A block that fails
    /// is followed by applying no changes, which takes everything back.
    ///
    /// # Panics
    ///
    /// If no thread can be started, or if `block` panics.
    pub fn follow<R>(&mut self, block: impl FnOnce(&SlotFeed) -> R) -> R {
        let (sender, receiver) = mpsc::channel();
        thread::scope(|scope| {
            scope.spawn(move || self.take_in(receiver));
            // Dropped at the end, so that the thread sees it.
            let feed = SlotFeed(sender);
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
