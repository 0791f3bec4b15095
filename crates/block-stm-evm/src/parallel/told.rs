//! What a run says of itself beside its writes, where a sink of the host's is told of it.
//!
//! A run sees accounts as they look when it is executed, and relies on no more of them than its
//! predicates say. So what it leaves in revm's journal is right up to the balances and nonces that
//! it was shown: what it moved is right, what it moved it from may not be. [`Truth`](super::Truth)
//! puts that right when the transaction is final.

use std::mem;

use alloy_primitives::{Address, U256};
use revm::{
    context::JournalTr,
    state::{Account, EvmState},
};

use super::{codes::Codes, journal::WatchedJournal, payment::Paid};

/// What runs say of themselves.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Tells {
    /// What they looked at, for an access list.
    pub(crate) accesses: bool,
    /// All that makes an attempt of them.
    pub(crate) attempts: bool,
    /// What they did to the beneficiary.
    pub(crate) gain: bool,
    /// What they left in revm's journal.
    pub(crate) state: bool,
}

/// What one run says for a sink.
#[derive(Debug)]
pub(crate) struct RunTold {
    pub(crate) gain: Gain,
    pub(crate) state: Option<RunState>,
}

/// What a run does to the balance of the beneficiary.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Gain {
    /// It pays the fee, if it fits, and looks at nothing.
    Fee(U256),
    /// It moves the balance by this, modulo 2^256.
    Moved(U256),
    /// It destroys the account.
    Destroyed,
}

impl Gain {
    /// The balance after a transaction that found `before`.
    pub(crate) fn after(self, before: U256) -> U256 {
        match self {
            Self::Fee(wei) => before.checked_add(wei).unwrap_or(before),
            Self::Moved(wei) => before.wrapping_add(wei),
            Self::Destroyed => U256::ZERO,
        }
    }
}

/// What a run leaves in revm's journal.
#[derive(Clone, Debug, Default)]
pub(crate) struct RunState {
    /// The accounts, over what the run was shown of them.
    pub(crate) accounts: EvmState,
    pub(crate) shown: Vec<Shown>,
    /// What the beneficiary is owed, if the run has not loaded it.
    pub(crate) fee: Option<U256>,
}

/// What a run was shown of an account, as far as it need not be what is there.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shown {
    pub(crate) address: Address,
    pub(crate) balance: U256,
    pub(crate) nonce: u64,
}

impl RunTold {
    /// What a run that ended well says, out of its journal, which loses its accounts if they are to
    /// be told.
    pub(crate) fn of_run(
        journal: &mut WatchedJournal<'_, '_>,
        beneficiary: Address,
        tells: Tells,
    ) -> Box<Self> {
        let gain = match (journal.fee, journal.evm_state().get(&beneficiary)) {
            (Some(fee), _) => Gain::Fee(fee),
            (None, Some(account)) if account.is_selfdestructed() => Gain::Destroyed,
            (None, Some(account)) => {
                let now = account.info.balance;
                let mut observed = journal.db_mut().observed.iter();
                let observed = observed.find(|observed| observed.address == beneficiary);
                let shown = observed.map_or(now, |observed| observed.original.balance);
                Gain::Moved(now.wrapping_sub(shown))
            }
            (None, None) => Gain::Moved(U256::ZERO),
        };
        let state = tells.state.then(|| {
            let accounts = mem::take(journal.evm_state_mut());
            let fee = journal.fee;
            let observed = journal.db_mut().observed.iter();
            let shown = observed.map(|observed| Shown {
                address: observed.address,
                balance: observed.original.balance,
                nonce: observed.original.nonce,
            });
            RunState { accounts, shown: shown.collect(), fee }
        });
        Box::new(Self { gain, state })
    }

    /// What a payment says that was made without revm's machine.
    pub(crate) fn of_payment(
        paid: &Paid,
        beneficiary: Address,
        codes: &Codes,
        tells: Tells,
    ) -> Box<Self> {
        let gain = match paid.reward {
            Some(wei) => Gain::Fee(wei),
            None if beneficiary == paid.payer.0 => Gain::Moved(U256::ZERO.wrapping_sub(paid.debit)),
            None => Gain::Moved(paid.credit),
        };
        let state = tells.state.then(|| {
            // As if both had been shown with nothing: what was moved is all that counts.
            let mut payer = Account::default();
            payer.info.balance = U256::ZERO.wrapping_sub(paid.debit);
            payer.info.nonce = 1;
            let mut payee = Account::default();
            payee.info.balance = paid.credit;
            let mut accounts = EvmState::default();
            let mut shown = Vec::with_capacity(2);
            for ((address, code), mut account) in [(paid.payer, payer), (paid.payee, payee)] {
                account.info.code_hash = codes.hashes.hash(code);
                account.mark_touch();
                accounts.insert(address, account);
                shown.push(Shown { address, balance: U256::ZERO, nonce: 0 });
            }
            RunState { accounts, shown, fee: paid.reward }
        });
        Box::new(Self { gain, state })
    }
}
