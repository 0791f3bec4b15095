//! The file that says that a folder is a store, and whose: `STORE`.
//!
//! ```text
//! byte   0  magic "BSTMSTOR"
//!        8  format version u16
//!       10  zeros 6
//!       16  hash of the chain's genesis block 32
//!       48  check 16 of the bytes 0 to 47: the beginning of their BLAKE3 hash
//! ```

use std::{io, sync::Arc};

use alloy_primitives::B256;

use crate::{
    StoreError,
    disk::Disk,
    flat::FILE as FLAT,
    log::{index_of, is_absent},
    place::{DRAFT, Place, publish},
};

/// The file's name.
const FILE: &str = "STORE";
const MAGIC: &[u8; 8] = b"BSTMSTOR";
const VERSION: u16 = 1;
const BYTES: usize = 64;

fn check(fields: &[u8]) -> [u8; 16] {
    blake3::hash(fields).as_bytes()[..16].try_into().expect("a hash is longer")
}

/// Makes a folder a store of the chain with this genesis block.
pub(super) fn write(disk: &Arc<dyn Disk>, genesis: B256) -> Result<(), StoreError> {
    let mut bytes = [&MAGIC[..], &VERSION.to_le_bytes(), &[0; 6], genesis.as_slice()].concat();
    let check = check(&bytes);
    bytes.extend_from_slice(&check);
    publish(disk, FILE, &bytes)
}

/// The genesis block of the store in a folder, or nothing if the folder has no file of a store.
pub(super) fn read(disk: &Arc<dyn Disk>) -> Result<Option<B256>, StoreError> {
    let place = Place::new(disk, FILE);
    let missing = |error: &io::Error| is_absent(error);
    let names = match disk.names() {
        Err(error) if missing(&error) => {
            return Err(StoreError::Missing { folder: disk.place("") });
        }
        names => names.map_err(Place::new(disk, "").io("read the folder"))?,
    };
    if !names.iter().any(|name| name == FILE) {
        let is_of_store = |name: &&String| *name == FLAT || index_of(name).is_some();
        return match names.iter().find(is_of_store) {
            Some(_) => {
                Err(StoreError::Incomplete { folder: disk.place(""), missing: FILE.to_owned() })
            }
            None => Ok(None),
        };
    }
    let file = disk.open(FILE).map_err(place.io("open the file"))?;
    let length = file.len().map_err(place.io("read the file"))?;
    if length < BYTES as u64 {
        return Err(place.damaged(length, "the file is too short"));
    }
    let mut bytes = [0; BYTES];
    file.read_at(0, &mut bytes).map_err(place.io("read the file"))?;
    let (fields, found) = bytes.split_at(BYTES - 16);
    if !fields.starts_with(MAGIC) || check(fields) != found {
        return Err(place.damaged(0, "this is not the head of a store"));
    }
    let version = u16::from_le_bytes([fields[8], fields[9]]);
    if version != VERSION {
        let place = place.path();
        return Err(StoreError::Version { place, offset: 8, found: version, known: VERSION });
    }
    Ok(Some(B256::from_slice(&fields[16..])))
}

/// Removes files that an interrupted write left under their temporary names.
pub(super) fn remove_drafts(disk: &Arc<dyn Disk>) -> Result<(), StoreError> {
    let names = disk.names().map_err(Place::new(disk, "").io("read the folder"))?;
    let is_ours = |name: &str| name == FILE || name == FLAT || index_of(name).is_some();
    let is_draft = |name: &&String| name.strip_suffix(DRAFT).is_some_and(is_ours);
    names.iter().filter(is_draft).try_for_each(|name| {
        disk.remove(name).map_err(Place::new(disk, name).io("remove the file"))
    })
}
