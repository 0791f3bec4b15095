//! The tables on redb, and how they are written.
//!
//! ```text
//! meta       "format" u16, "genesis" hash, "applied" sequence number, number and hash,
//!            "log" index of the first file of the log that is wanted
//! accounts   address                   nonce u64, balance 32, code hash 32
//! slots      address, slot             value; there are no zeros
//! codes      hash                      code
//! blocks     number                    hash, parent, header, body, hashes of transactions
//! receipts   number                    receipts
//! hashes     hash of a block           number
//! txns       hash of a transaction     number, place in the block u32
//! ```
//!
//! Each value ends in [its check](super::row).

use std::sync::Arc;

use alloy_primitives::B256;
use parking_lot::RwLock;
use redb::{
    Builder, Database, Key, ReadTransaction, ReadableDatabase, ReadableTable,
    ReadableTableMetadata, TableDefinition, TableHandle, WriteTransaction,
};

use super::{
    Applied, Batch, FlatState, FlatView, Old, TableStats,
    backend::Backend,
    guarded::{Guarded, guarded},
    row::{block_from_row, block_to_row, opened, sealed, slot_key},
};
use crate::{
    StoreError,
    codec::{Reader, Writer},
    disk::{Disk, DiskFile},
    log::is_absent,
    place::{DRAFT, Place},
};

pub(super) type Rows<K> = TableDefinition<'static, K, &'static [u8]>;

const META: Rows<&str> = TableDefinition::new("meta");
pub(super) const ACCOUNTS: Rows<&[u8; 20]> = TableDefinition::new("accounts");
pub(super) const SLOTS: Rows<&[u8; 52]> = TableDefinition::new("slots");
pub(super) const CODES: Rows<&[u8; 32]> = TableDefinition::new("codes");
pub(super) const BLOCKS: Rows<u64> = TableDefinition::new("blocks");
pub(super) const RECEIPTS: Rows<u64> = TableDefinition::new("receipts");
pub(super) const HASHES: Rows<&[u8; 32]> = TableDefinition::new("hashes");
pub(super) const TXNS: Rows<&[u8; 32]> = TableDefinition::new("txns");

/// The names of all tables but `meta`.
const TABLES: [&str; 7] = ["accounts", "slots", "codes", "blocks", "receipts", "hashes", "txns"];

/// The version of the tables.
const VERSION: u16 = 1;
/// The file of the tables.
pub(crate) const FILE: &str = "flat.redb";

/// The flat state on redb, in the file `flat.redb`.
#[derive(Debug)]
pub struct Tables {
    pub(super) database: RwLock<Database>,
    pub(super) place: Place,
}

/// The error of redb as one of the store.
pub(super) fn failed<E: Into<redb::Error>>(place: &Place) -> impl Fn(E) -> StoreError + use<'_, E> {
    |error| match error.into() {
        redb::Error::Corrupted(what) => place.damaged(0, what),
        redb::Error::Io(source) => place.io("use the file")(source),
        redb::Error::PreviousIo => StoreError::Failed,
        other => StoreError::Flat { place: place.path(), source: Box::new(other) },
    }
}

impl Tables {
    /// Opens the tables on `disk`, or makes them, empty, for the chain with this genesis block.
    /// redb keeps up to `cache` bytes of them in memory. With `verify` all pages are read and
    /// checked.
    ///
    /// # Errors
    ///
    /// The disk's; damage; tables of another version or chain.
    pub fn open(
        disk: &Arc<dyn Disk>,
        genesis: B256,
        cache: usize,
        verify: bool,
    ) -> Result<Self, StoreError> {
        let place = Place::new(disk, FILE);
        let file = match disk.open(FILE) {
            Err(error) if is_absent(&error) => {
                // It gets its name when it is whole: redb can't use what it has begun to make.
                let draft = format!("{FILE}{DRAFT}");
                let file = disk.create(&draft).map_err(place.io("create the file"))?;
                Self::on(file, &place, cache, false)?.make(genesis)?;
                disk.rename(&draft, FILE).map_err(place.io("rename the file"))?;
                disk.sync_folder().map_err(place.io("synchronise the folder of the file"))?;
                disk.open(FILE).map_err(place.io("open the file"))?
            }
            opened => opened.map_err(place.io("open the file"))?,
        };
        let tables = Self::on(file, &place, cache, verify)?;
        tables.check_owner(genesis)?;
        Ok(tables)
    }

    fn on(
        file: Box<dyn DiskFile>,
        place: &Place,
        cache: usize,
        verify: bool,
    ) -> Result<Self, StoreError> {
        let database = guarded(place, || {
            let mut builder = Builder::new();
            builder.set_cache_size(cache).set_check_integrity_on_open(verify);
            builder.create_with_backend(Backend(file)).map_err(failed(place))
        })?;
        Ok(Self { database: RwLock::new(database), place: place.clone() })
    }

    /// Checks whose tables these are.
    fn check_owner(&self, wanted: B256) -> Result<(), StoreError> {
        let place = self.place.path();
        let missing = || self.place.damaged(0, "the tables do not say what they are");
        let version = self.meta("format")?.ok_or_else(missing)?;
        let found = u16::from_le_bytes(self.field(&version)?);
        if found != VERSION {
            return Err(StoreError::Version { place, offset: 0, found, known: VERSION });
        }
        let genesis = self.meta("genesis")?.ok_or_else(missing)?;
        let found = B256::from(self.field::<32>(&genesis)?);
        if found != wanted {
            return Err(StoreError::OtherChain { place, found, wanted });
        }
        Ok(())
    }

    /// Makes all tables, empty.
    fn make(&self, genesis: B256) -> Result<(), StoreError> {
        self.write(|txn| {
            self.set_meta(txn, "format", &VERSION.to_le_bytes())?;
            self.set_meta(txn, "genesis", genesis.as_slice())?;
            txn.open_table(ACCOUNTS).map_err(failed(&self.place))?;
            txn.open_table(SLOTS).map_err(failed(&self.place))?;
            txn.open_table(CODES).map_err(failed(&self.place))?;
            txn.open_table(BLOCKS).map_err(failed(&self.place))?;
            txn.open_table(RECEIPTS).map_err(failed(&self.place))?;
            txn.open_table(HASHES).map_err(failed(&self.place))?;
            txn.open_table(TXNS).map_err(failed(&self.place))?;
            Ok(())
        })
    }

    /// A transaction that is durable when this returns, or has done nothing.
    fn write<R>(
        &self,
        what: impl FnOnce(&WriteTransaction) -> Result<R, StoreError>,
    ) -> Result<R, StoreError> {
        guarded(&self.place, || {
            let database = self.database.read();
            let mut txn = database.begin_write().map_err(failed(&self.place))?;
            // To open after a crash must not take the longer the larger the state is.
            txn.set_quick_repair(true);
            let result = what(&txn)?;
            txn.commit().map_err(failed(&self.place))?;
            Ok(result)
        })
    }

    fn meta(&self, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        guarded(&self.place, || {
            let txn = self.database.read().begin_read().map_err(failed(&self.place))?;
            let table = match txn.open_table(META) {
                Err(redb::TableError::TableDoesNotExist(_)) => return Ok(None),
                table => table.map_err(failed(&self.place))?,
            };
            let row = table.get(key).map_err(failed(&self.place))?;
            row.map(|row| self.value(key.as_bytes(), row.value()).map(<[u8]>::to_vec)).transpose()
        })
    }

    fn set_meta(&self, txn: &WriteTransaction, key: &str, value: &[u8]) -> Result<(), StoreError> {
        let mut table = txn.open_table(META).map_err(failed(&self.place))?;
        let row = sealed(key.as_bytes(), value);
        table.insert(key, &row[..]).map_err(failed(&self.place))?;
        Ok(())
    }

    /// The value of a row whose check is right.
    fn value<'a>(&self, key: &[u8], bytes: &'a [u8]) -> Result<&'a [u8], StoreError> {
        opened(key, bytes).ok_or_else(|| self.place.damaged(0, "a row is damaged"))
    }

    fn field<const N: usize>(&self, value: &[u8]) -> Result<[u8; N], StoreError> {
        value.try_into().map_err(|_| self.place.damaged(0, "a row has another length"))
    }

    fn table_stats<K: Key + 'static>(
        &self,
        txn: &ReadTransaction,
        definition: Rows<K>,
    ) -> Result<TableStats, StoreError> {
        let table = txn.open_table(definition).map_err(failed(&self.place))?;
        let stats = table.stats().map_err(failed(&self.place))?;
        let rows = table.len().map_err(failed(&self.place))?;
        let name = TABLES.into_iter().find(|name| *name == definition.name());
        let name = name.expect("all tables are listed");
        Ok(TableStats { name, rows, bytes: stats.stored_bytes() })
    }

    /// The numbers of all blocks.
    pub(super) fn block_numbers(&self) -> Result<Vec<u64>, StoreError> {
        let txn = self.database.read().begin_read().map_err(failed(&self.place))?;
        let blocks = txn.open_table(BLOCKS).map_err(failed(&self.place))?;
        let rows = blocks.iter().map_err(failed(&self.place))?;
        let numbers = rows.map(|row| Ok::<_, redb::StorageError>(row?.0.value()));
        numbers.collect::<Result<_, _>>().map_err(failed(&self.place))
    }

    fn remove_block(&self, txn: &WriteTransaction, number: u64) -> Result<(), StoreError> {
        let failed = failed::<redb::StorageError>(&self.place);
        let open = failed_to_open(&self.place);
        let row = {
            let mut blocks = txn.open_table(BLOCKS).map_err(&open)?;
            let row = blocks.remove(number).map_err(&failed)?;
            row.map(|row| row.value().to_vec())
        };
        let Some(row) = row else { return Ok(()) };
        let value = self.value(&number.to_be_bytes(), &row)?;
        let block = block_from_row(number, value).map_err(|error| self.place.damaged(0, error))?;
        txn.open_table(HASHES).map_err(&open)?.remove(&*block.hash).map_err(&failed)?;
        let mut txns = txn.open_table(TXNS).map_err(&open)?;
        for hash in &block.txns {
            txns.remove(&**hash).map_err(&failed)?;
        }
        Ok(())
    }

    fn write_blocks(&self, txn: &WriteTransaction, batch: &Batch<'_>) -> Result<(), StoreError> {
        let failed = failed::<redb::StorageError>(&self.place);
        let open = failed_to_open(&self.place);
        for &number in &batch.removed {
            self.remove_block(txn, number)?;
            txn.open_table(RECEIPTS).map_err(&open)?.remove(number).map_err(&failed)?;
        }
        let mut blocks = txn.open_table(BLOCKS).map_err(&open)?;
        let mut receipts = txn.open_table(RECEIPTS).map_err(&open)?;
        let mut hashes = txn.open_table(HASHES).map_err(&open)?;
        let mut txns = txn.open_table(TXNS).map_err(&open)?;
        for block in &batch.added {
            let (number, key) = (block.number, block.number.to_be_bytes());
            let row = sealed(&key, &block_to_row(block));
            blocks.insert(number, &row[..]).map_err(&failed)?;
            receipts.insert(number, &sealed(&key, &block.receipts)[..]).map_err(&failed)?;
            let row = sealed(block.hash.as_slice(), &number.to_le_bytes());
            hashes.insert(&*block.hash, &row[..]).map_err(&failed)?;
            for (place, hash) in (0_u32..).zip(&block.txns) {
                let value = [&number.to_le_bytes()[..], &place.to_le_bytes()].concat();
                txns.insert(&**hash, &sealed(hash.as_slice(), &value)[..]).map_err(&failed)?;
            }
        }
        Ok(())
    }

    fn write_state(&self, txn: &WriteTransaction, batch: &Batch<'_>) -> Result<(), StoreError> {
        let failed = failed::<redb::StorageError>(&self.place);
        let open = failed_to_open(&self.place);
        let mut accounts = txn.open_table(ACCOUNTS).map_err(&open)?;
        for (address, account) in &batch.accounts {
            match account {
                None => accounts.remove(&address.0.0).map_err(&failed)?,
                Some(account) => {
                    let row = sealed(address.as_slice(), &account.to_bytes());
                    accounts.insert(&address.0.0, &row[..]).map_err(&failed)?
                }
            };
        }
        let mut slots = txn.open_table(SLOTS).map_err(&open)?;
        for ((address, slot), value) in &batch.slots {
            let key = slot_key(address, slot);
            if value.is_zero() {
                slots.remove(&key).map_err(&failed)?;
            } else {
                let row = sealed(&key, &value.to_le_bytes::<32>());
                slots.insert(&key, &row[..]).map_err(&failed)?;
            }
        }
        let mut codes = txn.open_table(CODES).map_err(&open)?;
        for (hash, code) in &batch.codes {
            codes.insert(&**hash, &sealed(hash.as_slice(), code)[..]).map_err(&failed)?;
        }
        Ok(())
    }
}

fn failed_to_open(place: &Place) -> impl Fn(redb::TableError) -> StoreError + use<'_> {
    failed(place)
}

impl FlatState for Tables {
    fn applied(&self) -> Result<Option<Applied>, StoreError> {
        let Some(value) = self.meta("applied")? else { return Ok(None) };
        let reader = &mut Reader::new(&value);
        let mut read = || {
            let applied =
                Applied { seq: reader.u64()?, number: reader.u64()?, hash: reader.array()?.into() };
            reader.end()?;
            Ok(applied)
        };
        let wrong = |error: crate::codec::Malformed| self.place.damaged(0, error);
        read().map(Some).map_err(wrong)
    }

    fn log_start(&self) -> Result<u64, StoreError> {
        match self.meta("log")? {
            Some(value) => Ok(u64::from_le_bytes(self.field(&value)?)),
            None => Ok(1),
        }
    }

    fn set_log_start(&self, segment: u64) -> Result<(), StoreError> {
        self.write(|txn| self.set_meta(txn, "log", &segment.to_le_bytes()))
    }

    fn view(&self) -> Result<Arc<dyn FlatView>, StoreError> {
        Ok(Arc::new(Guarded::new(self)?))
    }

    fn apply(&self, batch: &Batch<'_>) -> Result<(), StoreError> {
        self.write(|txn| {
            self.write_blocks(txn, batch)?;
            self.write_state(txn, batch)?;
            let mut writer = Writer::default();
            writer.u64(batch.applied.seq);
            writer.u64(batch.applied.number);
            writer.array(batch.applied.hash.as_slice());
            self.set_meta(txn, "applied", &writer.into_bytes())
        })
    }

    fn forget(&self, old: Old, number: u64, most: usize) -> Result<usize, StoreError> {
        let failed = failed::<redb::StorageError>(&self.place);
        let open = failed_to_open(&self.place);
        self.write(|txn| {
            let table = match old {
                Old::Blocks => BLOCKS,
                Old::Receipts => RECEIPTS,
            };
            let numbers = {
                let table = txn.open_table(table).map_err(&open)?;
                let range = table.range(..number).map_err(&failed)?.take(most);
                let numbers = range.map(|row| Ok(row?.0.value()));
                numbers.collect::<Result<Vec<_>, _>>().map_err(&failed)?
            };
            for &number in &numbers {
                match old {
                    Old::Blocks => self.remove_block(txn, number)?,
                    Old::Receipts => {
                        let mut table = txn.open_table(RECEIPTS).map_err(&open)?;
                        table.remove(number).map_err(&failed)?;
                    }
                }
            }
            Ok(numbers.len())
        })
    }

    fn compact(&self) -> Result<(), StoreError> {
        guarded(&self.place, || {
            let mut database = self.database.write();
            while database.compact().map_err(failed(&self.place))? {}
            Ok(())
        })
    }

    fn check(&self) -> Result<(), StoreError> {
        guarded(&self.place, || super::check::check(self))
    }

    fn stats(&self) -> Result<Vec<TableStats>, StoreError> {
        guarded(&self.place, || {
            let txn = self.database.read().begin_read().map_err(failed(&self.place))?;
            Ok(vec![
                self.table_stats(&txn, ACCOUNTS)?,
                self.table_stats(&txn, SLOTS)?,
                self.table_stats(&txn, CODES)?,
                self.table_stats(&txn, BLOCKS)?,
                self.table_stats(&txn, RECEIPTS)?,
                self.table_stats(&txn, HASHES)?,
                self.table_stats(&txn, TXNS)?,
            ])
        })
    }
}
