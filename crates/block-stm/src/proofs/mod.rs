//! What is there for proofs alone.

#[cfg(fuzzing)]
#[doc(hidden)]
pub mod fuzzing;
#[cfg(any(test, fuzzing))]
pub(crate) mod maps;
#[cfg(all(test, loom))]
mod models;
#[cfg(all(test, not(any(loom, shuttle))))]
mod threads;
pub(crate) mod watch;
