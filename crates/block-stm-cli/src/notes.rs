//! What makes times worth less, said before they are taken.

use std::{fs, num::NonZeroUsize, thread};

use crate::output;

/// Load per core from other programs above which times are noisy.
const QUIET_LOAD: f64 = 0.5;

/// Warns of a build without optimisation, more threads than cores, and a busy machine.
pub(crate) fn print(threads: &[NonZeroUsize]) {
    let cores = cores();
    let threads = threads.iter().map(|threads| threads.get()).max().unwrap_or(1);
    if threads > cores {
        output::note(&format!("{threads} threads share {cores} cores"));
    }
    warn_of_noise();
}

/// Warns of a build without optimisation and a busy machine.
pub(crate) fn warn_of_noise() {
    if cfg!(debug_assertions) {
        output::note("this is a debug build: its times mean nothing");
    }
    if let Some(load) = load().filter(|load| *load > QUIET_LOAD * cores() as f64) {
        output::note(&format!(
            "the machine is busy with other work (load {load}): times are noisy"
        ));
    }
}

/// How many threads can run at the same time.
pub(crate) fn cores() -> usize {
    thread::available_parallelism().map_or(1, NonZeroUsize::get)
}

/// The load of the last minute, where the system tells it as Linux does.
pub(crate) fn load() -> Option<f64> {
    let text = fs::read_to_string("/proc/loadavg").ok()?;
    text.split_whitespace().next()?.parse().ok()
}
