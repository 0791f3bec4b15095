//! What real workers do, told to who asks: the door for time lines.
//!
//! An [`Observer`] sees the steps that a [conductor](crate::conductor) decides about, but decides
//! nothing: all workers run as ever, each on its own thread, and say what they are about to do.
//! Accesses are left out, of which there are too many.
//!
//! Without an observer, a step is a test of a flag that the worker looks at anyway.

use std::cell::RefCell;
use std::sync::Arc;

use super::conductor::Step;

/// Is told what the workers of a block do.
pub trait Observer: Send + Sync {
    /// The calling thread's worker is about to do this.
    ///
    /// Called on every worker's thread, at several steps for each transaction: what it takes is
    /// added to the block's time. Must not panic; a panic is one of the engine's.
    fn step(&self, step: Step);
}

thread_local! {
    static PRESENT: RefCell<Option<Arc<dyn Observer>>> = const { RefCell::new(None) };
}

/// Who observes the blocks that this thread executes.
pub(crate) fn present() -> Option<Arc<dyn Observer>> {
    PRESENT.with_borrow(Option::clone)
}

/// Takes the observer away on every way out.
struct Presence(Option<Arc<dyn Observer>>);

impl Drop for Presence {
    fn drop(&mut self) {
        PRESENT.set(self.0.take());
    }
}

/// Runs `work`; of the blocks that it executes, `observer` is told every step of every worker.
///
/// A block that the calling thread executes alone has no steps: one that is shorter than
/// [`inline_below`](crate::Config::inline_below), or on an engine with one thread.
///
/// # Panics
/// With the panics of `work`.
pub fn observe<T>(observer: Arc<dyn Observer>, work: impl FnOnce() -> T) -> T {
    let _presence = Presence(PRESENT.replace(Some(observer)));
    work()
}
