//! How fast requests go out: at a fixed rate, and not at all while the node asks for a rest.

use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use crate::interrupt;

/// The pace of all jobs together.
#[derive(Debug)]
pub(super) struct Pace {
    /// From one request to the next one.
    gap: Duration,
    /// When the next request may go out.
    next: Mutex<Instant>,
}

impl Pace {
    /// At most `rate` requests a second; nothing is no bound.
    pub(super) fn new(rate: Option<u64>) -> Self {
        let gap = rate.map_or(Duration::ZERO, |rate| Duration::from_secs(1) / rate as u32);
        Self { gap, next: Mutex::new(Instant::now()) }
    }

    /// Waits until a request may go out.
    pub(super) fn wait(&self) {
        let mine = {
            let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
            let mine = (*next).max(Instant::now());
            *next = mine + self.gap;
            mine
        };
        interrupt::sleep(mine.saturating_duration_since(Instant::now()));
    }

    /// Lets all jobs rest for `time`.
    pub(super) fn rest(&self, time: Duration) {
        let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
        *next = (*next).max(Instant::now() + time);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_keep_their_distance_and_all_rest_together() {
        let pace = Pace::new(Some(200));
        let start = Instant::now();
        (0..5).for_each(|_| pace.wait());
        assert!(start.elapsed() >= Duration::from_millis(20), "four gaps of 5 ms");
        pace.rest(Duration::from_millis(30));
        let start = Instant::now();
        pace.wait();
        assert!(start.elapsed() >= Duration::from_millis(25));
        let free = Pace::new(None);
        let start = Instant::now();
        (0..1_000).for_each(|_| free.wait());
        assert!(start.elapsed() < Duration::from_secs(1));
    }
}
