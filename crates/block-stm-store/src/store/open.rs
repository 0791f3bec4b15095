//! Opening a store: what the log has and the flat state lacks is replayed.

use std::{io, sync::Arc};

use alloy_primitives::B256;
use parking_lot::{Mutex, RwLock};

use super::{Store, header, rewind::undo};
use crate::{
    FullBlock, Options, StoreError,
    disk::{Disk, DiskLock},
    flat::{Applied, Batch, FlatState, Tables},
    layer::Layer,
    log::{Entry, Kind, Log},
    place::Place,
    recent::Recent,
};

impl Store {
    /// Opens the store in a folder, cuts what a power cut left unfinished, and replays what the
    /// flat state lacks. All blocks that it has then are durable.
    ///
    /// # Errors
    ///
    /// No folder or no store; in use; not to be written to; another version; damage. Where
    /// something was reported durable and is gone, that is damage, with its place.
    ///
    /// # Cost
    ///
    /// Reads the whole log and, with [`Options::verify`], the whole flat state; replays at the most
    /// [`Options::flush_blocks`] blocks, or what half of
    /// [`Options::memory_bytes`] holds.
    pub fn open(disk: impl Disk + 'static, options: Options) -> Result<Self, StoreError> {
        Self::open_on(disk, None, options, |disk, genesis| {
            Ok(Arc::new(Tables::open(disk, genesis, options.cache_bytes, options.verify)?))
        })
    }

    /// Opens the store in a folder as [`open`](Self::open) does, or makes one of the chain that
    /// begins with the block `genesis`, whose changes are the whole state.
    ///
    /// # Errors
    ///
    /// As [`open`](Self::open), and that it is the store of another chain.
    pub fn open_or_create(
        disk: impl Disk + 'static,
        genesis: FullBlock,
        options: Options,
    ) -> Result<Self, StoreError> {
        Self::open_on(disk, Some(genesis), options, |disk, genesis| {
            Ok(Arc::new(Tables::open(disk, genesis, options.cache_bytes, options.verify)?))
        })
    }

    /// The same with a flat state of the host's, which `flat` opens for the chain with this genesis
    /// block once the folder is locked. With no `genesis` the store must be there.
    ///
    /// # Errors
    ///
    /// As [`open_or_create`](Self::open_or_create).
    pub fn open_on(
        disk: impl Disk + 'static,
        genesis: Option<FullBlock>,
        options: Options,
        flat: impl FnOnce(&Arc<dyn Disk>, B256) -> Result<Arc<dyn FlatState>, StoreError>,
    ) -> Result<Self, StoreError> {
        let disk: Arc<dyn Disk> = Arc::new(disk);
        if header::read(&disk)?.is_none() && genesis.is_none() {
            return Err(StoreError::Missing { folder: disk.place("") });
        }
        let lock = lock(&disk)?;
        // Names that a killed process gave may be with the system alone.
        disk.sync_folder().map_err(Place::new(&disk, "").io("synchronise the folder"))?;
        header::remove_drafts(&disk)?;
        let hash = match (header::read(&disk)?, &genesis) {
            (Some(found), Some(genesis)) if found != genesis.hash => {
                let (place, wanted) = (disk.place("STORE"), genesis.hash);
                return Err(StoreError::OtherChain { place, found, wanted });
            }
            (Some(found), _) => found,
            (None, Some(genesis)) => {
                header::write(&disk, genesis.hash)?;
                genesis.hash
            }
            (None, None) => return Err(StoreError::Missing { folder: disk.place("") }),
        };
        let flat = flat(&disk, hash)?;
        let (log, recent) = recover(&disk, (hash, genesis), &options, &*flat)?;
        Ok(Self {
            options,
            genesis: hash,
            flat,
            log: Mutex::new(log),
            flushing: Mutex::new(()),
            recent: RwLock::new(recent),
            snapshots: Mutex::new(Vec::new()),
            disk,
            lock: lock.into(),
        })
    }
}

fn lock(disk: &Arc<dyn Disk>) -> Result<Box<dyn DiskLock>, StoreError> {
    disk.lock().map_err(|error| match error.kind() {
        io::ErrorKind::WouldBlock => StoreError::InUse { folder: disk.place("") },
        io::ErrorKind::NotFound => StoreError::Missing { folder: disk.place("") },
        _ => Place::new(disk, "LOCK").io("lock the file")(error),
    })
}

/// Log and blocks in memory, and a flat state that is at their beginning.
fn recover(
    disk: &Arc<dyn Disk>,
    (hash, genesis): (B256, Option<FullBlock>),
    options: &Options,
    flat: &dyn FlatState,
) -> Result<(Log, Recent), StoreError> {
    let applied = flat.applied()?;
    let start = flat.log_start()?;
    let (mut log, mut entries) = Log::open(disk, hash, options.segment_bytes, applied, start)?;
    if entries.is_empty() && applied.is_none() {
        let mut genesis =
            genesis.ok_or_else(|| StoreError::Unfinished { folder: disk.place("") })?;
        genesis.sort()?;
        let id = (genesis.number, genesis.hash, genesis.parent);
        entries.push(log.append(Kind::Block, id, &genesis.encode())?);
        log.sync()?;
    }
    let applied = match applied {
        Some(applied) => applied,
        None => apply_genesis(&log, &entries[0], hash, flat)?,
    };
    let recent = Recent::new(applied, flat.view()?);
    let mut replay = Replay { log: &log, flat, options, recent, chain: Vec::new() };
    for entry in &entries {
        if entry.seq > applied.seq {
            replay.entry(*entry)?;
        }
        replay.note(*entry);
    }
    let recent = replay.recent;
    Ok((log, recent))
}

/// The first record is that of the genesis block; the flat state begins with it.
fn apply_genesis(
    log: &Log,
    first: &Entry,
    hash: B256,
    flat: &dyn FlatState,
) -> Result<Applied, StoreError> {
    let located = log.locate(*first);
    if (first.kind, first.seq, first.hash) != (Kind::Block, 1, hash) {
        return Err(located.damaged("the log does not begin with the genesis block"));
    }
    let applied = Applied { seq: first.seq, number: first.number, hash };
    flat.apply(&Batch::forward(applied, [&located.block()?]))?;
    Ok(applied)
}

/// Brings memory and flat state to where the log is.
struct Replay<'a> {
    log: &'a Log,
    flat: &'a dyn FlatState,
    options: &'a Options,
    recent: Recent,
    /// The blocks of the chain up to here whose records are in the log.
    chain: Vec<Entry>,
}

impl Replay<'_> {
    fn note(&mut self, entry: Entry) {
        match entry.kind {
            Kind::Block => self.chain.push(entry),
            Kind::Rewind => self.chain.truncate(self.kept(entry.number)),
        }
    }

    /// How many blocks of the chain are not above `number`.
    fn kept(&self, number: u64) -> usize {
        self.chain.partition_point(|entry| entry.number <= number)
    }

    fn entry(&mut self, entry: Entry) -> Result<(), StoreError> {
        match entry.kind {
            Kind::Block => self.block(entry),
            Kind::Rewind => self.rewind(entry),
        }
    }

    fn block(&mut self, entry: Entry) -> Result<(), StoreError> {
        let located = self.log.locate(entry);
        let (head, hash) = self.recent.head();
        if head.checked_add(1) != Some(entry.number) || entry.parent != hash {
            let what = format!("block {} does not follow on block {head} {hash}", entry.number);
            return Err(located.damaged(what));
        }
        let record = located.block()?;
        self.recent.push(Arc::new(Layer::new(entry.seq, record, located.length())));
        if self.recent.is_due(self.options) { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> Result<(), StoreError> {
        let layers: Vec<_> = self.recent.unflushed().cloned().collect();
        let Some(last) = layers.last() else { return Ok(()) };
        let (number, hash) = self.recent.head();
        let applied = Applied { seq: last.seq, number, hash };
        self.flat.apply(&Batch::forward(applied, layers.iter().map(|layer| &layer.record)))?;
        self.recent.flushed(applied, self.flat.view()?);
        self.recent.trim(self.options.recent_blocks, self.options.memory_bytes);
        Ok(())
    }

    fn rewind(&mut self, entry: Entry) -> Result<(), StoreError> {
        let flat = self.recent.applied.number;
        if entry.number < flat {
            let gone = &self.chain[self.kept(entry.number)..self.kept(flat)];
            if gone.first().is_none_or(|first| first.number != entry.number + 1) {
                let what = format!("the records of blocks above {} are missing", entry.number);
                return Err(self.log.locate(entry).damaged(what));
            }
            let applied = Applied { seq: entry.seq, number: entry.number, hash: entry.hash };
            let blocks = gone.iter().rev().map(|entry| self.log.block(*entry));
            undo(self.flat, applied, blocks)?;
            self.recent.rewind(entry.number);
            self.recent.flushed(applied, self.flat.view()?);
        } else {
            self.recent.rewind(entry.number);
        }
        Ok(())
    }
}
