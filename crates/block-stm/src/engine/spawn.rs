//! Where helpers come from.

use super::stack;
use crate::primitives::conductor;

/// What a thread is to do, given whether it begins on an empty stack.
pub(crate) type Task = Box<dyn FnOnce(bool) + Send>;

/// A pool of threads.
pub(crate) trait Spawn: Sync {
    /// Has some thread run `task`, sometime, or never.
    fn spawn(&self, task: Task);
}

impl Spawn for rayon::ThreadPool {
    fn spawn(&self, task: Task) {
        stack::spawn(self, task);
    }
}

/// Helpers come from the conductor.
pub(crate) struct Conducted;

impl Spawn for Conducted {
    fn spawn(&self, task: Task) {
        if let Some(conductor) = conductor::present() {
            conductor.spawn(Box::new(move || task(true)));
        }
    }
}
