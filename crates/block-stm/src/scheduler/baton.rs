//! The right to commit, held by one worker at a time, for which no worker ever waits.
//!
//! The *maker* makes the head ready and then tries to take the baton; the *holder* gives it back
//! and then looks whether the head is ready. Between its two steps each passes a `SeqCst` fence. In
//! the single order of the two fences, either the maker's comes first, and the holder sees the
//! ready head; or the holder's does, and the maker finds the baton free (or held by a third worker,
//! which will give it back and look). So a ready head is never left lying.

use crate::primitives::canary::{Canary, sings};
use crate::primitives::sync::atomic::{Ordering, fence};
use std::mem::ManuallyDrop;
use std::ops::{Deref, DerefMut};

use crate::primitives::sync::{Mutex, MutexGuard, Padded};

pub(crate) struct Baton<T>(Padded<Mutex<T>>);

/// The baton in hand, with what only its holder may touch.
pub(crate) struct BatonGuard<'a, T>(ManuallyDrop<MutexGuard<'a, T>>);

impl<T> Baton<T> {
    pub(crate) fn new(state: T) -> Self {
        Self(Padded(Mutex::new(state)))
    }

    /// Takes the baton if it is free. Call it after the head was seen ready.
    pub(crate) fn try_take(&self) -> Option<BatonGuard<'_, T>> {
        // ORDERING: SeqCst: the maker's fence, see the module's documentation.
        if !sings(Canary::TakeWithoutFence) {
            fence(Ordering::SeqCst);
        }
        self.0.try_lock().map(|guard| BatonGuard(ManuallyDrop::new(guard)))
    }

    /// Whether no worker holds it. The holder looks at the head when it gives the baton back.
    pub(crate) fn is_free(&self) -> bool {
        // ORDERING: SeqCst: as in `try_take`.
        fence(Ordering::SeqCst);
        !self.0.is_locked()
    }

    pub(crate) fn into_inner(self) -> T {
        self.0.0.into_inner()
    }
}

impl<T> Deref for BatonGuard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T> DerefMut for BatonGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.0
    }
}

impl<T> Drop for BatonGuard<'_, T> {
    fn drop(&mut self) {
        // SAFETY: dropped here and nowhere else.
        unsafe { ManuallyDrop::drop(&mut self.0) };
        // ORDERING: SeqCst: the holder's fence, see the module's documentation. The caller looks at
        // the head next.
        if !sings(Canary::GiveWithoutFence) {
            fence(Ordering::SeqCst);
        }
    }
}
