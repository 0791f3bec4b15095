//! Raw memory in chunks, kept from block to block.
//!
//! What a block allocates (cells, versions, the table) lives until the block is over, and then goes
//! all at once. So it is carved from [`Chunk`]s, which an engine keeps for its next blocks: a warm
//! engine asks the allocator, and the operating system behind it, for next to nothing.

use std::alloc::{Layout, alloc, dealloc, handle_alloc_error};
use std::collections::HashMap;
use std::ptr::NonNull;

use foldhash::fast::RandomState;

use crate::primitives::sync::Mutex;

/// Chunks begin on a cache line.
pub(super) const ALIGN: usize = 64;

/// Memory of `bytes` bytes, owned, with whatever is in it.
pub(crate) struct Chunk {
    start: NonNull<u8>,
    bytes: usize,
}

// SAFETY: owned memory, not bound to a thread.
unsafe impl Send for Chunk {}

impl Chunk {
    fn layout(bytes: usize) -> Layout {
        Layout::from_size_align(bytes, ALIGN).expect("less than half of the address space")
    }

    /// # Panics
    /// If `bytes` is zero.
    fn new(bytes: usize) -> Self {
        assert!(bytes > 0, "nothing is no chunk");
        let layout = Self::layout(bytes);
        // SAFETY: not of size zero.
        let start = NonNull::new(unsafe { alloc(layout) });
        Self { start: start.unwrap_or_else(|| handle_alloc_error(layout)), bytes }
    }

    pub(crate) fn start(&self) -> *mut u8 {
        self.start.as_ptr()
    }

    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }
}

impl Drop for Chunk {
    fn drop(&mut self) {
        // SAFETY: allocated in `new` with this layout, and owned.
        unsafe { dealloc(self.start(), Self::layout(self.bytes)) };
    }
}

/// Chunks without a use, by size.
pub(crate) struct ChunkPool {
    by_size: Mutex<HashMap<usize, Vec<Chunk>, RandomState>>,
    /// The most bytes to keep.
    most: usize,
}

impl ChunkPool {
    /// A pool that keeps up to `most` bytes.
    pub(crate) fn new(most: usize) -> Self {
        Self { by_size: Mutex::new(HashMap::default()), most }
    }

    /// A chunk of just this size; what is in it is anything.
    pub(crate) fn take(&self, bytes: usize) -> Chunk {
        let kept = self.by_size.lock().get_mut(&bytes).and_then(Vec::pop);
        kept.unwrap_or_else(|| Chunk::new(bytes))
    }

    /// Takes chunks back, as many as it may keep. One whose size is no power of two was made to
    /// measure, and would hardly be asked for again.
    pub(crate) fn give(&self, chunks: impl Iterator<Item = Chunk>) {
        let mut by_size = self.by_size.lock();
        let mut kept = bytes_of(&by_size);
        for chunk in chunks {
            let bytes = chunk.bytes;
            if bytes.is_power_of_two() && kept.saturating_add(bytes) <= self.most {
                kept += bytes;
                by_size.entry(bytes).or_default().push(chunk);
            }
        }
    }

    /// How many bytes are kept.
    #[cfg(test)]
    pub(crate) fn bytes(&self) -> usize {
        bytes_of(&self.by_size.lock())
    }
}

/// How many bytes there are in all. Sizes are powers of two, so they are few.
fn bytes_of(by_size: &HashMap<usize, Vec<Chunk>, RandomState>) -> usize {
    by_size.iter().map(|(bytes, chunks)| bytes * chunks.len()).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_given_is_taken_again_and_no_more_is_kept_than_agreed() {
        let pool = ChunkPool::new(400);
        let chunks = [128, 128, 99, 256].map(|bytes| pool.take(bytes));
        let first = chunks[0].start();
        pool.give(chunks.into_iter());
        assert_eq!(pool.bytes(), 256, "one is odd, and one does not fit");
        let again = [pool.take(128), pool.take(128)];
        assert!(again.iter().any(|chunk| chunk.start() == first));
        assert_eq!(pool.bytes(), 0);
    }
}
