//! Rows of the tables: each value ends in a check of key and value, since redb checks its pages
//! only when it is asked to.

use alloy_primitives::{Address, B256, Bytes, U256};

use super::StoredBlock;
use crate::{
    FullBlock,
    codec::{Malformed, Reader, Writer},
};

/// The bytes of a check.
pub(super) const CHECK_BYTES: usize = 8;

/// The check of a row.
fn check(key: &[u8], value: &[u8]) -> [u8; CHECK_BYTES] {
    let mut hasher = blake3::Hasher::new();
    hasher.update(key).update(value);
    hasher.finalize().as_bytes()[..CHECK_BYTES].try_into().expect("a hash is longer")
}

/// The value with its check.
pub(super) fn sealed(key: &[u8], value: &[u8]) -> Vec<u8> {
    [value, &check(key, value)].concat()
}

/// The value without its check, if that is right.
pub(super) fn opened<'a>(key: &[u8], bytes: &'a [u8]) -> Option<&'a [u8]> {
    let (value, found) = bytes.split_at_checked(bytes.len().checked_sub(CHECK_BYTES)?)?;
    (check(key, value) == found).then_some(value)
}

/// The key of a slot: the order of the bytes is that of address and slot.
pub(super) fn slot_key(address: &Address, slot: &U256) -> [u8; 52] {
    let mut key = [0; 52];
    key[..20].copy_from_slice(address.as_slice());
    key[20..].copy_from_slice(&slot.to_be_bytes::<32>());
    key
}

/// The slot in a key.
pub(super) fn slot_of(key: &[u8; 52]) -> (Address, U256) {
    (Address::from_slice(&key[..20]), U256::from_be_slice(&key[20..]))
}

/// A block without its receipts, as a row.
pub(super) fn block_to_row(block: &FullBlock) -> Vec<u8> {
    let mut writer = Writer::default();
    writer.array(block.hash.as_slice());
    writer.array(block.parent.as_slice());
    writer.bytes(&block.header);
    writer.bytes(&block.body);
    writer.count(block.txns.len());
    block.txns.iter().for_each(|hash| writer.array(hash.as_slice()));
    writer.into_bytes()
}

/// The block in a row.
pub(super) fn block_from_row(number: u64, row: &[u8]) -> Result<StoredBlock, Malformed> {
    let reader = &mut Reader::new(row);
    let (hash, parent) = (B256::from(reader.array()?), B256::from(reader.array()?));
    let (header, body): (Bytes, Bytes) = (reader.bytes()?, reader.bytes()?);
    let txns = reader.list(32, |reader| Ok(B256::from(reader.array()?)))?;
    reader.end()?;
    Ok(StoredBlock { number, hash, parent, header, body, txns })
}
