//! A view as a state on which payments are made.

use alloy_primitives::{Address, U256};
use block_stm::{Interrupt, View};

use super::{
    code_hashes::CodeId,
    location::Location,
    observed::Observed,
    value::{AccountState, Delta, Fate, NonceTest, Shift, StateValue},
    vm::BlockVm,
};
use crate::payment::PaymentState;

/// What is read is assumed, what is paid is added: payments among many accounts do not conflict.
pub(crate) struct PaymentView<'v, 'b, 's> {
    /// What was paid, once it was.
    pub(crate) paid: Option<Paid>,
    pub(crate) view: &'v mut View<'b, BlockVm<'s>>,
    /// Whether a touched account that is empty ceases to exist (EIP-161).
    pub(crate) clears_empty: bool,
}

/// A payment that was made.
#[derive(Debug)]
pub(crate) struct Paid {
    pub(crate) payer: (Address, CodeId),
    pub(crate) debit: U256,
    pub(crate) payee: (Address, CodeId),
    pub(crate) credit: U256,
    /// What a third account got, the beneficiary.
    pub(crate) reward: Option<U256>,
}

impl PaymentView<'_, '_, '_> {
    fn add(&mut self, address: Address, balance: Shift, nonce: u64) -> Result<bool, Interrupt> {
        let (fate, clears_empty) = (Fate::Touched, self.clears_empty);
        let delta = Delta { balance, nonce, code: None, fate, stored: false, clears_empty };
        self.view.add(&Location::Account(address), delta)
    }
}

impl PaymentState for PaymentView<'_, '_, '_> {
    type Account = (Address, AccountState);
    type Error = Interrupt;

    fn account(&mut self, address: Address) -> Result<Option<Self::Account>, Interrupt> {
        match self.view.glimpse(&Location::Account(address))? {
            StateValue::Account(account) if !account.code.is_code() => Ok(Some((address, account))),
            StateValue::Account(_) | StateValue::Slot(_) => Ok(None),
        }
    }

    fn may_send(
        &mut self,
        &(address, account): &Self::Account,
        nonce: u64,
        funds: U256,
    ) -> Result<bool, Interrupt> {
        let mut predicate = Observed::new(address, account).predicate();
        predicate.nonce = NonceTest::Is(nonce);
        predicate.balance.0 = funds;
        self.view.assume(&Location::Account(address), predicate)
    }

    fn has_room(
        &mut self,
        &(address, account): &Self::Account,
        credit: U256,
    ) -> Result<bool, Interrupt> {
        if account.balance.checked_add(credit).is_none() {
            return Ok(false);
        }
        let mut observed = Observed::new(address, account);
        if !credit.is_zero() {
            observed.takes(account.balance, credit);
        }
        self.view.assume(&Location::Account(address), observed.predicate())
    }

    fn settle(
        &mut self,
        ((payer, paying), debit): (Self::Account, U256),
        ((payee, paid), credit): (Self::Account, U256),
        reward: Option<(Address, U256)>,
    ) -> Result<bool, Interrupt> {
        // The assumptions say that all of them apply; where the view knows better, it ends the run.
        let mut applied = self.add(payer, Shift::Debit(debit), 1)?
            && self.add(payee, Shift::Credit(credit), 0)?;
        if let Some((beneficiary, reward)) = reward {
            applied &= self.add(beneficiary, Shift::CreditIfItFits(reward), 0)?;
        }
        if !applied {
            return Err(self.view.fail("a payment that was checked does not apply"));
        }
        let (payer, payee) = ((payer, paying.code), (payee, paid.code));
        let reward = reward.map(|(_, wei)| wei);
        self.paid = Some(Paid { payer, debit, payee, credit, reward });
        Ok(true)
    }
}
