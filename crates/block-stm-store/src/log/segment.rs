//! A file of the log, and its head.
//!
//! ```text
//! byte   0  magic "BSTMLOG\n"
//!        8  format version u16
//!       10  zeros 6
//!       16  index u64: one more than that of the file before
//!       24  sequence number u64 of the first record
//!       32  hash of the chain's genesis block 32
//!       64  secret 32, the key of the checks of heads
//!       96  check 16 of the last record of the file before
//!      112  check 16 of the bytes 0 to 111
//! ```
//!
//! A file gets its name when its head is on the disk. So a head that is broken is damage, and never
//! the rest of an interrupted write.

use std::{hash::BuildHasher, sync::Arc};

use alloy_primitives::B256;

use super::frame::{Check, Salt, payload_check};
use crate::{
    StoreError,
    codec::{Reader, Writer},
    disk::{Disk, DiskFile},
    place::{Place, publish},
};

/// The bytes of a segment's head.
pub(crate) const SEGMENT_HEAD_BYTES: usize = 128;
const MAGIC: [u8; 8] = *b"BSTMLOG\n";
const VERSION: u16 = 1;
const PREFIX: &str = "log-";

/// A file of the log.
#[derive(Clone, Debug)]
pub(crate) struct Segment {
    pub(crate) index: u64,
    pub(crate) first_seq: u64,
    pub(crate) salt: Salt,
    /// The check of the record before its first one.
    pub(crate) previous: Check,
    pub(crate) file: Arc<dyn DiskFile>,
    pub(crate) place: Place,
    /// How many bytes of it are records, with its head.
    pub(crate) length: u64,
    /// The highest number of a block in it, 0 if there is none.
    pub(crate) max_number: u64,
}

/// The name of the segment with this index.
pub(crate) fn name(index: u64) -> String {
    format!("{PREFIX}{index:010}")
}

/// The index of the segment with this name, if it is that of one.
pub(crate) fn index_of(file: &str) -> Option<u64> {
    let index = file.strip_prefix(PREFIX)?.parse().ok()?;
    (name(index) == file).then_some(index)
}

impl Segment {
    /// Makes an empty segment.
    pub(crate) fn create(
        disk: &Arc<dyn Disk>,
        genesis: B256,
        (index, first_seq, previous): (u64, u64, Check),
    ) -> Result<Self, StoreError> {
        let salt = salt();
        let mut writer = Writer::default();
        writer.array(&MAGIC);
        writer.u16(VERSION);
        writer.array(&[0; 6]);
        writer.u64(index);
        writer.u64(first_seq);
        writer.array(genesis.as_slice());
        writer.array(&salt);
        writer.array(&previous);
        let mut head = writer.into_bytes();
        let check = payload_check(&head);
        head.extend_from_slice(&check);
        publish(disk, &name(index), &head)?;
        let place = Place::new(disk, &name(index));
        let file = disk.open(&name(index)).map_err(place.io("open the file"))?.into();
        let length = SEGMENT_HEAD_BYTES as u64;
        Ok(Self { index, first_seq, salt, previous, file, place, length, max_number: 0 })
    }

    /// Opens the segment with this index and reads its head.
    pub(crate) fn open(
        disk: &Arc<dyn Disk>,
        genesis: B256,
        wanted: u64,
    ) -> Result<Self, StoreError> {
        let place = Place::new(disk, &name(wanted));
        let file: Arc<dyn DiskFile> =
            disk.open(&name(wanted)).map_err(place.io("open the file"))?.into();
        let mut head = [0; SEGMENT_HEAD_BYTES];
        let length = file.len().map_err(place.io("read the file"))?;
        if length < head.len() as u64 {
            return Err(place.damaged(length, "the file ends in its head"));
        }
        file.read_at(0, &mut head).map_err(place.io("read the file"))?;
        let (fields, check) = head.split_at(SEGMENT_HEAD_BYTES - 16);
        if head[..8] != MAGIC || payload_check(fields) != check {
            return Err(place.damaged(0, "this is not the head of a file of the log"));
        }
        let mut reader = Reader::new(&fields[8..]);
        let mut read = || {
            let version = reader.u16()?;
            reader.array::<6>()?;
            let (index, first_seq) = (reader.u64()?, reader.u64()?);
            let found = B256::from(reader.array::<32>()?);
            Ok((version, index, first_seq, found, reader.array()?, reader.array()?))
        };
        let (version, index, first_seq, found, salt, previous) =
            read().map_err(|error: crate::codec::Malformed| place.damaged(8, error))?;
        if version != VERSION {
            let place = place.path();
            return Err(StoreError::Version { place, offset: 8, found: version, known: VERSION });
        }
        if index != wanted {
            return Err(place.damaged(16, format!("the file is the one with the index {index}")));
        }
        if found != genesis {
            return Err(StoreError::OtherChain { place: place.path(), found, wanted: genesis });
        }
        Ok(Self { index, first_seq, salt, previous, file, place, length, max_number: 0 })
    }
}

/// A secret that no one who makes blocks can know.
fn salt() -> Salt {
    // The keys of the standard library's hash maps come from the system's randomness.
    let word = |number: u64| std::hash::RandomState::new().hash_one(number);
    let words: Vec<u8> = (0..4).flat_map(|number| word(number).to_le_bytes()).collect();
    blake3::derive_key("block-stm-store segment", &words)
}
