//! The tables as they were at some time: a transaction of redb that only reads.

use std::ops::Bound;

use alloy_primitives::{Address, B256, Bytes, U256};
use redb::{Key, ReadOnlyTable, ReadTransaction, ReadableDatabase};

use super::{
    StoredBlock, Tables,
    row::{block_from_row, opened, slot_key, slot_of},
    tables::{ACCOUNTS, BLOCKS, CODES, HASHES, RECEIPTS, Rows, SLOTS, TXNS, failed},
};
use crate::{Account, StoreError, place::Place};

type Table<K> = ReadOnlyTable<K, &'static [u8]>;

/// A view of the tables.
pub(super) struct View {
    accounts: Table<&'static [u8; 20]>,
    slots: Table<&'static [u8; 52]>,
    codes: Table<&'static [u8; 32]>,
    blocks: Table<u64>,
    receipts: Table<u64>,
    hashes: Table<&'static [u8; 32]>,
    txns: Table<&'static [u8; 32]>,
    place: Place,
}

impl std::fmt::Debug for View {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("View").field("place", &self.place).finish_non_exhaustive()
    }
}

impl View {
    pub(super) fn new(tables: &Tables) -> Result<Self, StoreError> {
        let place = &tables.place;
        let txn = tables.database.read().begin_read().map_err(failed(place))?;
        fn open<K: Key + 'static>(
            txn: &ReadTransaction,
            place: &Place,
            table: Rows<K>,
        ) -> Result<Table<K>, StoreError> {
            txn.open_table(table).map_err(failed(place))
        }
        Ok(Self {
            accounts: open(&txn, place, ACCOUNTS)?,
            slots: open(&txn, place, SLOTS)?,
            codes: open(&txn, place, CODES)?,
            blocks: open(&txn, place, BLOCKS)?,
            receipts: open(&txn, place, RECEIPTS)?,
            hashes: open(&txn, place, HASHES)?,
            txns: open(&txn, place, TXNS)?,
            place: place.clone(),
        })
    }

    fn value<'a>(&self, key: &[u8], bytes: &'a [u8]) -> Result<&'a [u8], StoreError> {
        opened(key, bytes).ok_or_else(|| self.place.damaged(0, "a row is damaged"))
    }

    fn field<const N: usize>(&self, key: &[u8], bytes: &[u8]) -> Result<[u8; N], StoreError> {
        let value = self.value(key, bytes)?;
        value.try_into().map_err(|_| self.place.damaged(0, "a row has another length"))
    }
}

impl View {
    pub(super) fn account(&self, address: &Address) -> Result<Option<Account>, StoreError> {
        let row = self.accounts.get(&address.0.0).map_err(failed(&self.place))?;
        let read = |row: redb::AccessGuard<'_, _>| {
            Ok(Account::from_bytes(&self.field(address.as_slice(), row.value())?))
        };
        row.map(read).transpose()
    }

    pub(super) fn slot(&self, address: &Address, slot: &U256) -> Result<U256, StoreError> {
        let key = slot_key(address, slot);
        let Some(row) = self.slots.get(&key).map_err(failed(&self.place))? else {
            return Ok(U256::ZERO);
        };
        Ok(U256::from_le_bytes(self.field::<32>(&key, row.value())?))
    }

    pub(super) fn code(&self, hash: &B256) -> Result<Option<Bytes>, StoreError> {
        let row = self.codes.get(&**hash).map_err(failed(&self.place))?;
        let read = |row: redb::AccessGuard<'_, &[u8]>| {
            self.value(hash.as_slice(), row.value()).map(Bytes::copy_from_slice)
        };
        row.map(read).transpose()
    }

    pub(super) fn accounts(
        &self,
        after: Option<Address>,
        most: usize,
    ) -> Result<Vec<(Address, Account)>, StoreError> {
        let after = after.map(|address| address.0.0);
        let start = after.as_ref().map_or(Bound::Unbounded, Bound::Excluded);
        let range = self.accounts.range::<&[u8; 20]>((start, Bound::Unbounded));
        let mut accounts = Vec::new();
        for row in range.map_err(failed(&self.place))?.take(most) {
            let (key, row) = row.map_err(failed(&self.place))?;
            let account = Account::from_bytes(&self.field(key.value(), row.value())?);
            accounts.push((Address::from(*key.value()), account));
        }
        Ok(accounts)
    }

    pub(super) fn slots(
        &self,
        address: &Address,
        after: Option<U256>,
        most: usize,
    ) -> Result<Vec<(U256, U256)>, StoreError> {
        let first = slot_key(address, &after.unwrap_or_default());
        let last = slot_key(address, &U256::MAX);
        let start = if after.is_some() { Bound::Excluded(&first) } else { Bound::Included(&first) };
        let range = self.slots.range::<&[u8; 52]>((start, Bound::Included(&last)));
        let mut slots = Vec::new();
        for row in range.map_err(failed(&self.place))?.take(most) {
            let (key, row) = row.map_err(failed(&self.place))?;
            let value = U256::from_le_bytes(self.field::<32>(key.value(), row.value())?);
            slots.push((slot_of(key.value()).1, value));
        }
        Ok(slots)
    }

    pub(super) fn block(&self, number: u64) -> Result<Option<StoredBlock>, StoreError> {
        let Some(row) = self.blocks.get(number).map_err(failed(&self.place))? else {
            return Ok(None);
        };
        let value = self.value(&number.to_be_bytes(), row.value())?;
        block_from_row(number, value).map(Some).map_err(|error| self.place.damaged(0, error))
    }

    pub(super) fn receipts(&self, number: u64) -> Result<Option<Bytes>, StoreError> {
        let row = self.receipts.get(number).map_err(failed(&self.place))?;
        let read = |row: redb::AccessGuard<'_, &[u8]>| {
            self.value(&number.to_be_bytes(), row.value()).map(Bytes::copy_from_slice)
        };
        row.map(read).transpose()
    }

    pub(super) fn number_of(&self, hash: &B256) -> Result<Option<u64>, StoreError> {
        let row = self.hashes.get(&**hash).map_err(failed(&self.place))?;
        let read = |row: redb::AccessGuard<'_, &[u8]>| {
            Ok(u64::from_le_bytes(self.field(hash.as_slice(), row.value())?))
        };
        row.map(read).transpose()
    }

    pub(super) fn txn(&self, hash: &B256) -> Result<Option<(u64, u32)>, StoreError> {
        let row = self.txns.get(&**hash).map_err(failed(&self.place))?;
        let Some(row) = row else { return Ok(None) };
        let value = self.field::<12>(hash.as_slice(), row.value())?;
        let (number, place) = value.split_at(8);
        let number = u64::from_le_bytes(number.try_into().expect("it has 8 bytes"));
        Ok(Some((number, u32::from_le_bytes(place.try_into().expect("it has 4 bytes")))))
    }
}
