//! The allocator of the whole process, chosen by a feature of this crate.
//!
//! Blocks allocate and free some megabytes each, on several threads. The system's allocator tends
//! to give such memory back, and to fault it in again, page by page, for the next block; the two
//! here keep it. Both sides of a comparison run on the same one, and its name stands beside the
//! numbers.

use std::env;

#[cfg(all(feature = "mimalloc", feature = "jemalloc"))]
compile_error!("there can be only one allocator: --no-default-features --features jemalloc");

#[cfg(all(feature = "mimalloc", not(feature = "jemalloc")))]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[cfg(all(feature = "jemalloc", not(feature = "mimalloc")))]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// The allocator's name, and the variable of the environment by which it is told what to keep.
const CHOSEN: (&str, &str) = if cfg!(feature = "mimalloc") {
    ("mimalloc", "MIMALLOC_PURGE_DELAY")
} else if cfg!(feature = "jemalloc") {
    ("jemalloc", "_RJEM_MALLOC_CONF")
} else {
    ("system", "GLIBC_TUNABLES")
};

/// The allocator's name, with its setting if there is one: `mimalloc, MIMALLOC_PURGE_DELAY=-1`.
pub(crate) fn name() -> String {
    let (name, variable) = CHOSEN;
    match env::var(variable) {
        Ok(setting) => format!("{name}, {variable}={setting}"),
        Err(_) => name.to_owned(),
    }
}
