//! Something that is done on every way out.

/// Does its work when it is dropped, a panic included; not if it is
/// [forgotten](std::mem::forget).
pub(crate) struct OnDrop<F: FnMut()>(pub(crate) F);

impl<F: FnMut()> Drop for OnDrop<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

    use super::*;

    #[test]
    fn it_is_done_on_every_way_out_unless_it_is_forgotten() {
        let done = Cell::new(0);
        let once_more = || OnDrop(|| done.set(done.get() + 1));
        drop(once_more());
        assert_eq!(done.get(), 1);
        let caught = catch_unwind(AssertUnwindSafe(|| {
            let _on_drop = once_more();
            resume_unwind(Box::new("a way out"));
        }));
        assert!(caught.is_err() && done.get() == 2);
        std::mem::forget(once_more());
        assert_eq!(done.get(), 2);
    }
}
