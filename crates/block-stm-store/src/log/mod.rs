//! The log: what becomes of the chain, one record after another, in files that only grow.
//!
//! # What is durable when
//!
//! [`Log::append`] writes a record and leaves it to the system. A synchronisation makes all records
//! up to some number durable; each later record tells that number. So a file looks like this:
//!
//! ```text
//! record    1    2    3  |  4    5    6  |  7    8 ...
//! durable   0    0    0  |  3    3    3  |  6    6
//!                     synchronised     synchronised
//! ```
//!
//! # After a power cut
//!
//! Of the records after the last synchronisation, any bytes may be missing, in any order. When the
//! log is opened, it is read up to the first record that is not whole, `k`. Nothing that was
//! reported durable may be dropped, so there are two cases:
//!
//! * A later head is whole and says that `k` was durable, or the flat state has `k`, or the file is
//!   not the last one: then the disk lost what it had promised. That is an error with its place.
//! * Else `k` was never reported. The file is cut there, and synchronised before it grows again, so
//!   that no rest of an old record can follow a new one.
//!
//! A bit that flips in the last group of records before a power cut is taken for a part of that
//! cut: no later record vouches for the group. [`Store::close`](crate::Store::close) writes the
//! flat state, which does.
//!
//! # Files
//!
//! A file begins with a [head](segment), and each record with [its own](frame). A file is full when
//! the next record would make it longer than wanted; it is synchronised before the next one begins.
//! Old files are removed after the flat state has noted which one is the first that is wanted. One
//! that a crash brings back is removed when the log is opened.

mod frame;
mod read;
mod scan;
mod segment;

use std::{collections::VecDeque, io, sync::Arc};

use alloy_primitives::B256;

pub(crate) use self::{
    frame::Kind,
    segment::{Segment, index_of},
};
use self::{
    frame::{Check, Frame, HEAD_BYTES, payload_check},
    scan::Scan,
    segment::SEGMENT_HEAD_BYTES,
};
use crate::{
    StoreError,
    disk::{Disk, DiskFile},
    flat::Applied,
    place::Place,
};

/// The most bytes of a record, without its head.
pub(crate) const MAX_RECORD_BYTES: u64 = 1 << 30;

/// Where a record is, and what its head says.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Entry {
    pub(crate) kind: Kind,
    pub(crate) seq: u64,
    pub(crate) number: u64,
    pub(crate) hash: B256,
    pub(crate) parent: B256,
    segment: u64,
    /// Of the head.
    offset: u64,
    length: u64,
    payload: Check,
}

/// The log, open for growing.
#[derive(Debug)]
pub(crate) struct Log {
    disk: Arc<dyn Disk>,
    genesis: B256,
    segment_bytes: u64,
    /// The oldest first; never empty.
    segments: VecDeque<Segment>,
    /// The blocks of the chain whose records are here, the oldest first, without gaps.
    blocks: VecDeque<Entry>,
    next_seq: u64,
    /// All records up to this one are synchronised; they are counted from 1.
    durable: u64,
    previous: Check,
    failed: bool,
}

/// What is to be synchronised.
#[derive(Debug)]
pub(crate) struct Pending {
    file: Arc<dyn DiskFile>,
    place: Place,
    seq: u64,
}

impl Pending {
    /// Waits until it is on the disk.
    pub(crate) fn sync(&self) -> Result<(), StoreError> {
        self.file.sync().map_err(self.place.io("synchronise the file"))
    }
}

impl Log {
    /// Opens the log in the files of `disk`, from the file `start` on, and cuts what a power cut
    /// left unfinished. All that is in it is durable then. Returns also all its records.
    ///
    /// Where there is no file yet, one is made.
    pub(crate) fn open(
        disk: &Arc<dyn Disk>,
        genesis: B256,
        segment_bytes: u64,
        applied: Option<Applied>,
        start: u64,
    ) -> Result<(Self, Vec<Entry>), StoreError> {
        let indices = segments_from(disk, start)?;
        let mut scan = Scan::new(applied);
        for &index in &indices {
            let segment = Segment::open(disk, genesis, index)?;
            scan.segment(segment, Some(&index) == indices.last())?;
        }
        let (mut segments, entries, next_seq, previous) = scan.finish()?;
        if segments.is_empty() {
            segments.push_back(Segment::create(disk, genesis, (start, next_seq, previous))?);
        }
        let mut log = Self {
            disk: Arc::clone(disk),
            genesis,
            segment_bytes,
            segments,
            blocks: VecDeque::new(),
            next_seq,
            durable: next_seq - 1,
            previous,
            failed: false,
        };
        entries.iter().for_each(|entry| log.note(*entry));
        Ok((log, entries))
    }

    /// Keeps the list of the chain's blocks.
    fn note(&mut self, entry: Entry) {
        match entry.kind {
            Kind::Block => self.blocks.push_back(entry),
            Kind::Rewind => {
                while self.blocks.back().is_some_and(|last| last.number > entry.number) {
                    self.blocks.pop_back();
                }
            }
        }
    }

    /// Writes a record, which is not durable yet.
    ///
    /// # Errors
    ///
    /// The disk's; after one, the log takes no more.
    pub(crate) fn append(
        &mut self,
        kind: Kind,
        (number, hash, parent): (u64, B256, B256),
        payload: &[u8],
    ) -> Result<Entry, StoreError> {
        self.check_not_failed()?;
        let length = payload.len() as u64;
        if length > MAX_RECORD_BYTES {
            return Err(StoreError::TooLarge { number, bytes: length, max: MAX_RECORD_BYTES });
        }
        let result = self.try_append(kind, (number, hash, parent), payload);
        self.failed |= result.is_err();
        result
    }

    fn try_append(
        &mut self,
        kind: Kind,
        (number, hash, parent): (u64, B256, B256),
        payload: &[u8],
    ) -> Result<Entry, StoreError> {
        let length = payload.len() as u64;
        let size = HEAD_BYTES as u64 + length;
        let last = self.last();
        if last.length > SEGMENT_HEAD_BYTES as u64 && last.length + size > self.segment_bytes {
            self.roll()?;
        }
        let frame = Frame {
            kind,
            seq: self.next_seq,
            durable: self.durable,
            number,
            length,
            parent,
            hash,
            previous: self.previous,
            payload: payload_check(payload),
        };
        let segment = self.segments.back_mut().expect("there is always one");
        let (head, check) = frame.encode(&segment.salt);
        let record = [&head[..], payload].concat();
        let offset = segment.length;
        let written = segment.file.write_at(offset, &record);
        written.map_err(segment.place.io("write the file"))?;
        segment.length += size;
        segment.max_number = segment.max_number.max(number);
        let entry = Entry::new(&frame, segment.index, offset);
        self.next_seq += 1;
        self.previous = check;
        self.note(entry);
        Ok(entry)
    }

    /// Begins another file.
    fn roll(&mut self) -> Result<(), StoreError> {
        let last = self.last();
        last.file.sync().map_err(last.place.io("synchronise the file"))?;
        let next = (last.index + 1, self.next_seq, self.previous);
        self.durable = self.next_seq - 1;
        self.segments.push_back(Segment::create(&self.disk, self.genesis, next)?);
        Ok(())
    }

    /// What there is to synchronise: the log may grow meanwhile.
    pub(crate) fn pending(&self) -> Result<Option<Pending>, StoreError> {
        self.check_not_failed()?;
        let seq = self.next_seq - 1;
        if seq == self.durable {
            return Ok(None);
        }
        let last = self.last();
        let (file, place) = (Arc::clone(&last.file), last.place.clone());
        Ok(Some(Pending { file, place, seq }))
    }

    /// Takes note of what a synchronisation came to.
    pub(crate) fn synced(
        &mut self,
        pending: &Pending,
        result: Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        self.failed |= result.is_err();
        result?;
        self.durable = self.durable.max(pending.seq);
        Ok(())
    }

    /// Makes all that was written durable.
    pub(crate) fn sync(&mut self) -> Result<(), StoreError> {
        let Some(pending) = self.pending()? else { return Ok(()) };
        let result = pending.sync();
        self.synced(&pending, result)
    }

    /// Takes no more.
    pub(crate) fn fail(&mut self) {
        self.failed = true;
    }

    pub(crate) fn check_not_failed(&self) -> Result<(), StoreError> {
        if self.failed { Err(StoreError::Failed) } else { Ok(()) }
    }

    /// All records up to this one are durable.
    pub(crate) fn durable(&self) -> u64 {
        self.durable
    }

    fn last(&self) -> &Segment {
        self.segments.back().expect("there is always one")
    }

    /// The files, the oldest first.
    pub(crate) fn segments(&self) -> &VecDeque<Segment> {
        &self.segments
    }

    /// The blocks of the chain that are here, the oldest first.
    pub(crate) fn blocks(&self) -> &VecDeque<Entry> {
        &self.blocks
    }

    /// How many files at the beginning hold only what is applied, and blocks up to `number`.
    pub(crate) fn removable(&self, applied: u64, number: u64) -> usize {
        let next = self.segments.iter().skip(1);
        let pairs = self.segments.iter().zip(next);
        let is_old = |(segment, next): &(&Segment, &Segment)| {
            next.first_seq <= applied + 1 && segment.max_number <= number
        };
        pairs.take_while(is_old).count()
    }

    /// Forgets the first file, and removes it.
    pub(crate) fn remove_first(&mut self) -> Result<(), StoreError> {
        let first = self.segments.pop_front().expect("there is always one");
        while self.blocks.front().is_some_and(|entry| entry.segment == first.index) {
            self.blocks.pop_front();
        }
        remove(&self.disk, first.index)
    }
}

fn remove(disk: &Arc<dyn Disk>, index: u64) -> Result<(), StoreError> {
    let name = segment::name(index);
    let place = Place::new(disk, &name);
    disk.remove(&name).map_err(place.io("remove the file"))
}

/// The files of the log from `start` on, without gaps. Those before are what an interrupted removal
/// left.
fn segments_from(disk: &Arc<dyn Disk>, start: u64) -> Result<Vec<u64>, StoreError> {
    let place = Place::new(disk, "");
    let names = disk.names().map_err(place.io("read the folder"))?;
    let mut indices: Vec<_> = names.iter().filter_map(|name| index_of(name)).collect();
    indices.sort_unstable();
    for &index in indices.iter().filter(|index| **index < start) {
        remove(disk, index)?;
    }
    indices.retain(|index| *index >= start);
    let gap = indices.iter().zip(start..).find(|(index, wanted)| **index != *wanted);
    match gap {
        Some((_, wanted)) => {
            Err(StoreError::Incomplete { folder: disk.place(""), missing: segment::name(wanted) })
        }
        None => Ok(indices),
    }
}

/// Whether the system said that there is nothing under this name.
pub(crate) fn is_absent(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::NotFound
}
