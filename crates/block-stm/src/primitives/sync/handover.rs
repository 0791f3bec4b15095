//! A place where one thread leaves something for another.

use std::marker::PhantomData;
use std::ptr;
use std::sync::Mutex;

use super::platform::atomic::{AtomicPtr, Ordering};

/// A box or nothing. The thread that takes the box owns it, whatever others do at the same time: as
/// in a lock, which the marker says.
pub(crate) struct Handover<T>(AtomicPtr<T>, PhantomData<Mutex<Box<T>>>);

impl<T> Handover<T> {
    #[track_caller]
    pub(crate) fn new() -> Self {
        Self(AtomicPtr::new(ptr::null_mut()), PhantomData)
    }

    /// Leaves `thing`, in place of what may be there.
    pub(crate) fn leave(&self, thing: Box<T>) {
        drop(self.swap(Box::into_raw(thing)));
    }

    /// Takes what is there.
    pub(crate) fn take(&self) -> Option<Box<T>> {
        self.swap(ptr::null_mut())
    }

    fn swap(&self, new: *mut T) -> Option<Box<T>> {
        // ORDERING: AcqRel: what was done to the thing before it was left is seen by the thread
        // that takes it.
        let old = self.0.swap(new, Ordering::AcqRel);
        // SAFETY: from `Box::into_raw`, and no other thread gets it out of here.
        (!old.is_null()).then(|| unsafe { Box::from_raw(old) })
    }

    /// Whether there is something.
    pub(crate) fn is_full(&self) -> bool {
        // ORDERING: Relaxed: a hint.
        !self.0.load(Ordering::Relaxed).is_null()
    }
}

impl<T> Drop for Handover<T> {
    fn drop(&mut self) {
        drop(self.take());
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use std::rc::Rc;

    use super::*;

    #[test]
    fn what_is_left_is_taken_once() {
        let place = Handover::new();
        assert!(place.take().is_none() && !place.is_full());
        place.leave(Box::new(1));
        place.leave(Box::new(2));
        assert!(place.is_full());
        assert_eq!(place.take().as_deref(), Some(&2));
        assert!(place.take().is_none());
    }

    #[test]
    fn what_nobody_takes_is_dropped() {
        let thing = Rc::new(());
        let place = Handover::new();
        place.leave(Box::new(Rc::clone(&thing)));
        place.leave(Box::new(Rc::clone(&thing)));
        assert_eq!(Rc::strong_count(&thing), 2, "the first one made room");
        drop(place);
        assert_eq!(Rc::strong_count(&thing), 1);
    }
}
