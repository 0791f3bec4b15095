//! Errors as alloy-evm's own executor returns them.

use std::error::Error;

use alloy_evm::{
    EvmError,
    block::{BlockExecutionError, BlockValidationError},
    revm::context::{
        DBErrorMarker,
        result::{EVMError, InvalidTransaction},
    },
};
use alloy_primitives::B256;
use block_stm_evm::{ExecutionError, InvalidTxnReason, Stage};

use crate::serve::ReadError;

/// What the engine's error is in alloy-evm's words. `committed` transactions are in the database;
/// `hash` is that of the transaction at a place.
///
/// # Panics
///
/// With the message of a panic, which the sequential execution would have had.
pub(crate) fn block_error<E>(
    error: ExecutionError<ReadError<E>>,
    committed: usize,
    hash: impl Fn(usize) -> B256,
) -> BlockExecutionError
where
    E: DBErrorMarker + Error + Send + Sync + 'static,
{
    let at = |stage: Stage| match stage {
        Stage::Txn(index) => hash(index),
        Stage::PreBlock | Stage::PostBlock => hash(committed),
    };
    let evm = |error: EVMError<E, InvalidTransaction>, hash| BlockExecutionError::evm(error, hash);
    match error {
        ExecutionError::InvalidTxn { reason, index } => match reason {
            InvalidTxnReason::BlockGas { gas_limit, available } => {
                BlockValidationError::TransactionGasLimitMoreThanAvailableBlockGas {
                    transaction_gas_limit: gas_limit,
                    block_available_gas: available,
                }
                .into()
            }
            InvalidTxnReason::Vm(reason) => evm(EVMError::Transaction(reason), hash(index)),
            other => BlockValidationError::msg(other).into(),
        },
        ExecutionError::Database { source: ReadError::Database(source), stage } => {
            database_error(source, at(stage))
        }
        ExecutionError::Database { source: ReadError::State(source), stage } => {
            database_error(source, at(stage))
        }
        ExecutionError::Header(header) => evm(EVMError::Header(header), hash(committed)),
        ExecutionError::Vm { stage, message } => evm(EVMError::Custom(message), at(stage)),
        ExecutionError::Panicked { message, .. } => std::panic::resume_unwind(Box::new(message)),
        other => BlockExecutionError::msg(other),
    }
}

/// What a read that failed for the transaction `hash` is in alloy-evm's words.
pub(crate) fn database_error<E: DBErrorMarker>(source: E, hash: B256) -> BlockExecutionError
where
    EVMError<E, InvalidTransaction>: EvmError,
{
    BlockExecutionError::evm(EVMError::<E, InvalidTransaction>::Database(source), hash)
}
