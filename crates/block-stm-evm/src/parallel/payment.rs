//! Ordinary payments on a view: see [`plain_call`](crate::plain_call).

use block_stm::{Interrupt, View};
use revm::{
    context::{Block as _, result::ExecutionResult},
    primitives::hardfork::SpecId,
};

use super::{
    handler::{TxnEvm, TxnHandler},
    location::Location,
    observed::Observed,
    value::{AccountState, Delta, Fate, NonceTest, Shift, StateValue},
    vm::BlockVm,
};
use crate::plain_call::{Costs, parties};

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
    let Some(costs) = Costs::of(&TxnHandler::default(), evm, txn) else { return Ok(None) };
    // In revm's order: an account that cannot be read must not get in the way of what comes before.
    let Some(sender) = account_without_code(view, &sender_at)? else { return Ok(None) };
    let mut predicate = Observed::new(txn.caller, sender).predicate();
    predicate.nonce = NonceTest::Is(txn.nonce);
    predicate.balance.0 = costs.funds;
    if !view.assume(&sender_at, predicate)? {
        return Ok(None);
    }
    let Some(recipient) = account_without_code(view, &recipient_at)? else { return Ok(None) };
    let beneficiary = evm.ctx.block.beneficiary();
    let (mut debit, mut credit) = (txn.value + costs.fee, txn.value);
    if beneficiary == txn.caller {
        debit -= costs.reward;
    } else if beneficiary == *recipient_at.address() {
        credit = credit.saturating_add(costs.reward);
    }
    if recipient.balance.checked_add(credit).is_none() {
        return Ok(None);
    }
    let mut observed = Observed::new(*recipient_at.address(), recipient);
    if !credit.is_zero() {
        observed.takes(recipient.balance, credit);
    }
    if !view.assume(&recipient_at, observed.predicate())? {
        return Ok(None);
    }
    let spec = evm.ctx.cfg.spec;
    let touched = |balance, nonce| Delta {
        balance,
        nonce,
        code: None,
        fate: Fate::Touched,
        stored: false,
        clears_empty: spec.is_enabled_in(SpecId::SPURIOUS_DRAGON),
    };
    // The assumptions say that all of them apply; where the view knows better, it ends the run.
    let mut applied = view.add(&sender_at, touched(Shift::Debit(debit), 1))?
        && view.add(&recipient_at, touched(Shift::Credit(credit), 0))?;
    if beneficiary != txn.caller && beneficiary != *recipient_at.address() {
        let reward = touched(Shift::CreditIfItFits(costs.reward), 0);
        applied &= view.add(&Location::Account(beneficiary), reward)?;
    }
    if !applied {
        return Err(view.fail("a payment that was checked does not apply"));
    }
    Ok(Some(costs.result()))
}

/// The account, if it has no code.
fn account_without_code<'s>(
    view: &mut View<'_, BlockVm<'s>>,
    location: &Location,
) -> Result<Option<AccountState>, Interrupt> {
    match view.glimpse(location)? {
        StateValue::Account(account) if !account.code.is_code() => Ok(Some(account)),
        StateValue::Account(_) | StateValue::Slot(_) => Ok(None),
    }
}
