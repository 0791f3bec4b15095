//! Why files could not be imported.

use std::path::PathBuf;

use alloy_primitives::{Address, B256};

use crate::ScheduleError;

/// Why a folder could not be imported; names the file, and within it the field or the transaction.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ImportError {
    /// A file could not be read.
    #[error("{}: {source}", file.display())]
    Io {
        /// Which file.
        file: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A file is larger than anybody needs.
    #[error("{}: {bytes} bytes are more than the {max} that are read at most", file.display())]
    TooLarge {
        /// Which file.
        file: PathBuf,
        /// Its size.
        bytes: u64,
        /// The limit.
        max: u64,
    },
    /// A file is not the JSON that is expected.
    #[error("{}: {}{message}", file.display(), at(field))]
    Json {
        /// Which file.
        file: PathBuf,
        /// Path of the field, such as `transactions[3].gasPrice`; `.` is the whole file, and `?`
        /// a part that the parser did not come to know.
        field: String,
        /// What is wrong, with line and column.
        message: String,
    },
    /// A field has a value that contradicts the rest of the file.
    #[error("{}: {}{message}", file.display(), at(field))]
    Field {
        /// Which file.
        file: PathBuf,
        /// Path of the field.
        field: String,
        /// What is wrong.
        message: String,
    },
    /// A transaction is not what it claims to be.
    #[error("{}: txn {index} ({hash}): {reason}", file.display())]
    Txn {
        /// Which file.
        file: PathBuf,
        /// The transaction's place in its block, from 0.
        index: usize,
        /// The transaction's hash, as far as it is known.
        hash: B256,
        /// What is wrong.
        reason: TxnError,
    },
    /// A file is not the RLP that is expected.
    #[error("{}: {}, at byte {offset}: {message}", file.display(), block_of(*number, *index))]
    Rlp {
        /// Which file.
        file: PathBuf,
        /// The number that the block's header tells, as far as it can be read.
        number: Option<u64>,
        /// The block's place in the file, from 0.
        index: usize,
        /// Where the block starts.
        offset: usize,
        /// What is wrong.
        message: String,
    },
    /// The chain configuration makes no sense.
    #[error("{}: config: {source}", file.display())]
    Schedule {
        /// Which file.
        file: PathBuf,
        /// What is wrong.
        source: ScheduleError,
    },
}

/// The path of a field, as far as it is known, before what is said of it.
pub(super) fn at(field: &str) -> String {
    match field.trim_end_matches(['.', '?']) {
        "" => String::new(),
        known => format!("{known}: "),
    }
}

/// Why a transaction is not what it claims to be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TxnError {
    /// The encoding hashes to something else than the transaction's hash.
    #[error("the hash of its content is {computed}")]
    Hash {
        /// The hash of the transaction's own encoding.
        computed: B256,
    },
    /// No key can have made this signature.
    #[error("the signature is invalid")]
    Signature,
    /// The signature's s is in the upper half, which Homestead forbids (EIP-2).
    #[error("the signature's s is too high")]
    HighS,
    /// It is signed for another chain (EIP-155).
    #[error("it is signed for chain {signed}, not for {expected}")]
    ChainId {
        /// The chain that the signature names.
        signed: u64,
        /// The chain that the block is on.
        expected: u64,
    },
    /// It names a chain, which no signature could before Spurious Dragon (EIP-155).
    #[error("it is signed for chain {signed}, which is not possible before Spurious Dragon")]
    EarlyChainId {
        /// The chain that the signature names.
        signed: u64,
    },
    /// It claims to come from an account that has not signed it.
    #[error("it is signed by {recovered}, not by {claimed}")]
    Sender {
        /// The `from` field.
        claimed: Address,
        /// Who signed it.
        recovered: Address,
    },
}

/// A block by its number, or by its place in the file where it tells none.
fn block_of(number: Option<u64>, index: usize) -> String {
    match number {
        Some(number) => format!("block {number}"),
        None => format!("block {index} of the file"),
    }
}
