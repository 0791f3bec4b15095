//! Helpers for one block: they come from a thread pool when there is room, and leave when there is no work.
//!
//! A pool may be busy, with other blocks or with the host's work, and its threads may wait for each other in
//! ways that the engine cannot see: a thread that waits inside an execution (in a `join`, say) takes other tasks of the pool
//! meanwhile, also one of ours, and cannot go on before that one returns. Four rules keep all of them going:
//!
//! * **The caller waits only for helpers that are inside.** One that comes after the block is over finds
//!   the door closed and touches nothing. So the block never depends on the pool having room.
//! * **A helper without work leaves** after a moment, instead of sleeping on the pool's thread. So what lies beneath it
//!   on the thread's stack goes on. Others call for new helpers when there is work again.
//! * **A helper begins on an empty stack**, as far as that can be told (`stack.rs`): it may block on a lock of the host's
//!   that is held by what would lie beneath it. What comes elsewhere is refused; as often as transactions are committed,
//!   about, so that calling again costs no more than the block is worth.
//! * **A caller that is itself on a thread of a pool runs what is addressed to that thread alone** while it waits (`rayon`'s
//!   `broadcast`, called by an execution): no other thread can.
//!
//! Why there is no deadlock then, as long as user code itself only waits for what it began (`join`, `scope`, `install`,
//! `broadcast`, a block of its own): each wait is for something that began later. The caller waits for helpers, which came after
//! the call; an execution waits for jobs that it made; what lies on a stack waits for what lies above it. So no waits form
//! a circle.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::time::Duration;

use crate::error::discard;
use crate::pool::{Lobby, Spawn};
use crate::sync::atomic::{AtomicUsize, Ordering};
use crate::sync::{self, Condvar, Mutex};

/// How long a caller on a pool's thread sleeps before it looks whether something is addressed to its thread.
pub(crate) const POOL_INTERVAL: Duration = Duration::from_millis(1);

/// What a helper does, its lifetime hidden. Only called while the door is open or somebody is inside.
struct Task(*const (dyn Fn() + Sync));

// SAFETY: it points to a `Sync` closure, so calling it from other threads is what it is for.
unsafe impl Send for Task {}
// SAFETY: as above.
unsafe impl Sync for Task {}

/// The way into a block.
pub(crate) struct Door {
    task: Task,
    guests: Mutex<Guests>,
    empty: Condvar,
    /// Helpers called for that have not left.
    hired: AtomicUsize,
    /// Helpers that came where they could not begin.
    refused: AtomicUsize,
}

struct Guests {
    open: bool,
    inside: usize,
    panic: Option<Box<dyn Any + Send>>,
}

/// A block's helpers.
pub(crate) struct Crew<'p> {
    pool: &'p dyn Spawn,
    lobby: &'p Arc<Lobby>,
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
        lobby: &'p Arc<Lobby>,
        wanted: usize,
        help: &(dyn Fn(&Self) + Sync),
        lead: impl FnOnce(&Self) -> T,
    ) -> T {
        // The crew is known to the task only through this cell, as the task is made first.
        let crew = sync::OnceLock::<Self>::new();
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
            refused: AtomicUsize::new(0),
        });
        let leave = Leave { door: Arc::clone(&door), lobby };
        let crew = crew.get_or_init(|| Self { pool, lobby, door, wanted });
        let result = lead(crew);
        if let Some(payload) = leave.close() {
            resume_unwind(payload);
        }
        result
    }

    /// Calls for the helpers that are missing, if there are any. `done` is a measure of what the block has come to, in
    /// transactions.
    pub(crate) fn hire(&self, done: usize) {
        // ORDERING: Relaxed throughout: a count of helpers, which carries no data.
        while self.is_short(done) {
            if self.door.hired.fetch_add(1, Ordering::Relaxed) >= self.wanted {
                self.door.hired.fetch_sub(1, Ordering::Relaxed);
                return;
            }
            self.lobby.call(&self.door, self.pool);
        }
    }

    /// Whether fewer helpers than wanted are there or on their way, and it makes sense to call for more.
    pub(crate) fn is_short(&self, done: usize) -> bool {
        // ORDERING: Relaxed: see `hire`.
        self.door.hired.load(Ordering::Relaxed) < self.wanted
            && self.door.refused.load(Ordering::Relaxed) <= done.saturating_add(self.wanted)
    }
}

impl Door {
    /// A helper came where it cannot begin.
    pub(crate) fn refuse(&self) {
        // ORDERING: Relaxed: see `Crew::hire`.
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
        drop(guests);
        // SAFETY: we are inside, and got in while the door was open: `Crew::gather` has not returned, and does not before
        // we leave.
        let panic = catch_unwind(AssertUnwindSafe(|| unsafe { (*self.task.0)() })).err();
        // ORDERING: Relaxed: see `Crew::hire`.
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
        if guests.inside == 0 {
            self.empty.notify_all();
        }
        drop(guests);
        // The caller may be gone; the payload borrows nothing.
        if let Some(payload) = second {
            discard(payload);
        }
    }

    /// Lets nobody in any more, and waits until all have left; the panic of one of them.
    fn close(&self) -> Option<Box<dyn Any + Send>> {
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

/// Closes the door on every way out.
struct Leave<'p> {
    door: Arc<Door>,
    lobby: &'p Lobby,
}

impl Leave<'_> {
    fn close(&self) -> Option<Box<dyn Any + Send>> {
        self.lobby.withdraw(&self.door);
        self.door.close()
    }
}

impl Drop for Leave<'_> {
    fn drop(&mut self) {
        // If the caller panics, that panic is the one that surfaces.
        if let Some(payload) = self.close() {
            discard(payload);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;
    use crate::stack;

    fn pool(threads: usize) -> rayon::ThreadPool {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
        let pool = pool.expect("threads start");
        stack::survey(&pool);
        pool
    }

    #[test]
    fn helpers_come_and_leave_and_can_be_called_again() {
        let (came, arrivals) = mpsc::channel();
        let help = move |_: &Crew<'_>| came.send(()).expect("the test listens");
        Crew::gather(&pool(2), &Lobby::new(2), 2, &help, |crew| {
            for _ in 0..3 {
                while !crew.is_short(0) {
                    std::thread::yield_now();
                }
                crew.hire(0);
                arrivals.recv().expect("a helper comes");
            }
        });
    }

    #[test]
    fn nobody_waits_for_a_pool_without_room() {
        let pool = pool(1);
        let (release, blocked) = mpsc::channel::<()>();
        pool.spawn(move || blocked.recv().expect("the test lets go"));
        let result = Crew::gather(&pool, &Lobby::new(1), 1, &|_| panic!("too late"), |crew| {
            crew.hire(0);
            7
        });
        assert_eq!(result, 7);
        release.send(()).expect("the thread waits");
    }

    #[test]
    fn a_helpers_panic_surfaces_with_its_payload() {
        let pool = pool(1);
        let caught = catch_unwind(AssertUnwindSafe(|| {
            Crew::gather(&pool, &Lobby::new(1), 1, &|_| panic!("from a helper"), |crew| {
                crew.hire(0);
                while !crew.is_short(0) {
                    std::thread::yield_now();
                }
            });
        }));
        let payload = caught.expect_err("the panic surfaces");
        assert_eq!(payload.downcast_ref::<&str>(), Some(&"from a helper"));
    }
}
