//! What is shown while blocks go through the stages.

use std::time::Instant;

use block_stm_pipeline::{Durable, Watch};
use indicatif::ProgressBar;
use tracing::info;

use crate::units::si;

/// A bar on a terminal, and lines for those who asked for them.
pub(super) struct Progress {
    bar: ProgressBar,
    start: Instant,
    txns: std::sync::Mutex<u64>,
}

impl Progress {
    pub(super) fn new(bar: ProgressBar) -> Self {
        Self { bar, start: Instant::now(), txns: std::sync::Mutex::new(0) }
    }

    pub(super) fn finish(&self) {
        self.bar.finish_and_clear();
    }
}

impl Watch for Progress {
    fn durable(&self, block: Durable) {
        info!("block {} is durable", block.number);
        let mut txns = self.txns.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        *txns += block.txns as u64;
        let rate = *txns as f64 / self.start.elapsed().as_secs_f64().max(1e-9);
        self.bar.inc(1);
        self.bar.set_message(format!("block {}: {} txns/s", block.number, si(rate)));
    }
}
