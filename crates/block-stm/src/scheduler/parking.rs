//! Where idle workers sleep.
//!
//! A worker announces itself, and looks for work once more under the lock before it waits. The
//! maker of work looks for announced workers afterwards, and passes through the lock before it
//! notifies. In the single order of the `SeqCst` accesses, either the worker's last look sees the
//! work, or the maker sees the worker; then the lock sees to it that the worker waits already, or
//! looks only now. So no worker sleeps on work. Nothing is counted that could be taken by the wrong
//! one: a worker that is woken for nothing looks, and sleeps again.

use crate::primitives::sync::atomic::{AtomicUsize, Ordering, fence};
use std::time::Duration;

use crate::primitives::canary::{Canary, sings};
use crate::primitives::conductor::{self, Step};
use crate::primitives::sync::{Condvar, Mutex};

pub(crate) struct Parking {
    /// Workers that sleep or are about to.
    sleepers: AtomicUsize,
    /// Held while a worker looks for the last time, until it waits.
    lock: Mutex<()>,
    wake: Condvar,
}

impl Parking {
    pub(crate) fn new() -> Self {
        Self { sleepers: AtomicUsize::new(0), lock: Mutex::new(()), wake: Condvar::new() }
    }

    /// Sleeps until woken or for `at_most`, unless `has_work` says that there is no need to.
    /// Whether it slept.
    pub(crate) fn park(&self, at_most: Option<Duration>, has_work: impl FnOnce() -> bool) -> bool {
        // ORDERING: SeqCst, before the look: see the module's documentation.
        self.sleepers.fetch_add(1, Ordering::SeqCst);
        if !sings(Canary::ParkWithoutFence) {
            fence(Ordering::SeqCst);
        }
        conductor::step(Step::Park);
        let mut lock = self.lock.lock();
        let sleeps = !has_work();
        if sleeps {
            self.wake.wait(&mut lock, at_most);
        }
        drop(lock);
        // ORDERING: SeqCst, as above; falling late costs a wake-up for nothing.
        self.sleepers.fetch_sub(1, Ordering::SeqCst);
        sleeps
    }

    /// Wakes a worker, after work was made for it.
    pub(crate) fn wake_one(&self) {
        if self.has_sleepers() {
            self.wake.notify_one();
        }
    }

    /// Wakes all workers, after work was made for them.
    pub(crate) fn wake_all(&self) {
        if self.has_sleepers() {
            self.wake.notify_all();
        }
    }

    /// Whether a worker must be notified; if so, it waits already or will see the work itself.
    fn has_sleepers(&self) -> bool {
        // ORDERING: SeqCst, after the work was made: see the module's documentation.
        fence(Ordering::SeqCst);
        let sleeping = self.sleepers.load(Ordering::SeqCst) > 0;
        if sleeping && !sings(Canary::NotifyWithoutLock) {
            drop(self.lock.lock());
        }
        sleeping && !sings(Canary::DropWakeUp)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicBool;

    use super::*;

    #[test]
    fn a_sleeper_is_woken_whenever_work_comes() {
        for _ in 0..if cfg!(miri) { 3 } else { 200 } {
            let (parking, work) = (Parking::new(), AtomicBool::new(false));
            std::thread::scope(|scope| {
                scope.spawn(|| {
                    while !work.load(Ordering::SeqCst) {
                        parking.park(None, || work.load(Ordering::SeqCst));
                    }
                });
                work.store(true, Ordering::SeqCst);
                parking.wake_one();
            });
        }
    }

    #[test]
    fn the_end_reaches_everybody_however_many_wake_for_less() {
        for _ in 0..if cfg!(miri) { 3 } else { 300 } {
            let (parking, over) = (Parking::new(), AtomicBool::new(false));
            std::thread::scope(|scope| {
                for time in [None, None, Some(Duration::from_micros(50))] {
                    let (parking, over) = (&parking, &over);
                    scope.spawn(move || {
                        while !over.load(Ordering::SeqCst) {
                            parking.park(time, || over.load(Ordering::SeqCst));
                            parking.wake_one();
                        }
                    });
                }
                std::thread::sleep(Duration::from_micros(200));
                over.store(true, Ordering::SeqCst);
                parking.wake_all();
            });
        }
    }

    #[test]
    fn nobody_sleeps_on_work() {
        assert!(!Parking::new().park(None, || true));
        assert!(Parking::new().park(Some(Duration::from_millis(1)), || false));
    }
}
