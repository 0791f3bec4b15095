//! Blocks on a state that lies on a disk and fits into no cache: a plain loop that waits for each
//! read, beside engines with more threads than cores, whose workers wait at the same time.
//!
//! Each transaction reads slots drawn uniformly from all, and writes one. Before each execution the
//! store is opened anew and the system forgets its files' pages, so that reads go to the disk. All
//! executions must come to the same result.
//!
//! `cargo run --release -p block-stm-pipeline --example cold_state -- FOLDER [SLOTS [CACHE_MIB
//! [TXNS [READS]]]]`
//!
//! FOLDER gets a store with SLOTS slots (50,000,000), some 150 bytes each, and keeps it for the
//! next time.

use std::{
    error::Error,
    fs,
    num::NonZeroUsize,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use block_stm_pipeline::{
    StoredState,
    block_stm_evm::{
        Block, BlockResult, InvalidTxn, ParallelOptions,
        access_list::execute_with_access_list,
        block_stm::{Config, Engine},
        execute_parallel, execute_sequential,
        revm::{
            context::{BlockEnv, TxEnv},
            primitives::{Address, B256, Bytes, KECCAK_EMPTY, TxKind, U256, hardfork, keccak256},
        },
    },
    block_stm_store::{
        Account, AccountChange, AccountUpdate, FullBlock, Keep, Options, SlotChange, Store,
        disk::Folder,
    },
};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

const TURNS: usize = 3;
/// Slots of one block while the store is made.
const BATCH: u64 = 250_000;
const READER: Address = Address::repeat_byte(0x77);

/// What is asked for on the command line.
struct Wanted {
    folder: PathBuf,
    slots: u64,
    cache: usize,
    txns: u64,
    reads: u16,
}

impl Wanted {
    fn parse() -> Result<Self> {
        let mut args = std::env::args().skip(1);
        let folder = args.next().ok_or("which folder? It gets the store")?.into();
        let mut number = |default: u64| match args.next() {
            None => Ok(default),
            Some(text) => text.parse().map_err(|_| format!("{text}: not a number")),
        };
        let (slots, cache) = (number(50_000_000)?, number(256)?);
        let (txns, reads) = (number(2_000)?, number(20)?);
        Ok(Self { folder, slots, cache: (cache << 20) as usize, txns, reads: reads.try_into()? })
    }

    fn options(&self) -> Options {
        Options::default().cache_bytes(self.cache).verify(false)
    }
}

fn sender(number: u64) -> Address {
    Address::from_word(keccak256(number.to_be_bytes()))
}

/// A contract with two words of input, seed and slot. It reads `reads` slots below `slots` that
/// follow from the seed, and writes their sum into the slot.
fn reader(slots: u64, reads: u16) -> Bytes {
    let mut code = vec![0x60, 0x00, 0x35, 0x60, 0x00, 0x52]; // memory[0] = seed
    code.push(0x61); // n = reads
    code.extend(reads.to_be_bytes());
    code.push(0x5f); // sum = 0
    code.extend([0x5b, 0x90, 0x80, 0x60, 0x20, 0x52, 0x90]); // loop: memory[32] = n
    code.push(0x67); // sum += slot(keccak(memory[..64]) % slots)
    code.extend(slots.to_be_bytes());
    code.extend([0x60, 0x40, 0x5f, 0x20, 0x06, 0x54, 0x01]);
    code.extend([0x90, 0x60, 0x01, 0x90, 0x03, 0x90]); // n -= 1
    code.extend([0x81, 0x60, 0x0a, 0x57]); // on while n > 0
    code.extend([0x60, 0x20, 0x35, 0x55, 0x00]); // slot(target) = sum
    code.into()
}

/// The state before the first block: reader and senders.
fn genesis(wanted: &Wanted) -> FullBlock {
    let code = reader(wanted.slots, wanted.reads);
    let account = |address, nonce, code_hash| {
        let balance = U256::from(1) << 80;
        let after = Some(Account { nonce, balance, code_hash });
        AccountUpdate { address, after, storage_wiped: false, slots: Vec::new() }.onto_nothing()
    };
    let senders = (0..wanted.txns).map(|number| account(sender(number), 0, KECCAK_EMPTY));
    let changes = senders.chain([account(READER, 1, keccak256(&code))]).collect();
    FullBlock { hash: hash(0), codes: vec![code], changes, ..FullBlock::default() }
}

fn hash(number: u64) -> B256 {
    keccak256(number.to_be_bytes())
}

/// Makes the store, unless it is there.
fn make(wanted: &Wanted) -> Result<()> {
    let first = genesis(wanted);
    let blocks = wanted.slots.div_ceil(BATCH);
    let reader = first.changes.iter().find(|change| change.address == READER);
    let account = reader.and_then(|change| change.after);
    let disk = Folder::create(&wanted.folder)?;
    let store = Store::open_or_create(disk, first, wanted.options().flush_blocks(1))?;
    let (head, _) = store.head();
    for number in head + 1..=blocks {
        let keys = (number - 1) * BATCH..wanted.slots.min(number * BATCH);
        let value = |key: u64| U256::from_be_bytes(keccak256(key.to_le_bytes()).0);
        let slot =
            |key| SlotChange { slot: U256::from(key), before: U256::ZERO, after: value(key) };
        let slots = keys.map(slot).collect();
        let (before, after) = (account, account);
        let change = AccountChange { address: READER, before, after, slots };
        let (hash, parent, changes) = (hash(number), hash(number - 1), vec![change]);
        store.append(FullBlock { number, hash, parent, changes, ..FullBlock::default() })?;
        store.sync()?;
        store.flush()?;
        store.prune(Keep { changes: 1, ..Keep::default() })?;
        if number % 20 == 0 {
            eprintln!("{} of {} slots", number * BATCH, wanted.slots);
        }
    }
    Ok(store.close()?)
}

fn block(wanted: &Wanted) -> Block {
    let txn = |number: u64| {
        let mut input = keccak256(number.to_le_bytes()).to_vec();
        input.extend(U256::from(wanted.slots + number).to_be_bytes::<32>());
        TxEnv {
            caller: sender(number),
            kind: TxKind::Call(READER),
            data: input.into(),
            gas_limit: 60_000 + 2_400 * u64::from(wanted.reads),
            chain_id: Some(1),
            ..TxEnv::default()
        }
    };
    let gas_limit = u64::MAX;
    let env = BlockEnv { number: U256::from(1), gas_limit, ..BlockEnv::default() };
    Block::new(hardfork::SpecId::SHANGHAI, env, (0..wanted.txns).map(txn).collect())
}

/// Lets the system forget the pages of all files in the folder.
fn forget(folder: &Path) -> Result<()> {
    for entry in fs::read_dir(folder)? {
        let file = fs::File::open(entry?.path())?;
        file.sync_all()?;
        rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::DontNeed)?;
    }
    Ok(())
}

/// What the process has read from disks so far.
fn disk_bytes() -> u64 {
    let io = fs::read_to_string("/proc/self/io").unwrap_or_default();
    let line = io.lines().find_map(|line| line.strip_prefix("read_bytes: "));
    line.and_then(|bytes| bytes.parse().ok()).unwrap_or(0)
}

struct Measured {
    name: String,
    times: Vec<Duration>,
    bytes: u64,
}

impl Measured {
    fn median(&mut self) -> Duration {
        self.times.sort_unstable();
        self.times[self.times.len() / 2]
    }
}

fn main() -> Result<()> {
    let wanted = Wanted::parse()?;
    make(&wanted)?;
    let block = block(&wanted);
    let engine = |threads: usize| -> Result<Engine> {
        Ok(Engine::new(Config::default().threads(NonZeroUsize::new(threads).ok_or("no threads")?))?)
    };
    let cores = std::thread::available_parallelism()?.get();
    let engines = [cores, 8 * cores, 32 * cores].map(engine);
    let engines = engines.into_iter().collect::<Result<Vec<_>>>()?;
    let mut rows = vec!["plain loop".to_owned()];
    rows.extend(engines.iter().map(|engine| format!("engine, {} threads", engine.threads())));
    rows.push(format!("with its access list, {} threads", 32 * cores));
    let rows = rows.into_iter().map(|name| Measured { name, times: Vec::new(), bytes: 0 });
    let mut rows: Vec<_> = rows.collect();
    let mut first: Option<BlockResult> = None;
    let options = ParallelOptions::default().access_list();
    for _ in 0..TURNS {
        for (place, row) in rows.iter_mut().enumerate() {
            forget(&wanted.folder)?;
            let store = Store::open(Folder::new(&wanted.folder), wanted.options())?;
            let state = StoredState::new(store.snapshot()?);
            let (start, bytes) = (Instant::now(), disk_bytes());
            let mut result = match place {
                0 => execute_sequential(&block, &state, InvalidTxn::Reject)?,
                place if place <= engines.len() => {
                    execute_parallel(&engines[place - 1], &block, &state, &options)?.result
                }
                _ => {
                    let known = first.as_ref().and_then(|first| first.access_list.as_ref());
                    let list = known.ok_or("the list was made before")?;
                    execute_with_access_list(&engines[engines.len() - 1], &block, &state, list)?
                }
            };
            row.times.push(start.elapsed());
            row.bytes = disk_bytes() - bytes;
            if result.access_list.is_none() {
                result.access_list = first.as_ref().and_then(|first| first.access_list.clone());
            }
            let same = first.as_ref().is_none_or(|first| {
                first.state == result.state && first.receipts == result.receipts
            });
            if !same {
                return Err(format!("{}: another result", row.name).into());
            }
            if first.as_ref().is_none_or(|first| first.access_list.is_none()) {
                first = Some(result);
            }
        }
    }
    print(&wanted, rows);
    Ok(())
}

fn print(wanted: &Wanted, mut rows: Vec<Measured>) {
    let Wanted { slots, cache, txns, reads, .. } = wanted;
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    println!(
        "{slots} slots on disk, cache of {} MiB, {txns} transactions of {reads} reads, medians of \
         {TURNS}, load {}",
        cache >> 20,
        load.trim()
    );
    println!("{:<36} {:>9} {:>10} {:>9} {:>8}", "", "ms", "reads/s", "from disk", "speed-up");
    let plain = rows[0].median();
    for row in &mut rows {
        let median = row.median();
        println!(
            "{:<36} {:>9.1} {:>10.0} {:>7.1} M {:>7.2}x",
            row.name,
            median.as_secs_f64() * 1e3,
            (txns * u64::from(*reads)) as f64 / median.as_secs_f64(),
            row.bytes as f64 / 1e6,
            plain.as_secs_f64() / median.as_secs_f64()
        );
    }
}
