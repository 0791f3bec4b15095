//! A chain from its genesis file and a file of RLP blocks.

use std::path::Path;

use alloy_consensus::{Block as RlpBlock, Header, proofs::calculate_ommers_root};
use alloy_genesis::ChainConfig;
use alloy_primitives::{Address, B256, Sealed};
use block_stm_evm::{Block, PreState};
use serde::Deserialize;

use super::{
    ImportError, SignedTxn,
    alloc::{self, Alloc},
    assemble::{AssembleError, Parts},
    files::{Document, Folder, MemoryFiles},
};
use crate::{
    ForkSchedule, HeaderChecks,
    import::block_size::{MAX_BLOCK_BYTES, is_too_long},
};

/// The files of a chain's folder.
pub const CHAIN_FILES: [&str; 2] = ["genesis.json", "chain.rlp"];

/// The first blocks of a chain, with the whole state before them.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ImportedChain {
    /// The folder's name; empty for files in memory.
    pub name: String,
    /// Which rules are in force when.
    pub schedule: ForkSchedule,
    /// The whole state before the first block, and the hashes of all blocks for BLOCKHASH.
    pub genesis: PreState,
    /// The blocks in order, each the child of the one before it.
    pub blocks: Vec<ChainBlock>,
}

/// One block of an [`ImportedChain`].
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ChainBlock {
    /// The block's number.
    pub number: u64,
    /// Hash of its header.
    pub hash: B256,
    /// The hashes of its transactions, in order.
    pub txn_hashes: Vec<B256>,
    /// What to execute.
    pub block: Block,
    /// What the header says about the result.
    pub header: HeaderChecks,
}

impl ChainBlock {
    fn is_child_of(&self, parent: &Self) -> bool {
        // There is none after the last number.
        let number = parent.number.checked_add(1);
        number == Some(self.number) && self.block.parent_hash == parent.hash
    }
}

#[derive(Deserialize)]
#[serde(expecting = "a genesis object")]
struct JsonGenesis {
    config: ChainConfig,
    alloc: Alloc,
}

/// Imports the chain in the folder `folder`.
///
/// The folder holds `genesis.json`, in geth's format, and `chain.rlp`: the blocks after the genesis
/// block, RLP-encoded one after the other, as clients export them. Transactions are checked as
/// [`import_folder`](super::import_folder) does, and that every block is the child of the one
/// before it.
///
/// # Errors
///
/// An [`ImportError`] that names the file, and within it the field or the block.
pub fn import_chain(folder: &Path) -> Result<ImportedChain, ImportError> {
    import(Folder::Disk(folder))
}

/// Imports a chain as [`import_chain`] does, from files in memory.
///
/// # Errors
///
/// As [`import_chain`].
pub fn import_chain_files(files: &MemoryFiles<'_>) -> Result<ImportedChain, ImportError> {
    import(Folder::Memory(files))
}

fn import(folder: Folder<'_>) -> Result<ImportedChain, ImportError> {
    let (file, json) = (folder.path("genesis.json"), folder.read("genesis.json")?);
    let document = Document::open(&file, &json)?;
    let JsonGenesis { config, alloc } = document.parse()?;
    let mut genesis = alloc::read(alloc, document)?;
    let schedule = ForkSchedule::from_genesis(&config);
    let schedule = schedule.map_err(|source| ImportError::Schedule { file, source })?;
    let blocks = blocks(folder, &schedule)?;
    for block in &blocks {
        let parent = block.number.saturating_sub(1);
        genesis.insert_block_hash(parent, block.block.parent_hash);
    }
    Ok(ImportedChain { name: folder.name(), schedule, genesis, blocks })
}

fn blocks(folder: Folder<'_>, schedule: &ForkSchedule) -> Result<Vec<ChainBlock>, ImportError> {
    let bytes = folder.read("chain.rlp")?;
    let mut rest = &*bytes;
    let mut blocks: Vec<ChainBlock> = Vec::new();
    while !rest.is_empty() {
        let index = blocks.len();
        let offset = bytes.len() - rest.len();
        let file = || folder.path("chain.rlp");
        let number = block_number(rest);
        let wrong =
            |message: String| ImportError::Rlp { file: file(), number, index, offset, message };
        let sealed = RlpBlock::<SignedTxn>::decode_sealed(&mut rest);
        let sealed = sealed.map_err(|error| wrong(error.to_string()))?;
        let header = &sealed.inner().header;
        let spec = schedule.spec_of(header.number, header.timestamp, header.difficulty);
        let length = bytes.len() - rest.len() - offset;
        if is_too_long(length, spec) {
            let message = format!("it has {length} bytes, which is more than {MAX_BLOCK_BYTES}");
            return Err(wrong(message));
        }
        let block = chain_block(sealed, schedule).map_err(|error| match error {
            AssembleError::Field(field, message) => wrong(format!("{field}: {message}")),
            AssembleError::Txn((txn, hash, reason)) => {
                wrong(format!("txn {txn} ({hash}): {reason}"))
            }
        })?;
        if blocks.last().is_some_and(|parent| !block.is_child_of(parent)) {
            let message = "it is not the child of the block before it";
            return Err(wrong(message.to_owned()));
        }
        blocks.push(block);
    }
    Ok(blocks)
}

/// The number that the header of an RLP-encoded block tells, whatever else is wrong with it.
pub fn block_number(mut block: &[u8]) -> Option<u64> {
    use alloy_rlp::{Decodable, Header};
    /// The fields of a header before its number.
    const BEFORE: usize = 8;
    let list = |of: &mut &[u8]| Header::decode(of).ok().filter(|header| header.list);
    list(&mut block)?;
    list(&mut block)?;
    for _ in 0..BEFORE {
        let field = Header::decode(&mut block).ok()?;
        block = block.get(field.payload_length..)?;
    }
    u64::decode(&mut block).ok()
}

pub(crate) fn chain_block(
    sealed: Sealed<RlpBlock<SignedTxn>>,
    schedule: &ForkSchedule,
) -> Result<ChainBlock, AssembleError> {
    chain_block_with(sealed, None, |parts| parts.assemble(schedule))
}

/// The same of transactions whose senders are known, where they are given.
pub(crate) fn chain_block_from(
    sealed: Sealed<RlpBlock<SignedTxn>>,
    senders: Option<Vec<Address>>,
    schedule: &ForkSchedule,
) -> Result<ChainBlock, AssembleError> {
    chain_block_with(sealed, senders, |parts| parts.assemble(schedule))
}

/// The same, whatever the header says of the transactions.
pub(crate) fn chain_block_any_txns(
    sealed: Sealed<RlpBlock<SignedTxn>>,
    schedule: &ForkSchedule,
) -> Result<ChainBlock, AssembleError> {
    chain_block_with(sealed, None, |parts| parts.assemble_any_txns(schedule))
}

fn chain_block_with(
    sealed: Sealed<RlpBlock<SignedTxn>>,
    senders: Option<Vec<Address>>,
    assemble: impl FnOnce(Parts) -> Result<(Block, HeaderChecks), AssembleError>,
) -> Result<ChainBlock, AssembleError> {
    let (block, hash) = sealed.into_parts();
    let RlpBlock { header, body } = block;
    check_ommers(&header, &body.ommers)?;
    if header.withdrawals_root.is_some() != body.withdrawals.is_some() {
        let message = "withdrawals and their root must both be there, or neither".to_owned();
        return Err(AssembleError::Field("withdrawals", message));
    }
    let number = header.number;
    let txn_hashes = body.transactions.iter().map(|txn| *txn.tx_hash()).collect();
    let parts = Parts {
        header,
        txns: body.transactions,
        claims: Vec::new(),
        senders,
        withdrawals: body.withdrawals.unwrap_or_default().0,
        ommers: body.ommers,
    };
    let (block, header) = assemble(parts)?;
    Ok(ChainBlock { number, hash, txn_hashes, block, header })
}

fn check_ommers(header: &Header, ommers: &[Header]) -> Result<(), AssembleError> {
    let hash = calculate_ommers_root(ommers);
    if hash == header.ommers_hash {
        return Ok(());
    }
    let message = format!("the hash of the ommers is {hash}");
    Err(AssembleError::Field("sha3Uncles", message))
}
