//! A folder of the file system.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io,
    path::{Path, PathBuf},
};

use super::{Disk, DiskFile, DiskLock};

/// The file whose lock is that of the folder.
const LOCK: &str = "LOCK";

/// A folder of the file system.
#[derive(Clone, Debug)]
pub struct Folder(PathBuf);

impl Folder {
    /// The folder at `path`, which must be there.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self(path.into())
    }

    /// The folder at `path`, which is made if it is not there, and durable then.
    ///
    /// # Errors
    ///
    /// What the system says. The folder that `path` is to be in must be there.
    pub fn create(path: impl Into<PathBuf>) -> io::Result<Self> {
        let path = path.into();
        match fs::create_dir(&path) {
            Ok(()) => {
                let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
                sync(parent.unwrap_or(Path::new(".")))?;
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
        Ok(Self(path))
    }
}

/// Waits until the names in a folder are on the disk, where the system lets folders be opened.
fn sync(folder: &Path) -> io::Result<()> {
    if cfg!(unix) { File::open(folder)?.sync_all() } else { Ok(()) }
}

impl Disk for Folder {
    fn names(&self) -> io::Result<Vec<String>> {
        let names = fs::read_dir(&self.0)?.map(|entry| Ok(entry?.file_name().into_string().ok()));
        Ok(names.collect::<io::Result<Vec<_>>>()?.into_iter().flatten().collect())
    }

    fn open(&self, name: &str) -> io::Result<Box<dyn DiskFile>> {
        let file = OpenOptions::new().read(true).write(true).open(self.0.join(name))?;
        Ok(Box::new(Positioned::new(file)))
    }

    fn create(&self, name: &str) -> io::Result<Box<dyn DiskFile>> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(true);
        Ok(Box::new(Positioned::new(options.open(self.0.join(name))?)))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        fs::rename(self.0.join(from), self.0.join(to))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        fs::remove_file(self.0.join(name))
    }

    fn sync_folder(&self) -> io::Result<()> {
        sync(&self.0)
    }

    fn lock(&self) -> io::Result<Box<dyn DiskLock>> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        let file = options.open(self.0.join(LOCK))?;
        match file.try_lock() {
            Ok(()) => Ok(Box::new(LockFile { _file: file })),
            Err(TryLockError::WouldBlock) => Err(io::ErrorKind::WouldBlock.into()),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }

    fn place(&self, name: &str) -> PathBuf {
        if name.is_empty() { self.0.clone() } else { self.0.join(name) }
    }
}

/// Locked until it is closed, by whatever ends the process.
#[derive(Debug)]
struct LockFile {
    _file: File,
}

impl DiskLock for LockFile {}

/// A file that is read and written at offsets.
#[cfg(unix)]
#[derive(Debug)]
struct Positioned(File);

#[cfg(unix)]
impl Positioned {
    fn new(file: File) -> Self {
        Self(file)
    }

    fn with<R>(&self, what: impl FnOnce(&File) -> io::Result<R>) -> io::Result<R> {
        what(&self.0)
    }
}

#[cfg(unix)]
impl Positioned {
    fn read(&self, offset: u64, bytes: &mut [u8]) -> io::Result<()> {
        std::os::unix::fs::FileExt::read_exact_at(&self.0, bytes, offset)
    }

    fn write(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        std::os::unix::fs::FileExt::write_all_at(&self.0, bytes, offset)
    }
}

/// A file whose position is shared, so that each access sets it.
#[cfg(not(unix))]
#[derive(Debug)]
struct Positioned(parking_lot::Mutex<File>);

#[cfg(not(unix))]
impl Positioned {
    fn new(file: File) -> Self {
        Self(parking_lot::Mutex::new(file))
    }

    fn with<R>(&self, what: impl FnOnce(&File) -> io::Result<R>) -> io::Result<R> {
        what(&self.0.lock())
    }

    fn read(&self, offset: u64, bytes: &mut [u8]) -> io::Result<()> {
        use io::{Read, Seek};
        let mut file = self.0.lock();
        file.seek(io::SeekFrom::Start(offset))?;
        file.read_exact(bytes)
    }

    fn write(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        use io::{Seek, Write};
        let mut file = self.0.lock();
        file.seek(io::SeekFrom::Start(offset))?;
        file.write_all(bytes)
    }
}

impl DiskFile for Positioned {
    fn len(&self) -> io::Result<u64> {
        self.with(|file| Ok(file.metadata()?.len()))
    }

    fn read_at(&self, offset: u64, bytes: &mut [u8]) -> io::Result<()> {
        self.read(offset, bytes)
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.write(offset, bytes)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.with(|file| file.set_len(len))
    }

    fn sync(&self) -> io::Result<()> {
        self.with(File::sync_data)
    }
}
