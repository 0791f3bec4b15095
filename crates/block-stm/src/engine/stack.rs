//! Whether a pool's task begins on an empty stack, or on top of something that waits.
//!
//! A thread of a rayon pool that waits inside a job (in a `join`, say) takes other jobs meanwhile
//! and runs them on top of that one, which cannot go on before they return. A worker of ours up
//! there may block on what is held down there: a lock of the host's, around a read that uses rayon.
//! So helpers begin at the bottom alone.
//!
//! The pool does not tell. But a task that the pool's loop calls always begins at the same depth of
//! its thread's stack, and any other one deeper. The shallowest beginning of a thread so far is
//! remembered; stacks grow downwards. An engine's own threads begin once before anything else can
//! run on them ([`survey`]), and so do those of a borrowed pool that is idle when the engine is
//! built ([`survey_borrowed`]). Of a thread that was busy then, the first task counts as not at the
//! bottom, and later ones are compared with it: they may begin on top of the same thing that waits.
//! That is the one gap, and `docs/embedding.md` tells hosts of it.

use std::cell::Cell;
use std::sync::Arc;

use super::call_queue::{Spawn, Task};
use crate::primitives::sync::atomic::{AtomicUsize, Ordering};
use crate::primitives::sync::{self, Barrier};

/// Under loom and shuttle, threads are not a pool's: each begins on a stack of its own.
const HAS_POOLS: bool = !cfg!(any(loom, shuttle));

/// How often a thread of a borrowed pool lets others go on while it waits for them to wake up.
const MEETING: u32 = 2_000;

/// The pool's loop may call from more than one place. A job that waits takes more than this: 112
/// bytes were seen.
const SLACK: usize = 64;

thread_local! {
    /// The highest address at which a task of the thread began; 0 before the first.
    static SHALLOWEST: Cell<usize> = const { Cell::new(0) };
}

/// Runs tasks on threads of this pool.
pub(crate) fn spawn_on(pool: Arc<rayon::ThreadPool>) -> Arc<Spawn> {
    Arc::new(move |task| spawn(&pool, task))
}

/// Runs `task` on a thread of the pool, sometime, and tells it whether it begins at the bottom.
fn spawn(pool: &rayon::ThreadPool, task: Task) {
    sync::spawn(pool, Box::new(move || task(!HAS_POOLS || is_at_bottom())));
}

/// Has each thread of a pool of the engine's own, on which nothing else runs yet, remember where
/// tasks begin.
pub(crate) fn survey(pool: &rayon::ThreadPool) {
    if !HAS_POOLS {
        return;
    }
    let threads = pool.current_num_threads();
    let barrier = Arc::new(Barrier::new(threads + 1));
    for _ in 0..threads {
        let barrier = Arc::clone(&barrier);
        // A thread that waits here takes no second one.
        spawn(
            pool,
            Box::new(move |_| {
                barrier.wait();
            }),
        );
    }
    barrier.wait();
}

/// Has each thread of a borrowed pool that is idle remember where tasks begin, in a moment. Waits
/// for none.
pub(crate) fn survey_borrowed(pool: &rayon::ThreadPool) {
    if !HAS_POOLS {
        return;
    }
    let threads = pool.current_num_threads();
    let met = Arc::new(AtomicUsize::new(0));
    for _ in 0..threads {
        let met = Arc::clone(&met);
        let meet = move |_| {
            // ORDERING: Relaxed: a count. A thread that waits for the others takes no second task;
            // not for long, as they may be busy.
            met.fetch_add(1, Ordering::Relaxed);
            for _ in 0..MEETING {
                if met.load(Ordering::Relaxed) == threads {
                    return;
                }
                std::thread::yield_now();
            }
        };
        spawn(pool, Box::new(meet));
    }
}

#[inline(never)]
fn is_at_bottom() -> bool {
    let here = 0_u8;
    let here = std::hint::black_box(std::ptr::from_ref(&here)).addr();
    let shallowest = SHALLOWEST.get();
    SHALLOWEST.set(shallowest.max(here));
    shallowest > 0 && here + SLACK >= shallowest
}

#[cfg(all(test, not(any(loom, shuttle))))]
mod tests {
    use std::sync::mpsc::channel;

    use super::*;

    #[test]
    fn a_task_on_top_of_one_that_waits_is_told_so() {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().expect("it starts");
        survey(&pool);
        let (tell, told) = channel();
        let task = |name: &'static str| {
            let tell = tell.clone();
            spawn(&pool, Box::new(move |bottom| tell.send((name, bottom)).expect("listened to")));
        };
        for _ in 0..3 {
            task("from outside");
            // From inside, it is the thread's own; whatever it does then, it is through with that
            // job.
            pool.install(|| task("from inside"));
        }
        pool.install(|| {
            task("on top");
            while rayon::yield_now() == Some(rayon::Yield::Executed) {}
        });
        for (name, bottom) in told.iter().take(7) {
            assert_eq!(bottom, name != "on top", "{name}");
        }
    }
}
