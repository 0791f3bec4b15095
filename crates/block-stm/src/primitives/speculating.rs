//! Whether what the calling thread does may be thrown away; for panic hooks.
//!
//! An optimistic execution may see what no sequential one would, and so may panic where no
//! sequential one would. The engine drops such a panic. But the process's panic hook is called
//! before the engine knows of it, and its default prints the panic.

use std::any::Any;
use std::cell::Cell;
use std::panic;

use super::on_drop::OnDrop;

// Not a place where threads meet, and asked for outside of executions, too.
std::thread_local! {
    static SPECULATING: Cell<bool> = const { Cell::new(false) };
}

/// Whether the calling thread executes or validates a transaction ahead of its turn.
///
/// For panic hooks: a panic that happens meanwhile is dropped, and comes again if the sequential
/// execution has it, too. Threads that an execution hands work to (by rayon, say) know nothing of
/// it.
#[must_use]
pub fn is_speculating() -> bool {
    SPECULATING.get()
}

/// Puts a panic hook over the present one which passes on every panic but those of speculation.
///
/// The hook belongs to the whole process. Call this once, after hooks of the host's own are set.
pub fn quiet_speculation() {
    let hook = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        if !is_speculating() {
            hook(info);
        }
    }));
}

/// Marks the calling thread as speculating until what it returns is dropped, and then as it was
/// before.
pub(crate) fn start() -> OnDrop<impl FnMut()> {
    let before = SPECULATING.replace(true);
    OnDrop(move || SPECULATING.set(before))
}

/// Drops what an execution leaves behind. A panic in there says nothing of the block: a sequential
/// execution would have dropped something else.
pub(crate) fn drop_contained<T>(thing: T) {
    let _speculating = start();
    if let Err(payload) = panic::catch_unwind(panic::AssertUnwindSafe(|| drop(thing))) {
        discard(payload);
    }
}

/// Drops a panic's payload, which may panic in its turn; what comes out then is forgotten.
pub(crate) fn discard(payload: Box<dyn Any + Send>) {
    if let Err(again) = panic::catch_unwind(panic::AssertUnwindSafe(|| drop(payload))) {
        std::mem::forget(again);
    }
}
