//! Calls of accounts without code, raw transfers above all: what they cost, without starting revm's machine for them.
//!
//! Such a call can only do one thing: pay. revm's frames, journal and interpreter would find that out in several hundred
//! nanoseconds, more than everything else about the transaction takes. The rules remain revm's: whether the transaction is
//! valid as such, and what it costs, is asked there. Whatever is out of the ordinary is left to revm altogether.
//!
//! Who pays whom is then done on the state at hand: see `parallel/payment.rs` and `alone.rs`.

use alloy_primitives::{Address, Bytes, U256};
use revm::{
    context::{
        Block as _, Cfg, ContextTr, Transaction, TxEnv,
        result::{ExecutionResult, HaltReason, Output, ResultGas, SuccessReason},
    },
    handler::{EthPrecompiles, EvmTr, Handler},
    primitives::{TxKind, hardfork::SpecId},
};

/// The sender and the recipient of a call that could be an ordinary payment, if the recipient has no code.
pub(crate) fn parties<EVM>(evm: &EVM, txn: &TxEnv) -> Option<(Address, Address)>
where
    EVM: EvmTr<Context: ContextTr<Cfg: Cfg<Spec = SpecId>>, Precompiles = EthPrecompiles>,
{
    let TxKind::Call(recipient) = txn.kind else { return None };
    let (context, _, precompiles, _) = evm.all();
    let beneficiary = context.block().beneficiary();
    // Nobody sends data to an account without code, but for fun.
    let ordinary = txn.tx_type <= 2
        && txn.data.is_empty()
        && txn.nonce < u64::MAX
        && ![txn.caller, recipient].contains(&beneficiary)
        && txn.caller != recipient
        && !context.cfg().spec().is_enabled_in(SpecId::AMSTERDAM)
        && !precompiles.contains(&recipient);
    ordinary.then_some((txn.caller, recipient))
}

/// What a call costs, as far as that does not depend on the state.
pub(crate) struct Costs {
    /// What the sender must have to begin with.
    pub(crate) funds: U256,
    /// What the sender pays for gas.
    pub(crate) fee: U256,
    /// What the beneficiary gets of it.
    pub(crate) reward: U256,
    gas: ResultGas,
}

impl Costs {
    /// The costs of `txn`, which is the transaction in `evm`. `None` if it is not valid, for `handler` to say why, or costs
    /// more than it seems.
    pub(crate) fn of<H>(handler: &H, evm: &mut H::Evm, txn: &TxEnv) -> Option<Self>
    where
        H: Handler<Evm: EvmTr<Context: ContextTr<Cfg: Cfg<Spec = SpecId>>>>,
    {
        handler.validate_env(evm).ok()?;
        let initial = handler.validate_initial_tx_gas(evm).ok()?;
        let used = initial.initial_total_gas();
        if used < initial.floor_gas() || initial.initial_state_gas > 0 {
            return None;
        }
        let context = evm.ctx_ref();
        let base_fee = u128::from(context.block().basefee());
        let price = txn.effective_gas_price(base_fee);
        let reward = match context.cfg().spec().is_enabled_in(SpecId::LONDON) {
            true => price.saturating_sub(base_fee),
            false => price,
        };
        let used_wei = |price: u128| U256::from(price) * U256::from(used);
        Some(Self {
            funds: txn.max_balance_spending().ok()?,
            fee: used_wei(price),
            reward: used_wei(reward),
            gas: ResultGas::default()
                .with_total_gas_spent(used)
                .with_floor_gas(initial.floor_gas()),
        })
    }

    /// The result of the call, once it was paid.
    pub(crate) fn result(&self) -> ExecutionResult<HaltReason> {
        ExecutionResult::Success {
            reason: SuccessReason::Stop,
            gas: self.gas,
            logs: Vec::new(),
            output: Output::Call(Bytes::new()),
        }
    }
}
