//! Calls of accounts without code, raw transfers above all, without starting revm's machine for them.
//!
//! Such a call can only do one thing: pay. revm's frames, journal and interpreter would find that out in several hundred
//! nanoseconds, more than everything else about the transaction takes. The rules remain revm's: whether the transaction is
//! valid as such, and what it costs, is asked there. Whatever is out of the ordinary is left to revm altogether.

use alloy_primitives::{Address, Bytes, U256};
use block_stm::{Interrupt, View};
use revm::{
    context::{
        Block as _, Transaction, TxEnv,
        result::{ExecutionResult, Output, ResultGas, SuccessReason},
    },
    handler::Handler,
    primitives::{TxKind, hardfork::SpecId},
};

use super::{
    handler::{TxnEvm, TxnHandler},
    location::Location,
    observed::Observed,
    value::{AccountState, Delta, Fate, NonceTest, Shift, StateValue, has_code},
    vm::BlockVm,
};

/// Executes the transaction in `evm` if it is an ordinary call of an account without code. `None` if it is not, or
/// perhaps not; nothing was done then.
///
/// # Errors
///
/// The view's interrupt.
pub(crate) fn execute<'b, 's: 'b>(
    evm: &mut TxnEvm<'b, 's>,
    view: &mut View<'b, BlockVm<'s>>,
) -> Result<Option<ExecutionResult>, Interrupt> {
    let txn = evm.ctx.tx;
    let Some((sender, recipient)) = parties(evm, txn) else { return Ok(None) };
    let (sender_at, recipient_at) = (Location::Account(sender), Location::Account(recipient));
    let Some(recipient) = account_without_code(view, &recipient_at)? else { return Ok(None) };
    let Some(sender) = account_without_code(view, &sender_at)? else { return Ok(None) };
    let Some(costs) = Costs::of(evm, txn) else { return Ok(None) };
    if recipient.balance.checked_add(txn.value).is_none() {
        return Ok(None);
    }

    let mut predicate = Observed::new(txn.caller, sender).predicate();
    predicate.nonce = NonceTest::Is(txn.nonce);
    predicate.balance.0 = costs.funds;
    if !view.assume(&sender_at, predicate)? {
        return Ok(None);
    }
    let mut observed = Observed::new(*recipient_at.address(), recipient);
    if !txn.value.is_zero() {
        observed.takes(recipient.balance, txn.value);
    }
    if !view.check(&recipient_at, observed.predicate())? {
        return Ok(None);
    }
    let spec = evm.ctx.cfg.spec;
    let touched = |balance, nonce| Delta {
        balance,
        nonce,
        code_hash: None,
        fate: Fate::Touched,
        clears_empty: spec.is_enabled_in(SpecId::SPURIOUS_DRAGON),
    };
    // The assumption and the check say that all of them apply; where the view knows better, it ends the run.
    let applied = view.add(&sender_at, touched(Shift::Debit(txn.value + costs.fee), 1))?
        && view.add(&recipient_at, touched(Shift::Credit(txn.value), 0))?
        && view.add(
            &Location::Account(evm.ctx.block.beneficiary()),
            touched(Shift::CreditIfItFits(costs.reward), 0),
        )?;
    if !applied {
        return Err(view.fail("a payment that was checked does not apply"));
    }
    Ok(Some(ExecutionResult::Success {
        reason: SuccessReason::Stop,
        gas: costs.gas,
        logs: Vec::new(),
        output: Output::Call(Bytes::new()),
    }))
}

/// The account, if it has no code.
fn account_without_code<'s>(
    view: &mut View<'_, BlockVm<'s>>,
    location: &Location,
) -> Result<Option<AccountState>, Interrupt> {
    match view.peek(location)? {
        StateValue::Account(account) if !has_code(&account.code_hash) => Ok(Some(account)),
        StateValue::Account(_) | StateValue::Slot(_) => Ok(None),
    }
}

/// The sender and the recipient, if the call could be ordinary.
fn parties(evm: &TxnEvm<'_, '_>, txn: &TxEnv) -> Option<(Address, Address)> {
    let TxKind::Call(recipient) = txn.kind else { return None };
    let beneficiary = evm.ctx.block.beneficiary();
    let ordinary = txn.tx_type <= 2
        && txn.nonce < u64::MAX
        && ![txn.caller, recipient].contains(&beneficiary)
        && txn.caller != recipient
        && !evm.ctx.cfg.spec.is_enabled_in(SpecId::AMSTERDAM)
        && !evm.precompiles.contains(&recipient);
    ordinary.then_some((txn.caller, recipient))
}

/// What a call costs, as far as that does not depend on the state.
struct Costs {
    /// What the sender must have to begin with.
    funds: U256,
    /// What the sender pays for gas.
    fee: U256,
    /// What the beneficiary gets of it.
    reward: U256,
    gas: ResultGas,
}

impl Costs {
    fn of<'b, 's: 'b>(evm: &mut TxnEvm<'b, 's>, txn: &TxEnv) -> Option<Self> {
        // What is wrong with a transaction is for revm to say.
        let handler = TxnHandler::default();
        handler.validate_env(evm).ok()?;
        let initial = handler.validate_initial_tx_gas(evm).ok()?;
        let used = initial.initial_total_gas();
        if used < initial.floor_gas() || initial.initial_state_gas > 0 {
            return None;
        }
        let base_fee = u128::from(evm.ctx.block.basefee());
        let price = txn.effective_gas_price(base_fee);
        let reward = match evm.ctx.cfg.spec.is_enabled_in(SpecId::LONDON) {
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
}
