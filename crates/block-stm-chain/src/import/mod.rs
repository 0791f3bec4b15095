//! Blocks and chains from files, with every claim of theirs checked.

mod access_lists;
pub(crate) mod alloc;
mod assemble;
pub(crate) mod block_size;
mod chain;
mod error;
pub(crate) mod files;
mod folder;
mod json_header;
pub(crate) mod json_txn;
mod known;
pub(crate) mod number;
pub(crate) mod quantity;
pub(crate) mod senders;
mod traces;
mod unique;

pub mod json {
    //! Pieces of Ethereum's JSON formats, for formats that are made of them.

    pub use super::{
        alloc::{Alloc, JsonAccount, pre_state},
        files::{Document, read_file, read_file_within, read_within},
        number::{Number, TooLarge},
        quantity::Quantity,
        unique::Unique,
    };
}

pub(crate) use assemble::AssembleError;
pub(crate) use chain::{chain_block, chain_block_any_txns, chain_block_from};
pub use senders::{authorization, signer};

pub use access_lists::{
    ListFileError, access_lists_to_json, access_lists_to_rlp, read_access_lists,
};
pub use chain::{
    CHAIN_FILES, ChainBlock, ImportedChain, block_number, import_chain, import_chain_files,
};
pub use error::{ImportError, TxnError};
pub use files::{MAX_FILE_BYTES, MemoryFiles};
pub use folder::{BLOCK_FILES, ImportedBlock, import_files, import_folder};
pub use known::{block_without_body, known_block};

/// A transaction as it is in a block: without blobs.
pub(crate) type SignedTxn = alloy_consensus::EthereumTxEnvelope<alloy_consensus::TxEip4844>;
