//! One block from a folder of JSON files.

use std::path::Path;

use alloy_consensus::{Header, proofs::calculate_ommers_root};
use alloy_eips::eip4895::Withdrawal;
use alloy_genesis::ChainConfig;
use alloy_primitives::B256;
use block_stm_evm::{Block, PreState};
use serde::Deserialize;

use super::{
    ImportError, alloc,
    assemble::{AssembleError, Parts},
    files::{Document, Folder, MemoryFiles},
    json_header::JsonHeader,
    json_txn::JsonTxn,
    traces,
};
use crate::{ForkSchedule, HeaderChecks};

/// The files of a block's folder, those that may be missing, too.
pub const BLOCK_FILES: [&str; 6] = [
    "block.json",
    "prestate.json",
    "blockhashes.json",
    "ommers.json",
    "genesis.json",
    "chain.json",
];

/// A block with what it takes to execute it and to check the result.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ImportedBlock {
    /// The folder's name; empty for files in memory.
    pub name: String,
    /// The block's number.
    pub number: u64,
    /// Hash of its header.
    pub hash: B256,
    /// The hashes of its transactions, in order.
    pub txn_hashes: Vec<B256>,
    /// What to execute.
    pub block: Block,
    /// The state before it, as far as the block touches it.
    pub pre_state: PreState,
    /// What the header says about the result.
    pub header: HeaderChecks,
    /// How many ommers are known by their hash alone. The result then lacks their rewards and the
    /// producer's share of them; gas, receipts and logs are not affected.
    pub unknown_ommers: usize,
}

/// Body of a block, without the header's fields.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", expecting = "a block object")]
struct JsonBody {
    transactions: Vec<JsonTxn>,
    #[serde(default)]
    uncles: Vec<B256>,
    #[serde(default)]
    withdrawals: Option<Vec<Withdrawal>>,
}

#[derive(Deserialize)]
#[serde(expecting = "an object with the chain's config")]
struct JsonChain {
    config: ChainConfig,
}

/// Imports the block in the folder `folder`.
///
/// The folder holds
///
/// - `block.json`: the answer of `eth_getBlockByNumber` with full transactions,
/// - `prestate.json`: the state before the block, address to account, as geth's prestate tracer and
///   genesis files write it: what is missing is zero; or that tracer's answers for each transaction
///   of the block, as `debug_traceBlockByNumber` gives them,
/// - `blockhashes.json`, optional: number to hash of earlier blocks, for BLOCKHASH,
/// - `ommers.json`, optional: a list of the ommers' headers,
/// - `genesis.json` or `chain.json`, optional: its `config` gives the chain's forks in place of
///   mainnet's.
///
/// Each may also be wrapped as the answer of a JSON-RPC server. Numbers may be hexadecimal or
/// decimal. What the block claims about itself is checked: its hash, every transaction's hash,
/// signature, sender and chain, and the root of the transactions.
///
/// # Errors
///
/// An [`ImportError`] that names the file, and within it the field or the transaction.
///
/// # Cost
///
/// Signatures are recovered on all threads of rayon's current pool, at 40 us each.
pub fn import_folder(folder: &Path) -> Result<ImportedBlock, ImportError> {
    import(Folder::Disk(folder))
}

/// Imports a block as [`import_folder`] does, from files in memory.
///
/// # Errors
///
/// As [`import_folder`].
///
/// # Examples
///
/// ```
/// use block_stm_chain::import::{MemoryFiles, import_files};
///
/// let files = MemoryFiles::from([("block.json", b"{}".as_slice())]);
/// let error = import_files(&files).expect_err("an empty block");
/// assert!(error.to_string().starts_with("block.json: missing field `transactions`"));
/// ```
pub fn import_files(files: &MemoryFiles<'_>) -> Result<ImportedBlock, ImportError> {
    import(Folder::Memory(files))
}

fn import(folder: Folder<'_>) -> Result<ImportedBlock, ImportError> {
    let schedule = schedule(folder)?;
    let (parts, unknown_ommers) = parts(folder, schedule.chain_id())?;
    let (number, hash) = (parts.header.number, parts.header.hash_slow());
    let txn_hashes: Vec<_> = parts.txns.iter().map(|txn| *txn.tx_hash()).collect();
    let (block, header) =
        parts.assemble(&schedule).map_err(|error| from_assemble(error, folder))?;
    Ok(ImportedBlock {
        name: folder.name(),
        number,
        hash,
        pre_state: pre_state(folder, &txn_hashes)?,
        txn_hashes,
        block,
        header,
        unknown_ommers,
    })
}

fn schedule(folder: Folder<'_>) -> Result<ForkSchedule, ImportError> {
    for name in ["genesis.json", "chain.json"] {
        if let Some(json) = folder.read_if_there(name)? {
            let file = folder.path(name);
            let chain: JsonChain = Document::open(&file, &json)?.parse()?;
            return ForkSchedule::from_genesis(&chain.config)
                .map_err(|source| ImportError::Schedule { file, source });
        }
    }
    Ok(ForkSchedule::mainnet())
}

fn parts(folder: Folder<'_>, chain_id: u64) -> Result<(Parts, usize), ImportError> {
    let (file, json) = (folder.path("block.json"), folder.read("block.json")?);
    let document = Document::open(&file, &json)?;
    // The body first: it says more of where a file is cut off.
    let body: JsonBody = document.parse()?;
    let header = document.parse::<JsonHeader>()?.into_header(document)?;
    let mut txns = Vec::with_capacity(body.transactions.len());
    let mut claims = Vec::with_capacity(body.transactions.len());
    for (index, txn) in body.transactions.into_iter().enumerate() {
        let (txn, claim) = txn.into_signed(document, index, chain_id)?;
        txns.push(txn);
        claims.push(claim);
    }
    let ommers = ommers(folder, &header)?;
    let unknown_ommers = match &ommers {
        Some(_) => 0,
        None => body.uncles.len(),
    };
    let parts = Parts {
        header,
        txns,
        claims,
        senders: None,
        withdrawals: body.withdrawals.unwrap_or_default(),
        ommers: ommers.unwrap_or_default(),
    };
    Ok((parts, unknown_ommers))
}

fn ommers(folder: Folder<'_>, header: &Header) -> Result<Option<Vec<Header>>, ImportError> {
    let Some(json) = folder.read_if_there("ommers.json")? else {
        return Ok(None);
    };
    let file = folder.path("ommers.json");
    let document = Document::open(&file, &json)?;
    let ommers: Vec<JsonHeader> = document.parse()?;
    let ommers = ommers.into_iter().map(|ommer| ommer.into_header(document));
    let ommers = ommers.collect::<Result<Vec<_>, _>>()?;
    let hash = calculate_ommers_root(&ommers);
    if hash != header.ommers_hash {
        let message = format!("their hash is {hash}, the block has {}", header.ommers_hash);
        return Err(document.wrong(".", message));
    }
    Ok(Some(ommers))
}

fn pre_state(folder: Folder<'_>, txns: &[B256]) -> Result<PreState, ImportError> {
    let (file, json) = (folder.path("prestate.json"), folder.read("prestate.json")?);
    let document = Document::open(&file, &json)?;
    let mut state = alloc::read(traces::pre_state(document, txns)?, document)?;
    if let Some(json) = folder.read_if_there("blockhashes.json")? {
        let file = folder.path("blockhashes.json");
        alloc::insert_block_hashes(Document::open(&file, &json)?, &mut state)?;
    }
    Ok(state)
}

fn from_assemble(error: AssembleError, folder: Folder<'_>) -> ImportError {
    let file = folder.path("block.json");
    match error {
        AssembleError::Field(field, message) => {
            ImportError::Field { file, field: field.to_owned(), message }
        }
        AssembleError::Txn((index, hash, reason)) => ImportError::Txn { file, index, hash, reason },
    }
}
