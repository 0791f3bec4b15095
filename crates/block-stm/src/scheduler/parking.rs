//! Where idle workers sleep.
//!
//! A worker announces itself, looks for work once more, and only then sleeps; whoever makes work looks for
//! announced workers afterwards. In the single order of these four `SeqCst` accesses, either the sleeper's last look
//! sees the work, or the maker sees the sleeper. A sleeper holds the lock between
//! its last look at the tickets and the wait, so that a wake-up cannot fall in between.

use std::sync::atomic::{AtomicUsize, Ordering, fence};
use std::time::Duration;

use parking_lot::{Condvar, Mutex};

pub(crate) struct Parking {
    /// Workers that sleep or are about to.
    sleepers: AtomicUsize,
    /// Wake-ups that no sleeper has taken yet.
    tickets: Mutex<usize>,
    wake: Condvar,
}

impl Parking {
    pub(crate) const fn new() -> Self {
        Self { sleepers: AtomicUsize::new(0), tickets: Mutex::new(0), wake: Condvar::new() }
    }

    /// Sleeps until woken or for `at_most`, unless `has_work` says that there is no need to. Whether it slept.
    pub(crate) fn park(&self, at_most: Option<Duration>, has_work: impl FnOnce() -> bool) -> bool {
        // ORDERING: SeqCst, before the look: see the module's documentation.
        self.sleepers.fetch_add(1, Ordering::SeqCst);
        fence(Ordering::SeqCst);
        let sleeps = !has_work();
        if sleeps {
            let mut tickets = self.tickets.lock();
            while *tickets == 0 {
                match at_most {
                    None => self.wake.wait(&mut tickets),
                    Some(time) => {
                        if self.wake.wait_for(&mut tickets, time).timed_out() {
                            break;
                        }
                    }
                }
            }
            *tickets = tickets.saturating_sub(1);
        }
        // ORDERING: SeqCst, as above; falling late costs a wake-up for nothing.
        self.sleepers.fetch_sub(1, Ordering::SeqCst);
        sleeps
    }

    /// Wakes up to `workers`, after work was made for them.
    pub(crate) fn wake(&self, workers: usize) {
        // ORDERING: SeqCst, after the work was made: see the module's documentation.
        fence(Ordering::SeqCst);
        let sleepers = self.sleepers.load(Ordering::SeqCst);
        if sleepers == 0 {
            return;
        }
        let mut tickets = self.tickets.lock();
        *tickets = (*tickets + workers).min(sleepers);
        drop(tickets);
        if workers == 1 {
            self.wake.notify_one();
        } else {
            self.wake.notify_all();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicBool;

    use super::*;

    #[test]
    fn a_sleeper_is_woken_whenever_work_comes() {
        for _ in 0..200 {
            let (parking, work) = (Parking::new(), AtomicBool::new(false));
            std::thread::scope(|scope| {
                scope.spawn(|| {
                    while !work.load(Ordering::SeqCst) {
                        parking.park(None, || work.load(Ordering::SeqCst));
                    }
                });
                work.store(true, Ordering::SeqCst);
                parking.wake(1);
            });
        }
    }

    #[test]
    fn nobody_sleeps_on_work() {
        assert!(!Parking::new().park(None, || true));
        assert!(Parking::new().park(Some(Duration::from_millis(1)), || false));
    }
}
