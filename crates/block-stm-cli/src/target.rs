//! Where a file is written to, so that no reader ever sees a part of it.

use std::{
    ffi::OsString,
    fs,
    io::{self, Write},
    path::{Path, PathBuf},
    process,
};

use crate::{error::CliError, output};

/// Where JSON, CSV or a plot goes.
#[derive(Clone, Debug)]
pub(crate) enum Target {
    /// Standard output.
    Stdout,
    /// A file that is replaced as a whole: whoever reads it sees the old or the new content, never a part.
    File(PathBuf),
    /// Something that can only be written to, such as a pipe.
    Stream(PathBuf),
}

impl Target {
    /// The target of an option such as `--json PATH`, once it is sure that it can be written.
    pub(crate) fn open(path: &Path) -> Result<Self, CliError> {
        if path == Path::new("-") {
            return Ok(Self::Stdout);
        }
        // A link stays one: what it points to is replaced.
        let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        let failed = |source| not_written(&path, source);
        match fs::metadata(&path) {
            Ok(metadata) if metadata.is_dir() => {
                Err(failed(io::Error::from(io::ErrorKind::IsADirectory)))
            }
            Ok(metadata) if metadata.permissions().readonly() => {
                Err(failed(io::Error::from(io::ErrorKind::PermissionDenied)))
            }
            Ok(metadata) if !metadata.is_file() => Ok(Self::Stream(path)),
            _ => {
                let temporary = temporary_beside(&path).map_err(failed)?;
                let probe = fs::File::create(&temporary).and_then(|_| fs::remove_file(&temporary));
                probe.map_err(failed)?;
                Ok(Self::File(path))
            }
        }
    }

    /// Writes `bytes`, all or, to a file, nothing.
    pub(crate) fn write(&self, bytes: &[u8]) -> Result<(), CliError> {
        let (path, written) = match self {
            Self::Stdout => return output::print(bytes),
            Self::File(path) => (path, replace(path, bytes)),
            Self::Stream(path) => (path, append(path, bytes)),
        };
        written.map_err(|source| not_written(path, source))
    }
}

fn not_written(path: &Path, source: io::Error) -> CliError {
    CliError::Write { target: path.display().to_string(), source }
}

/// A name in the same folder, as only there a file can be moved at once; `results.json` gives `.results.json.7.tmp`.
fn temporary_beside(path: &Path) -> io::Result<PathBuf> {
    let name = path.file_name().ok_or(io::ErrorKind::InvalidFilename)?;
    let mut temporary = OsString::from(".");
    temporary.push(name);
    temporary.push(format!(".{}.tmp", process::id()));
    Ok(path.with_file_name(temporary))
}

fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let temporary = temporary_beside(path)?;
    let written = write_synced(&temporary, bytes).and_then(|()| fs::rename(&temporary, path));
    if written.is_err() {
        // The first error is the one to report.
        let _ = fs::remove_file(&temporary);
    }
    written
}

fn write_synced(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = fs::File::create(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

fn append(path: &Path, bytes: &[u8]) -> io::Result<()> {
    fs::OpenOptions::new().write(true).open(path)?.write_all(bytes)
}
