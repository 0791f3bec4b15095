//! Whether a thread works for a block.

use std::cell::Cell;

use crate::primitives::on_drop::OnDrop;
use crate::primitives::sync;

sync::thread_local! {
    /// Whether this thread works for a block. A thread that waits inside an execution may be handed
    /// another helper's task, which had better not start there; a block executed inside an
    /// execution is executed on its thread alone.
    static WORKING: Cell<bool> = const { Cell::new(false) };
}

/// Marks the thread as working until what it returns is dropped; `None` if the thread works
/// already.
pub(crate) fn start() -> Option<OnDrop<impl FnMut()>> {
    // Not `then_some`: a value that is made and dropped would take the mark off.
    let is_free = !WORKING.with(|working| working.replace(true));
    is_free.then(|| OnDrop(|| WORKING.with(|working| working.set(false))))
}
