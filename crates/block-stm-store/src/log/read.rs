//! Reading records again.

use alloy_primitives::B256;

use super::{Entry, Log, Segment, frame::Frame, frame::HEAD_BYTES, frame::payload_check};
use crate::{FullBlock, StoreError};

impl Entry {
    pub(super) fn new(frame: &Frame, segment: u64, offset: u64) -> Self {
        Self {
            kind: frame.kind,
            seq: frame.seq,
            number: frame.number,
            hash: frame.hash,
            parent: frame.parent,
            segment,
            offset,
            length: frame.length,
            payload: frame.payload,
        }
    }

    /// Number, hash and parent of its block.
    pub(crate) fn id(&self) -> (u64, B256, B256) {
        (self.number, self.hash, self.parent)
    }
}

/// A record's place, with what it takes to read it without the log.
#[derive(Clone, Debug)]
pub(crate) struct Located {
    segment: Segment,
    entry: Entry,
}

impl Log {
    /// Where the record of `entry` is.
    pub(crate) fn locate(&self, entry: Entry) -> Located {
        let first = self.segments.front().expect("there is always one").index;
        let place = usize::try_from(entry.segment - first).expect("files are in memory");
        Located { segment: self.segments[place].clone(), entry }
    }

    /// The block in the record of `entry`.
    pub(crate) fn block(&self, entry: Entry) -> Result<FullBlock, StoreError> {
        self.locate(entry).block()
    }
}

impl Located {
    /// The error that something is wrong with the record.
    pub(crate) fn damaged(&self, what: impl ToString) -> StoreError {
        self.segment.place.damaged(self.entry.offset, what)
    }

    /// The bytes of the record without its head.
    pub(crate) fn length(&self) -> usize {
        usize::try_from(self.entry.length).expect("records fit in memory")
    }

    /// The block in the record.
    ///
    /// # Errors
    ///
    /// The disk's; damage, if the record is not what it was when the log was opened.
    pub(crate) fn block(&self) -> Result<FullBlock, StoreError> {
        let Self { segment, entry } = self;
        let start = entry.offset + HEAD_BYTES as u64;
        let mut payload = vec![0; self.length()];
        let read = segment.file.read_at(start, &mut payload);
        read.map_err(segment.place.io("read the file"))?;
        if payload_check(&payload) != entry.payload {
            let what = format!("the record of block {} is damaged", entry.number);
            return Err(self.damaged(what));
        }
        FullBlock::decode(entry.id(), &payload).map_err(|error| {
            let what = format!("the record of block {} is not in form: {error}", entry.number);
            self.damaged(what)
        })
    }
}
