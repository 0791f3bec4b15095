//! What it costs to make blocks durable: the store with a synchronisation per block and per group,
//! beside redb alone with a durable commit per block and per group.
//!
//! Both sides write the same blocks, end with the same state in redb's tables, and take turns. The
//! last column is a checksum of the accounts and slots that are there in the end.
//!
//! `cargo run --release -p block-stm-store --example durable -- FOLDER [BLOCKS [SLOTS [GROUP]]]`

use std::{
    error::Error,
    fs,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use alloy_primitives::{Address, B256, Bytes, KECCAK256_EMPTY, U256, keccak256};
use block_stm_store::{
    Account, AccountChange, FullBlock, Keep, Options, SlotChange, Store, disk::Folder,
};
use redb::{Database, ReadableDatabase, ReadableTable, TableDefinition};

const TURNS: usize = 3;
/// Accounts and slots are drawn from so many.
const STATE: u64 = 1_000_000;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// Numbers that look random.
fn draw(seed: u64) -> u64 {
    let z = (seed ^ (seed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

fn blocks(count: u64, slots: u64) -> Vec<FullBlock> {
    let mut blocks = vec![FullBlock { hash: B256::repeat_byte(1), ..FullBlock::default() }];
    let token = Address::repeat_byte(0x77);
    // What was there before is not needed to write: nothing is taken back.
    for number in 1..=count {
        let at = |index: u64| draw(number << 32 | index) % STATE;
        let mut keys: Vec<_> = (0..slots).map(at).collect();
        keys.sort_unstable();
        keys.dedup();
        let account =
            |nonce| Account { nonce, balance: U256::from(draw(nonce)), code_hash: KECCAK256_EMPTY };
        let change = |address, slots| AccountChange {
            address,
            before: None,
            after: Some(account(number)),
            slots,
        };
        let word = |slot| SlotChange {
            slot: U256::from(slot),
            before: U256::ZERO,
            after: U256::from(draw(number + slot) | 1),
        };
        let mut changes = vec![change(token, keys.iter().map(|slot| word(*slot)).collect())];
        let senders = keys.iter().step_by(2);
        changes.extend(senders.map(|key| {
            let word: [u8; 32] = keccak256(key.to_le_bytes()).0;
            change(Address::from_slice(&word[..20]), vec![])
        }));
        blocks.push(FullBlock {
            number,
            hash: keccak256(number.to_le_bytes()),
            parent: blocks[number as usize - 1].hash,
            header: Bytes::from(vec![1; 600]),
            body: Bytes::from(vec![2; 110 * keys.len() / 2]),
            receipts: Bytes::from(vec![3; 60 * keys.len() / 2]),
            changes,
            ..FullBlock::default()
        });
    }
    blocks
}

/// A sum over all rows, whatever their order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Checksum(u64);

impl Checksum {
    fn add(&mut self, parts: &[&[u8]]) {
        let hash = blake3::hash(&parts.concat());
        let word = hash.as_bytes()[..8].try_into().expect("a hash is longer");
        self.0 = self.0.wrapping_add(u64::from_le_bytes(word));
    }
}

fn store(folder: &Path, blocks: &[FullBlock], group: usize) -> Result<(Duration, Checksum)> {
    let blocks_to_write = blocks[1..].to_vec();
    let genesis = blocks[0].clone();
    let options = Options::default();
    let store = Store::open_or_create(Folder::create(folder)?, genesis, options)?;
    let start = Instant::now();
    for (index, block) in blocks_to_write.into_iter().enumerate() {
        store.append(block)?;
        if (index + 1) % group == 0 {
            store.sync()?;
        }
    }
    store.sync()?;
    store.flush()?;
    let time = start.elapsed();
    let snapshot = store.snapshot()?;
    let mut sum = Checksum::default();
    for account in snapshot.accounts()? {
        let (address, account) = account?;
        sum.add(&[address.as_slice(), &account.nonce.to_le_bytes()]);
        for slot in snapshot.slots(address)? {
            let (slot, value) = slot?;
            sum.add(&[address.as_slice(), &slot.to_be_bytes::<32>(), &value.to_be_bytes::<32>()]);
        }
    }
    drop(snapshot);
    store.prune(Keep::default())?;
    Ok((time, sum))
}

const ACCOUNTS: TableDefinition<'_, &[u8; 20], &[u8]> = TableDefinition::new("accounts");
const SLOTS: TableDefinition<'_, &[u8; 52], &[u8; 32]> = TableDefinition::new("slots");
const BLOCKS: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("blocks");

fn redb(folder: &Path, blocks: &[FullBlock], group: usize) -> Result<(Duration, Checksum)> {
    fs::create_dir(folder)?;
    let database = Database::create(folder.join("plain.redb"))?;
    let start = Instant::now();
    for group in blocks[1..].chunks(group) {
        let txn = database.begin_write()?;
        {
            let mut accounts = txn.open_table(ACCOUNTS)?;
            let mut slots = txn.open_table(SLOTS)?;
            let mut rows = txn.open_table(BLOCKS)?;
            for block in group {
                for change in &block.changes {
                    let account = change.after.expect("none is destroyed");
                    let row = [
                        &account.nonce.to_le_bytes()[..],
                        &account.balance.to_le_bytes::<32>(),
                        account.code_hash.as_slice(),
                    ];
                    accounts.insert(&change.address.0.0, &row.concat()[..])?;
                    for slot in &change.slots {
                        let mut key = [0; 52];
                        key[..20].copy_from_slice(change.address.as_slice());
                        key[20..].copy_from_slice(&slot.slot.to_be_bytes::<32>());
                        slots.insert(&key, &slot.after.to_be_bytes::<32>())?;
                    }
                }
                let row = [&block.header[..], &block.body, &block.receipts].concat();
                rows.insert(block.number, &row[..])?;
            }
        }
        txn.commit()?;
    }
    let time = start.elapsed();
    let txn = database.begin_read()?;
    let mut sum = Checksum::default();
    for row in txn.open_table(ACCOUNTS)?.iter()? {
        let (key, row) = row?;
        sum.add(&[key.value(), &row.value()[..8]]);
    }
    for row in txn.open_table(SLOTS)?.iter()? {
        let (key, row) = row?;
        sum.add(&[key.value(), row.value()]);
    }
    Ok((time, sum))
}

fn main() -> Result<()> {
    let mut args = std::env::args().skip(1);
    let folder = PathBuf::from(args.next().ok_or("which folder, on the disk to measure?")?);
    let mut number = |default| args.next().map_or(Ok(default), |word| word.parse::<u64>());
    let (count, slots, group) = (number(200)?, number(2000)?, number(16)?);
    let group = usize::try_from(group)?.max(1);
    let blocks = blocks(count, slots);
    type Side = fn(&Path, &[FullBlock], usize) -> Result<(Duration, Checksum)>;
    let sides: [(&str, Side, usize); 4] = [
        ("store, synchronised per block", store, 1),
        ("store, synchronised per group", store, group),
        ("redb, durable commit per block", redb, 1),
        ("redb, durable commit per group", redb, group),
    ];
    let mut times = vec![vec![]; sides.len()];
    let mut sums = vec![];
    for turn in 0..TURNS {
        for (place, (_, side, group)) in sides.into_iter().enumerate() {
            let scratch = folder.join(format!("durable-{turn}-{place}"));
            let (time, sum) = side(&scratch, &blocks, group)?;
            fs::remove_dir_all(&scratch)?;
            times[place].push(time);
            sums.push(sum);
        }
    }
    println!("{count} blocks, {slots} slots drawn in each, groups of {group}; median of {TURNS}");
    for (place, (name, ..)) in sides.into_iter().enumerate() {
        times[place].sort_unstable();
        let median = times[place][TURNS / 2].as_secs_f64();
        let (low, high) = (times[place][0].as_secs_f64(), times[place][TURNS - 1].as_secs_f64());
        println!(
            "{name:32} {:8.1} blocks/s  {:6.2} s ({low:.2} to {high:.2})  {:016x}",
            count as f64 / median,
            median,
            sums[place].0
        );
    }
    match sums.windows(2).all(|pair| pair[0] == pair[1]) {
        true => Ok(()),
        false => Err("the sides end with different states".into()),
    }
}
