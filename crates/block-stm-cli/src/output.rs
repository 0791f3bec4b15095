//! Writing to the two standard streams. A reader that goes away is no error; colours only where
//! they are welcome.

use std::{
    fmt::Display,
    io::{self, Write},
};

use anstream::AutoStream;
use anstyle::{AnsiColor, Style};

use crate::{
    error::CliError,
    escape::{escaped, shown},
};

const ERROR: Style = AnsiColor::Red.on_default().bold();
const NOTE: Style = AnsiColor::Cyan.on_default().bold();

/// Writes bytes to standard output as they are.
pub(crate) fn print(bytes: &[u8]) -> Result<(), CliError> {
    written("standard output", write_all(io::stdout().lock(), bytes))
}

/// Writes text to standard output, without its colours where they are not wanted.
pub(crate) fn print_styled(text: &str) -> Result<(), CliError> {
    written("standard output", write_all(AutoStream::auto(io::stdout().lock()), text.as_bytes()))
}

/// Writes bytes to standard error as they are: they are asked for, and not told beside.
pub(crate) fn print_result_to_stderr(bytes: &[u8]) -> Result<(), CliError> {
    written("standard error", write_all(io::stderr().lock(), bytes))
}

/// Writes text to standard error, without its colours where they are not wanted.
pub(crate) fn print_to_stderr(text: &str) {
    // No reader is left to be told.
    let _ = write_all(AutoStream::auto(io::stderr().lock()), text.as_bytes());
}

/// Says on standard error why the command failed.
pub(crate) fn error(error: impl Display) {
    print_to_stderr(&format!("{ERROR}error{ERROR:#}: {}\n", shown(error)));
}

/// Says on standard error what the reader of the results should know.
pub(crate) fn note(text: &str) {
    print_to_stderr(&format!("{NOTE}note{NOTE:#}: {}\n", escaped(text)));
}

fn write_all(mut stream: impl Write, bytes: &[u8]) -> io::Result<()> {
    stream.write_all(bytes)?;
    stream.flush()
}

fn written(target: &str, result: io::Result<()>) -> Result<(), CliError> {
    match result {
        Err(source) if source.kind() != io::ErrorKind::BrokenPipe => {
            Err(CliError::Write { target: target.to_owned(), source })
        }
        _ => Ok(()),
    }
}
