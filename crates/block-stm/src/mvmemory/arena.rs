//! Things of one type that live until the block is over, one after another in chunks.
//!
//! Each worker puts them on a [`Shelf`] of its own, without a lock; full chunks go to the [`Arena`], which drops what is
//! in them and gives the chunks back to the pool when the block is over.

use std::cell::{Cell, RefCell};
use std::mem::{align_of, needs_drop, size_of};
use std::ptr;
use std::sync::Arc;

use super::chunks::{Chunk, ChunkPool};
use crate::sync::Mutex;

/// What a chunk holds unless one thing, or one row of things, is larger.
const CHUNK_BYTES: usize = if cfg!(miri) { 4 << 10 } else { 64 << 10 };

pub(crate) struct Arena<T> {
    pool: Arc<ChunkPool>,
    /// Chunks that no shelf uses any more, and how many things are in each.
    filled: Mutex<Vec<(Chunk, usize)>>,
    _owns: std::marker::PhantomData<T>,
}

impl<T> Arena<T> {
    pub(super) fn new(pool: Arc<ChunkPool>) -> Self {
        Self { pool, filled: Mutex::new(Vec::new()), _owns: std::marker::PhantomData }
    }

    pub(super) fn shelf(&self) -> Shelf<'_, T> {
        Shelf { arena: self, chunk: RefCell::new(None), len: Cell::new(0) }
    }
}

impl<T> Drop for Arena<T> {
    fn drop(&mut self) {
        let filled = std::mem::take(self.filled.get_mut());
        if needs_drop::<T>() {
            for (chunk, len) in &filled {
                let things = ptr::slice_from_raw_parts_mut(chunk.start().cast::<T>(), *len);
                // SAFETY: the first `len` things of a chunk were made by a shelf, and not dropped: `&mut self`, so that no
                // borrow of them is left.
                unsafe { ptr::drop_in_place(things) };
            }
        }
        self.pool.give(filled.into_iter().map(|(chunk, _)| chunk));
    }
}

/// Where one worker puts things.
pub(crate) struct Shelf<'a, T> {
    arena: &'a Arena<T>,
    chunk: RefCell<Option<Chunk>>,
    /// How many things are in the chunk.
    len: Cell<usize>,
}

impl<T> Shelf<'_, T> {
    /// Keeps `thing`; the pointer is good, for shared use, until the arena is dropped.
    pub(super) fn push(&self, thing: T) -> *mut T {
        let place = self.room(1);
        // SAFETY: `room` made room for one.
        unsafe { place.write(thing) };
        self.len.set(self.len.get() + 1);
        place
    }

    /// Drops the last thing again, which `push` returned and nobody else knows.
    pub(super) fn take_back(&self, thing: *mut T) {
        self.len.set(self.len.get() - 1);
        debug_assert_eq!(self.room(1), thing, "not the last one");
        // SAFETY: made by `push`, not counted any more, and known to nobody, says the caller.
        unsafe { ptr::drop_in_place(thing) };
    }

    /// Keeps `things` in a row.
    pub(super) fn extend(&self, things: impl ExactSizeIterator<Item = T>) -> *mut [T] {
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
        const { assert!(align_of::<T>() <= 64) };
        let mut chunk = self.chunk.borrow_mut();
        let used = self.len.get();
        if let Some(chunk) = &*chunk
            && (used + len) * size_of::<T>() <= chunk.bytes()
        {
            // SAFETY: within the chunk.
            return unsafe { chunk.start().cast::<T>().add(used) };
        }
        let bytes = len.checked_mul(size_of::<T>()).expect("as many were written");
        let fresh = self.arena.pool.take(bytes.max(CHUNK_BYTES));
        let start = fresh.start().cast();
        if let Some(full) = chunk.replace(fresh) {
            self.arena.filled.lock().push((full, used));
        }
        self.len.set(0);
        start
    }
}

impl<T> Drop for Shelf<'_, T> {
    fn drop(&mut self) {
        if let Some(chunk) = self.chunk.take() {
            self.arena.filled.lock().push((chunk, self.len.get()));
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
        let shelf = arena.shelf();
        let thing = |n: usize| (n, Rc::clone(&alive));
        let pushed: Vec<_> = (0..3_000).map(|n| shelf.push(thing(n))).collect();
        let row = shelf.extend((0..10_000).map(thing));
        shelf.take_back(shelf.push(thing(7)));
        for (n, pointer) in pushed.iter().enumerate() {
            // SAFETY: the arena is there.
            assert_eq!(unsafe { &**pointer }.0, n);
        }
        // SAFETY: as above.
        assert!(unsafe { &*row }.iter().enumerate().all(|(n, thing)| thing.0 == n));
        assert_eq!(Rc::strong_count(&alive), 13_001);
        drop(shelf);
        drop(arena);
        assert_eq!(Rc::strong_count(&alive), 1);
        assert!(pool.bytes() >= 3_000 * size_of::<(usize, Rc<()>)>());
    }

    #[test]
    fn what_was_made_before_a_panic_is_dropped() {
        let alive = Rc::new(());
        let arena = Arena::new(Arc::new(ChunkPool::new(0)));
        let shelf = arena.shelf();
        let make = |n: usize| {
            assert!(n < 5, "enough");
            Rc::clone(&alive)
        };
        let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            shelf.extend((0..9).map(make));
        }));
        assert!(caught.is_err());
        assert_eq!(Rc::strong_count(&alive), 6);
        drop(shelf);
        drop(arena);
        assert_eq!(Rc::strong_count(&alive), 1);
    }
}
