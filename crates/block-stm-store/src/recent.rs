//! The newest blocks in memory, over the flat state.
//!
//! ```text
//! blocks         95   96   97   98 | 99   100   101   102
//!                 `-- kept: 4 --´  |  `- not in the flat state -´
//!                          flat state: 98              head: 102
//! ```
//!
//! A view of 101 reads the layers 101, 100, 99 and then the flat state. A view of 96 asks the
//! layers 97 and 98, in this order, what was before, and then the flat state. A view of 94 can be
//! had: the layer 95 is there. One of 93 is too old.

use std::{collections::VecDeque, sync::Arc};

use alloy_primitives::B256;

use crate::{
    Options, StoreError,
    flat::{Applied, FlatView},
    layer::Layer,
};

/// The newest blocks, and the flat state beneath them.
#[derive(Debug)]
pub(crate) struct Recent {
    /// Up to where the flat state is.
    pub(crate) applied: Applied,
    /// Nothing if it could not be opened again.
    flat: Option<Arc<dyn FlatView>>,
    /// Blocks without gaps, up to the head; the first may be below the flat state's head.
    layers: VecDeque<Arc<Layer>>,
}

/// What a view of one block is made of.
#[derive(Clone, Debug)]
pub(crate) struct Stack {
    pub(crate) number: u64,
    pub(crate) hash: B256,
    pub(crate) flat: Arc<dyn FlatView>,
    /// Layers above the flat state, up to the block.
    pub(crate) over: Vec<Arc<Layer>>,
    /// Layers above the block, up to the flat state.
    pub(crate) under: Vec<Arc<Layer>>,
}

impl Recent {
    pub(crate) fn new(applied: Applied, flat: Arc<dyn FlatView>) -> Self {
        Self { applied, flat: Some(flat), layers: VecDeque::new() }
    }

    /// Number and hash of the newest block.
    pub(crate) fn head(&self) -> (u64, B256) {
        match self.layers.back() {
            Some(layer) => (layer.record.number, layer.record.hash),
            None => (self.applied.number, self.applied.hash),
        }
    }

    pub(crate) fn push(&mut self, layer: Arc<Layer>) {
        self.layers.push_back(layer);
    }

    /// The layers that the flat state does not have.
    pub(crate) fn unflushed(&self) -> impl DoubleEndedIterator<Item = &Arc<Layer>> {
        self.layers.iter().filter(|layer| layer.record.number > self.applied.number)
    }

    /// The number of layers, and about the memory that they take.
    pub(crate) fn size(&self) -> (usize, usize) {
        (self.layers.len(), self.layers.iter().map(|layer| layer.bytes).sum())
    }

    /// Whether the flat state is to be written.
    pub(crate) fn is_due(&self, options: &Options) -> bool {
        self.exceeds(options.flush_blocks, options.memory_bytes / 2)
    }

    /// Whether the layers that the flat state lacks are so many, or take more memory.
    pub(crate) fn exceeds(&self, blocks: usize, bytes: usize) -> bool {
        let (mut count, mut size) = (0, 0);
        for layer in self.unflushed() {
            (count, size) = (count + 1, size + layer.bytes);
        }
        count >= blocks || size > bytes
    }

    /// The lowest block that a view can be had of.
    pub(crate) fn oldest(&self) -> u64 {
        match self.layers.front() {
            Some(layer) => self.applied.number.min(layer.record.number - 1),
            None => self.applied.number,
        }
    }

    /// The flat state has gone on.
    pub(crate) fn flushed(&mut self, applied: Applied, flat: Arc<dyn FlatView>) {
        (self.applied, self.flat) = (applied, Some(flat));
    }

    /// The flat state shows the same, and no more what was forgotten.
    pub(crate) fn reopened(&mut self, flat: Arc<dyn FlatView>) {
        self.flat = Some(flat);
    }

    /// Lets go of the view of the flat state, until [`reopened`](Self::reopened).
    pub(crate) fn close_flat(&mut self) {
        self.flat = None;
    }

    /// Drops layers that the flat state has, down to so many of them and so much memory in all.
    pub(crate) fn trim(&mut self, blocks: usize, bytes: usize) {
        let (mut count, mut size) = self.size();
        let mut kept = count - self.unflushed().count();
        while kept > 0 && (kept > blocks || size > bytes) {
            let layer = self.layers.pop_front().expect("it is counted");
            (kept, count, size) = (kept - 1, count - 1, size - layer.bytes);
        }
        debug_assert_eq!(count, self.layers.len());
    }

    /// Takes blocks above `number` back. The flat state must have none of them.
    pub(crate) fn rewind(&mut self, number: u64) {
        while self.layers.back().is_some_and(|layer| layer.record.number > number) {
            self.layers.pop_back();
        }
    }

    /// The layer of a block, if it is there.
    pub(crate) fn layer(&self, number: u64) -> Option<&Arc<Layer>> {
        let first = self.layers.front()?.record.number;
        self.layers.get(usize::try_from(number.checked_sub(first)?).ok()?)
    }

    /// What a view of the block `number` is made of.
    pub(crate) fn stack(&self, number: u64) -> Result<Stack, StoreError> {
        let (head, _) = self.head();
        if number > head {
            return Err(StoreError::Unknown { number, head });
        }
        let oldest = self.oldest();
        if number < oldest {
            return Err(StoreError::TooOld { number, oldest });
        }
        let view = self.flat.clone().ok_or(StoreError::Failed)?;
        let flat = self.applied.number;
        let between = |low: u64, high: u64| {
            let layers = (low + 1..=high).map(|number| self.layer(number).map(Arc::clone));
            layers.collect::<Option<Vec<_>>>().expect("there are no gaps")
        };
        let hash = match self.layer(number) {
            Some(layer) => layer.record.hash,
            None if number == flat => self.applied.hash,
            None => self.layer(number + 1).expect("there are no gaps").record.parent,
        };
        let (over, under) = (between(flat, number.max(flat)), between(number.min(flat), flat));
        Ok(Stack { number, hash, flat: view, over, under })
    }
}
