//! Helpers for one block: tasks on a thread pool that come when there is room, and leave when there is no work.
//!
//! A pool may be busy, with other blocks or with the host's work, and its threads may wait for each other in
//! ways that nobody can see: a thread that waits inside an execution (a `join`, say) takes other tasks of the pool
//! meanwhile, also one of ours, and cannot go on before that one returns. Two rules keep everybody alive:
//!
//! * **The caller waits only for helpers that are inside.** A task that starts after the block is over finds
//!   the door closed and touches nothing. So the block never depends on the pool having room.
//! * **A helper without work leaves** after a moment, instead of sleeping on the pool's thread. So whoever lies beneath it
//!   on the thread's stack goes on. Others call for new helpers when there is work again.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;

use crate::sync::atomic::{AtomicUsize, Ordering};
use crate::sync::{self, Condvar, Mutex};

/// Where helpers come from.
pub(crate) trait Spawn: Sync {
    /// Runs `task` on some thread, sometime, or never.
    fn spawn(&self, task: Box<dyn FnOnce() + Send>);
}

impl Spawn for rayon::ThreadPool {
    fn spawn(&self, task: Box<dyn FnOnce() + Send>) {
        sync::spawn(self, task);
    }
}

/// What a helper does, its lifetime hidden. Only called while the door is open or somebody is inside.
struct Task(*const (dyn Fn() + Sync));

// SAFETY: it points to a `Sync` closure, so calling it from other threads is what it is for.
unsafe impl Send for Task {}
// SAFETY: as above.
unsafe impl Sync for Task {}

struct Door {
    task: Task,
    guests: Mutex<Guests>,
    empty: Condvar,
    /// Helpers called for that have not left.
    hired: AtomicUsize,
}

struct Guests {
    open: bool,
    inside: usize,
    panic: Option<Box<dyn Any + Send>>,
}

/// A block's helpers.
pub(crate) struct Crew<'p> {
    pool: &'p dyn Spawn,
    door: Arc<Door>,
    wanted: usize,
}

impl<'p> Crew<'p> {
    /// Runs `lead` on the calling thread, which may call for up to `wanted` helpers, each of which runs `help`.
    ///
    /// # Panics
    /// If one of them panics, with its payload, once all have left.
    pub(crate) fn gather<T>(
        pool: &'p dyn Spawn,
        wanted: usize,
        help: &(dyn Fn(&Self) + Sync),
        lead: impl FnOnce(&Self) -> T,
    ) -> T {
        // The crew is known to the task only through this cell, as the task is made first.
        let crew = std::sync::OnceLock::<Self>::new();
        let task = || {
            if let Some(crew) = crew.get() {
                help(crew);
            }
        };
        let erased: *const (dyn Fn() + Sync + '_) = &task;
        // SAFETY: only the lifetime changes. `Leave` below closes the door and waits until nobody is inside, before
        // `task`, `crew` and all that they borrow can go, on every path out of here; see `Door::visit` for the other half.
        let erased: *const (dyn Fn() + Sync) = unsafe { std::mem::transmute(erased) };
        let door = Arc::new(Door {
            task: Task(erased),
            guests: Mutex::new(Guests { open: true, inside: 0, panic: None }),
            empty: Condvar::new(),
            hired: AtomicUsize::new(0),
        });
        let leave = Leave(Arc::clone(&door));
        let crew = crew.get_or_init(|| Self { pool, door, wanted });
        let result = lead(crew);
        if let Some(payload) = leave.close() {
            resume_unwind(payload);
        }
        result
    }

    /// Calls for the helpers that are missing, if there are any.
    pub(crate) fn hire(&self) {
        // ORDERING: Relaxed throughout: a count of tasks, which carries no data.
        while self.is_short() {
            if self.door.hired.fetch_add(1, Ordering::Relaxed) >= self.wanted {
                self.door.hired.fetch_sub(1, Ordering::Relaxed);
                return;
            }
            let door = Arc::clone(&self.door);
            self.pool.spawn(Box::new(move || door.visit()));
        }
    }

    /// Whether fewer helpers than wanted are there or on their way.
    pub(crate) fn is_short(&self) -> bool {
        // ORDERING: Relaxed: see `hire`.
        self.door.hired.load(Ordering::Relaxed) < self.wanted
    }
}

impl Door {
    fn visit(&self) {
        let mut guests = self.guests.lock();
        if !guests.open {
            return;
        }
        guests.inside += 1;
        drop(guests);
        // SAFETY: we are inside, and got in while the door was open: `Crew::gather` has not returned, and does not before
        // we leave.
        let panic = catch_unwind(AssertUnwindSafe(|| unsafe { (*self.task.0)() })).err();
        // ORDERING: Relaxed: see `Crew::hire`.
        self.hired.fetch_sub(1, Ordering::Relaxed);
        let mut guests = self.guests.lock();
        guests.inside -= 1;
        guests.panic = guests.panic.take().or(panic);
        if guests.inside == 0 {
            self.empty.notify_all();
        }
    }

    /// Lets nobody in any more, and waits until all have left; the panic of one of them.
    fn close(&self) -> Option<Box<dyn Any + Send>> {
        let mut guests = self.guests.lock();
        guests.open = false;
        while guests.inside > 0 {
            self.empty.wait(&mut guests, None);
        }
        guests.panic.take()
    }
}

/// Closes the door on every way out.
struct Leave(Arc<Door>);

impl Leave {
    fn close(&self) -> Option<Box<dyn Any + Send>> {
        self.0.close()
    }
}

impl Drop for Leave {
    fn drop(&mut self) {
        // If the caller panics, that panic is the one that surfaces.
        drop(self.0.close());
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::time::Duration;

    use super::*;

    fn pool(threads: usize) -> rayon::ThreadPool {
        rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("threads start")
    }

    #[test]
    fn helpers_come_and_leave_and_can_be_called_again() {
        let (came, arrivals) = mpsc::channel();
        let help = move |_: &Crew<'_>| came.send(()).expect("the test listens");
        Crew::gather(&pool(2), 2, &help, |crew| {
            for _ in 0..3 {
                while !crew.is_short() {
                    std::thread::yield_now();
                }
                crew.hire();
                arrivals.recv_timeout(Duration::from_secs(10)).expect("a helper comes");
            }
        });
    }

    #[test]
    fn nobody_waits_for_a_pool_without_room() {
        let pool = pool(1);
        let (release, blocked) = mpsc::channel::<()>();
        pool.spawn(move || blocked.recv().expect("the test lets go"));
        let result = Crew::gather(&pool, 1, &|_| panic!("too late"), |crew| {
            crew.hire();
            7
        });
        assert_eq!(result, 7);
        release.send(()).expect("the thread waits");
    }

    #[test]
    fn a_helpers_panic_surfaces_with_its_payload() {
        let pool = pool(1);
        let caught = catch_unwind(AssertUnwindSafe(|| {
            Crew::gather(&pool, 1, &|_| panic!("from a helper"), |crew| {
                crew.hire();
                while !crew.is_short() {
                    std::thread::yield_now();
                }
            });
        }));
        let payload = caught.expect_err("the panic surfaces");
        assert_eq!(payload.downcast_ref::<&str>(), Some(&"from a helper"));
    }
}
