//! Coroutines for virtual workers: the one place of the test kit with unsafe code.
//!
//! A worker of a simulation stops deep inside the engine, with many frames between it and what
//! runs it, so it finds the way back through a pointer to its coroutine's yielder. A fiber that
//! runs has its yielder in [`YIELDER`]: it is put there when the fiber begins, and again whenever a
//! fiber goes on.

use std::cell::Cell;
use std::fmt;
use std::ptr;

use corosensei::stack::DefaultStack;
use corosensei::{Coroutine, CoroutineResult, Yielder};

/// Bytes of a fiber's stack, as many as a thread has. Only what is touched becomes memory.
const STACK: usize = 2 << 20;

thread_local! {
    /// The yielder of the fiber that runs on this thread; null if none does.
    static YIELDER: Cell<*const Yielder<(), ()>> = const { Cell::new(ptr::null()) };
}

/// A computation that can stop anywhere and go on later, on the same thread.
pub(super) struct Fiber(Coroutine<(), (), ()>);

impl Fiber {
    /// A fiber that will do `work` on one of `stacks`, or on a new one.
    ///
    /// # Panics
    /// If there is no memory for a stack, and if `work` panics, when resumed.
    pub(super) fn new(stacks: &mut Vec<DefaultStack>, work: Box<dyn FnOnce()>) -> Self {
        let new_stack = || DefaultStack::new(STACK).expect("there is memory for a stack");
        let stack = stacks.pop().unwrap_or_else(new_stack);
        Self(Coroutine::with_stack(stack, move |yielder: &Yielder<(), ()>, ()| {
            YIELDER.set(yielder);
            work();
        }))
    }

    /// Lets the fiber go on until it [suspends](suspend) itself. Whether it has ended.
    pub(super) fn resume(&mut self) -> bool {
        let _outer = Outer(YIELDER.get());
        matches!(self.0.resume(()), CoroutineResult::Return(()))
    }

    /// The stack of a fiber that has ended.
    pub(super) fn into_stack(self) -> DefaultStack {
        self.0.into_stack()
    }
}

/// Puts the yielder of the code that resumed a fiber back, also if the fiber's panic passes
/// through.
struct Outer(*const Yielder<(), ()>);

impl Drop for Outer {
    fn drop(&mut self) {
        YIELDER.set(self.0);
    }
}

impl fmt::Debug for Fiber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fiber").field("ended", &self.0.done()).finish()
    }
}

/// Stops the fiber that runs, until it is resumed.
///
/// # Panics
/// If no fiber runs.
pub(super) fn suspend() {
    let yielder = YIELDER.get();
    assert!(!yielder.is_null(), "only a fiber can suspend itself");
    // SAFETY: the pointer is the running fiber's: set when it began or went on, and taken away when
    // it stopped or ended. So its yielder, which lives as long as the fiber's outermost function,
    // is alive: that function is below us on the stack.
    unsafe { (*yielder).suspend(()) };
    YIELDER.set(yielder);
}

#[cfg(test)]
mod tests {
    use std::rc::Rc;

    use super::*;

    #[test]
    fn fibers_interleave_and_give_their_stacks_back() {
        let log = Rc::new(Cell::new(Vec::new()));
        let note = |log: &Cell<Vec<u32>>, n| {
            let mut entries = log.take();
            entries.push(n);
            log.set(entries);
        };
        let mut stacks = Vec::new();
        let mut fibers: Vec<_> = [10, 20]
            .into_iter()
            .map(|n| {
                let log = Rc::clone(&log);
                let work = move || {
                    note(&log, n);
                    suspend();
                    note(&log, n + 1);
                };
                Fiber::new(&mut stacks, Box::new(work))
            })
            .collect();
        assert!(!fibers[0].resume());
        assert!(!fibers[1].resume());
        assert!(fibers[1].resume());
        assert!(fibers[0].resume());
        assert_eq!(log.take(), [10, 20, 21, 11]);
        stacks.extend(fibers.into_iter().map(Fiber::into_stack));
        assert_eq!(stacks.len(), 2);
    }
}
