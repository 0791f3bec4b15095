//! How far to look ahead of the commit point: far while speculation pays, not at all while it fails.
//!
//! The committer reports for each transaction whether an optimistic execution of it stood. After every
//! `EPOCH` reports the window doubles if most stood, and halves if most failed. At 1 only the head runs; then nothing is
//! reported, so after a while the window opens a little to try again, each time after twice as many commits.
//!
//! Workers take on several transactions in a row, a *stride*, while nothing fails: neighbours' caches, queues and locks are
//! then left alone for longer. Transactions that depend on each other had better be executed close together, so the first
//! failure makes strides single steps again.

use crate::sync::atomic::{AtomicU32, Ordering};

const EPOCH: u32 = 32;
/// How many executions in a row must stand before the stride is doubled.
const CALM: u32 = 48;
const MAX_STRIDE: u32 = 16;
const FIRST_PROBE: u32 = 64;
const LAST_PROBE: u32 = 4096;

/// Read by every worker.
pub(crate) struct Window {
    size: AtomicU32,
    stride: AtomicU32,
}

impl Window {
    pub(crate) fn new(size: u32) -> Self {
        Self { size: AtomicU32::new(size), stride: AtomicU32::new(1) }
    }

    /// How many transactions in a row a worker takes on.
    pub(crate) fn stride(&self) -> u32 {
        // ORDERING: Relaxed: as below.
        self.stride.load(Ordering::Relaxed)
    }

    pub(crate) fn size(&self) -> u32 {
        // ORDERING: Relaxed: a stale size costs time only.
        self.size.load(Ordering::Relaxed)
    }
}

/// Kept by the committer.
pub(crate) struct WindowControl {
    size: u32,
    min_probe: u32,
    max: u32,
    stood: u32,
    failed: u32,
    /// Commits to wait before the next try, once the window is closed.
    patience: u32,
    waited: u32,
    stride: u32,
    max_stride: u32,
    /// Optimistic executions that stood, one after another.
    calm: u32,
}

impl WindowControl {
    /// A control for a window of at most `max`, served by `workers`.
    pub(crate) fn new(max: u32, workers: u32) -> Self {
        let max = max.max(1);
        Self {
            size: max,
            min_probe: workers.saturating_mul(2).min(max),
            max,
            stood: 0,
            failed: 0,
            patience: FIRST_PROBE,
            waited: 0,
            stride: 1,
            // So that everybody has work within the window while the one who is behind catches up.
            max_stride: (max / workers.max(1) / 4).clamp(1, MAX_STRIDE),
            calm: 0,
        }
    }

    /// Takes the report of one commit: `None` if the transaction was not executed optimistically.
    pub(crate) fn report(&mut self, stood: Option<bool>, window: &Window) {
        self.pace(stood, window);
        match stood {
            Some(true) => self.stood += 1,
            Some(false) => self.failed += 1,
            None => {}
        }
        if self.size == 1 {
            self.waited += 1;
            if self.waited >= self.patience {
                self.waited = 0;
                self.patience = (self.patience * 2).min(LAST_PROBE);
                self.resize(self.min_probe, window);
            }
        } else if self.stood + self.failed >= EPOCH {
            self.judge(window);
        }
    }

    /// Lengthens the stride while nothing fails; a failure starts over.
    fn pace(&mut self, stood: Option<bool>, window: &Window) {
        let stride = match stood {
            None => return,
            Some(false) => 1,
            Some(true) => {
                self.calm += 1;
                if self.calm < CALM || self.stride == self.max_stride {
                    return;
                }
                (self.stride * 2).min(self.max_stride)
            }
        };
        self.calm = 0;
        if stride != self.stride {
            self.stride = stride;
            // ORDERING: Relaxed: see `Window::size`.
            window.stride.store(stride, Ordering::Relaxed);
        }
    }

    fn judge(&mut self, window: &Window) {
        if self.stood >= 2 * self.failed {
            self.patience = FIRST_PROBE;
            self.resize(self.size.saturating_mul(2).min(self.max), window);
        } else if self.failed > 2 * self.stood {
            self.resize(self.size / 2, window);
        }
        self.stood = 0;
        self.failed = 0;
    }

    fn resize(&mut self, size: u32, window: &Window) {
        self.size = size.max(1);
        self.stood = 0;
        self.failed = 0;
        // ORDERING: Relaxed: see `Window::size`.
        window.size.store(self.size, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn feed(control: &mut WindowControl, window: &Window, stood: Option<bool>, times: u32) {
        (0..times).for_each(|_| control.report(stood, window));
    }

    #[test]
    fn closes_when_speculation_fails_and_probes_ever_more_rarely() {
        let window = Window::new(64);
        let mut control = WindowControl::new(64, 4);
        feed(&mut control, &window, Some(false), 6 * EPOCH);
        assert_eq!(window.size(), 1);
        feed(&mut control, &window, None, FIRST_PROBE);
        assert_eq!(window.size(), 8, "a probe");
        feed(&mut control, &window, Some(false), 3 * EPOCH);
        assert_eq!(window.size(), 1);
        feed(&mut control, &window, None, FIRST_PROBE);
        assert_eq!(window.size(), 1, "more patience than before");
        feed(&mut control, &window, None, FIRST_PROBE);
        assert_eq!(window.size(), 8);
    }

    #[test]
    fn opens_when_speculation_succeeds() {
        let window = Window::new(64);
        let mut control = WindowControl::new(64, 4);
        feed(&mut control, &window, Some(false), 3 * EPOCH);
        assert_eq!(window.size(), 8);
        feed(&mut control, &window, Some(true), 4 * EPOCH);
        assert_eq!(window.size(), 64, "never beyond the maximum");
    }

    #[test]
    fn a_window_of_one_stays_at_one() {
        let window = Window::new(1);
        let mut control = WindowControl::new(1, 8);
        feed(&mut control, &window, None, 10_000);
        assert_eq!(window.size(), 1);
    }
}
