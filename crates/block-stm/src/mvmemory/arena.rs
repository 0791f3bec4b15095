//! Things of one type that live until the block is over, one after another in chunks.
//!
//! Each worker puts them on a [`LocalArena`] of its own, without a lock; chunks go to the [`Arena`]
//! when they are full, or when the worker leaves; the next one goes on with those that have room.
//! The arena drops what is in them and gives the chunks back to the pool when the block is over. So
//! a block takes a chunk for each worker at a time and for what it holds, however often workers
//! come and leave.

use std::cell::{Cell, RefCell};
use std::mem::{align_of, needs_drop, size_of};
use std::ptr;
use std::sync::Arc;

use super::chunks::{ALIGN, Chunk, ChunkPool};
use crate::primitives::sync::Mutex;

/// What a chunk holds unless one thing, or one row of things, is larger.
const CHUNK_BYTES: usize = if cfg!(miri) { 4 << 10 } else { 64 << 10 };

pub(crate) struct Arena<T> {
    pool: Arc<ChunkPool>,
    /// Chunks that no local arena uses any more, and how many things are in each.
    full: Mutex<Vec<(Chunk, usize)>>,
    /// As `full`, those with room: a worker left them behind.
    open: Mutex<Vec<(Chunk, usize)>>,
    _owns: std::marker::PhantomData<T>,
}

impl<T> Arena<T> {
    pub(crate) fn new(pool: Arc<ChunkPool>) -> Self {
        let (full, open) = (Mutex::new(Vec::new()), Mutex::new(Vec::new()));
        Self { pool, full, open, _owns: std::marker::PhantomData }
    }

    pub(crate) fn local_arena(&self) -> LocalArena<'_, T> {
        LocalArena { arena: self, chunk: RefCell::new(None), len: Cell::new(0) }
    }
}

impl<T> Drop for Arena<T> {
    fn drop(&mut self) {
        let mut chunks = std::mem::take(self.full.get_mut());
        chunks.append(self.open.get_mut());
        if needs_drop::<T>() {
            for (chunk, len) in &chunks {
                let things = ptr::slice_from_raw_parts_mut(first::<T>(chunk), *len);
                // SAFETY: the first `len` things of a chunk were made by a local arena, and not
                // dropped: `&mut self`, so that no borrow of them is left.
                unsafe { ptr::drop_in_place(things) };
            }
        }
        self.pool.give(chunks.into_iter().map(|(chunk, _)| chunk));
    }
}

/// What a chunk takes beyond the things in it, so that they can be aligned.
const fn padding<T>() -> usize {
    align_of::<T>().saturating_sub(ALIGN)
}

/// Where the first thing of a chunk lies.
fn first<T>(chunk: &Chunk) -> *mut T {
    let start = chunk.start();
    // SAFETY: within the chunk, which has room for the padding, or the offset is zero.
    unsafe { start.add(start.align_offset(align_of::<T>())) }.cast()
}

/// Whether a chunk with `used` things in it has room for `len` more.
fn has_room<T>(chunk: &Chunk, used: usize, len: usize) -> bool {
    (used + len) * size_of::<T>() + padding::<T>() <= chunk.bytes()
}

/// Where one worker puts things.
pub(crate) struct LocalArena<'a, T> {
    arena: &'a Arena<T>,
    chunk: RefCell<Option<Chunk>>,
    /// How many things are in the chunk.
    len: Cell<usize>,
}

impl<T> LocalArena<'_, T> {
    /// Keeps `thing`; the pointer is good, for shared use, until the arena is dropped.
    pub(crate) fn push(&self, thing: T) -> *mut T {
        let place = self.room(1);
        // SAFETY: `room` made room for one.
        unsafe { place.write(thing) };
        self.len.set(self.len.get() + 1);
        place
    }

    /// Drops the last thing again, which `push` returned and no other thread knows.
    pub(crate) fn take_back(&self, thing: *mut T) {
        self.len.set(self.len.get() - 1);
        debug_assert_eq!(self.room(1), thing, "not the last one");
        // SAFETY: made by `push`, not counted any more, and known to no other thread, says the
        // caller.
        unsafe { ptr::drop_in_place(thing) };
    }

    /// Keeps `things` in a row.
    pub(crate) fn extend(&self, things: impl ExactSizeIterator<Item = T>) -> *mut [T] {
        let len = things.len();
        let first = self.room(len);
        // Counted one by one: should the iterator panic, what is there already is dropped in time.
        for (n, thing) in (0..len).zip(things) {
            // SAFETY: `room` made room for `len`.
            unsafe { first.add(n).write(thing) };
            self.len.set(self.len.get() + 1);
        }
        ptr::slice_from_raw_parts_mut(first, len)
    }

    /// Where the next `len` things go.
    fn room(&self, len: usize) -> *mut T {
        let mut chunk = self.chunk.borrow_mut();
        let used = self.len.get();
        if let Some(chunk) = &*chunk
            && has_room::<T>(chunk, used, len)
        {
            // SAFETY: within the chunk.
            return unsafe { first::<T>(chunk).add(used) };
        }
        let (next, used) = self.next_chunk(chunk.take().map(|full| (full, used)), len);
        // SAFETY: within the chunk.
        let place = unsafe { first::<T>(&next).add(used) };
        *chunk = Some(next);
        self.len.set(used);
        place
    }

    /// A chunk with room for `len` things, and how many are in it, in place of `full`.
    fn next_chunk(&self, full: Option<(Chunk, usize)>, len: usize) -> (Chunk, usize) {
        if let Some(full) = full {
            self.arena.full.lock().push(full);
        }
        let mut open = self.arena.open.lock();
        if let Some(n) = open.iter().rposition(|(chunk, used)| has_room::<T>(chunk, *used, len)) {
            return open.swap_remove(n);
        }
        drop(open);
        let bytes = len.checked_mul(size_of::<T>()).expect("as many were written");
        (self.arena.pool.take((bytes + padding::<T>()).max(CHUNK_BYTES)), 0)
    }
}

impl<T> Drop for LocalArena<'_, T> {
    fn drop(&mut self) {
        if let Some(chunk) = self.chunk.take() {
            self.arena.open.lock().push((chunk, self.len.get()));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::rc::Rc;

    use super::*;

    #[test]
    fn things_stay_where_they_are_and_each_is_dropped_once() {
        let alive = Rc::new(());
        let pool = Arc::new(ChunkPool::new(usize::MAX));
        let arena = Arena::new(Arc::clone(&pool));
        let local_arena = arena.local_arena();
        let thing = |n: usize| (n, Rc::clone(&alive));
        let pushed: Vec<_> = (0..3_000).map(|n| local_arena.push(thing(n))).collect();
        let row = local_arena.extend((0..10_000).map(thing));
        local_arena.take_back(local_arena.push(thing(7)));
        for (n, pointer) in pushed.iter().enumerate() {
            // SAFETY: the arena is there.
            assert_eq!(unsafe { &**pointer }.0, n);
        }
        // SAFETY: as above.
        assert!(unsafe { &*row }.iter().enumerate().all(|(n, thing)| thing.0 == n));
        assert_eq!(Rc::strong_count(&alive), 13_001);
        drop(local_arena);
        drop(arena);
        assert_eq!(Rc::strong_count(&alive), 1);
        assert!(pool.bytes() >= 3_000 * size_of::<(usize, Rc<()>)>());
    }

    #[test]
    fn what_was_made_before_a_panic_is_dropped() {
        let alive = Rc::new(());
        let arena = Arena::new(Arc::new(ChunkPool::new(0)));
        let local_arena = arena.local_arena();
        let make = |n: usize| {
            assert!(n < 5, "enough");
            Rc::clone(&alive)
        };
        let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            local_arena.extend((0..9).map(make));
        }));
        assert!(caught.is_err());
        assert_eq!(Rc::strong_count(&alive), 6);
        drop(local_arena);
        drop(arena);
        assert_eq!(Rc::strong_count(&alive), 1);
    }

    #[test]
    fn workers_that_come_and_leave_share_chunks() {
        let pool = Arc::new(ChunkPool::new(usize::MAX));
        let arena = Arena::new(Arc::clone(&pool));
        let pointers: Vec<_> = (0..1_000_u64).map(|n| arena.local_arena().push(n)).collect();
        // SAFETY: the arena is there.
        assert!((0..).zip(&pointers).all(|(n, pointer)| unsafe { **pointer } == n));
        drop(arena);
        assert_eq!(pool.bytes(), CHUNK_BYTES);
    }

    #[test]
    fn things_with_a_wide_alignment_are_aligned() {
        #[repr(align(4096))]
        struct Wide(#[expect(dead_code, reason = "fills it")] u8);
        let arena = Arena::new(Arc::new(ChunkPool::new(0)));
        let local_arena = arena.local_arena();
        let one: Vec<_> = (0..100).map(|n| local_arena.push(Wide(n)).addr()).collect();
        let row = local_arena.extend((0..100).map(Wide)).cast::<Wide>().addr();
        assert!(one.into_iter().chain([row]).all(|address| address.is_multiple_of(4096)));
    }
}
