//! Why a request has no answer, as JSON-RPC errors with the codes that nodes use.

use alloy_primitives::Bytes;
use block_stm_pipeline::StoredStateError;
use block_stm_store::StoreError;
use jsonrpsee::types::{ErrorObjectOwned, error::INVALID_PARAMS_CODE};

/// Why a request has no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Fault {
    /// The question is not in form.
    #[error("{0}")]
    Params(String),
    /// It takes more than it may.
    #[error("{0}")]
    Limit(String),
    /// There is no such block.
    #[error("unknown block")]
    UnknownBlock,
    /// The store has forgotten it.
    #[error("{0}")]
    Pruned(String),
    /// The call was reverted, with this output.
    #[error("execution reverted")]
    Reverted(Bytes),
    /// The call failed, or is not valid.
    #[error("{0}")]
    Call(String),
    /// The store failed, or is damaged.
    #[error("{0}")]
    Store(String),
}

impl Fault {
    /// EIP-1474's, geth's for reverts, and EIP-4444's for what was pruned.
    fn code(&self) -> i32 {
        match self {
            Self::Params(_) => INVALID_PARAMS_CODE,
            Self::Limit(_) => -32005,
            Self::UnknownBlock => -32001,
            Self::Pruned(_) => 4444,
            Self::Reverted(_) => 3,
            Self::Call(_) => -32000,
            Self::Store(_) => -32603,
        }
    }
}

impl From<StoreError> for Fault {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::TooOld { number, oldest } => Self::Pruned(format!(
                "the state after block {number} is not kept; the oldest that is kept is after \
                 block {oldest}"
            )),
            StoreError::Unknown { .. } => Self::UnknownBlock,
            // With the file and the place, which are the host's own to know.
            error => {
                tracing::error!("{error}");
                Self::Store("the store can't be read".to_owned())
            }
        }
    }
}

impl From<StoredStateError> for Fault {
    fn from(error: StoredStateError) -> Self {
        match error {
            StoredStateError::Store(error) => error.into(),
            StoredStateError::NoBlock(number) => {
                Self::Pruned(format!("block {number} is not kept"))
            }
            error => {
                tracing::error!("{error}");
                Self::Store("the store can't be read".to_owned())
            }
        }
    }
}

impl From<Fault> for ErrorObjectOwned {
    fn from(fault: Fault) -> Self {
        let data = match &fault {
            Fault::Reverted(output) => Some(output.clone()),
            _ => None,
        };
        Self::owned(fault.code(), fault.to_string(), data)
    }
}
