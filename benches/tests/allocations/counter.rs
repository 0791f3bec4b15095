//! An allocator that counts.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);
static BYTES: AtomicU64 = AtomicU64::new(0);
static LIVE: AtomicI64 = AtomicI64::new(0);
static FREED: AtomicU64 = AtomicU64::new(0);
static PEAK: AtomicI64 = AtomicI64::new(0);

/// The system's allocator, which counts what it is asked for.
#[derive(Debug)]
pub(crate) struct Counter;

// ORDERING: Relaxed throughout: sums and a maximum, looked at when the threads that were counted
// are at rest.

fn grown(bytes: usize) {
    ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
    BYTES.fetch_add(bytes as u64, Ordering::Relaxed);
    let live = LIVE.fetch_add(bytes as i64, Ordering::Relaxed) + bytes as i64;
    PEAK.fetch_max(live, Ordering::Relaxed);
}

fn shrunk(bytes: usize) {
    FREED.fetch_add(1, Ordering::Relaxed);
    LIVE.fetch_sub(bytes as i64, Ordering::Relaxed);
}

// SAFETY: all that is allocated and freed comes from `System`, with the layouts as they came;
// counting does not allocate.
unsafe impl GlobalAlloc for Counter {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        grown(layout.size());
        // SAFETY: the caller keeps `alloc`'s contract, which is the same.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        grown(layout.size());
        // SAFETY: as above.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        shrunk(layout.size());
        // SAFETY: as above; the pointer came from `System`.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // Where it has to move, old and new are there at the same time.
        grown(size);
        shrunk(layout.size());
        // SAFETY: as above; the pointer came from `System`.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

/// Bytes that are allocated now.
pub(crate) fn live() -> i64 {
    LIVE.load(Ordering::Relaxed)
}

/// Allocations that have not been freed.
pub(crate) fn live_allocations() -> i64 {
    ALLOCATIONS.load(Ordering::Relaxed) as i64 - FREED.load(Ordering::Relaxed) as i64
}

/// What some work allocated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Usage {
    /// Calls of the allocator for new or larger memory.
    pub(crate) allocations: u64,
    /// Bytes asked for, all together.
    pub(crate) bytes: u64,
    /// The most bytes that were allocated at a time, by whomever.
    pub(crate) peak: i64,
}

/// Does `work`, and says what it allocated; its result is still there then.
pub(crate) fn measure<T>(work: impl FnOnce() -> T) -> (T, Usage) {
    let (allocations, bytes) = (ALLOCATIONS.load(Ordering::Relaxed), BYTES.load(Ordering::Relaxed));
    PEAK.store(live(), Ordering::Relaxed);
    let result = work();
    let usage = Usage {
        allocations: ALLOCATIONS.load(Ordering::Relaxed) - allocations,
        bytes: BYTES.load(Ordering::Relaxed) - bytes,
        peak: PEAK.load(Ordering::Relaxed),
    };
    (result, usage)
}

/// The canary: the counter sees what is allocated, grown and freed.
pub(crate) fn counts() {
    let (before, allocations) = (live(), live_allocations());
    let (kept, usage) = measure(|| {
        drop(vec![0_u8; 1_000]);
        let mut kept = Vec::<u8>::with_capacity(100);
        kept.reserve_exact(300);
        kept
    });
    assert_eq!((usage.allocations, usage.bytes), (3, 1_400));
    assert_eq!((usage.peak - before, live() - before), (1_000, 300));
    assert_eq!(live_allocations() - allocations, 1);
    drop(kept);
    assert_eq!((live(), live_allocations()), (before, allocations));
}
