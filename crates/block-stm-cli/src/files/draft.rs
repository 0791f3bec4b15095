//! A file that is written beside the one whose place it takes, so that no reader ever sees a part
//! of it.

use std::{
    fs::{self, File, Permissions},
    io::{self, Write},
    path::{Path, PathBuf},
};

use tempfile::{Builder, TempDir, TempPath};

use super::{
    interrupt,
    place::{folder_of, resolved},
};

/// A file that is not there yet for others. It is gone unless it is published.
#[derive(Debug)]
pub(crate) struct Draft {
    temporary: TempPath,
    target: PathBuf,
}

impl Draft {
    /// An empty draft of `target`, open for writing. A link stays one: what it leads to is
    /// replaced.
    pub(crate) fn create(target: &Path) -> io::Result<(File, Self)> {
        let target = resolved(target);
        if target.file_name().is_none() {
            return Err(io::ErrorKind::InvalidFilename.into());
        }
        let mut builder = Builder::new();
        builder.prefix(".block-stm-").suffix(".tmp");
        if let Some(permissions) = permissions_of_new_files() {
            builder.permissions(permissions);
        }
        let (file, temporary) = interrupt::guarded(|temporaries| {
            let temporary =
                builder.tempfile_in(folder_of(&target)).map_err(|error| bare(&error))?;
            let (file, temporary) = temporary.into_parts();
            temporaries.insert(temporary.to_path_buf());
            Ok::<_, io::Error>((file, temporary))
        })?;
        if let Ok(replaced) = fs::metadata(&target) {
            file.set_permissions(replaced.permissions())?;
        }
        Ok((file, Self { temporary, target }))
    }

    /// A draft with the content `bytes`.
    pub(super) fn of(target: &Path, bytes: &[u8]) -> io::Result<Self> {
        let (mut file, draft) = Self::create(target)?;
        file.write_all(bytes)?;
        Ok(draft)
    }

    /// Makes sure that the content has reached the disk, as the last thing that can fail for want
    /// of room.
    pub(crate) fn sync(&self) -> io::Result<()> {
        File::open(&self.temporary)?.sync_all()
    }

    /// Puts the draft in the place of its target.
    pub(crate) fn publish(self) -> io::Result<()> {
        let Self { temporary, target } = self;
        interrupt::guarded(|temporaries| {
            temporaries.remove(&*temporary);
            temporary.persist(&target).map_err(|error| error.error)
        })
    }

    /// Where the draft goes.
    pub(crate) fn target(&self) -> &Path {
        &self.target
    }
}

/// A folder that is not there yet for others. It is gone unless it is published.
#[derive(Debug)]
pub(crate) struct FolderDraft {
    temporary: TempDir,
    target: PathBuf,
}

impl FolderDraft {
    /// An empty draft of the folder `target`, in the folder that `target` is to be in.
    pub(crate) fn create(target: &Path) -> io::Result<Self> {
        let mut builder = Builder::new();
        builder.prefix(".block-stm-").suffix(".tmp");
        if let Some(permissions) = permissions_of_new_folders() {
            builder.permissions(permissions);
        }
        let temporary = interrupt::guarded(|temporaries| {
            let temporary = builder.tempdir_in(folder_of(target)).map_err(|error| bare(&error))?;
            temporaries.insert(temporary.path().to_owned());
            Ok::<_, io::Error>(temporary)
        })?;
        Ok(Self { temporary, target: target.to_owned() })
    }

    /// Adds a file.
    pub(crate) fn write(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let mut file = File::create_new(self.temporary.path().join(name))?;
        file.write_all(bytes)?;
        file.sync_all()
    }

    /// Puts the draft in the place of its target, which must not be there.
    pub(crate) fn publish(mut self) -> io::Result<()> {
        interrupt::guarded(|_| fs::rename(self.temporary.path(), &self.target))?;
        // Nothing is left under the temporary name.
        self.temporary.disable_cleanup(true);
        Ok(())
    }
}

impl Drop for FolderDraft {
    fn drop(&mut self) {
        interrupt::guarded(|temporaries| temporaries.remove(self.temporary.path()));
    }
}

/// What the system said, without the name of the temporary file.
fn bare(error: &io::Error) -> io::Error {
    let inner = error.get_ref().and_then(|error| error.source());
    let inner = inner.and_then(|error| error.downcast_ref::<io::Error>());
    match inner.and_then(io::Error::raw_os_error) {
        Some(code) => io::Error::from_raw_os_error(code),
        None if error.kind() == io::ErrorKind::NotFound => {
            io::Error::new(error.kind(), "there is no folder that it could be in")
        }
        None => error.kind().into(),
    }
}

/// Of these the system takes away what the user does not give to others.
#[cfg(unix)]
fn permissions_of_new_files() -> Option<Permissions> {
    use std::os::unix::fs::PermissionsExt;
    Some(Permissions::from_mode(0o666))
}

#[cfg(not(unix))]
fn permissions_of_new_files() -> Option<Permissions> {
    None
}

#[cfg(unix)]
fn permissions_of_new_folders() -> Option<Permissions> {
    use std::os::unix::fs::PermissionsExt;
    Some(Permissions::from_mode(0o777))
}

#[cfg(not(unix))]
fn permissions_of_new_folders() -> Option<Permissions> {
    None
}
