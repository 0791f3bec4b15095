//! The primitives on which threads meet: every atomic, lock and condition variable of the crate comes from here.
//!
//! One door, so that the same code runs on the machine's primitives, and step by step under a
//! [conductor](crate::conductor), who runs all workers on one thread: whatever would block that thread waits through the conductor instead.

pub(crate) use std::hint::spin_loop;
pub(crate) use std::sync::OnceLock;
pub(crate) use std::sync::atomic;
use std::time::{Duration, Instant};

pub(crate) use parking_lot::{Mutex, MutexGuard};

use crate::conductor::{self, Step};

/// A condition variable that a conductor can take over.
pub(crate) struct Condvar(parking_lot::Condvar);

impl Condvar {
    pub(crate) fn new() -> Self {
        Self(parking_lot::Condvar::new())
    }

    /// Waits to be notified, or for `at_most`. May wake for nothing.
    pub(crate) fn wait<T>(&self, guard: &mut MutexGuard<'_, T>, at_most: Option<Duration>) {
        if let Some(conductor) = conductor::present() {
            return MutexGuard::unlocked(guard, || conductor.wait(self.name(), at_most));
        }
        match at_most {
            None => self.0.wait(guard),
            Some(time) => {
                self.0.wait_for(guard, time);
            }
        }
    }

    pub(crate) fn notify_one(&self) {
        match conductor::present() {
            Some(conductor) => conductor.notify_one(self.name()),
            None => {
                self.0.notify_one();
            }
        }
    }

    pub(crate) fn notify_all(&self) {
        match conductor::present() {
            Some(conductor) => conductor.notify_all(self.name()),
            None => {
                self.0.notify_all();
            }
        }
    }

    /// What a conductor calls it by.
    fn name(&self) -> usize {
        std::ptr::from_ref(self).addr()
    }
}

/// Locks what may be held by a worker that a conductor has stopped: one that waits for the storage.
pub(crate) fn lock_over_steps<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    let Some(conductor) = conductor::present() else { return mutex.lock() };
    loop {
        if let Some(guard) = mutex.try_lock() {
            return guard;
        }
        conductor.step(Step::Blocked);
    }
}

/// The time, as far as deadlines are concerned.
pub(crate) fn now() -> Instant {
    conductor::present().map_or_else(Instant::now, |conductor| conductor.now())
}
