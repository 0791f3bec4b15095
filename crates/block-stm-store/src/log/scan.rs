//! Reading the log when it is opened: what is whole, and what a power cut left.

use std::collections::VecDeque;

use alloy_primitives::B256;

use super::{
    Entry, Kind, MAX_RECORD_BYTES,
    frame::{Check, Frame, HEAD_BYTES, MAGIC, NoFrame, VERSION, shortened},
    segment::{SEGMENT_HEAD_BYTES, Segment},
};
use crate::{StoreError, flat::Applied};

/// So many bytes are read at once.
const CHUNK: usize = 1 << 20;

/// Reads one file after another.
#[derive(Debug)]
pub(super) struct Scan {
    applied: Option<Applied>,
    segments: VecDeque<Segment>,
    entries: Vec<Entry>,
    next_seq: u64,
    previous: Check,
    /// Up to where the last record says that all was durable.
    vouched: u64,
    /// Number and hash of the block that the next one must follow on, where that is known.
    head: Option<(u64, B256)>,
}

/// Why there is no record at a place.
enum Fault {
    /// It is not whole.
    Broken(&'static str),
    Error(StoreError),
}

impl From<StoreError> for Fault {
    fn from(error: StoreError) -> Self {
        Self::Error(error)
    }
}

/// What was read: files, records, the number of the next record, and the check of the last one.
type Scanned = (VecDeque<Segment>, Vec<Entry>, u64, Check);

impl Scan {
    pub(super) fn new(applied: Option<Applied>) -> Self {
        Self {
            applied,
            segments: VecDeque::new(),
            entries: Vec::new(),
            next_seq: 1,
            previous: [0; 16],
            vouched: 0,
            head: None,
        }
    }

    fn applied_seq(&self) -> u64 {
        self.applied.map_or(0, |applied| applied.seq)
    }

    /// Reads a file; the last one is cut where a power cut left it unfinished.
    pub(super) fn segment(&mut self, segment: Segment, is_last: bool) -> Result<(), StoreError> {
        if self.segments.is_empty() {
            (self.next_seq, self.previous) = (segment.first_seq, segment.previous);
            let applied = self.applied_seq();
            if segment.first_seq > applied + 1 {
                let what = format!(
                    "the log begins with record {}, and the flat state ends with {applied}",
                    segment.first_seq
                );
                return Err(segment.place.damaged(24, what));
            }
        }
        if segment.first_seq != self.next_seq || segment.previous != self.previous {
            return Err(segment.place.damaged(24, "this file does not follow on the one before"));
        }
        let mut segment = segment;
        let length = segment.file.len().map_err(segment.place.io("read the file"))?;
        let mut at = SEGMENT_HEAD_BYTES as u64;
        while at < length {
            match self.record(&segment, at, length) {
                Ok(entry) => {
                    at = entry.offset + HEAD_BYTES as u64 + entry.length;
                    segment.max_number = segment.max_number.max(entry.number);
                    self.entries.push(entry);
                }
                Err(Fault::Error(error)) => return Err(error),
                Err(Fault::Broken(what)) => {
                    if !is_last || self.was_durable(&segment, at, length)? {
                        return Err(segment.place.damaged(at, what));
                    }
                    let cut = segment.file.set_len(at);
                    cut.map_err(segment.place.io("cut the file"))?;
                    break;
                }
            }
        }
        segment.length = at;
        if is_last {
            self.make_durable(&segment)?;
        }
        self.segments.push_back(segment);
        Ok(())
    }

    /// Makes sure that all of the last file is on the disk: what another process wrote may be with
    /// the system alone. After a failed synchronisation the system takes it for written, although
    /// it is not; so what no later head or flat state vouches for is written again.
    fn make_durable(&self, segment: &Segment) -> Result<(), StoreError> {
        let certain = self.applied_seq().max(self.vouched);
        let in_doubt = |entry: &&Entry| entry.segment == segment.index && entry.seq > certain;
        let mut at = self.entries.iter().find(in_doubt).map_or(segment.length, |it| it.offset);
        while at < segment.length {
            let rest = usize::try_from(segment.length - at).unwrap_or(usize::MAX);
            let mut chunk = vec![0; rest.min(CHUNK)];
            segment.file.read_at(at, &mut chunk).map_err(segment.place.io("read the file"))?;
            segment.file.write_at(at, &chunk).map_err(segment.place.io("write the file"))?;
            at += chunk.len() as u64;
        }
        segment.file.sync().map_err(segment.place.io("synchronise the file"))
    }

    fn record(&mut self, segment: &Segment, at: u64, length: u64) -> Result<Entry, Fault> {
        let damaged = |what: &str| Fault::Error(segment.place.damaged(at, what));
        let mut head = [0; HEAD_BYTES];
        if length - at < head.len() as u64 {
            return Err(Fault::Broken("the file ends in the head of a record"));
        }
        segment.file.read_at(at, &mut head).map_err(segment.place.io("read the file"))?;
        let (frame, check) = Frame::decode(&head, &segment.salt).map_err(|fault| match fault {
            NoFrame::Broken => Fault::Broken("this is not the head of a record"),
            NoFrame::Version(found) => Fault::Error(StoreError::Version {
                place: segment.place.path(),
                offset: at,
                found,
                known: VERSION,
            }),
        })?;
        if frame.seq != self.next_seq || frame.previous != self.previous {
            return Err(damaged("this record does not follow on the one before"));
        }
        if frame.length > MAX_RECORD_BYTES {
            return Err(damaged("this record is longer than records are"));
        }
        let start = at + HEAD_BYTES as u64;
        if frame.length > length - start {
            return Err(Fault::Broken("the file ends in a record"));
        }
        if hash(segment, start, frame.length)? != frame.payload {
            return Err(Fault::Broken("this record is damaged"));
        }
        self.follow(&frame).map_err(|what| damaged(&what))?;
        (self.next_seq, self.previous) = (frame.seq + 1, check);
        self.vouched = frame.durable;
        Ok(Entry::new(&frame, segment.index, at))
    }

    /// Whether the record says what may come next.
    fn follow(&mut self, frame: &Frame) -> Result<(), String> {
        let (number, hash) = (frame.number, frame.hash);
        match (frame.kind, self.head) {
            (Kind::Block, Some((head, parent)))
                if head.checked_add(1) != Some(number) || parent != frame.parent =>
            {
                return Err(format!("block {number} does not follow on block {head} {parent}"));
            }
            (Kind::Rewind, Some((head, _))) if number > head => {
                return Err(format!("block {number} to return to is above block {head}"));
            }
            _ => {}
        }
        self.head = Some((number, hash));
        match self.applied {
            Some(applied)
                if applied.seq == frame.seq && (applied.number, applied.hash) != (number, hash) =>
            {
                Err(format!("the flat state has another block {} here", applied.number))
            }
            _ => Ok(()),
        }
    }

    /// Whether the record that should be at `at` was reported durable.
    fn was_durable(&self, segment: &Segment, at: u64, length: u64) -> Result<bool, StoreError> {
        let seq = self.next_seq;
        if seq <= self.applied_seq() {
            return Ok(true);
        }
        let mut start = at + 1;
        while length.saturating_sub(start) >= HEAD_BYTES as u64 {
            let rest = usize::try_from(length - start).unwrap_or(usize::MAX);
            let mut chunk = vec![0; rest.min(CHUNK + HEAD_BYTES)];
            segment.file.read_at(start, &mut chunk).map_err(segment.place.io("read the file"))?;
            let vouches = chunk.windows(HEAD_BYTES).filter(|bytes| bytes.starts_with(&MAGIC));
            let mut vouches = vouches.filter_map(|bytes| {
                let head = bytes.try_into().expect("a window has its width");
                Frame::decode(head, &segment.salt).ok()
            });
            if vouches.any(|(frame, _)| frame.durable >= seq) {
                return Ok(true);
            }
            start += (chunk.len() - HEAD_BYTES + 1) as u64;
        }
        Ok(false)
    }

    pub(super) fn finish(self) -> Result<Scanned, StoreError> {
        let applied = self.applied_seq();
        if let Some(last) = self.segments.back()
            && self.next_seq <= applied
        {
            let what = format!("the log ends here, and the flat state has record {applied}");
            return Err(last.place.damaged(last.length, what));
        }
        Ok((self.segments, self.entries, self.next_seq, self.previous))
    }
}

/// The check of a record's bytes, in bounded memory.
fn hash(segment: &Segment, start: u64, length: u64) -> Result<Check, StoreError> {
    let mut hasher = blake3::Hasher::new();
    let (mut at, end) = (start, start + length);
    let mut chunk = vec![0; usize::try_from(length).unwrap_or(usize::MAX).min(CHUNK)];
    while at < end {
        let rest = usize::try_from(end - at).unwrap_or(usize::MAX);
        let part = rest.min(chunk.len());
        let bytes = &mut chunk[..part];
        segment.file.read_at(at, bytes).map_err(segment.place.io("read the file"))?;
        hasher.update(bytes);
        at += bytes.len() as u64;
    }
    Ok(shortened(hasher.finalize()))
}
