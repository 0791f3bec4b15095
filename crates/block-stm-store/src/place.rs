//! Errors of files, with the place.

use std::{io, sync::Arc};

use crate::{StoreError, disk::Disk};

/// A file by its name, for messages.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    disk: Arc<dyn Disk>,
    name: String,
}

impl Place {
    pub(crate) fn new(disk: &Arc<dyn Disk>, name: &str) -> Self {
        Self { disk: Arc::clone(disk), name: name.to_owned() }
    }

    /// The error that `action` failed.
    pub(crate) fn io(&self, action: &'static str) -> impl Fn(io::Error) -> StoreError + use<'_> {
        move |source| {
            use io::ErrorKind::{PermissionDenied, ReadOnlyFilesystem};
            if matches!(source.kind(), PermissionDenied | ReadOnlyFilesystem) {
                return StoreError::ReadOnly { folder: self.disk.place(""), source };
            }
            StoreError::Io { place: self.disk.place(&self.name), action, source }
        }
    }

    /// The error that something is wrong at `offset`.
    pub(crate) fn damaged(&self, offset: u64, what: impl ToString) -> StoreError {
        let what = what.to_string();
        StoreError::Damaged { place: self.disk.place(&self.name), offset, what }
    }

    pub(crate) fn path(&self) -> std::path::PathBuf {
        self.disk.place(&self.name)
    }
}

/// Makes the file `name` with this content: whole, durable and under its name, or not at all.
pub(crate) fn publish(disk: &Arc<dyn Disk>, name: &str, bytes: &[u8]) -> Result<(), StoreError> {
    let (place, draft) = (Place::new(disk, name), format!("{name}{DRAFT}"));
    let file = disk.create(&draft).map_err(place.io("create the file"))?;
    file.write_at(0, bytes).map_err(place.io("write the file"))?;
    file.sync().map_err(place.io("synchronise the file"))?;
    disk.rename(&draft, name).map_err(place.io("rename the file"))?;
    disk.sync_folder().map_err(place.io("synchronise the folder of the file"))
}

/// The ending of files that have not got their name yet.
pub(crate) const DRAFT: &str = ".draft";
