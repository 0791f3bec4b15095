//! One block, from the node to a folder that was checked by replaying it.

use std::{
    fmt,
    path::{Path, PathBuf},
    sync::atomic::{AtomicBool, Ordering},
};

use block_stm::Engine;
use block_stm_chain::import::{ImportError, ImportedBlock, MemoryFiles, import_files};
use block_stm_evm::{
    BlockResult, InvalidTxn, ParallelOptions, ReceiptStatus,
    access_list::execute_sequential_with_list,
    execute_parallel, execute_sequential,
    revm::{
        primitives::{Address, B256},
        state::{AccountInfo, Bytecode},
    },
};
use serde_json::{Map, Value, json};
use tracing::{debug, info};

use super::{
    node::{Facts, Node, RawBlock, Receipt, Trace},
    proofs,
    remote::{Known, Read, Recording, RemoteState},
    rpc::RpcError,
};
use crate::{
    args::Source,
    check::{Check, Outcome},
    files::FolderDraft,
    measure::{Lists, Measured, measure},
    output,
};

/// Makes folders of blocks; for any number of threads.
#[derive(Debug)]
pub(super) struct Fetcher<'a> {
    pub(super) node: &'a Node,
    pub(super) out: &'a Path,
    pub(super) chain_json: Option<Vec<u8>>,
    pub(super) source: Source,
    pub(super) proofs: bool,
    /// Replays what was fetched.
    pub(super) engine: Engine,
    /// Reads ahead where there is no tracer: its threads wait for the node.
    pub(super) reader: Engine,
    /// Whether the chain has no contracts for requests (EIP-7002, EIP-7251), as anvil's.
    pub(super) has_no_requests: bool,
    pub(super) has_no_tracer: AtomicBool,
    pub(super) has_no_receipts: AtomicBool,
}

/// A block that is there now.
#[derive(Debug)]
pub(super) struct Fetched {
    pub(super) facts: Facts,
    pub(super) folder: PathBuf,
    /// Nothing for a block that was there before.
    pub(super) news: Option<News>,
}

/// What fetching and replaying a block came to.
#[derive(Debug)]
pub(super) struct News {
    pub(super) txns: usize,
    pub(super) gas_used: u64,
    pub(super) accounts: usize,
    pub(super) slots: usize,
    pub(super) by_tracer: bool,
    pub(super) sequential: std::time::Duration,
    pub(super) parallel: std::time::Duration,
    pub(super) checks: Vec<Check>,
}

/// Why a block is not there.
#[derive(Debug, thiserror::Error)]
pub(super) enum FetchError {
    #[error(transparent)]
    Rpc(#[from] RpcError),
    #[error(transparent)]
    Import(#[from] ImportError),
    /// The node has no such block.
    #[error("the node has no such block")]
    Missing,
    /// The block can't be executed, or not on what the node says of the state.
    #[error("{0}")]
    Execution(String),
    /// The replay does not agree with the header or with the node.
    #[error("{0}")]
    Disagrees(String),
    /// The folder can't be written, or something else is there.
    #[error("{0}")]
    Folder(String),
}

/// Files in memory, in their order.
type Contents = Vec<(&'static str, Vec<u8>)>;

impl Fetcher<'_> {
    /// Fetches the block `number`, unless it is there.
    pub(super) fn fetch(&self, number: u64) -> Result<Fetched, FetchError> {
        let folder = self.out.join(number.to_string());
        if let Some(facts) = self.present(number, &folder)? {
            info!("block {number} is there already: {}", folder.display());
            return Ok(Fetched { facts, folder, news: None });
        }
        let RawBlock { json, facts } = self.node.block(number)?.ok_or(FetchError::Missing)?;
        let mut files: Contents = vec![("block.json", line(json.get()))];
        files.extend(self.chain_json.clone().map(|json| ("chain.json", json)));
        if let Some(ommers) = self.ommers(&facts)? {
            files.push(("ommers.json", ommers));
        }
        files.push(("prestate.json", b"{}".to_vec()));
        let imported = imported(&files)?;
        info!("block {number} is read: {} txns, hash {}", imported.block.txns.len(), facts.hash);
        let (read, result, by_tracer) = self.read(number, &facts, &imported)?;
        files.pop();
        files.push(("prestate.json", pre_state_json(&read)));
        if !read.hashes.is_empty() {
            files.push(("blockhashes.json", pretty(&json!(read.hashes))));
        }
        if let Some(receipts) = self.receipts(&facts, &imported, &result)? {
            files.push(("receipts.json", receipts));
        }
        if self.proofs {
            let parent = self.node.block(number - 1)?.ok_or(FetchError::Missing)?;
            let root = self.root(&facts, &parent)?;
            let made_up = self.stand_ins(&imported);
            let proofs = proofs::proofs(self.node, number - 1, root, &read, &made_up)?;
            files.push(("proofs.json", proofs));
        }
        let (accounts, slots) = (read.accounts.len(), read.slots.len());
        let from = if by_tracer { "the tracer" } else { "an execution" };
        info!("block {number}: {from} told {accounts} accounts, {slots} of them with slots");
        let (measured, checks) = self.replayed(&files)?;
        for check in &checks {
            debug!("block {number}: {}: {:?}", check.name, check.outcome);
        }
        write(&folder, &files)
            .map_err(|error| FetchError::Folder(format!("{}: {error}", folder.display())))?;
        info!("block {number} is written to {}", folder.display());
        let news = News {
            txns: imported.block.txns.len(),
            gas_used: result.gas_used,
            accounts: read.accounts.len(),
            slots: read.slots.values().map(|slots| slots.len()).sum(),
            by_tracer,
            sequential: measured.sequential,
            parallel: measured.parallel,
            checks,
        };
        Ok(Fetched { facts, folder, news: Some(news) })
    }

    /// What the block in `folder` says of itself, if it is there with all that is wanted.
    fn present(&self, number: u64, folder: &Path) -> Result<Option<Facts>, FetchError> {
        use block_stm_chain::import::{import_folder, json::Document, json::read_file};
        if folder.symlink_metadata().is_err() {
            return Ok(None);
        }
        let in_the_way = |why: &dyn fmt::Display| {
            let folder = folder.display();
            FetchError::Folder(format!("{folder} is in the way, remove it: {why}"))
        };
        let imported = import_folder(folder).map_err(|error| in_the_way(&error))?;
        if imported.number != number {
            return Err(in_the_way(&format_args!("it has block {}", imported.number)));
        }
        if self.proofs && !folder.join("proofs.json").is_file() {
            return Err(in_the_way(&"it has no proofs.json"));
        }
        let file = folder.join("block.json");
        Ok(Some(Document::open(&file, &read_file(&file)?)?.parse()?))
    }

    fn ommers(&self, facts: &Facts) -> Result<Option<Vec<u8>>, FetchError> {
        let ommers = (0..facts.uncles.len()).map(|index| self.node.ommer(facts.hash, index));
        match ommers.collect::<Result<Vec<_>, _>>() {
            Ok(ommers) if ommers.is_empty() => Ok(None),
            Ok(ommers) => Ok(Some(serde_json::to_vec(&ommers).expect("answers are JSON"))),
            // The block can be replayed without them; their rewards are missing then.
            Err(RpcError::Unsupported { .. }) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// What the block reads of the state before it, its result, and whether the tracer told it.
    fn read(
        &self,
        number: u64,
        facts: &Facts,
        imported: &ImportedBlock,
    ) -> Result<(Read, BlockResult, bool), FetchError> {
        // ORDERING: Relaxed: a hint that saves requests.
        let asks = self.source == Source::Tracer
            || self.source == Source::Auto && !self.has_no_tracer.load(Ordering::Relaxed);
        let mut why = None;
        if asks {
            let traced = self.node.traces(facts.hash).map_err(FetchError::from);
            let traced = traced.and_then(|traces| known(traces, imported));
            let read = traced.and_then(|known| self.execute(number, imported, known));
            match read {
                Ok((read, result)) => return Ok((read, result, true)),
                Err(error @ FetchError::Rpc(RpcError::Hopeless(_) | RpcError::Interrupted)) => {
                    return Err(error);
                }
                Err(error) if self.source == Source::Tracer => return Err(error),
                Err(FetchError::Rpc(RpcError::Unsupported { .. })) => {
                    // ORDERING: Relaxed: as above.
                    if !self.has_no_tracer.swap(true, Ordering::Relaxed) {
                        output::note(
                            "the node has no prestate tracer: blocks are executed, and what they \
                             read is asked for",
                        );
                    }
                }
                Err(error) => {
                    info!("block {number} is executed, the tracer does not do: {error}");
                    why = Some(error);
                }
            }
        } else {
            debug!("block {number} is executed: the tracer is not asked");
        }
        // Whatever it comes to: the threads read what the execution in order will read.
        let state = self.state(number, imported, Known::default());
        let options = ParallelOptions::default();
        let _ = execute_parallel(&self.reader, &imported.block, &state, &options);
        let read = self.execute_on(&state, imported);
        read.map(|(read, result)| (read, result, false)).map_err(|error| why.unwrap_or(error))
    }

    fn execute(
        &self,
        number: u64,
        imported: &ImportedBlock,
        known: Known,
    ) -> Result<(Read, BlockResult), FetchError> {
        self.execute_on(&self.state(number, imported, known), imported)
    }

    /// The state before the block `number`.
    fn state(&self, number: u64, imported: &ImportedBlock, known: Known) -> RemoteState<'_> {
        RemoteState::new(self.node, number - 1, known).with_stand_ins(self.stand_ins(imported))
    }

    /// The contracts that the node's chain lacks.
    fn stand_ins(&self, imported: &ImportedBlock) -> Vec<Address> {
        let contracts = &imported.block.system_contracts;
        let all = [contracts.withdrawal_requests, contracts.consolidation_requests];
        all.into_iter().filter(|_| self.has_no_requests).collect()
    }

    /// The state root of a block's parent, whose hash is the one that the block names.
    fn root(&self, facts: &Facts, parent: &RawBlock) -> Result<B256, FetchError> {
        if parent.facts.hash != facts.parent_hash {
            let message = format!("its parent is {}, not {}", facts.parent_hash, parent.facts.hash);
            return Err(FetchError::Disagrees(message));
        }
        // Importing it checks that the hash is the header's.
        let mut files =
            vec![("block.json", line(parent.json.get())), ("prestate.json", b"{}".to_vec())];
        files.extend(self.chain_json.clone().map(|json| ("chain.json", json)));
        Ok(imported(&files)?.header.state_root)
    }

    /// Executes the block in order, and compares the result with the header.
    fn execute_on(
        &self,
        state: &RemoteState<'_>,
        imported: &ImportedBlock,
    ) -> Result<(Read, BlockResult), FetchError> {
        use block_stm_evm::ExecutionError::Database;
        let recording = Recording::new(state);
        let (block, header) = (&imported.block, &imported.header);
        let result = match header.access_list_hash {
            Some(_) => execute_sequential_with_list(block, &recording, InvalidTxn::Reject),
            None => execute_sequential(block, &recording, InvalidTxn::Reject),
        };
        let result = result.map_err(|error| match error {
            Database { source, .. } => FetchError::Rpc(source),
            other => FetchError::Execution(format!(
                "it can't be executed on the state that the node tells: {other}"
            )),
        })?;
        let differences = header.differences(&result);
        if let Some(first) = differences.first() {
            return Err(FetchError::Disagrees(format!(
                "header and execution disagree on the state that the node tells: {first}; are the \
                 chain's forks right (see --genesis)?"
            )));
        }
        Ok((recording.into_read(), result))
    }

    /// The node's receipts, which agree with those of the execution.
    fn receipts(
        &self,
        facts: &Facts,
        imported: &ImportedBlock,
        result: &BlockResult,
    ) -> Result<Option<Vec<u8>>, FetchError> {
        // ORDERING: Relaxed: a hint that saves requests.
        if self.has_no_receipts.load(Ordering::Relaxed) {
            return Ok(None);
        }
        let (json, receipts) = match self.node.receipts(facts.hash) {
            Err(RpcError::Unsupported { .. }) => {
                // ORDERING: Relaxed: as above.
                if !self.has_no_receipts.swap(true, Ordering::Relaxed) {
                    output::note("the node has no eth_getBlockReceipts: there is no receipts.json");
                }
                return Ok(None);
            }
            answer => answer?,
        };
        let is_same = |(one, other): (&Receipt, &block_stm_evm::Receipt)| {
            one.cumulative_gas_used.0 == other.cumulative_gas_used
                && one.logs.len() == other.logs.len()
                && match (&one.status, &other.status) {
                    (Some(status), ReceiptStatus::Success(success)) => (status.0 == 1) == *success,
                    _ => true,
                }
        };
        let place = receipts.iter().zip(&result.receipts).position(|pair| !is_same(pair));
        let expected = imported.block.txns.len();
        match place {
            _ if receipts.len() != expected => Err(FetchError::Disagrees(format!(
                "the node has {} receipts of its {expected} txns",
                receipts.len()
            ))),
            Some(place) => Err(FetchError::Disagrees(format!(
                "the node's receipt of txn {place} ({}) is not the one that its execution leaves",
                receipts[place].transaction_hash
            ))),
            None => Ok(Some(line(json.get()))),
        }
    }

    /// Reads the files back, and replays the block.
    fn replayed(&self, files: &Contents) -> Result<(Measured, Vec<Check>), FetchError> {
        let imported = imported(files)?;
        let header = &imported.header;
        let lists = match header.access_list_hash {
            Some(_) => Lists::Built,
            None => Lists::Unbuilt,
        };
        let (block, state) = (&imported.block, &imported.pre_state);
        let mut measured = measure(&self.engine, block, state, 1, lists)
            .map_err(|message| FetchError::Execution(format!("its replay fails: {message}")))?;
        let mut checks = vec![Check::equal(measured.difference.take())];
        if let Ok(result) = &mut measured.reference {
            result.access_list = measured.list.take();
            checks.extend(Check::all_of_header(header, result));
        }
        let failed = checks.iter().find_map(|check| match &check.outcome {
            Outcome::Fails(difference) => Some((check.name, difference)),
            _ => None,
        });
        match failed {
            Some((name, difference)) => Err(FetchError::Disagrees(format!(
                "its replay fails: {name}: {}: {} instead of {}",
                difference.place, difference.found, difference.expected
            ))),
            None => Ok((measured, checks)),
        }
    }
}

fn imported(files: &Contents) -> Result<ImportedBlock, ImportError> {
    import_files(
        &files.iter().map(|(name, bytes)| (*name, bytes.as_slice())).collect::<MemoryFiles<'_>>(),
    )
}

/// The state before a block as its traces tell it: what the first trace says of a place counts.
fn known(traces: Vec<Trace>, imported: &ImportedBlock) -> Result<Known, FetchError> {
    let wrong = |message: String| {
        FetchError::Rpc(RpcError::Wrong { method: "debug_traceBlockByHash", message })
    };
    let txns = imported.block.txns.len();
    if traces.len() != txns {
        return Err(wrong(format!("{} traces for {txns} txns", traces.len())));
    }
    let mut known = Known::default();
    for (index, trace) in traces.into_iter().enumerate() {
        let alloc = trace.result.ok_or_else(|| wrong(format!("no trace of txn {index}")))?;
        for (address, account) in alloc {
            let code = Bytecode::new_raw_checked(account.code.unwrap_or_default())
                .map_err(|error| wrong(format!("{address}: {error}")))?;
            let info = AccountInfo::default().with_balance(account.balance.0);
            known.account(address, info.with_nonce(account.nonce.0).with_code(code));
            // Those with the value zero, too: they need not be asked for.
            for (slot, value) in account.storage {
                known.slots.entry((address, slot.0)).or_insert(value.0);
            }
        }
    }
    Ok(known)
}

/// What was read, as the prestate tracer writes it; accounts that do not exist are left out.
fn pre_state_json(read: &Read) -> Vec<u8> {
    let mut accounts = Map::new();
    for (address, slots) in read.touched() {
        let Some(info) = read.accounts.get(&address).cloned().flatten() else { continue };
        let mut account = Map::new();
        account.insert("balance".to_owned(), json!(info.balance));
        account.insert("nonce".to_owned(), json!(info.nonce));
        if let Some(code) = info.code.as_ref().filter(|code| !code.is_empty()) {
            account.insert("code".to_owned(), json!(code.original_bytes()));
        }
        let storage = slots.iter().map(|slot| {
            let value = read.slots[&address][slot];
            let word = |number| B256::from(number).to_string();
            (word(*slot), Value::String(word(value)))
        });
        let storage: Map<_, _> = storage.collect();
        if !storage.is_empty() {
            account.insert("storage".to_owned(), Value::Object(storage));
        }
        accounts.insert(address.to_string().to_lowercase(), Value::Object(account));
    }
    pretty(&Value::Object(accounts))
}

fn pretty(value: &Value) -> Vec<u8> {
    format!("{value:#}\n").into_bytes()
}

fn line(json: &str) -> Vec<u8> {
    format!("{json}\n").into_bytes()
}

fn write(folder: &Path, files: &Contents) -> std::io::Result<()> {
    let draft = FolderDraft::create(folder)?;
    files.iter().try_for_each(|(name, bytes)| draft.write(name, bytes))?;
    draft.publish()
}
