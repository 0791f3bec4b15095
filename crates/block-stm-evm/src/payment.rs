//! Calls of accounts without code, raw transfers above all, without starting revm's machine.
//!
//! Such a call can only do one thing: pay. revm's frames, journal and interpreter would find that
//! out in several hundred nanoseconds, more than everything else about the transaction takes. The
//! rules remain revm's: whether the transaction is valid as such, and what it costs, is asked
//! there. Whatever is out of the ordinary is left to revm altogether.
//!
//! [`Payment::of`] says what is to be paid, [`Payment::make`] does it on any [`PaymentState`].

use alloy_primitives::{Address, Bytes, U256};
use revm::{
    context::{
        Block as _, Cfg, ContextTr, Transaction, TxEnv,
        result::{ExecutionResult, HaltReason, Output, ResultGas, SuccessReason},
    },
    handler::{EthPrecompiles, EvmTr, Handler},
    primitives::{TxKind, hardfork::SpecId},
};

/// A state on which payments are made.
pub(crate) trait PaymentState {
    /// An account without code, as the state has it.
    type Account;
    /// Why the state has no answer.
    type Error;

    /// The account at `address`. `None` if it has code, or is for revm to look at.
    fn account(&mut self, address: Address) -> Result<Option<Self::Account>, Self::Error>;

    /// Whether `payer` is at `nonce` and has `funds`.
    fn may_send(
        &mut self,
        payer: &Self::Account,
        nonce: u64,
        funds: U256,
    ) -> Result<bool, Self::Error>;

    /// Whether `payee` has room for `credit`.
    fn has_room(&mut self, payee: &Self::Account, credit: U256) -> Result<bool, Self::Error>;

    /// Takes `debit` from `payer`, whose nonce rises, and gives `credit` to `payee`; gives a third
    /// account its `reward`, if it fits. False if revm has to do that, and nothing was done.
    fn settle(
        &mut self,
        payer: (Self::Account, U256),
        payee: (Self::Account, U256),
        reward: Option<(Address, U256)>,
    ) -> Result<bool, Self::Error>;
}

/// An ordinary payment.
pub(crate) struct Payment {
    sender: Address,
    recipient: Address,
    beneficiary: Address,
    nonce: u64,
    value: U256,
    costs: Costs,
}

impl Payment {
    /// The payment that `txn`, the transaction in `evm`, is if its parties have no code. `None` if
    /// it is none, or is not valid, for `handler` to say why.
    pub(crate) fn of<H>(handler: &H, evm: &mut H::Evm, txn: &TxEnv) -> Option<Self>
    where
        H: Handler<
            Evm: EvmTr<Context: ContextTr<Cfg: Cfg<Spec = SpecId>>, Precompiles = EthPrecompiles>,
        >,
    {
        let (sender, recipient) = parties(evm, txn)?;
        let costs = Costs::of(handler, evm, txn)?;
        let beneficiary = evm.ctx_ref().block().beneficiary();
        let (nonce, value) = (txn.nonce, txn.value);
        Some(Self { sender, recipient, beneficiary, nonce, value, costs })
    }

    /// Makes the payment on `state`. `None` if it is for revm to make, or to say what is wrong
    /// with it; nothing was done then.
    ///
    /// # Errors
    ///
    /// What `state` returns.
    pub(crate) fn make<S: PaymentState>(
        &self,
        state: &mut S,
    ) -> Result<Option<ExecutionResult>, S::Error> {
        let costs = &self.costs;
        // In revm's order: an account that can't be read must not get in the way of what comes
        // before.
        let Some(payer) = state.account(self.sender)? else { return Ok(None) };
        if !state.may_send(&payer, self.nonce, costs.funds)? {
            return Ok(None);
        }
        let Some(payee) = state.account(self.recipient)? else { return Ok(None) };
        let (mut debit, mut credit) = (self.value + costs.fee, self.value);
        let mut reward = None;
        match self.beneficiary {
            address if address == self.sender => debit -= costs.reward,
            address if address == self.recipient => credit = credit.saturating_add(costs.reward),
            address => reward = Some((address, costs.reward)),
        }
        if !state.has_room(&payee, credit)? {
            return Ok(None);
        }
        let settled = state.settle((payer, debit), (payee, credit), reward)?;
        Ok(settled.then(|| costs.result()))
    }
}

/// Whether a sender must have the right nonce and enough funds, and pays for gas.
pub(crate) fn checks_senders(cfg: &impl Cfg) -> bool {
    !cfg.is_nonce_check_disabled()
        && !cfg.is_balance_check_disabled()
        && !cfg.is_fee_charge_disabled()
}

/// The sender and the recipient of a call that could be an ordinary payment, if the recipient has
/// no code.
fn parties<EVM>(evm: &EVM, txn: &TxEnv) -> Option<(Address, Address)>
where
    EVM: EvmTr<Context: ContextTr<Cfg: Cfg<Spec = SpecId>>, Precompiles = EthPrecompiles>,
{
    let TxKind::Call(recipient) = txn.kind else { return None };
    let (context, _, precompiles, _) = evm.all();
    let cfg = context.cfg();
    // Nobody sends data to an account without code, but for fun.
    let ordinary = txn.tx_type <= 2
        && txn.data.is_empty()
        && txn.nonce < u64::MAX
        && txn.caller != recipient
        && !cfg.spec().is_enabled_in(SpecId::AMSTERDAM)
        && !cfg.is_amsterdam_eip8037_enabled()
        && !cfg.is_amsterdam_eip2780_enabled()
        && checks_senders(cfg)
        && !precompiles.contains(&recipient);
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
    /// The costs of `txn`, which is the transaction in `evm`. `None` if it is not valid, for
    /// `handler` to say why, or costs more than it seems.
    fn of<H>(handler: &H, evm: &mut H::Evm, txn: &TxEnv) -> Option<Self>
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
    fn result(&self) -> ExecutionResult<HaltReason> {
        ExecutionResult::Success {
            reason: SuccessReason::Stop,
            gas: self.gas,
            logs: Vec::new(),
            output: Output::Call(Bytes::new()),
        }
    }
}
