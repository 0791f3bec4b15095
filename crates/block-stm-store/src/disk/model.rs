//! A disk in memory that loses, in a power cut, any part of what was not synchronised.
//!
//! # The model
//!
//! A file has two contents: what is on the platter, and what the system shows. Between them lie the
//! writes since the file was last synchronised. [`ModelDisk::cut_power`] makes a new disk: each of
//! these writes, cut into pieces of a sector, is on it or not, as a function decides, piece by
//! piece. Later writes survive where earlier ones are lost, and a file may have its new length
//! without its new bytes. Names behave the same: what was created, renamed or removed since
//! [`Disk::sync_folder`] happened or did not, each by itself.
//!
//! A failed synchronisation of a file loses what it should have written for good, even if the next
//! one succeeds, as real systems do: pages count as written though they are not. Readers see
//! them all the same, up to the power cut.

use std::{
    collections::BTreeMap,
    io::{self, Error, ErrorKind},
    path::PathBuf,
    sync::Arc,
};

use parking_lot::Mutex;

use super::{Disk, DiskFile, DiskLock};

/// Pieces of a write that survive or not by themselves.
const SECTOR: u64 = 512;

/// What goes wrong at one operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// It fails and does nothing.
    Error(ErrorKind),
    /// A write fails after so many of its bytes; other operations fail and do nothing.
    Short(usize),
    /// This operation and all later ones fail, as if the power were gone.
    Off,
}

/// A disk in memory that loses, in a power cut, any part of what was not synchronised.
///
/// Clones are the same disk.
///
/// # Examples
///
/// ```
/// use block_stm_store::disk::{Disk, ModelDisk};
///
/// let disk = ModelDisk::new();
/// let file = disk.create("a")?;
/// disk.sync_folder()?;
/// file.write_at(0, b"durable")?;
/// file.sync()?;
/// file.write_at(0, b"NEW")?;
/// let rest = disk.cut_power(|| false);
/// let mut bytes = [0; 7];
/// rest.open("a")?.read_at(0, &mut bytes)?;
/// assert_eq!(&bytes, b"durable");
/// # Ok::<_, std::io::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct ModelDisk(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    inodes: Vec<Inode>,
    names: BTreeMap<String, usize>,
    durable_names: BTreeMap<String, usize>,
    pending_names: Vec<NameChange>,
    locked: bool,
    /// Operations that change something, so far.
    operations: u64,
    fault: Option<(u64, Fault)>,
    is_off: bool,
    capacity: Option<u64>,
}

#[derive(Clone, Debug, Default)]
struct Inode {
    shown: Vec<u8>,
    durable: Vec<u8>,
    pending: Vec<Change>,
}

#[derive(Clone, Debug)]
enum Change {
    Write { offset: u64, bytes: Vec<u8> },
    Length(u64),
}

#[derive(Clone, Debug)]
struct NameChange {
    gone: Option<String>,
    added: Option<(String, usize)>,
}

impl Change {
    fn apply(&self, content: &mut Vec<u8>) {
        match self {
            Self::Write { offset, bytes } => {
                let start = to_usize(*offset);
                let end = start + bytes.len();
                if content.len() < end {
                    content.resize(end, 0);
                }
                content[start..end].copy_from_slice(bytes);
            }
            Self::Length(length) => content.resize(to_usize(*length), 0),
        }
    }

    /// The pieces that survive or not by themselves. A file's new length is one.
    fn pieces(&self) -> Vec<Self> {
        let Self::Write { offset, bytes } = self else { return vec![self.clone()] };
        let mut pieces = vec![];
        let (mut at, mut rest) = (*offset, &bytes[..]);
        while !rest.is_empty() {
            let room = to_usize(SECTOR - at % SECTOR).min(rest.len());
            let (piece, after) = rest.split_at(room);
            pieces.push(Self::Write { offset: at, bytes: piece.to_vec() });
            (at, rest) = (at + room as u64, after);
        }
        pieces
    }
}

impl NameChange {
    fn apply(&self, names: &mut BTreeMap<String, usize>) {
        if let Some(gone) = &self.gone {
            names.remove(gone);
        }
        if let Some((name, inode)) = &self.added {
            names.insert(name.clone(), *inode);
        }
    }
}

fn to_usize(number: u64) -> usize {
    usize::try_from(number).expect("files in memory have lengths of memory")
}

impl State {
    /// Counts an operation; the error or the cut that is to happen at it.
    fn operate(&mut self) -> io::Result<Option<usize>> {
        let number = self.operations;
        self.operations += 1;
        let due = self.fault.filter(|(at, _)| *at == number).map(|(_, fault)| fault);
        match due {
            Some(Fault::Off) => self.is_off = true,
            Some(Fault::Error(kind)) => return Err(kind.into()),
            Some(Fault::Short(bytes)) => return Ok(Some(bytes)),
            None => {}
        }
        if self.is_off { Err(Error::other("the power is off")) } else { Ok(None) }
    }

    /// The same for an operation that can't be done in part.
    fn operate_whole(&mut self) -> io::Result<()> {
        match self.operate()? {
            Some(_) => Err(ErrorKind::Interrupted.into()),
            None => Ok(()),
        }
    }

    fn change_names(&mut self, change: NameChange) {
        change.apply(&mut self.names);
        self.pending_names.push(change);
    }

    fn change(&mut self, inode: usize, change: Change) -> io::Result<()> {
        let length = match &change {
            Change::Write { offset, bytes } => offset + bytes.len() as u64,
            Change::Length(length) => *length,
        };
        let used: u64 = self.names.values().map(|&it| self.inodes[it].shown.len() as u64).sum();
        let file = &mut self.inodes[inode];
        let more = length.saturating_sub(file.shown.len() as u64);
        if self.capacity.is_some_and(|capacity| used + more > capacity) {
            return Err(ErrorKind::StorageFull.into());
        }
        change.apply(&mut file.shown);
        file.pending.push(change);
        Ok(())
    }
}

impl ModelDisk {
    /// An empty disk.
    pub fn new() -> Self {
        Self::default()
    }

    /// What is left after a power cut: a disk on which each piece of what was not synchronised is
    /// there or not, as `survives` says. Files that are open stay on this disk.
    pub fn cut_power(&self, mut survives: impl FnMut() -> bool) -> Self {
        let state = self.0.lock();
        let mut names = state.durable_names.clone();
        for change in &state.pending_names {
            if survives() {
                change.apply(&mut names);
            }
        }
        let mut inodes = vec![Inode::default(); state.inodes.len()];
        for &inode in names.values() {
            let file = &state.inodes[inode];
            let mut content = file.durable.clone();
            for change in &file.pending {
                if let Change::Write { offset, bytes } = change {
                    let end = to_usize(*offset) + bytes.len();
                    if end > content.len() && survives() {
                        content.resize(end, 0);
                    }
                }
                for piece in change.pieces() {
                    if survives() {
                        piece.apply(&mut content);
                    }
                }
            }
            inodes[inode] = Inode { shown: content.clone(), durable: content, pending: vec![] };
        }
        let after = State { inodes, durable_names: names.clone(), names, ..State::default() };
        Self(Arc::new(Mutex::new(after)))
    }

    /// How many operations changed something so far, or tried to.
    pub fn operations(&self) -> u64 {
        self.0.lock().operations
    }

    /// Lets `fault` happen at the operation with the number `at`, counted as
    /// [`operations`](Self::operations) does.
    pub fn fail_at(&self, at: u64, fault: Fault) {
        self.0.lock().fault = Some((at, fault));
    }

    /// The disk is full with so many bytes.
    pub fn set_capacity(&self, bytes: Option<u64>) {
        self.0.lock().capacity = bytes;
    }

    /// The bytes of the file `name`, or nothing if it is not there.
    pub fn bytes(&self, name: &str) -> Option<Vec<u8>> {
        let state = self.0.lock();
        state.names.get(name).map(|&inode| state.inodes[inode].shown.clone())
    }

    /// Puts `bytes` into the file `name`, on the platter, past everything that a disk does.
    pub fn put(&self, name: &str, bytes: &[u8]) {
        let mut state = self.0.lock();
        let content = Inode { shown: bytes.to_vec(), durable: bytes.to_vec(), pending: vec![] };
        let inode = state.inodes.len();
        state.inodes.push(content);
        state.names.insert(name.to_owned(), inode);
        state.durable_names.insert(name.to_owned(), inode);
    }
}

impl Disk for ModelDisk {
    fn names(&self) -> io::Result<Vec<String>> {
        Ok(self.0.lock().names.keys().cloned().collect())
    }

    fn open(&self, name: &str) -> io::Result<Box<dyn DiskFile>> {
        let state = self.0.lock();
        let inode = *state.names.get(name).ok_or(ErrorKind::NotFound)?;
        Ok(Box::new(ModelFile { disk: self.clone(), inode }))
    }

    fn create(&self, name: &str) -> io::Result<Box<dyn DiskFile>> {
        let mut state = self.0.lock();
        state.operate_whole()?;
        let inode = match state.names.get(name).copied() {
            Some(inode) => {
                state.change(inode, Change::Length(0))?;
                inode
            }
            None => {
                let inode = state.inodes.len();
                state.inodes.push(Inode::default());
                let added = Some((name.to_owned(), inode));
                state.change_names(NameChange { gone: None, added });
                inode
            }
        };
        Ok(Box::new(ModelFile { disk: self.clone(), inode }))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let mut state = self.0.lock();
        state.operate_whole()?;
        let inode = *state.names.get(from).ok_or(ErrorKind::NotFound)?;
        let (gone, added) = (Some(from.to_owned()), Some((to.to_owned(), inode)));
        state.change_names(NameChange { gone, added });
        Ok(())
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        let mut state = self.0.lock();
        state.operate_whole()?;
        if !state.names.contains_key(name) {
            return Err(ErrorKind::NotFound.into());
        }
        state.change_names(NameChange { gone: Some(name.to_owned()), added: None });
        Ok(())
    }

    fn sync_folder(&self) -> io::Result<()> {
        let mut state = self.0.lock();
        state.operate_whole()?;
        let state = &mut *state;
        for change in state.pending_names.drain(..) {
            change.apply(&mut state.durable_names);
        }
        Ok(())
    }

    fn lock(&self) -> io::Result<Box<dyn DiskLock>> {
        let mut state = self.0.lock();
        if std::mem::replace(&mut state.locked, true) {
            return Err(ErrorKind::WouldBlock.into());
        }
        Ok(Box::new(ModelLock(self.clone())))
    }

    fn place(&self, name: &str) -> PathBuf {
        PathBuf::from("model").join(name)
    }
}

#[derive(Debug)]
struct ModelLock(ModelDisk);

impl DiskLock for ModelLock {}

impl Drop for ModelLock {
    fn drop(&mut self) {
        self.0.0.lock().locked = false;
    }
}

#[derive(Debug)]
struct ModelFile {
    disk: ModelDisk,
    inode: usize,
}

impl DiskFile for ModelFile {
    fn len(&self) -> io::Result<u64> {
        Ok(self.disk.0.lock().inodes[self.inode].shown.len() as u64)
    }

    fn read_at(&self, offset: u64, bytes: &mut [u8]) -> io::Result<()> {
        let state = self.disk.0.lock();
        let shown = &state.inodes[self.inode].shown;
        let start = usize::try_from(offset).map_err(|_| ErrorKind::UnexpectedEof)?;
        let end = start.checked_add(bytes.len()).ok_or(ErrorKind::UnexpectedEof)?;
        bytes.copy_from_slice(shown.get(start..end).ok_or(ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let mut state = self.disk.0.lock();
        let cut = state.operate()?;
        let written = &bytes[..cut.unwrap_or(bytes.len()).min(bytes.len())];
        state.change(self.inode, Change::Write { offset, bytes: written.to_vec() })?;
        if cut.is_some() { Err(ErrorKind::WriteZero.into()) } else { Ok(()) }
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let mut state = self.disk.0.lock();
        state.operate_whole()?;
        state.change(self.inode, Change::Length(len))
    }

    fn sync(&self) -> io::Result<()> {
        let mut state = self.disk.0.lock();
        let done = state.operate_whole();
        let is_off = state.is_off;
        let Inode { durable, pending, .. } = &mut state.inodes[self.inode];
        match &done {
            Ok(()) => pending.drain(..).for_each(|change| change.apply(durable)),
            Err(_) if !is_off => pending.clear(),
            Err(_) => {}
        }
        done
    }
}
