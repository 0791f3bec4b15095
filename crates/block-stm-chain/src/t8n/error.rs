//! Why a transition can't be made.

use block_stm_evm::{ExecutionError, PreStateError, access_list::ListFormError};

use crate::import::ImportError;

/// Why a transition can't be made; an invalid transaction is no error but rejected.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum T8nError {
    /// An input is not the JSON that is expected; names the file and the field.
    #[error(transparent)]
    Json(#[from] ImportError),
    /// The list of transactions is not the RLP that is expected.
    #[error("{file}: {message}")]
    Rlp {
        /// Which file.
        file: String,
        /// What is wrong.
        message: String,
    },
    /// The fork is unknown, or the environment lacks or contradicts what it needs.
    #[error("{0}")]
    Config(String),
    /// BLOCKHASH asked for a block of which the environment has no hash.
    #[error("the hash of block {number} is asked for, but missing in blockHashes of the env")]
    MissingBlockHash {
        /// The block's number.
        number: u64,
    },
    /// The block can't be executed.
    #[error("the block can't be executed: {0}")]
    Evm(ExecutionError<PreStateError>),
    /// The block accesses more than its gas limit allows a block that names its access list.
    #[error("no block can have this access list: {0}")]
    AccessList(#[from] ListFormError),
}

impl From<ExecutionError<PreStateError>> for T8nError {
    fn from(error: ExecutionError<PreStateError>) -> Self {
        match error {
            ExecutionError::Database {
                source: PreStateError::MissingBlockHash { number }, ..
            } => Self::MissingBlockHash { number },
            error => Self::Evm(error),
        }
    }
}
