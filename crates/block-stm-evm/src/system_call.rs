//! A call that the protocol itself makes before or after the transactions.

use alloy_primitives::{Address, Bytes};
use revm::{
    SystemCallEvm,
    context::result::{EVMError, ExecutionResult},
    state::EvmState,
};

use crate::{ExecutionError, Stage, SystemCallFailure};

/// A call by the system address to a system contract, with 30 million gas of its own.
///
/// What it is and what its failure means is data, so that any path can make the call on the VM
/// instance it likes; [`run`](Self::run) makes it on a revm instance.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SystemCall {
    /// The contract's role, for messages.
    pub contract: &'static str,
    /// Where the contract is.
    pub address: Address,
    /// The call's input.
    pub data: Bytes,
    /// When the call is made.
    pub stage: Stage,
    /// Whether the block is invalid when there is no code or the call fails (EIP-7002, EIP-7251);
    /// otherwise a failed call has no effect (EIP-4788, EIP-2935).
    pub must_succeed: bool,
}

impl SystemCall {
    /// A call before the transactions, whose failure has no effect.
    pub(crate) fn before(contract: &'static str, address: Address, data: Bytes) -> Self {
        Self { contract, address, data, stage: Stage::PreBlock, must_succeed: false }
    }

    /// A call after the transactions, which must succeed.
    pub(crate) fn after(contract: &'static str, address: Address) -> Self {
        Self { contract, address, data: Bytes::new(), stage: Stage::PostBlock, must_succeed: true }
    }

    /// Makes the call, and returns its output with the changes that are to be committed.
    ///
    /// # Errors
    ///
    /// [`ExecutionError::SystemCall`] if the call must succeed and doesn't, and what the database
    /// returns.
    pub fn run<EVM, E>(&self, evm: &mut EVM) -> Result<(Bytes, EvmState), ExecutionError<E>>
    where
        EVM:
            SystemCallEvm<ExecutionResult = ExecutionResult, State = EvmState, Error = EVMError<E>>,
        E: std::fmt::Display,
    {
        let result = evm.system_call_one(self.address, self.data.clone());
        // Also after an error: the journal must not leak into the next call.
        let state = evm.finalize();
        let result = result.map_err(|error| ExecutionError::from_evm(self.stage, error))?;
        let contract = state.get(&self.address);
        let no_code = contract.is_none_or(|account| account.info.is_empty_code_hash());
        let failure = match result {
            ExecutionResult::Success { .. } if no_code => SystemCallFailure::NoCode,
            ExecutionResult::Success { output, .. } => return Ok((output.into_data(), state)),
            ExecutionResult::Revert { output, .. } => SystemCallFailure::Revert(output),
            ExecutionResult::Halt { reason, .. } => SystemCallFailure::Halt(reason),
        };
        if self.must_succeed {
            return Err(ExecutionError::SystemCall {
                contract: self.contract,
                address: self.address,
                failure,
            });
        }
        Ok((Bytes::new(), EvmState::default()))
    }
}
