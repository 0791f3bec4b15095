//! A call that the protocol itself makes before or after the transactions.

use alloy_primitives::{Address, Bytes};
use revm::{
    ExecuteEvm,
    context::{
        Cfg, ContextSetters, ContextTr, JournalTr, TxEnv,
        result::{EVMError, ExecutionResult},
    },
    handler::{
        ContextTrDbError, EthFrame, Handler, MainnetEvm, MainnetHandler, SystemCallTx,
        system_call::SYSTEM_CALL_GAS_LIMIT,
    },
    primitives::hardfork::SpecId,
    state::EvmState,
};

use crate::{ExecutionError, Stage, SystemCallFailure};

/// What a system call may use before Amsterdam (EIP-4788, 2935, 7002, 7251).
const GAS_LIMIT: u64 = 30_000_000;

/// A call by the system address to a system contract, with 30 million gas of its own; from
/// Amsterdam on with more, for the growth of the state (EIP-8037).
///
/// What it is and what its failure means is data, so that any path can make the call on the VM
/// instance it likes; [`run`](Self::run) makes it on a revm instance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SystemCall {
    /// The contract's role, for messages.
    pub(crate) contract: &'static str,
    /// Where the contract is.
    pub(crate) address: Address,
    /// The call's input.
    pub(crate) data: Bytes,
    /// When the call is made.
    pub(crate) stage: Stage,
    /// Whether the block is invalid when there is no code or the call fails (EIP-7002, EIP-7251);
    /// otherwise a failed call has no effect (EIP-4788, EIP-2935).
    pub(crate) must_succeed: bool,
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
    pub(crate) fn run<CTX>(
        &self,
        evm: &mut MainnetEvm<CTX>,
    ) -> Result<(Bytes, EvmState), ExecutionError<ContextTrDbError<CTX>>>
    where
        CTX: ContextSetters<Tx = TxEnv, Journal: JournalTr<State = EvmState>>,
        CTX: ContextTr<Cfg: Cfg<Spec = SpecId>>,
    {
        let mut txn = TxEnv::new_system_tx(self.address, self.data.clone());
        let is_amsterdam = evm.ctx.cfg().spec().is_enabled_in(SpecId::AMSTERDAM);
        // revm's own limit is Amsterdam's under the rules of any fork.
        txn.gas_limit = if is_amsterdam { SYSTEM_CALL_GAS_LIMIT } else { GAS_LIMIT };
        evm.set_tx(txn);
        let mut handler = MainnetHandler::<_, EVMError<ContextTrDbError<CTX>>, EthFrame>::default();
        let result = handler.run_system_call(evm);
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
