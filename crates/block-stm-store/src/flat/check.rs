//! Whether the tables are whole, and agree with each other.

use alloy_primitives::{Address, B256, KECCAK256_EMPTY, keccak256};
use redb::{ReadableDatabase, ReadableTable, ReadableTableMetadata};

use super::{
    Tables,
    row::{opened, slot_of},
    tables::{CODES, HASHES, SLOTS, TXNS, failed},
    view::View,
};
use crate::StoreError;

/// So many rows are read at once.
const PAGE: usize = 4096;

/// Checks pages, rows, and what rows say of each other.
pub(super) fn check(tables: &Tables) -> Result<(), StoreError> {
    let place = &tables.place;
    let is_whole = tables.database.write().check_integrity().map_err(failed(place))?;
    if !is_whole {
        return Err(place.damaged(0, "pages were damaged, and could be mended"));
    }
    let view = View::new(tables)?;
    check_accounts(tables, &view)?;
    check_slots(tables, &view)?;
    check_codes(tables)?;
    check_blocks(tables, &view)
}

fn check_accounts(tables: &Tables, view: &View) -> Result<(), StoreError> {
    let mut after = None;
    loop {
        let page = view.accounts(after, PAGE)?;
        for (address, account) in &page {
            let hash = account.code_hash;
            if hash != KECCAK256_EMPTY && view.code(&hash)?.is_none() {
                let what = format!("the code {hash} of {address} is missing");
                return Err(tables.place.damaged(0, what));
            }
        }
        match page.last() {
            Some((address, _)) => after = Some(*address),
            None => return Ok(()),
        }
    }
}

fn check_slots(tables: &Tables, view: &View) -> Result<(), StoreError> {
    let place = &tables.place;
    let txn = tables.database.read().begin_read().map_err(failed(place))?;
    let table = txn.open_table(SLOTS).map_err(failed(place))?;
    let mut owner: Option<Address> = None;
    for row in table.iter().map_err(failed(place))? {
        let (key, row) = row.map_err(failed(place))?;
        let (address, slot) = slot_of(key.value());
        let value = opened(key.value(), row.value());
        if value.is_none_or(|value| value.iter().all(|byte| *byte == 0)) {
            return Err(place.damaged(0, format!("the row of the slot {slot} of {address}")));
        }
        if owner != Some(address) && view.account(&address)?.is_none() {
            return Err(place.damaged(0, format!("{address} has storage and is not there")));
        }
        owner = Some(address);
    }
    Ok(())
}

fn check_codes(tables: &Tables) -> Result<(), StoreError> {
    let place = &tables.place;
    let txn = tables.database.read().begin_read().map_err(failed(place))?;
    let table = txn.open_table(CODES).map_err(failed(place))?;
    for row in table.iter().map_err(failed(place))? {
        let (key, row) = row.map_err(failed(place))?;
        let hash = B256::from(*key.value());
        let code = opened(key.value(), row.value());
        if code.is_none_or(|code| keccak256(code) != hash) {
            return Err(place.damaged(0, format!("the row of the code {hash}")));
        }
    }
    Ok(())
}

fn check_blocks(tables: &Tables, view: &View) -> Result<(), StoreError> {
    let place = &tables.place;
    let numbers = tables.block_numbers()?;
    let mut last: Option<(u64, B256)> = None;
    let mut txns = 0;
    for &number in &numbers {
        let wrong = |what: &str| place.damaged(0, format!("block {number}: {what}"));
        let block = view.block(number)?.ok_or_else(|| wrong("it is missing"))?;
        if last.is_some_and(|last| last != (number - 1, block.parent)) {
            return Err(wrong("it does not follow on the block before"));
        }
        if view.number_of(&block.hash)? != Some(number) {
            return Err(wrong("the index by hash does not lead to it"));
        }
        for (index, hash) in (0_u32..).zip(&block.txns) {
            if view.txn(hash)? != Some((number, index)) {
                return Err(wrong(&format!("the index does not lead to its txn {index}")));
            }
        }
        txns += block.txns.len() as u64;
        last = Some((number, block.hash));
    }
    let txn = tables.database.read().begin_read().map_err(failed(place))?;
    let hashes = txn.open_table(HASHES).map_err(failed(place))?.len().map_err(failed(place))?;
    let indexed = txn.open_table(TXNS).map_err(failed(place))?.len().map_err(failed(place))?;
    if (hashes, indexed) != (numbers.len() as u64, txns) {
        return Err(place.damaged(0, "an index leads to blocks that are not there"));
    }
    let applied = super::FlatState::applied(tables)?;
    let head = applied.map(|applied| (applied.number, applied.hash));
    if last.is_some() && last != head {
        return Err(place.damaged(0, "the last block is not the head"));
    }
    for &number in &numbers {
        // Receipts may be forgotten; what is there can be read.
        view.receipts(number)?;
    }
    Ok(())
}
