//! Ctrl-C, for commands that say what was done so far before they end.
//!
//! While a [`Patience`] is there, the first interrupt is only noted, and the command ends at the
//! next place where it looks. A second one ends the process at once, as ever.

use std::{
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    thread,
    time::{Duration, Instant},
};

use crate::{files::watch_signals, output};

/// How many commands wait for their end themselves.
static PATIENT: AtomicUsize = AtomicUsize::new(0);
/// Whether an interrupt was noted.
static CAME: AtomicBool = AtomicBool::new(false);

/// The longest time in which an interrupt goes unseen by [`sleep`].
const SLICE: Duration = Duration::from_millis(50);

/// Lets the first interrupt wait for the command to end by itself.
#[derive(Debug)]
pub(crate) struct Patience(());

impl Patience {
    /// From now on, until it is dropped.
    pub(crate) fn new() -> Self {
        watch_signals();
        // ORDERING: SeqCst: these are no one's bottleneck.
        PATIENT.fetch_add(1, Ordering::SeqCst);
        Self(())
    }
}

impl Drop for Patience {
    fn drop(&mut self) {
        // ORDERING: SeqCst: as above.
        PATIENT.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Whether the command is to end.
pub(crate) fn came() -> bool {
    // ORDERING: SeqCst: as above.
    CAME.load(Ordering::SeqCst)
}

/// Notes an interrupt; `false` if the process is to end at once.
pub(crate) fn note() -> bool {
    // ORDERING: SeqCst: as above.
    if PATIENT.load(Ordering::SeqCst) == 0 || CAME.swap(true, Ordering::SeqCst) {
        return false;
    }
    output::note("interrupted: what was done follows; interrupt again to end at once");
    true
}

/// Sleeps for `time`, or until an interrupt.
pub(crate) fn sleep(time: Duration) {
    let end = Instant::now() + time;
    while !came() {
        let rest = end.saturating_duration_since(Instant::now());
        if rest.is_zero() {
            return;
        }
        thread::sleep(rest.min(SLICE));
    }
}
