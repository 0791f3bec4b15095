//! Work that is done in any order and handed on in order, with a bound on what waits.
//!
//! ```text
//! handed on      waits or is at work      not begun
//! 0 1 2 3 4      5 6 7 8                  9 ..
//!                |<- width  ->|
//! ```
//!
//! A worker takes the lowest number that is not begun, and waits where that is beyond the window.
//! A worker that waits holds no number. So the lowest number that is not handed on is always at
//! work, and its worker puts it back without a wait. The worker that puts it back hands on what is
//! ready, under no lock that others want. One worker at a time does so, and the others go on.

use std::{
    collections::BTreeMap,
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
};

use block_stm::Flow;

/// Numbers from 0 to `count`, of which at most `width` are begun and not handed on.
pub(super) struct Window<T, E> {
    state: Mutex<State<T, E>>,
    moved: Condvar,
    width: usize,
}

struct State<T, E> {
    /// The lowest that is not begun, and the first that is not wanted.
    next: usize,
    end: usize,
    handed_on: usize,
    ready: BTreeMap<usize, Result<T, E>>,
    /// Whether a worker hands on at the moment.
    is_busy: bool,
    is_over: bool,
    error: Option<E>,
}

/// Takes what is handed on.
pub(super) type Taker<'a, T> = Mutex<&'a mut (dyn FnMut(T) -> Flow + Send)>;

impl<T, E> Window<T, E> {
    pub(super) fn new(count: usize, width: usize) -> Self {
        let state = State {
            next: 0,
            end: count,
            handed_on: 0,
            ready: BTreeMap::new(),
            is_busy: false,
            is_over: false,
            error: None,
        };
        Self { state: Mutex::new(state), moved: Condvar::new(), width: width.max(1) }
    }

    fn lock(&self) -> MutexGuard<'_, State<T, E>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does `work` on one number after the other, as long as there are some.
    pub(super) fn work(&self, taker: &Taker<'_, T>, mut work: impl FnMut(usize) -> Result<T, E>) {
        // A panic goes on; nothing must wait for what it has left undone.
        let _ended = OnPanic(self);
        while let Some(number) = self.take() {
            let done = work(number);
            self.put(number, done, taker);
        }
    }

    fn take(&self) -> Option<usize> {
        let mut state = self.lock();
        loop {
            if state.is_over || state.next >= state.end {
                return None;
            }
            if state.next < state.handed_on + self.width {
                let number = state.next;
                state.next += 1;
                return Some(number);
            }
            state = self.moved.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn put(&self, number: usize, done: Result<T, E>, taker: &Taker<'_, T>) {
        let mut state = self.lock();
        if done.is_err() {
            state.end = state.end.min(number + 1);
        }
        state.ready.insert(number, done);
        if state.is_busy {
            return;
        }
        state.is_busy = true;
        while !state.is_over {
            let first = state.handed_on;
            let Some(done) = state.ready.remove(&first) else { break };
            match done {
                Err(error) => {
                    state.error = Some(error);
                    state.is_over = true;
                }
                Ok(value) => {
                    drop(state);
                    let mut taker = taker.lock().unwrap_or_else(PoisonError::into_inner);
                    let flow = taker(value);
                    drop(taker);
                    state = self.lock();
                    state.handed_on += 1;
                    state.is_over |= flow == Flow::Cut;
                }
            }
            self.moved.notify_all();
        }
        state.is_busy = false;
    }

    /// The error of the lowest number that has one, if all below were handed on.
    pub(super) fn into_error(self) -> Option<E> {
        self.state.into_inner().unwrap_or_else(PoisonError::into_inner).error
    }
}

/// Ends all work if its thread panics.
struct OnPanic<'a, T, E>(&'a Window<T, E>);

impl<T, E> Drop for OnPanic<'_, T, E> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.lock().is_over = true;
            self.0.moved.notify_all();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        panic::{AssertUnwindSafe, catch_unwind},
        sync::atomic::{AtomicUsize, Ordering},
        thread,
        time::Duration,
    };

    use super::*;

    /// Works on `count` numbers with `threads` threads: what was handed on, the error, and how many
    /// were begun and not handed on at most.
    fn run(
        (count, width, threads): (usize, usize, usize),
        work: impl Fn(usize) -> Result<usize, usize> + Sync,
        goes_on: impl Fn(usize) -> bool + Sync,
    ) -> (Vec<usize>, Option<usize>, usize) {
        let window = Window::new(count, width);
        let (open, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let mut handed_on = Vec::new();
        let mut take = |number| {
            // ORDERING: Relaxed, also below: counts only.
            open.fetch_sub(1, Ordering::Relaxed);
            handed_on.push(number);
            if goes_on(number) { Flow::Continue } else { Flow::Cut }
        };
        let taker: Taker<'_, usize> = Mutex::new(&mut take);
        thread::scope(|scope| {
            for _ in 0..threads {
                scope.spawn(|| {
                    window.work(&taker, |number| {
                        let now = open.fetch_add(1, Ordering::Relaxed) + 1;
                        most.fetch_max(now, Ordering::Relaxed);
                        work(number)
                    });
                });
            }
        });
        (handed_on, window.into_error(), most.into_inner())
    }

    #[test]
    fn all_is_handed_on_in_order_and_within_the_width() {
        for threads in [1, 2, 8] {
            for width in [0, 1, 3, 100] {
                let slow = |number: usize| {
                    if number.is_multiple_of(5) {
                        thread::sleep(Duration::from_millis(1));
                    }
                    Ok(number)
                };
                let (handed_on, error, most) = run((40, width, threads), slow, |_| true);
                assert!(handed_on.into_iter().eq(0..40) && error.is_none());
                assert!(most <= width.max(1), "{most} at once, {threads} threads, width {width}");
            }
        }
    }

    #[test]
    fn the_lowest_error_counts_and_all_below_it_is_handed_on() {
        for threads in [1, 2, 8] {
            let fails = |number| if number >= 7 { Err(number) } else { Ok(number) };
            let (handed_on, error, _) = run((40, 9, threads), fails, |_| true);
            assert!(handed_on.into_iter().eq(0..7));
            assert_eq!(error, Some(7));
        }
    }

    #[test]
    fn a_taker_may_have_enough() {
        let (handed_on, error, _) = run((40, 9, 4), Ok, |number| number < 3);
        assert!(handed_on.into_iter().eq(0..4) && error.is_none());
    }

    #[test]
    fn a_panic_leaves_nothing_waiting() {
        let panics = |number| if number == 2 { panic!("at work") } else { Ok(number) };
        let panicked = catch_unwind(AssertUnwindSafe(|| run((40, 1, 4), panics, |_| true)));
        assert!(panicked.is_err());
        let panicked =
            catch_unwind(AssertUnwindSafe(|| run((40, 1, 4), Ok, |_| panic!("with one"))));
        assert!(panicked.is_err());
    }
}
