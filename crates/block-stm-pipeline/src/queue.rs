//! A queue of bounded length between two stages.

use std::collections::VecDeque;

use parking_lot::{Condvar, Mutex};

/// A queue that holds so many items and no more: `push` waits for room, `pop` for an item.
///
/// Either side may close it. What was pushed before is still popped; what is pushed after comes
/// back.
#[derive(Debug)]
pub(crate) struct Queue<T> {
    inner: Mutex<Inner<T>>,
    changed: Condvar,
    room: usize,
}

#[derive(Debug)]
struct Inner<T> {
    items: VecDeque<T>,
    longest: usize,
    closed: bool,
}

impl<T> Queue<T> {
    /// A queue of at most `room` items, at least one.
    pub(crate) fn new(room: usize) -> Self {
        let inner = Inner { items: VecDeque::new(), longest: 0, closed: false };
        Self { inner: Mutex::new(inner), changed: Condvar::new(), room: room.max(1) }
    }

    /// Appends an item once there is room; `false` if the queue is closed, and the item is dropped.
    pub(crate) fn push(&self, item: T) -> bool {
        let mut inner = self.inner.lock();
        while inner.items.len() >= self.room && !inner.closed {
            self.changed.wait(&mut inner);
        }
        if inner.closed {
            return false;
        }
        inner.items.push_back(item);
        inner.longest = inner.longest.max(inner.items.len());
        self.changed.notify_all();
        true
    }

    /// The next item once there is one; none if the queue is closed and empty.
    pub(crate) fn pop(&self) -> Option<T> {
        let mut inner = self.inner.lock();
        while inner.items.is_empty() && !inner.closed {
            self.changed.wait(&mut inner);
        }
        self.taken(inner.items.pop_front())
    }

    /// The next item, if there is one now.
    pub(crate) fn try_pop(&self) -> Option<T> {
        let item = self.inner.lock().items.pop_front();
        self.taken(item)
    }

    fn taken(&self, item: Option<T>) -> Option<T> {
        if item.is_some() {
            self.changed.notify_all();
        }
        item
    }

    /// Ends the queue: nothing is pushed any more.
    pub(crate) fn close(&self) {
        self.inner.lock().closed = true;
        self.changed.notify_all();
    }

    /// The most items that were in it at once.
    pub(crate) fn longest(&self) -> usize {
        self.inner.lock().longest
    }
}

/// Closes a queue when the stage that it belongs to ends, also by a panic, so that no other stage
/// waits for ever.
#[derive(Debug)]
pub(crate) struct Closing<'a, T>(pub(crate) &'a Queue<T>);

impl<T> Drop for Closing<'_, T> {
    fn drop(&mut self) {
        self.0.close();
    }
}

#[cfg(test)]
mod tests {
    use std::{thread, time::Duration};

    use super::*;

    #[test]
    fn a_queue_is_never_longer_than_its_room() {
        let queue = Queue::new(2);
        thread::scope(|scope| {
            scope.spawn(|| {
                let _closing = Closing(&queue);
                assert!((0..100).all(|item| queue.push(item)));
            });
            thread::sleep(Duration::from_millis(20));
            assert_eq!(
                std::iter::from_fn(|| queue.pop()).collect::<Vec<_>>(),
                (0..100).collect::<Vec<_>>()
            );
        });
        assert_eq!(queue.longest(), 2);
    }

    #[test]
    fn a_closed_queue_gives_what_it_has_and_takes_nothing() {
        let queue = Queue::new(1);
        assert!(queue.push(1));
        thread::scope(|scope| {
            // It waits for room, which never comes.
            let waiting = scope.spawn(|| queue.push(2));
            thread::sleep(Duration::from_millis(20));
            queue.close();
            assert!(!waiting.join().expect("it ends"));
        });
        assert!(!queue.push(3));
        assert_eq!((queue.pop(), queue.pop(), queue.try_pop()), (Some(1), None, None));
    }
}
