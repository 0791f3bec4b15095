//! Whole blocks through the production engine, under many schedules of their workers.
//!
//! `RUSTFLAGS="--cfg shuttle" cargo test -p block-stm --test schedules`. Every access to an atomic,
//! a lock or a condition variable of the engine is a place where shuttle may let another worker go
//! on. Three schedulers look in different ways: *random* everywhere, *PCT* for bugs that take few
//! switches at the wrong moments, *DFS* for all schedules of the smallest blocks, as far as it
//! gets. A failure prints its schedule, for `shuttle::replay`.
//!
//! Each block is compared with the sequential oracle. A block that does not end is a deadlock or
//! too many steps. That the net catches something was tried by breaking the engine for a moment;
//! where a test says "caught", that was.
//!
//! `BLOCK_STM_SCHEDULES` multiplies the number of schedules.
#![cfg(shuttle)]

mod blocks;
#[cfg(block_stm_canaries)]
mod canaries;
mod endings;
mod support;
