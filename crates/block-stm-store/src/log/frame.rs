//! The head of a record in the log.
//!
//! ```text
//! byte   0  magic "BSTR"
//!        4  format version u16
//!        6  kind u16: 1 a block, 2 a return to an earlier one
//!        8  sequence number u64: one more than that of the record before
//!       16  durable u64: up to this sequence number all was synchronised when this was written
//!       24  block number u64
//!       32  length u64 of what follows the head
//!       40  hash of the block's parent 32
//!       72  hash of the block 32
//!      104  check 16 of the record before: the one at byte 144 there
//!      120  zeros 8
//!      128  check 16 of what follows the head
//!      144  check 16 of the bytes 0 to 143
//! ```
//!
//! A check is the beginning of a BLAKE3 hash. That of a head is keyed with a secret of its segment:
//! blocks hold bytes that strangers chose, and none of these can pass for a head.
//!
//! For a return, number and hash are those of the block that is the head then.

use alloy_primitives::B256;

use crate::codec::{Reader, Writer};

/// The bytes of a head.
pub(crate) const HEAD_BYTES: usize = 160;
/// What each head begins with.
pub(crate) const MAGIC: [u8; 4] = *b"BSTR";
/// The version of records that this program reads and writes.
pub(crate) const VERSION: u16 = 1;

/// The beginning of a hash.
pub(crate) type Check = [u8; 16];
/// A segment's secret.
pub(crate) type Salt = [u8; 32];

/// What a record says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A block follows on the head.
    Block,
    /// The blocks above this one are taken back.
    Rewind,
}

/// The head of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Frame {
    pub(crate) kind: Kind,
    pub(crate) seq: u64,
    pub(crate) durable: u64,
    pub(crate) number: u64,
    pub(crate) length: u64,
    pub(crate) parent: B256,
    pub(crate) hash: B256,
    pub(crate) previous: Check,
    pub(crate) payload: Check,
}

/// Why bytes are no head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NoFrame {
    /// Something else, or a damaged head.
    Broken,
    /// A head of another version, whole as far as can be told.
    Version(u16),
}

impl Frame {
    /// The head in bytes, and its own check.
    pub(crate) fn encode(&self, salt: &Salt) -> ([u8; HEAD_BYTES], Check) {
        let mut writer = Writer::default();
        writer.array(&MAGIC);
        writer.u16(VERSION);
        writer.u16(match self.kind {
            Kind::Block => 1,
            Kind::Rewind => 2,
        });
        for number in [self.seq, self.durable, self.number, self.length] {
            writer.u64(number);
        }
        writer.array(self.parent.as_slice());
        writer.array(self.hash.as_slice());
        writer.array(&self.previous);
        writer.u64(0);
        writer.array(&self.payload);
        let head = writer.into_bytes();
        let check = head_check(salt, &head);
        let bytes = [&head[..], &check].concat();
        (bytes.try_into().expect("the fields fill it"), check)
    }

    /// The head in these bytes, and its own check.
    pub(crate) fn decode(bytes: &[u8; HEAD_BYTES], salt: &Salt) -> Result<(Self, Check), NoFrame> {
        let (head, check) = bytes.split_at(HEAD_BYTES - 16);
        let mut reader = Reader::new(head);
        let is_whole = head_check(salt, head) == check;
        let fields = |reader: &mut Reader<'_>| {
            let (magic, version, kind) = (reader.array::<4>()?, reader.u16()?, reader.u16()?);
            let frame = Self {
                kind: if kind == 2 { Kind::Rewind } else { Kind::Block },
                seq: reader.u64()?,
                durable: reader.u64()?,
                number: reader.u64()?,
                length: reader.u64()?,
                parent: reader.array()?.into(),
                hash: reader.array()?.into(),
                previous: reader.array()?,
                payload: {
                    reader.u64()?;
                    reader.array()?
                },
            };
            Ok::<_, crate::codec::Malformed>((magic, version, kind, frame))
        };
        let (magic, version, kind, frame) = fields(&mut reader).map_err(|_| NoFrame::Broken)?;
        if magic != MAGIC || !is_whole {
            return Err(NoFrame::Broken);
        }
        if version != VERSION || !matches!(kind, 1 | 2) {
            return Err(NoFrame::Version(version));
        }
        Ok((frame, check.try_into().expect("it has 16 bytes")))
    }
}

/// The check of what follows a head.
pub(crate) fn payload_check(payload: &[u8]) -> Check {
    shortened(blake3::hash(payload))
}

/// The beginning of a hash.
pub(crate) fn shortened(hash: blake3::Hash) -> Check {
    hash.as_bytes()[..16].try_into().expect("a hash is longer")
}

fn head_check(salt: &Salt, head: &[u8]) -> Check {
    shortened(blake3::keyed_hash(salt, head))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_bit_of_a_head_can_change() {
        let frame = Frame {
            kind: Kind::Rewind,
            seq: 1,
            durable: 2,
            number: 3,
            length: 4,
            parent: B256::repeat_byte(5),
            hash: B256::repeat_byte(6),
            previous: [7; 16],
            payload: [8; 16],
        };
        let salt = [9; 32];
        let (bytes, check) = frame.encode(&salt);
        assert_eq!(Frame::decode(&bytes, &salt), Ok((frame, check)));
        assert_eq!(Frame::decode(&bytes, &[1; 32]), Err(NoFrame::Broken));
        for bit in 0..8 * HEAD_BYTES {
            let mut flipped = bytes;
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(Frame::decode(&flipped, &salt), Err(NoFrame::Broken), "bit {bit}");
        }
    }

    #[test]
    fn another_version_is_told_from_damage() {
        let salt = [9; 32];
        let mut bytes = [0; HEAD_BYTES];
        bytes[..4].copy_from_slice(&MAGIC);
        bytes[4..6].copy_from_slice(&7_u16.to_le_bytes());
        let check = head_check(&salt, &bytes[..HEAD_BYTES - 16]);
        bytes[HEAD_BYTES - 16..].copy_from_slice(&check);
        assert_eq!(Frame::decode(&bytes, &salt), Err(NoFrame::Version(7)));
    }
}
