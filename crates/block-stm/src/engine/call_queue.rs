//! Tasks on a thread pool, which helpers come from: no more of them than there is use for.
//!
//! A pool may be busy for as long as it likes, and then tasks wait in its queue, block after block.
//! So a task belongs to no block. It is a *ticket* of the engine's [`CallQueue`]: who redeems it
//! helps whatever block asks for help by then, or none. An engine has no more unredeemed tickets
//! than it may have helpers.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::Weak;

use super::door::Door;
use super::spawn::Spawn;
use crate::primitives::sync::{Mutex, OnceLock};

/// What an engine's blocks ask for, and what its pool was given to do for them.
pub(crate) struct CallQueue {
    state: Mutex<Calls>,
    max_tickets: usize,
    /// For tickets that others leave to be issued.
    pool: OnceLock<Weak<rayon::ThreadPool>>,
}

struct Calls {
    /// For each helper that was called for and has not come, the door that it is to enter.
    calls: VecDeque<Arc<Door>>,
    tickets: usize,
}

impl CallQueue {
    /// A call_queue for blocks that have up to `helpers` helpers each.
    pub(crate) fn new(helpers: usize) -> Arc<Self> {
        let state = Mutex::new(Calls { calls: VecDeque::new(), tickets: 0 });
        Arc::new(Self { state, max_tickets: helpers.max(1), pool: OnceLock::new() })
    }

    /// Names the pool that its tickets go to.
    pub(crate) fn serve(&self, pool: &Arc<rayon::ThreadPool>) {
        let _ = self.pool.set(Arc::downgrade(pool));
    }

    /// Calls for a helper to enter `door`.
    pub(crate) fn call(self: &Arc<Self>, door: &Arc<Door>, pool: &dyn Spawn) {
        self.state.lock().calls.push_back(Arc::clone(door));
        // With all tickets out, the thread that redeems one of them will come.
        self.issue(pool);
    }

    /// Has up to `threads` threads of the pool look whether there is something to do.
    pub(crate) fn wake(self: &Arc<Self>, threads: usize, pool: &dyn Spawn) {
        for _ in 0..threads {
            if !self.issue(pool) {
                return;
            }
        }
    }

    /// Takes back the calls for `door`.
    pub(crate) fn withdraw(&self, door: &Arc<Door>) {
        self.state.lock().calls.retain(|called| !Arc::ptr_eq(called, door));
    }

    /// A ticket comes to nothing. Calls for which no ticket is out any more are refused.
    fn lose_a_ticket(&self) {
        let mut state = self.state.lock();
        state.tickets -= 1;
        let out = state.tickets.min(state.calls.len());
        let refused = state.calls.split_off(out);
        drop(state);
        refused.iter().for_each(|door| door.refuse());
    }

    /// Gives the pool another ticket, if there is one left.
    fn issue(self: &Arc<Self>, pool: &dyn Spawn) -> bool {
        let mut state = self.state.lock();
        if state.tickets == self.max_tickets {
            return false;
        }
        state.tickets += 1;
        drop(state);
        let ticket = Ticket(Some(Arc::clone(self)));
        pool.spawn(Box::new(move |at_bottom| ticket.redeem(at_bottom)));
        true
    }
}

/// The right, and the duty, to help one block. Also counts when the pool drops it.
struct Ticket(Option<Arc<CallQueue>>);

impl Ticket {
    /// Helps a block that calls for it; not on a stack that holds something that waits.
    fn redeem(mut self, at_bottom: bool) {
        let Some(call_queue) = self.0.take() else { return };
        if !at_bottom {
            return call_queue.lose_a_ticket();
        }
        let mut state = call_queue.state.lock();
        state.tickets -= 1;
        while let Some(door) = state.calls.pop_front() {
            drop(state);
            door.visit();
            drop(door);
            state = call_queue.state.lock();
            // The pool has other tasks, too: what is still called for comes after them.
            if let (false, Some(pool)) = (state.calls.is_empty(), call_queue.pool.get()) {
                drop(state);
                if let Some(pool) = pool.upgrade() {
                    call_queue.issue(&*pool);
                }
                return;
            }
        }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        if let Some(call_queue) = self.0.take() {
            call_queue.lose_a_ticket();
        }
    }
}
