//! A node on a store: executes each block of a chain in parallel on the state there, which each of
//! the engine's threads reads through a snapshot of its own, checks it against its header, and
//! stores what it changed in one transaction.

use std::{env, error::Error, path::Path};

use block_stm_chain::{block_stm_evm as evm, import::import_chain};
use evm::{
    AccountChange, HandlePool, ParallelOptions, SlotChange,
    block_stm::{Config, Engine},
    revm,
};
use redb::{Database, ReadTransaction, ReadableDatabase, TableDefinition, WriteTransaction};
use revm::primitives::{Address, B256, U256};
use revm::state::{AccountInfo, Bytecode};

/// Nonce, balance and code hash.
const ACCOUNTS: TableDefinition<[u8; 20], (u64, [u8; 32], [u8; 32])> =
    TableDefinition::new("accounts");
const SLOTS: TableDefinition<([u8; 20], [u8; 32]), [u8; 32]> = TableDefinition::new("slots");
const CODES: TableDefinition<[u8; 32], &[u8]> = TableDefinition::new("codes");
const HASHES: TableDefinition<u64, [u8; 32]> = TableDefinition::new("hashes");

#[derive(Debug, thiserror::Error)]
#[error("the store: {0}")]
struct StoreError(String);
impl revm::database_interface::DBErrorMarker for StoreError {}

/// One reader's view of the state; each of the engine's threads opens its own.
struct Snapshot(ReadTransaction);

fn told<E: std::fmt::Display>(error: E) -> StoreError {
    StoreError(error.to_string())
}

impl revm::Database for Snapshot {
    type Error = StoreError;
    fn basic(&mut self, address: Address) -> Result<Option<AccountInfo>, StoreError> {
        let table = self.0.open_table(ACCOUNTS).map_err(told)?;
        let account = table.get(address.into_array()).map_err(told)?;
        Ok(account.map(|account| {
            let (nonce, balance, hash) = account.value();
            let (balance, code_hash) = (U256::from_be_bytes(balance), B256::new(hash));
            AccountInfo { balance, nonce, code_hash, code: None, ..AccountInfo::default() }
        }))
    }
    fn code_by_hash(&mut self, hash: B256) -> Result<Bytecode, StoreError> {
        let code = self.0.open_table(CODES).map_err(told)?.get(hash.0).map_err(told)?;
        let code = code.ok_or_else(|| StoreError(format!("no code {hash}")))?;
        Bytecode::new_raw_checked(code.value().to_vec().into()).map_err(told)
    }
    fn storage(&mut self, address: Address, slot: U256) -> Result<U256, StoreError> {
        let table = self.0.open_table(SLOTS).map_err(told)?;
        let value = table.get((address.into_array(), slot.to_be_bytes())).map_err(told)?;
        Ok(value.map_or(U256::ZERO, |value| U256::from_be_bytes(value.value())))
    }
    fn block_hash(&mut self, number: u64) -> Result<B256, StoreError> {
        let hash = self.0.open_table(HASHES).map_err(told)?.get(number).map_err(told)?;
        hash.map(|hash| B256::new(hash.value())).ok_or_else(|| told(format!("no block {number}")))
    }
}

fn store(txn: &WriteTransaction, change: &AccountChange) -> Result<(), Box<dyn Error>> {
    let (mut slots, address) = (txn.open_table(SLOTS)?, change.address.into_array());
    if change.storage_wiped {
        slots.retain_in((address, [0; 32])..=(address, [255; 32]), |_, _| false)?;
    }
    for slot in &change.storage {
        let key = (address, slot.slot.to_be_bytes());
        match slot.after.is_zero() {
            true => drop(slots.remove(key)?),
            false => drop(slots.insert(key, slot.after.to_be_bytes())?),
        }
    }
    let mut accounts = txn.open_table(ACCOUNTS)?;
    let Some(info) = &change.info else {
        accounts.remove(address)?;
        return Ok(());
    };
    accounts.insert(address, (info.nonce, info.balance.to_be_bytes(), info.code_hash.0))?;
    if let Some(code) = &info.code {
        txn.open_table(CODES)?.insert(info.code_hash.0, code.original_byte_slice())?;
    }
    Ok(())
}

/// Follows the chain in a folder with `genesis.json` and `chain.rlp`; how many blocks it has.
fn follow(folder: &Path, db: &Database) -> Result<usize, Box<dyn Error>> {
    let chain = import_chain(folder)?;
    let engine = Engine::new(Config::default())?;
    let txn = db.begin_write()?;
    for (address, account) in chain.genesis.accounts() {
        let mut change = AccountChange::new(*address, Some(account.info.clone()));
        let slots = account.storage.iter();
        change.storage =
            slots.map(|(&slot, &after)| SlotChange { slot, before: U256::ZERO, after }).collect();
        store(&txn, &change)?;
    }
    txn.open_table(HASHES)?.insert(0, chain.blocks[0].block.parent_hash.0)?;
    txn.commit()?;
    for block in &chain.blocks {
        let state = HandlePool::new(|| db.begin_read().map(Snapshot).map_err(told));
        let options = ParallelOptions::default();
        let result = evm::execute_parallel(&engine, &block.block, &state, &options)?.result;
        if let [difference, ..] = &block.header.differences(&result)[..] {
            return Err(format!("block {}: {difference:?}", block.number).into());
        }
        let txn = db.begin_write()?;
        result.state.iter().try_for_each(|change| store(&txn, change))?;
        txn.open_table(HASHES)?.insert(block.number, block.hash.0)?;
        txn.commit()?;
    }
    Ok(chain.blocks.len())
}

pub(crate) fn follow_in_a_new_store(folder: &Path) -> Result<(), Box<dyn Error>> {
    let file = env::temp_dir().join(format!("node-{}.redb", std::process::id()));
    let blocks = follow(folder, &Database::create(&file)?);
    std::fs::remove_file(&file)?;
    println!("{} blocks", blocks?);
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    let folder = env::args_os().nth(1).ok_or("usage: node_redb FOLDER")?;
    follow_in_a_new_store(Path::new(&folder))
}
