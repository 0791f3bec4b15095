//! The caller leaves only when no helper is inside, and a helper that comes late touches nothing.

use loom::cell::UnsafeCell;
use loom::thread;

use super::explore;
use crate::crew::{Crew, Spawn};
use crate::sync::atomic::{AtomicUsize, Ordering};

/// A pool with room for everybody.
struct Threads;

impl Spawn for Threads {
    fn spawn(&self, task: Box<dyn FnOnce() + Send>) {
        drop(thread::spawn(task));
    }
}

/// What the caller lends to its helpers.
struct Lent(UnsafeCell<u32>);

// SAFETY: read by helpers, written by the caller once they have left; loom looks after that.
unsafe impl Sync for Lent {}

impl Lent {
    /// A helper's look at it.
    fn use_it(&self) {
        // SAFETY: nobody writes while a helper is inside; loom would report otherwise.
        let value = self.0.with(|value| unsafe { *value });
        assert_eq!(value, 1);
    }
}

#[test]
fn nothing_lent_is_used_after_the_end() {
    // A helper is called and comes sometime: before the door is closed, meanwhile, afterwards.
    //
    // Caught: `Door::close` that does not wait; a door that lets in late comers; `visit` that says that it has left
    // before it has.
    explore(|| {
        let lent = Lent(UnsafeCell::new(1));
        Crew::gather(&Threads, 1, &|_| lent.use_it(), Crew::hire);
        // SAFETY: no helper is inside any more; loom would report otherwise.
        lent.0.with_mut(|value| unsafe { *value = 2 });
    });
}

#[test]
fn helpers_leave_and_are_called_again() {
    // Nobody calls for more than are wanted; whoever sees that one has left may call for the next.
    //
    // Caught: `hire` that does not take back what it counted too much, which then never finds anybody missing.
    explore(|| {
        let inside = AtomicUsize::new(0);
        let help = |crew: &Crew<'_>| {
            assert_eq!(inside.fetch_add(1, Ordering::Relaxed), 0, "one was wanted");
            inside.fetch_sub(1, Ordering::Relaxed);
            let _ = crew.is_short();
        };
        Crew::gather(&Threads, 1, &help, |crew| {
            crew.hire();
            crew.hire();
        });
        assert_eq!(inside.load(Ordering::Relaxed), 0);
    });
}
