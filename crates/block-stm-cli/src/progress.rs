//! A progress bar on a terminal, and nothing elsewhere.

use std::io::{self, IsTerminal};

use indicatif::{ProgressBar, ProgressStyle};

use crate::log;

/// Lines that tell steps and a bar are in each other's way.
fn is_wanted() -> bool {
    io::stderr().is_terminal() && !log::is_told()
}

/// A bar of `length` steps with the time that is left, on standard error, if that is a terminal.
pub(crate) fn bar_with_rest(length: u64) -> ProgressBar {
    if !is_wanted() {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("{bar:24} {pos}/{len}  {wide_msg} {eta} left");
    ProgressBar::new(length).with_style(style.expect("a constant template"))
}

/// How many steps were done, of a number that is not known, on standard error, if that is a
/// terminal.
pub(crate) fn spinner() -> ProgressBar {
    if !is_wanted() {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("{spinner} {pos} blocks  {wide_msg}");
    ProgressBar::new_spinner().with_style(style.expect("a constant template"))
}

/// A bar of `length` steps on standard error, if that is a terminal.
///
/// It is drawn between measurements only: no thread of its own disturbs them.
pub(crate) fn bar(length: usize) -> ProgressBar {
    if !is_wanted() {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("{bar:24} {pos}/{len}  {wide_msg}");
    let style = style.expect("a constant template");
    ProgressBar::new(length as u64).with_style(style)
}
