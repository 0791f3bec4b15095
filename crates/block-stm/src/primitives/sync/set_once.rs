//! A place that is filled once, by a thread that knows that no other one does.

use std::mem::MaybeUninit;

use super::platform::UnsafeCell;
use super::platform::atomic::{AtomicBool, Ordering};

/// As a `OnceLock`, for places whose filling is exclusive already, by a lock or by a right: filling
/// it is a plain store.
pub(crate) struct SetOnce<T> {
    filled: AtomicBool,
    value: UnsafeCell<MaybeUninit<T>>,
}

// SAFETY: the value is written before `filled` is set, by one thread says `set`, and only read
// after that.
unsafe impl<T: Send + Sync> Sync for SetOnce<T> {}

impl<T> SetOnce<T> {
    #[track_caller]
    pub(crate) fn new() -> Self {
        Self { filled: AtomicBool::new(false), value: UnsafeCell::new(MaybeUninit::uninit()) }
    }

    #[track_caller]
    pub(crate) fn get(&self) -> Option<&T> {
        // ORDERING: Acquire pairs with the Release in `set`: a thread that finds it filled sees the
        // value whole.
        if !self.filled.load(Ordering::Acquire) {
            return None;
        }
        // SAFETY: filled, so written and never written again.
        Some(self.value.with(|value| unsafe { (*value).assume_init_ref() }))
    }

    /// Fills the place.
    ///
    /// # Panics
    /// If it is filled already.
    ///
    /// # Safety
    /// No two calls at the same time, and each is ordered with the one before it.
    #[track_caller]
    pub(crate) unsafe fn set(&self, value: T) -> &T {
        // ORDERING: Relaxed: ordered with any earlier call, says the caller.
        assert!(!self.filled.load(Ordering::Relaxed), "filled once");
        // SAFETY: it is not read before it is filled, and no other thread fills it.
        self.value.with_mut(|place| unsafe { (*place).write(value) });
        // ORDERING: Release: see `get`.
        self.filled.store(true, Ordering::Release);
        // SAFETY: written just now.
        self.value.with(|value| unsafe { (*value).assume_init_ref() })
    }
}

impl<T> Drop for SetOnce<T> {
    fn drop(&mut self) {
        // ORDERING: Relaxed: `&mut`, so no other thread is there.
        if std::mem::needs_drop::<T>() && self.filled.load(Ordering::Relaxed) {
            // SAFETY: filled, and read no more.
            self.value.with_mut(|value| unsafe { (*value).assume_init_drop() });
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use std::rc::Rc;

    use super::*;

    #[test]
    fn what_was_set_is_there_and_dropped_once() {
        let value = Rc::new(7);
        let place = SetOnce::new();
        assert!(place.get().is_none());
        // SAFETY: one thread, one call.
        assert_eq!(**unsafe { place.set(Rc::clone(&value)) }, 7);
        assert_eq!(place.get().map(|value| **value), Some(7));
        drop(place);
        assert_eq!(Rc::strong_count(&value), 1);
        drop(SetOnce::<Rc<u8>>::new());
    }
}
