//! Helpers for one block: they come from a thread pool when there is room, and leave when there is
//! no work.
//!
//! A pool may be busy, with other blocks or with the host's work, and its threads may wait for each
//! other in ways that the engine cannot see: a thread that waits inside an execution (in a `join`,
//! say) takes other tasks of the pool meanwhile, also one of ours, and cannot go on before that one
//! returns. Four rules keep all of them going:
//!
//! * **The caller waits only for helpers that are inside.** One that comes after the block is over
//!   finds its scope closed and touches nothing. So the block never depends on the pool having
//!   room.
//! * **A helper without work leaves** after a moment, instead of sleeping on the pool's thread. So
//!   what lies beneath it on the thread's stack goes on. Others call for new helpers when there is
//!   work again.
//! * **A helper begins on an empty stack**, as far as that can be told (`stack.rs`): it may block
//!   on a lock of the host's that is held by what would lie beneath it. What comes elsewhere is
//!   refused; as often as transactions are committed, about, so that calling again costs no more
//!   than the block is worth.
//! * **A caller that is itself on a thread of a pool runs what is addressed to that thread alone**
//!   while it waits (`rayon`'s `broadcast`, called by an execution): no other thread can.
//!
//! Why there is no deadlock then, as long as user code itself only waits for what it began (`join`,
//! `scope`, `install`, `broadcast`, a block of its own): each wait is for something that began
//! later. The caller waits for helpers, which came after the call; an execution waits for jobs that
//! it made; what lies on a stack waits for what lies above it. So no waits form a circle.
//!
//! Each worker has a *number*: the caller's is 0, a helper's the lowest that is free when it comes.
//! When fewer helpers are wanted than there are, those with the highest numbers leave.

use std::panic::resume_unwind;
use std::sync::Arc;

use super::call_queue::CallQueue;
use super::scope::Scope;
use crate::primitives::on_drop::OnDrop;
use crate::primitives::speculating::discard;
use crate::primitives::sync::{self, atomic::Ordering};

/// How many helpers one call asks for at most: to call for one takes the caller's time, and those
/// who come call for more.
const MOST_AT_ONCE: usize = 2;

/// A block's helpers.
pub(crate) struct Helpers<'p> {
    call_queue: &'p Arc<CallQueue>,
    scope: Arc<Scope>,
}

impl<'p> Helpers<'p> {
    /// Runs `lead` on the calling thread, which may call for helpers, each of which runs `help`
    /// with its number.
    ///
    /// # Panics
    /// If one of them panics, with its payload, once all have left.
    pub(crate) fn gather<T>(
        call_queue: &'p Arc<CallQueue>,
        help: &(dyn Fn(&Self, usize) + Sync),
        lead: impl FnOnce(&Self) -> T,
    ) -> T {
        // A task knows the helpers through this place alone, as it is made first.
        let helpers = sync::OnceLock::<Self>::new();
        let task = |number: usize| {
            if let Some(helpers) = helpers.get() {
                help(helpers, number);
            }
        };
        let erased: *const (dyn Fn(usize) + Sync + '_) = &task;
        // SAFETY: only the lifetime changes. `close` below closes the scope and waits until no
        // helper is inside, before `task`, `helpers` and all that they borrow can go, on every path
        // out of here; see `Scope::enter` for the other half.
        let erased: *const (dyn Fn(usize) + Sync) = unsafe { std::mem::transmute(erased) };
        // SAFETY: as above.
        let scope = Arc::new(unsafe { Scope::new(erased) });
        let close = || {
            call_queue.withdraw(&scope);
            scope.close()
        };
        // If the caller panics, that panic is the one that surfaces.
        let on_panic = OnDrop(|| close().into_iter().for_each(discard));
        let helpers = helpers.get_or_init(|| Self { call_queue, scope: Arc::clone(&scope) });
        let result = lead(helpers);
        let panic = close();
        std::mem::forget(on_panic);
        if let Some(payload) = panic {
            resume_unwind(payload);
        }
        result
    }

    /// Calls for helpers if fewer than `wanted` are there or on their way. `done` is a measure of
    /// what the block has come to, in transactions.
    pub(crate) fn hire(&self, wanted: usize, done: usize) {
        for _ in 0..MOST_AT_ONCE {
            // ORDERING: Relaxed throughout: a count of helpers, which carries no data.
            if !self.is_short(wanted, done) {
                return;
            }
            if self.scope.hired.fetch_add(1, Ordering::Relaxed) >= wanted {
                self.scope.hired.fetch_sub(1, Ordering::Relaxed);
                return;
            }
            self.call_queue.call(&self.scope);
        }
    }

    /// Whether fewer helpers than `wanted` are there or on their way, and it makes sense to call
    /// for more.
    pub(crate) fn is_short(&self, wanted: usize, done: usize) -> bool {
        // ORDERING: Relaxed: see `hire`.
        self.scope.hired.load(Ordering::Relaxed) < wanted
            && self.scope.refused.load(Ordering::Relaxed) <= done.saturating_add(wanted)
    }
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::sync::mpsc;

    use super::*;
    use crate::engine::stack;

    fn pool(threads: usize) -> Arc<rayon::ThreadPool> {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
        let pool = pool.expect("threads start");
        stack::survey(&pool);
        Arc::new(pool)
    }

    #[test]
    fn helpers_come_and_leave_and_can_be_called_again() {
        let (came, arrivals) = mpsc::channel();
        let help = move |_: &Helpers<'_>, _| came.send(()).expect("the test listens");
        let spawn = stack::spawn_on(pool(2));
        Helpers::gather(&CallQueue::new(2, &spawn), &help, |helpers| {
            for _ in 0..3 {
                while !helpers.is_short(2, 0) {
                    std::thread::yield_now();
                }
                helpers.hire(2, 0);
                arrivals.recv().expect("a helper comes");
            }
        });
    }

    #[test]
    fn one_call_asks_for_few_and_for_no_more_than_are_wanted() {
        let pool = pool(1);
        let (release, blocked) = mpsc::channel::<()>();
        pool.spawn(move || blocked.recv().expect("the test lets go"));
        let spawn = stack::spawn_on(pool);
        Helpers::gather(&CallQueue::new(9, &spawn), &|_, _| panic!("too late"), |helpers| {
            helpers.hire(9, 0);
            assert!(!helpers.is_short(MOST_AT_ONCE, 0) && helpers.is_short(MOST_AT_ONCE + 1, 0));
            (0..9).for_each(|_| helpers.hire(5, 0));
            assert!(!helpers.is_short(5, 0) && helpers.is_short(6, 0));
        });
        release.send(()).expect("the thread waits");
    }

    #[test]
    fn nobody_waits_for_a_pool_without_room() {
        let pool = pool(1);
        let (release, blocked) = mpsc::channel::<()>();
        pool.spawn(move || blocked.recv().expect("the test lets go"));
        let spawn = stack::spawn_on(pool);
        let queue = CallQueue::new(1, &spawn);
        let result = Helpers::gather(&queue, &|_, _| panic!("too late"), |helpers| {
            helpers.hire(1, 0);
            7
        });
        assert_eq!(result, 7);
        release.send(()).expect("the thread waits");
    }

    #[test]
    fn a_helpers_panic_surfaces_with_its_payload() {
        let spawn = stack::spawn_on(pool(1));
        let queue = CallQueue::new(1, &spawn);
        let caught = catch_unwind(AssertUnwindSafe(|| {
            Helpers::gather(&queue, &|_, _| panic!("from a helper"), |helpers| {
                helpers.hire(1, 0);
                while !helpers.is_short(1, 0) {
                    std::thread::yield_now();
                }
            });
        }));
        let payload = caught.expect_err("the panic surfaces");
        assert_eq!(payload.downcast_ref::<&str>(), Some(&"from a helper"));
    }
}
