//! Calls for helpers, and the tasks on a thread pool that answer them: no more than there is use
//! for.
//!
//! A pool may be busy for as long as it likes, and then tasks wait in its queue, block after block.
//! So a task belongs to no block. It belongs to the engine's [`CallQueue`]: when the pool runs it,
//! it helps the block whose call is first in the queue, or none. An engine has no more tasks in its
//! pool's queue than it may have helpers.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::Weak;

use super::scope::Scope;
use crate::primitives::sync::Mutex;

/// What a thread is to do, given whether it begins on an empty stack.
pub(crate) type Task = Box<dyn FnOnce(bool) + Send>;

/// A pool of threads: has some thread run a task, sometime, or never.
pub(crate) type Spawn = dyn Fn(Task) + Send + Sync;

/// What an engine's blocks ask for, and what its pool was given to do for them.
pub(crate) struct CallQueue {
    state: Mutex<Calls>,
    max_tasks: usize,
    /// There as long as the engine, or the simulation.
    spawn: Weak<Spawn>,
}

struct Calls {
    /// For each helper that was called for and has not come, the scope that it is to enter.
    calls: VecDeque<Arc<Scope>>,
    /// How many tasks the pool has that it has not begun.
    tasks: usize,
}

impl CallQueue {
    /// A queue for blocks that have up to `helpers` helpers each, which come from this pool.
    pub(crate) fn new(helpers: usize, spawn: &Arc<Spawn>) -> Arc<Self> {
        let state = Mutex::new(Calls { calls: VecDeque::new(), tasks: 0 });
        Arc::new(Self { state, max_tasks: helpers.max(1), spawn: Arc::downgrade(spawn) })
    }

    /// Calls for a helper to enter `scope`.
    pub(crate) fn call(self: &Arc<Self>, scope: &Arc<Scope>) {
        self.state.lock().calls.push_back(Arc::clone(scope));
        // With all tasks in the pool's queue, the thread that begins one of them will come.
        self.spawn();
    }

    /// Has up to `threads` threads of the pool look whether there is something to do.
    pub(crate) fn wake(self: &Arc<Self>, threads: usize) {
        for _ in 0..threads {
            if !self.spawn() {
                return;
            }
        }
    }

    /// Takes back the calls for `scope`.
    pub(crate) fn withdraw(&self, scope: &Arc<Scope>) {
        self.state.lock().calls.retain(|called| !Arc::ptr_eq(called, scope));
    }

    /// A task comes to nothing. Calls for which no task is left are refused.
    fn lose_a_task(&self) {
        let mut state = self.state.lock();
        state.tasks -= 1;
        let answered = state.tasks.min(state.calls.len());
        let refused = state.calls.split_off(answered);
        drop(state);
        refused.iter().for_each(|scope| scope.refuse());
    }

    /// Gives the pool another task, unless it has all.
    fn spawn(self: &Arc<Self>) -> bool {
        let mut state = self.state.lock();
        if state.tasks == self.max_tasks {
            return false;
        }
        state.tasks += 1;
        drop(state);
        let answer = Answer(Some(Arc::clone(self)));
        // Without a pool, the task is lost at once.
        let Some(spawn) = self.spawn.upgrade() else { return false };
        spawn(Box::new(move |at_bottom| answer.give(at_bottom)));
        true
    }
}

/// A task in the pool's queue, which answers a call. Also counts when the pool drops it.
struct Answer(Option<Arc<CallQueue>>);

impl Answer {
    /// Helps a block that calls for it; not on a stack that holds something that waits.
    fn give(mut self, at_bottom: bool) {
        let Some(call_queue) = self.0.take() else { return };
        if !at_bottom {
            return call_queue.lose_a_task();
        }
        let mut state = call_queue.state.lock();
        state.tasks -= 1;
        while let Some(scope) = state.calls.pop_front() {
            drop(state);
            scope.enter();
            drop(scope);
            state = call_queue.state.lock();
            // The pool has other tasks, too: what is still called for comes after them.
            if !state.calls.is_empty() {
                drop(state);
                call_queue.spawn();
                return;
            }
        }
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        if let Some(call_queue) = self.0.take() {
            call_queue.lose_a_task();
        }
    }
}
