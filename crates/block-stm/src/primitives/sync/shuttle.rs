//! Shuttle's primitives: every access is a place where another worker may go on.
//!
//! Shuttle's memory is sequentially consistent, so what an ordering is too weak for does not show
//! here; see `loom`. The epoch collector is the real one: all tasks share one thread, and each has
//! a handle of its own.

use std::ops::{Deref, DerefMut};
use std::sync::PoisonError;
use std::sync::atomic::AtomicBool as Flag;
use std::sync::atomic::AtomicU64 as Count;
use std::time::Duration;

pub(crate) use shuttle::sync::atomic;
use shuttle::sync::{self, TryLockError};
pub(crate) use shuttle::thread_local;

// ORDERING: Relaxed: shuttle runs one thread at a time, and all see one order.
use atomic::Ordering::Relaxed;

/// As on the machine, but few.
pub(crate) const WAIT_SPINS: u32 = 3;
/// As on the machine, but few.
pub(crate) const IDLE_SPINS: u32 = 1;

/// Waits a little.
pub(crate) fn spin(_round: u32) {
    shuttle::hint::spin_loop();
}

/// Runs `task` on a thread of its own; the pool is left alone.
pub(crate) fn spawn(_pool: &rayon::ThreadPool, task: Box<dyn FnOnce() + Send>) {
    drop(shuttle::thread::spawn(task));
}

/// No thread is a pool's.
pub(crate) fn is_on_pool() -> bool {
    false
}

/// There are none.
pub(crate) fn run_local_tasks() {}

/// Lets others go on.
fn pass() {
    shuttle::thread::sleep(Duration::ZERO);
}

/// A lock that can be looked at.
pub(crate) struct Mutex<T> {
    inner: sync::Mutex<T>,
    /// Whether the lock is held. Changed together with `inner`: shuttle switches before an
    /// operation, never after it.
    held: Flag,
}

pub(crate) struct MutexGuard<'a, T> {
    mutex: &'a Mutex<T>,
    /// `None` only while a condition variable has it.
    inner: Option<sync::MutexGuard<'a, T>>,
}

impl<T> Mutex<T> {
    pub(crate) const fn new(value: T) -> Self {
        Self { inner: sync::Mutex::new(value), held: Flag::new(false) }
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
        self.hold(self.inner.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn try_lock(&self) -> Option<MutexGuard<'_, T>> {
        match self.inner.try_lock() {
            Ok(inner) => Some(self.hold(inner)),
            Err(TryLockError::Poisoned(inner)) => Some(self.hold(inner.into_inner())),
            Err(TryLockError::WouldBlock) => None,
        }
    }

    pub(crate) fn is_locked(&self) -> bool {
        pass();
        self.held.load(Relaxed)
    }

    pub(crate) fn get_mut(&mut self) -> &mut T {
        self.inner.get_mut().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn into_inner(self) -> T {
        self.inner.into_inner().unwrap_or_else(PoisonError::into_inner)
    }

    fn hold<'a>(&'a self, inner: sync::MutexGuard<'a, T>) -> MutexGuard<'a, T> {
        self.held.store(true, Relaxed);
        MutexGuard { mutex: self, inner: Some(inner) }
    }
}

impl<T> Deref for MutexGuard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.inner.as_ref().expect("held but in a wait")
    }
}

impl<T> DerefMut for MutexGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        self.inner.as_mut().expect("held but in a wait")
    }
}

impl<T> Drop for MutexGuard<'_, T> {
    fn drop(&mut self) {
        drop(self.inner.take());
        self.mutex.held.store(false, Relaxed);
    }
}

/// A condition variable. Time does not pass in here: every second wait with a limit is over at
/// once, and the others are as long as those without one.
pub(crate) struct Condvar {
    inner: sync::Condvar,
    limited_waits: Count,
}

impl Condvar {
    pub(crate) const fn new() -> Self {
        Self { inner: sync::Condvar::new(), limited_waits: Count::new(0) }
    }

    pub(crate) fn wait<T>(&self, guard: &mut MutexGuard<'_, T>, at_most: Option<Duration>) {
        let inner = guard.inner.take().expect("held but in a wait");
        guard.mutex.held.store(false, Relaxed);
        let ends_at_once =
            at_most.is_some() && self.limited_waits.fetch_add(1, Relaxed).is_multiple_of(2);
        let inner = if ends_at_once {
            drop(inner);
            shuttle::thread::yield_now();
            guard.mutex.inner.lock()
        } else {
            self.inner.wait(inner)
        };
        guard.inner = Some(inner.unwrap_or_else(PoisonError::into_inner));
        guard.mutex.held.store(true, Relaxed);
    }

    pub(crate) fn notify_one(&self) {
        self.inner.notify_one();
    }

    pub(crate) fn notify_all(&self) {
        self.inner.notify_all();
    }
}
