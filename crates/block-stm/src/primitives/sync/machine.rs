//! The machine's own primitives, at their own speed.

pub(crate) use std::sync::atomic;
pub(crate) use std::thread_local;
use std::time::Duration;

pub(crate) use parking_lot::MutexGuard;

use crate::primitives::conductor::{self, Step};

/// How long a reader waits for the writer of an estimate that is being executed, in spins.
pub(crate) const WAIT_SPINS: u32 = 2_000;
/// How long a worker looks for work before it sleeps or leaves, in spins: some 50 microseconds,
/// about what waking up takes.
pub(crate) const IDLE_SPINS: u32 = 1_500;

/// A lock. Under a conductor, all workers are on one thread: one that waits for another lets the
/// conductor decide.
#[derive(Default)]
pub(crate) struct Mutex<T>(parking_lot::Mutex<T>);

impl<T> Mutex<T> {
    pub(crate) const fn new(value: T) -> Self {
        Self(parking_lot::Mutex::new(value))
    }

    #[inline]
    pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
        match self.0.try_lock() {
            Some(guard) => guard,
            None => self.wait(),
        }
    }

    #[cold]
    fn wait(&self) -> MutexGuard<'_, T> {
        let Some(conductor) = conductor::present() else { return self.0.lock() };
        loop {
            conductor.step(Step::Blocked);
            if let Some(guard) = self.0.try_lock() {
                return guard;
            }
        }
    }

    pub(crate) fn try_lock(&self) -> Option<MutexGuard<'_, T>> {
        self.0.try_lock()
    }

    pub(crate) fn is_locked(&self) -> bool {
        self.0.is_locked()
    }

    pub(crate) fn get_mut(&mut self) -> &mut T {
        self.0.get_mut()
    }

    pub(crate) fn into_inner(self) -> T {
        self.0.into_inner()
    }
}

/// Waits a little, the `round`-th time in a row. Now and then lets others have the core, if there
/// are any.
pub(crate) fn spin(round: u32) {
    if round % 16 == 15 && round > 100 {
        std::thread::yield_now();
    } else {
        std::hint::spin_loop();
    }
}

/// Runs `task` on some thread of the pool, sometime.
pub(crate) fn spawn(pool: &rayon::ThreadPool, task: Box<dyn FnOnce() + Send>) {
    pool.spawn(task);
}

/// Whether the calling thread is a pool's, and no conductor decides what it does.
pub(crate) fn is_on_pool() -> bool {
    rayon::current_thread_index().is_some() && conductor::present().is_none()
}

/// Runs a task of the pool that only the calling thread may run, if there is one, or that it made
/// itself.
pub(crate) fn run_local_tasks() {
    rayon::yield_local();
}

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
