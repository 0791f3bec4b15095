//! Where JSON, lists or a plot go.

use std::{
    fs::{self, OpenOptions},
    io::{self, Write},
    path::{Path, PathBuf},
};

use super::Draft;
use crate::{error::CliError, output};

/// Where an output goes.
#[derive(Clone, Debug)]
pub(crate) enum Target {
    /// Standard output.
    Stdout,
    /// A file that is replaced as a whole: a reader sees the old or the new content, never a part.
    File(PathBuf),
    /// Something that can only be written to, such as a pipe.
    Stream(PathBuf),
}

impl Target {
    /// The target `path`, once it is sure that it can be written.
    pub(super) fn open(path: &Path) -> Result<Self, CliError> {
        let failed = |source| CliError::not_written(path, source);
        match fs::metadata(path) {
            Ok(metadata) if metadata.is_dir() => Err(failed(io::ErrorKind::IsADirectory.into())),
            Ok(metadata) if metadata.permissions().readonly() => {
                Err(failed(io::ErrorKind::PermissionDenied.into()))
            }
            Ok(metadata) if !metadata.is_file() => Ok(Self::Stream(path.to_owned())),
            // A link that leads nowhere, but not one that leads in a circle.
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(failed(error)),
            _ => {
                Draft::create(path).map_err(failed)?;
                Ok(Self::File(path.to_owned()))
            }
        }
    }
}

/// Writes outputs: all files or, where one can't be written, none; streams before the files appear.
///
/// # Errors
///
/// The first output that can't be written.
pub(crate) fn deliver<'a>(
    outputs: impl IntoIterator<Item = (&'a Target, Vec<u8>)>,
) -> Result<(), CliError> {
    let (mut drafts, mut streams) = (Vec::new(), Vec::new());
    for (target, bytes) in outputs {
        match target {
            Target::File(path) => {
                let draft = Draft::of(path, &bytes);
                drafts.push(draft.map_err(|source| CliError::not_written(path, source))?);
            }
            stream => streams.push((stream, bytes)),
        }
    }
    sync(&drafts)?;
    for (stream, bytes) in streams {
        match stream {
            Target::Stream(path) => {
                let opened = OpenOptions::new().write(true).open(path);
                let written = opened.and_then(|mut stream| stream.write_all(&bytes));
                written.map_err(|source| CliError::not_written(path, source))?;
            }
            _ => output::print(&bytes)?,
        }
    }
    publish(drafts)
}

/// Makes sure that nothing is left that can fail for want of room.
pub(crate) fn sync(drafts: &[Draft]) -> Result<(), CliError> {
    drafts.iter().try_for_each(|draft| {
        draft.sync().map_err(|source| CliError::not_written(draft.target(), source))
    })
}

/// Puts all drafts in the places of their targets.
pub(crate) fn publish(drafts: Vec<Draft>) -> Result<(), CliError> {
    drafts.into_iter().try_for_each(|draft| {
        let target = draft.target().to_owned();
        draft.publish().map_err(|source| CliError::not_written(&target, source))
    })
}
