//! Loom's primitives: every load may return every value that the memory model allows.
//!
//! Two things differ from the machine's. Loom treats a `SeqCst` *access* like `AcqRel`; only
//! `SeqCst` *fences* are what they are called. A test that passes thus does not need the accesses
//! to be `SeqCst`. For one that does, there is [`with_total_order`]. And loom's own lock always
//! knows whether it is held; here `try_lock` and `is_locked` look with a relaxed load first, as
//! `parking_lot`'s do, so that they can be wrong about the past.

use std::ops::{Deref, DerefMut};
use std::sync::PoisonError;
use std::time::Duration;

pub(crate) use loom::cell::UnsafeCell;
use loom::hint::spin_loop;
use loom::sync;
pub(crate) use std::thread_local;

#[cfg(test)]
pub(crate) use atomic::with_total_order;
use atomic::{AtomicBool, Ordering};

/// As on the machine, but few.
pub(crate) const WAIT_SPINS: u32 = 1;
/// As on the machine, but few.
pub(crate) const IDLE_SPINS: u32 = 1;

/// Waits a little.
pub(crate) fn spin(_round: u32) {
    spin_loop();
}

/// There are no pools in a model; tests spawn loom's threads themselves.
pub(crate) fn spawn(_pool: &rayon::ThreadPool, _task: Box<dyn FnOnce() + Send>) {
    panic!("no pools under loom")
}

/// No thread is a pool's.
pub(crate) fn is_on_pool() -> bool {
    false
}

/// There are none.
pub(crate) fn run_local_tasks() {}

pub(crate) mod atomic {
    //! Loom's atomics; their `SeqCst` accesses can be given a single total order.

    use std::cell::Cell;

    pub(crate) use loom::sync::atomic::{Ordering, fence};

    std::thread_local! {
        static TOTAL_ORDER: Cell<bool> = const { Cell::new(false) };
    }

    /// Runs `model` with a fence before each `SeqCst` access, which gives all of them one total
    /// order.
    ///
    /// That is a little stronger than the language's rule, so a missing fence shows better without.
    #[cfg(test)]
    pub(crate) fn with_total_order(model: impl FnOnce()) {
        TOTAL_ORDER.set(true);
        model();
        TOTAL_ORDER.set(false);
    }

    // ORDERING: all orders here are the caller's, and the reason stands there.
    fn order(ordering: Ordering) {
        if ordering == Ordering::SeqCst && TOTAL_ORDER.get() {
            fence(Ordering::SeqCst);
        }
    }

    macro_rules! atomic {
        ($name:ident $(<$param:ident>)?, $value:ty $(, $update:ident)*) => {
            #[derive(Debug, Default)]
            pub(crate) struct $name $(<$param>)? (loom::sync::atomic::$name $(<$param>)?);

            #[allow(dead_code, reason = "not every type needs every access")]
            impl $(<$param>)? $name $(<$param>)? {
                #[track_caller]
                pub(crate) fn new(value: $value) -> Self {
                    Self(loom::sync::atomic::$name::new(value))
                }

                #[track_caller]
                pub(crate) fn load(&self, ordering: Ordering) -> $value {
                    order(ordering);
                    self.0.load(ordering)
                }

                #[track_caller]
                pub(crate) fn store(&self, value: $value, ordering: Ordering) {
                    order(ordering);
                    self.0.store(value, ordering);
                }

                #[track_caller]
                pub(crate) fn swap(&self, value: $value, ordering: Ordering) -> $value {
                    order(ordering);
                    self.0.swap(value, ordering)
                }

                #[track_caller]
                pub(crate) fn compare_exchange(
                    &self,
                    expected: $value,
                    new: $value,
                    success: Ordering,
                    failure: Ordering,
                ) -> Result<$value, $value> {
                    order(success);
                    self.0.compare_exchange(expected, new, success, failure)
                }

                $(
                    #[track_caller]
                    pub(crate) fn $update(&self, value: $value, ordering: Ordering) -> $value {
                        order(ordering);
                        self.0.$update(value, ordering)
                    }
                )*
            }
        };
    }

    atomic!(AtomicBool, bool);
    atomic!(AtomicU8, u8, fetch_or, fetch_and);
    atomic!(AtomicI32, i32);
    atomic!(AtomicU32, u32, fetch_add);
    atomic!(AtomicU64, u64, fetch_add, fetch_or, fetch_and);
    atomic!(AtomicUsize, usize, fetch_add, fetch_sub);
    atomic!(AtomicPtr<T>, *mut T);
}

/// A lock whose state is seen as late as the memory model allows by those who only try.
pub(crate) struct Mutex<T> {
    inner: sync::Mutex<T>,
    /// Set while held by somebody who took it by `try_lock`.
    held: AtomicBool,
}

pub(crate) struct MutexGuard<'a, T> {
    mutex: &'a Mutex<T>,
    /// `None` only while a condition variable has it.
    inner: Option<sync::MutexGuard<'a, T>>,
    tried: bool,
}

impl<T> Mutex<T> {
    #[track_caller]
    pub(crate) fn new(value: T) -> Self {
        Self { inner: sync::Mutex::new(value), held: AtomicBool::new(false) }
    }

    #[track_caller]
    pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
        let inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        MutexGuard { mutex: self, inner: Some(inner), tried: false }
    }

    #[track_caller]
    pub(crate) fn try_lock(&self) -> Option<MutexGuard<'_, T>> {
        if self.is_locked() {
            return None;
        }
        let inner = self.inner.try_lock().ok()?;
        self.held.store(true, Ordering::Relaxed);
        Some(MutexGuard { mutex: self, inner: Some(inner), tried: true })
    }

    #[track_caller]
    pub(crate) fn is_locked(&self) -> bool {
        self.held.load(Ordering::Relaxed)
    }

    pub(crate) fn get_mut(&mut self) -> &mut T {
        self.inner.get_mut().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn into_inner(self) -> T {
        self.inner.into_inner().unwrap_or_else(PoisonError::into_inner)
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
        if self.tried {
            self.mutex.held.store(false, Ordering::Release);
        }
        drop(self.inner.take());
    }
}

/// A condition variable. Time does not pass in here: a wait with a limit is over at once.
pub(crate) struct Condvar(sync::Condvar);

impl Condvar {
    pub(crate) fn new() -> Self {
        Self(sync::Condvar::new())
    }

    #[track_caller]
    pub(crate) fn wait<T>(&self, guard: &mut MutexGuard<'_, T>, at_most: Option<Duration>) {
        let inner = guard.inner.take().expect("held but in a wait");
        let inner = if at_most.is_some() {
            drop(inner);
            loom::thread::yield_now();
            guard.mutex.inner.lock()
        } else {
            self.0.wait(inner)
        };
        guard.inner = Some(inner.unwrap_or_else(PoisonError::into_inner));
    }

    #[track_caller]
    pub(crate) fn notify_one(&self) {
        self.0.notify_one();
    }

    #[track_caller]
    pub(crate) fn notify_all(&self) {
        self.0.notify_all();
    }
}
