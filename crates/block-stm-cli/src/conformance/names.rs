//! Names of files on standard input, as geth's `evm` takes them.

use std::{
    io::{self, BufRead, IsTerminal, Read},
    path::PathBuf,
};

use crate::{error::CliError, output};

/// No path is longer.
const MAX_NAME_BYTES: u64 = 1 << 16;

/// The lines of standard input, up to an empty one.
pub(super) fn on_stdin() -> impl Iterator<Item = Result<PathBuf, CliError>> {
    if io::stdin().is_terminal() {
        output::note("reading names of files from standard input; an empty line ends them");
    }
    std::iter::from_fn(|| next().transpose())
}

fn next() -> Result<Option<PathBuf>, CliError> {
    let failed = |source| CliError::Path { path: PathBuf::from("standard input"), source };
    let mut line = Vec::new();
    // Not longer than it may be, also where no line ends.
    let mut input = io::stdin().lock().take(MAX_NAME_BYTES);
    input.read_until(b'\n', &mut line).map_err(failed)?;
    if line.len() as u64 == MAX_NAME_BYTES {
        return Err(failed(io::ErrorKind::InvalidFilename.into()));
    }
    if line.last() == Some(&b'\n') {
        line.pop();
    }
    if line.last() == Some(&b'\r') {
        line.pop();
    }
    Ok((!line.is_empty()).then(|| path(line)))
}

#[cfg(unix)]
fn path(line: Vec<u8>) -> PathBuf {
    use std::os::unix::ffi::OsStringExt;
    std::ffi::OsString::from_vec(line).into()
}

#[cfg(not(unix))]
fn path(line: Vec<u8>) -> PathBuf {
    String::from_utf8_lossy(&line).into_owned().into()
}
