//! Something that is done on every way out.

/// Does its work when it is dropped, a panic included; not if it is
/// [forgotten](std::mem::forget).
pub(crate) struct OnDrop<F: FnMut()>(pub(crate) F);

impl<F: FnMut()> Drop for OnDrop<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}
