//! Faults that strike executions ahead of their turn: nothing of them may ever be seen.

use std::panic::resume_unwind;
use std::sync::atomic::{AtomicU8, AtomicU32, AtomicU64, Ordering};

use block_stm::conductor::Position;

use super::setup::Faults;
use super::stage::{dawdle, position, user_code};
use crate::faults::scramble;
use crate::language::{Probe, Site};

/// Lets executions ahead of their turn panic and fail, and every storage read take its time, and
/// tells where the user's code runs.
#[derive(Debug, Default)]
pub(super) struct Nuisance {
    seed: AtomicU64,
    panics_ahead: AtomicU8,
    failures_ahead: AtomicU8,
    slow_reads: AtomicU32,
    moments: AtomicU64,
}

impl Nuisance {
    /// Sets what happens in the next execution.
    pub(super) fn plan(&self, faults: &Faults) {
        // ORDERING: Relaxed throughout: a simulation has one thread.
        self.seed.store(faults.seed, Ordering::Relaxed);
        self.panics_ahead.store(faults.panics_ahead, Ordering::Relaxed);
        self.failures_ahead.store(faults.failures_ahead, Ordering::Relaxed);
        self.slow_reads.store(faults.slow_reads, Ordering::Relaxed);
        self.moments.store(0, Ordering::Relaxed);
    }

    /// Whether it strikes now, with a chance of `of_64`.
    fn strikes(&self, of_64: &AtomicU8) -> bool {
        let of_64 = u64::from(of_64.load(Ordering::Relaxed));
        if of_64 == 0 || position() != Some(Position::Ahead) {
            return false;
        }
        let moment = self.moments.fetch_add(1, Ordering::Relaxed);
        scramble([self.seed.load(Ordering::Relaxed), moment, 0]) % 64 < of_64
    }
}

impl Probe for Nuisance {
    fn operation(&self, site: Site) {
        user_code();
        if self.strikes(&self.panics_ahead) {
            resume_unwind(Box::new(format!("txn {} panicked ahead of its turn", site.txn)));
        }
    }

    fn storage(&self, slot: u16) -> Result<(), String> {
        user_code();
        dawdle(self.slow_reads.load(Ordering::Relaxed));
        if self.strikes(&self.failures_ahead) {
            return Err(format!("slot {slot} failed ahead of its turn"));
        }
        Ok(())
    }

    fn commit(&self, _txn: u32) {
        user_code();
    }
}
