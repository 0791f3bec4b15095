//! The protocols of the core under loom, one a file: every execution that the memory model allows,
//! of the real code.
//!
//! `RUSTFLAGS="--cfg loom" cargo test -p block-stm --lib models`. Loom runs a model again and
//! again, each time with another order of the threads' steps or another value that a load may
//! return, until none is left; at most [`PREEMPTIONS`] times in a run a thread is stopped that
//! could have gone on. `LOOM_MAX_PREEMPTIONS` sets another bound.
//!
//! Each model opens with the story that it tells, and says what breaks it: that was tried, by
//! breaking the code for a moment. Loom takes `SeqCst` accesses for `AcqRel` ones, so what passes
//! here rests on the fences and the locks alone; where the total order of accesses is needed, the
//! model says so (`sync::with_total_order`). The models of the multi-version memory are in
//! `memory/`.

mod baton;
#[cfg(block_stm_canaries)]
mod canaries;
mod helpers;
mod memory;
mod parking;
mod retry_set;
mod status;
mod waiters;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use loom::model::Builder;

/// How often, in one run, a thread is stopped though it could go on.
const PREEMPTIONS: usize = 4;

/// Explores `model`.
pub(crate) fn explore(model: impl Fn() + Send + Sync + 'static) {
    explore_within(PREEMPTIONS, model);
}

/// Explores a model that is too large for the usual bound.
pub(crate) fn explore_within(preemptions: usize, model: impl Fn() + Send + Sync + 'static) {
    let mut builder = Builder::new();
    builder.max_branches = 20_000;
    builder.preemption_bound.get_or_insert(preemptions);
    let runs = Arc::new(AtomicU64::new(0));
    let counted = {
        let runs = Arc::clone(&runs);
        move || {
            // ORDERING: Relaxed, here and below: counted by one thread.
            runs.fetch_add(1, Ordering::Relaxed);
            model();
        }
    };
    builder.check(counted);
    let runs = runs.load(Ordering::Relaxed);
    println!("explored {runs} executions");
    assert!(runs > 1, "a model without a choice proves nothing");
}
