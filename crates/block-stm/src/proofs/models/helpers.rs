//! The caller leaves only when no helper is inside, and a helper that comes late touches nothing.

use std::sync::Arc;

use loom::cell::UnsafeCell;
use loom::thread;

use super::explore;
use crate::engine::call_queue::{CallQueue, Spawn, Task};
use crate::engine::helpers::Helpers;
use crate::primitives::sync::atomic::{AtomicUsize, Ordering};

/// A pool that gets round to so many tasks; the others are never run.
fn pool(tasks: usize) -> Arc<Spawn> {
    let left = AtomicUsize::new(tasks);
    Arc::new(move |task: Task| {
        // A helper that leaves soon makes room for the next one, again and again; a model must end.
        // ORDERING: Relaxed throughout: what is modelled must not lean on the model's own counts.
        let tasks = left.load(Ordering::Relaxed);
        if tasks > 0 {
            left.store(tasks - 1, Ordering::Relaxed);
            drop(thread::spawn(move || task(true)));
        }
    })
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
    // A helper is called and comes sometime: before the scope is closed, meanwhile, afterwards.
    //
    // Caught: `Scope::close` that does not wait; a scope that lets in late comers, who then follow
    // a dangling pointer.
    explore(|| {
        let spawn = pool(2);
        let lent = Lent(UnsafeCell::new(1));
        let queue = CallQueue::new(1, &spawn);
        Helpers::gather(&queue, &|_, _| lent.use_it(), |helpers| helpers.hire(1, 0));
        // SAFETY: no helper is inside any more; loom would report otherwise.
        lent.0.with_mut(|value| unsafe { *value = 2 });
    });
}

#[test]
fn helpers_leave_and_are_called_again() {
    // Nobody calls for more than are wanted; whoever sees that one has left may call for the next.
    //
    // Caught: `Scope::close` that does not wait.
    explore(|| {
        let inside = AtomicUsize::new(0);
        let help = |helpers: &Helpers<'_>, number| {
            assert_eq!(number, 1, "the only one");
            assert_eq!(inside.fetch_add(1, Ordering::Relaxed), 0, "one was wanted");
            inside.fetch_sub(1, Ordering::Relaxed);
            let _ = helpers.is_short(1, 0);
        };
        let spawn = pool(2);
        Helpers::gather(&CallQueue::new(1, &spawn), &help, |helpers| {
            helpers.hire(1, 0);
            helpers.hire(1, 0);
        });
        assert_eq!(inside.load(Ordering::Relaxed), 0);
    });
}
