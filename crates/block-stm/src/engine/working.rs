//! Whether a thread works for a block.

use std::cell::Cell;

use crate::primitives::sync;

sync::thread_local! {
    /// Whether this thread works for a block. A thread that waits inside an execution may be handed
    /// another helper's task, which had better not start there; a block executed inside an
    /// execution is executed on its thread alone.
    static WORKING: Cell<bool> = const { Cell::new(false) };
}

/// Marks the thread as working until dropped.
pub(crate) struct Working(());

impl Working {
    /// `None` if the thread works already.
    pub(crate) fn start() -> Option<Self> {
        // Not `then_some`: a value that is made and dropped would take the mark off.
        (!WORKING.with(|working| working.replace(true))).then(|| Self(()))
    }
}

impl Drop for Working {
    fn drop(&mut self) {
        WORKING.with(|working| working.set(false));
    }
}
