//! What a path stands for, however it is written: links, relative paths and second names lead to
//! the same place.

use std::{
    ffi::OsString,
    fs::{self, Metadata},
    path::{Path, PathBuf},
};

/// A regular file, or the entry of a folder where there is none yet.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// A file that is there.
    File(Identity),
    /// A name in a folder.
    Entry(Identity, OsString),
}

impl Place {
    /// The place of `path`; none where nothing can be destroyed: in pipes and devices, and where no
    /// folder is.
    pub(super) fn of(path: &Path) -> Option<Self> {
        let path = resolved(path);
        match fs::metadata(&path) {
            Ok(metadata) if metadata.is_file() => Some(Self::File(identity(&path, &metadata)?)),
            Ok(_) => None,
            Err(_) => {
                let folder = folder_of(&path);
                let metadata = fs::metadata(folder).ok()?;
                Some(Self::Entry(identity(folder, &metadata)?, path.file_name()?.to_owned()))
            }
        }
    }

    /// The file that standard input comes from, if it is one.
    pub(super) fn of_stdin() -> Option<Self> {
        standard::place(&std::io::stdin())
    }

    /// The file that standard output goes to, if it is one.
    pub(super) fn of_stdout() -> Option<Self> {
        standard::place(&std::io::stdout())
    }
}

/// The folder of the entry `path`.
pub(super) fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

/// `path` without links, as far as it is there; a link that leads nowhere stands for the file that
/// it would lead to.
pub(super) fn resolved(path: &Path) -> PathBuf {
    let mut path = path.to_owned();
    // As many as the system follows.
    for _ in 0..40 {
        if let Ok(path) = path.canonicalize() {
            return path;
        }
        let Ok(target) = fs::read_link(&path) else { break };
        path = folder_of(&path).join(target);
    }
    match (folder_of(&path).canonicalize(), path.file_name()) {
        (Ok(folder), Some(name)) => folder.join(name),
        _ => path,
    }
}

#[cfg(unix)]
pub(super) type Identity = (u64, u64);

#[cfg(unix)]
fn identity(_: &Path, metadata: &Metadata) -> Option<Identity> {
    use std::os::unix::fs::MetadataExt;
    Some((metadata.dev(), metadata.ino()))
}

#[cfg(not(unix))]
pub(super) type Identity = PathBuf;

#[cfg(not(unix))]
fn identity(path: &Path, _: &Metadata) -> Option<Identity> {
    path.canonicalize().ok()
}

#[cfg(unix)]
mod standard {
    use std::{fs::File, os::fd::AsFd, path::Path};

    use super::{Place, identity};

    pub(super) fn place(stream: &impl AsFd) -> Option<Place> {
        let file = File::from(stream.as_fd().try_clone_to_owned().ok()?);
        let metadata = file.metadata().ok().filter(|metadata| metadata.is_file())?;
        Some(Place::File(identity(Path::new(""), &metadata)?))
    }
}

#[cfg(not(unix))]
mod standard {
    use super::Place;

    pub(super) fn place<T>(_: &T) -> Option<Place> {
        None
    }
}
