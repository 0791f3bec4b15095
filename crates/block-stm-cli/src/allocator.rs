//! The allocator of the whole process, chosen by a feature of this crate.
//!
//! Blocks allocate and free some megabytes each, on several threads. The system's allocator tends to give such memory
//! back, and to fault it in again, page by page, for the next block; the two here keep it. Both sides of a
//! comparison run on the same one, and its name stands beside the numbers.

#[cfg(all(feature = "mimalloc", feature = "jemalloc"))]
compile_error!("there can be only one allocator: --no-default-features --features jemalloc");

#[cfg(all(feature = "mimalloc", not(feature = "jemalloc")))]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[cfg(all(feature = "jemalloc", not(feature = "mimalloc")))]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// The allocator's name.
pub(crate) const NAME: &str = if cfg!(feature = "mimalloc") {
    "mimalloc"
} else if cfg!(feature = "jemalloc") {
    "jemalloc"
} else {
    "system"
};
