//! The disk as the store sees it: one folder of files. A trait, so that tests can make it fail.

mod folder;
mod model;

use std::{fmt::Debug, io, path::PathBuf};

pub use folder::Folder;
pub use model::{Fault, ModelDisk};

/// A folder of files. What is written is certain to outlive a power cut only after
/// [`DiskFile::sync`] of the file, and a name only after [`Disk::sync_folder`].
pub trait Disk: Debug + Send + Sync {
    /// The names of all files.
    ///
    /// # Errors
    ///
    /// What the system says; [`NotFound`](io::ErrorKind::NotFound) if there is no folder.
    fn names(&self) -> io::Result<Vec<String>>;

    /// Opens the file `name` for reading and writing.
    ///
    /// # Errors
    ///
    /// What the system says.
    fn open(&self, name: &str) -> io::Result<Box<dyn DiskFile>>;

    /// Creates the file `name`, empty. If there is one, it becomes empty.
    ///
    /// # Errors
    ///
    /// What the system says.
    fn create(&self, name: &str) -> io::Result<Box<dyn DiskFile>>;

    /// Gives the file `from` the name `to`, in place of the file that has it.
    ///
    /// # Errors
    ///
    /// What the system says.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;

    /// Removes the file `name`.
    ///
    /// # Errors
    ///
    /// What the system says.
    fn remove(&self, name: &str) -> io::Result<()>;

    /// Waits until all names are on the disk.
    ///
    /// # Errors
    ///
    /// What the system says; names may be lost then.
    fn sync_folder(&self) -> io::Result<()>;

    /// Takes the lock of the folder, which is held until what is returned is dropped.
    ///
    /// # Errors
    ///
    /// [`WouldBlock`](io::ErrorKind::WouldBlock) if it is held already, else what the system says.
    fn lock(&self) -> io::Result<Box<dyn DiskLock>>;

    /// The file `name` as messages name it; the folder if the name is empty.
    fn place(&self, name: &str) -> PathBuf;
}

/// The lock of a folder while it is held.
pub trait DiskLock: Debug + Send + Sync {}

/// An open file.
pub trait DiskFile: Debug + Send + Sync {
    /// How many bytes it has.
    ///
    /// # Errors
    ///
    /// What the system says.
    fn len(&self) -> io::Result<u64>;

    /// Whether it has none.
    ///
    /// # Errors
    ///
    /// What the system says.
    fn is_empty(&self) -> io::Result<bool> {
        Ok(self.len()? == 0)
    }

    /// Fills `bytes` from `offset` on.
    ///
    /// # Errors
    ///
    /// [`UnexpectedEof`](io::ErrorKind::UnexpectedEof) if the file is shorter, else what the system
    /// says.
    fn read_at(&self, offset: u64, bytes: &mut [u8]) -> io::Result<()>;

    /// Writes all of `bytes` from `offset` on.
    ///
    /// # Errors
    ///
    /// What the system says; a part of the bytes may be written then.
    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()>;

    /// Cuts the file, or extends it by zeros.
    ///
    /// # Errors
    ///
    /// What the system says.
    fn set_len(&self, len: u64) -> io::Result<()>;

    /// Waits until all that was written is on the disk.
    ///
    /// # Errors
    ///
    /// What the system says; what was written since the last time may be lost then, even if a later
    /// call succeeds.
    fn sync(&self) -> io::Result<()>;
}
