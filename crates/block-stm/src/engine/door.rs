//! The way into a block, which its helpers take.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use crate::primitives::speculating::discard;
use crate::primitives::sync::atomic::{AtomicUsize, Ordering};
use crate::primitives::sync::{self, Condvar, Mutex};

/// How long a caller on a pool's thread sleeps before it looks whether something is addressed to
/// its thread.
pub(crate) const POOL_INTERVAL: Duration = Duration::from_millis(1);

/// What a helper does in its seat, its lifetime hidden. Only called while the door is open or
/// a helper is inside.
pub(super) struct Help(pub(super) *const (dyn Fn(usize) + Sync));

// SAFETY: it points to a `Sync` closure, so calling it from other threads is what it is for.
unsafe impl Send for Help {}
// SAFETY: as above.
unsafe impl Sync for Help {}

/// The way into a block.
pub(crate) struct Door {
    help: Help,
    guests: Mutex<Guests>,
    empty: Condvar,
    /// Helpers called for that have not left.
    pub(super) hired: AtomicUsize,
    /// Helpers that came where they could not begin.
    pub(super) refused: AtomicUsize,
}

struct Guests {
    open: bool,
    inside: usize,
    /// Which seats are taken, from seat 1 on.
    seats: Vec<bool>,
    panic: Option<Box<dyn Any + Send>>,
}

impl Guests {
    /// The lowest free seat, taken.
    fn sit_down(&mut self) -> usize {
        let free = self.seats.iter().position(|taken| !taken);
        let place = free.unwrap_or(self.seats.len());
        if free.is_none() {
            self.seats.push(false);
        }
        self.seats[place] = true;
        place + 1
    }
}

impl Door {
    /// An open door to a block whose helpers do this.
    pub(super) fn new(help: Help) -> Self {
        Self {
            help,
            guests: Mutex::new(Guests { open: true, inside: 0, seats: Vec::new(), panic: None }),
            empty: Condvar::new(),
            hired: AtomicUsize::new(0),
            refused: AtomicUsize::new(0),
        }
    }

    /// A helper came where it cannot begin.
    pub(crate) fn refuse(&self) {
        // ORDERING: Relaxed: see `Helpers::hire`.
        self.refused.fetch_add(1, Ordering::Relaxed);
        self.hired.fetch_sub(1, Ordering::Relaxed);
    }

    /// Helps.
    pub(crate) fn visit(&self) {
        let mut guests = self.guests.lock();
        if !guests.open {
            return;
        }
        guests.inside += 1;
        let seat = guests.sit_down();
        drop(guests);
        // SAFETY: we are inside, and got in while the door was open: `Helpers::gather` has not
        // returned, and does not before we leave.
        let panic = catch_unwind(AssertUnwindSafe(|| unsafe { (*self.help.0)(seat) })).err();
        // ORDERING: Relaxed: see `Helpers::hire`.
        self.hired.fetch_sub(1, Ordering::Relaxed);
        let mut guests = self.guests.lock();
        let second = match &mut guests.panic {
            Some(_) => panic,
            first => {
                *first = panic;
                None
            }
        };
        guests.inside -= 1;
        guests.seats[seat - 1] = false;
        if guests.inside == 0 {
            self.empty.notify_all();
        }
        drop(guests);
        // The caller may be gone; the payload borrows nothing.
        if let Some(payload) = second {
            discard(payload);
        }
    }

    /// Lets no helper in any more, and waits until all have left; the panic of one of them.
    pub(super) fn close(&self) -> Option<Box<dyn Any + Send>> {
        let mut guests = self.guests.lock();
        guests.open = false;
        let interval = sync::is_on_pool().then_some(POOL_INTERVAL);
        while guests.inside > 0 {
            self.empty.wait(&mut guests, interval);
            if interval.is_some() && guests.inside > 0 {
                drop(guests);
                sync::run_local_tasks();
                guests = self.guests.lock();
            }
        }
        guests.panic.take()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lowest_free_seat_is_taken() {
        let mut guests = Guests { open: true, inside: 0, seats: Vec::new(), panic: None };
        assert_eq!([(); 3].map(|()| guests.sit_down()), [1, 2, 3]);
        guests.seats[1] = false;
        assert_eq!([(); 2].map(|()| guests.sit_down()), [2, 4]);
    }
}
