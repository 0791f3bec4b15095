//! What the command does meanwhile, on standard error, for those who want to know.
//!
//! Warnings are told always, steps with `-v`, requests and files with `-vv`, all with `-vvv`. The
//! variable [`VARIABLE`] has a finer filter, as `info,block_stm::fetch=debug`. No record holds a
//! part of a node's URL but its host: what nodes say is scrubbed where it is read. Records of
//! libraries are not shown.

use std::{
    io,
    sync::atomic::{AtomicBool, Ordering},
};

use anstream::{AutoStream, ColorChoice};
use tracing_subscriber::{
    filter::{LevelFilter, Targets},
    fmt,
    layer::{Layer, SubscriberExt},
    util::SubscriberInitExt,
};

use crate::error::CliError;

/// The variable that has a filter.
const VARIABLE: &str = "BLOCK_STM_LOG";

/// Whether steps are told, so that a progress bar would be in the way.
static TOLD: AtomicBool = AtomicBool::new(false);

/// Starts telling.
///
/// # Errors
///
/// The variable's filter is none.
pub(crate) fn start(verbosity: u8) -> Result<(), CliError> {
    let filter = match std::env::var(VARIABLE) {
        Ok(filter) if verbosity == 0 && !filter.is_empty() => parsed(&filter)?,
        _ => Targets::new().with_default(level(verbosity)),
    };
    // ORDERING: Relaxed: it is set before anything asks.
    TOLD.store(tells_steps(&filter), Ordering::Relaxed);
    let colours = AutoStream::choice(&io::stderr()) != ColorChoice::Never;
    let lines = fmt::layer()
        .with_writer(io::stderr)
        .with_ansi(colours)
        .with_timer(fmt::time::uptime())
        .with_target(false)
        .with_filter(filter);
    // A second start, as in tests, changes nothing.
    let _ = tracing_subscriber::registry().with(lines).try_init();
    Ok(())
}

/// Whether steps are told.
pub(crate) fn is_told() -> bool {
    // ORDERING: Relaxed: see above.
    TOLD.load(Ordering::Relaxed)
}

fn level(verbosity: u8) -> LevelFilter {
    match verbosity {
        0 => LevelFilter::WARN,
        1 => LevelFilter::INFO,
        2 => LevelFilter::DEBUG,
        _ => LevelFilter::TRACE,
    }
}

fn parsed(filter: &str) -> Result<Targets, CliError> {
    filter.parse().map_err(|_| {
        CliError::Usage("BLOCK_STM_LOG is no filter, such as info or block_stm::fetch=debug")
    })
}

fn tells_steps(filter: &Targets) -> bool {
    filter.default_level().is_some_and(|level| level >= LevelFilter::INFO)
        || filter.iter().any(|(_, level)| level >= LevelFilter::INFO)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_are_words_and_targets() {
        assert!(tells_steps(&parsed("info").expect("a level")));
        assert!(tells_steps(&parsed("off,block_stm::fetch=debug").expect("a target")));
        assert!(!tells_steps(&parsed("warn").expect("a level")));
        assert!(parsed("block_stm=loud").is_err());
    }

    #[test]
    fn each_v_tells_more() {
        let levels = [0, 1, 2, 3, 9].map(level);
        assert!(levels.is_sorted());
        assert_eq!(levels[0], LevelFilter::WARN);
    }
}
