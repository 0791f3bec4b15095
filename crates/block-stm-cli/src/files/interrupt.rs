//! What a signal leaves behind: nothing.
//!
//! A process that is interrupted while it writes a file would leave the half of it under its
//! temporary name. So a thread waits for the signals that end the process, removes the temporary
//! files, and lets the signal take its course.

use std::{
    collections::BTreeSet,
    path::PathBuf,
    sync::{Mutex, PoisonError},
};

/// The temporary files and folders that are there.
static TEMPORARIES: Mutex<BTreeSet<PathBuf>> = Mutex::new(BTreeSet::new());

/// Runs `act`, which makes or renames temporary files, at a moment at which no signal ends the
/// process.
pub(super) fn guarded<T>(act: impl FnOnce(&mut BTreeSet<PathBuf>) -> T) -> T {
    signals::watch();
    act(&mut TEMPORARIES.lock().unwrap_or_else(PoisonError::into_inner))
}

/// Sees to signals from now on.
pub(crate) fn watch_signals() {
    signals::watch();
}

/// Lets a write beyond the limit on a file's size return an error, which else ends the process
/// (`ulimit -f`), and lets a process that gets no more memory end with the exit code of bad input,
/// after the message that says so.
pub(crate) fn end_in_order() {
    signals::end_in_order();
}

#[cfg(unix)]
mod signals {
    use std::{
        fs,
        sync::{Arc, Once, PoisonError, atomic::AtomicBool},
        thread,
    };

    use signal_hook::{
        consts::{SIGABRT, SIGHUP, SIGINT, SIGTERM, SIGXFSZ},
        flag,
        iterator::Signals,
        low_level::emulate_default_handler,
    };

    use super::TEMPORARIES;
    use crate::interrupt;

    /// The exit code for more than the machine can hold.
    const BAD_INPUT: i32 = 2;

    pub(super) fn watch() {
        static WATCHED: Once = Once::new();
        WATCHED.call_once(|| {
            let wanted =
                [SIGHUP, SIGINT, SIGTERM].into_iter().filter(|signal| !is_ignored(*signal));
            // Without the thread a signal ends the process as ever, and leaves what it leaves.
            let Ok(signals) = Signals::new(wanted) else { return };
            let _ = thread::Builder::new().name("signals".to_owned()).spawn(|| clean_up(signals));
        });
    }

    pub(super) fn end_in_order() {
        // Any handler will do; where none can be installed, the signal ends the process as ever.
        let _ = flag::register(SIGXFSZ, Arc::new(AtomicBool::new(false)));
        let always = Arc::new(AtomicBool::new(true));
        let _ = flag::register_conditional_shutdown(SIGABRT, BAD_INPUT, always);
    }

    fn clean_up(mut signals: Signals) {
        for signal in signals.forever() {
            if signal == SIGINT && interrupt::note() {
                continue;
            }
            // Kept until the process ends, so that no file is made or renamed any more.
            let temporaries = TEMPORARIES.lock().unwrap_or_else(PoisonError::into_inner);
            for temporary in temporaries.iter() {
                if fs::remove_file(temporary).is_err() {
                    let _ = fs::remove_dir_all(temporary);
                }
            }
            let _ = emulate_default_handler(signal);
        }
    }

    /// Whether the process was started with `signal` ignored, as by `nohup`: then it must stay so.
    fn is_ignored(signal: i32) -> bool {
        let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
        let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
        let mask = mask.and_then(|digits| u64::from_str_radix(digits.trim(), 16).ok());
        mask.is_some_and(|mask| mask >> (signal - 1) & 1 == 1)
    }
}

#[cfg(not(unix))]
mod signals {
    pub(super) fn watch() {}

    pub(super) fn end_in_order() {}
}
