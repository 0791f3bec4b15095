//! revm's journal, watched: every decision that hangs on an account goes through here.
//!
//! Whatever revm does to accounts, it does through [`JournalTr`]. This wrapper hands everything on
//! to revm's own journal and notes what was observed. Where it can't know what the caller makes of
//! an account, it notes *everything*; the [`Intent`] of a caller that is known narrows that down.
//! So a caller that is not known here costs conflicts, never correctness.

use alloy_primitives::{
    Address, B256, Log, U256,
    map::{AddressMap, AddressSet, HashSet},
};
use revm::{
    Database,
    context::{Journal, JournalEntry, JournalInner, JournalTr},
    context_interface::{
        context::{SStoreResult, SelfDestructResult, StateLoad},
        journaled_state::{
            AccountInfoLoad, AccountLoad, JournalCheckpoint, JournalLoadError, TransferError,
            account::JournaledAccount,
        },
    },
    primitives::{StorageKey, StorageValue, hardfork::SpecId},
    state::{Account, Bytecode, EvmState},
};

use super::{
    database::{Interrupted, TxnDb},
    observed::{Current, Observed},
};
use crate::{creation::CreationJournal, delegate::delegate_to_journal};

/// What the code that loads an account is going to look at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Intent {
    /// Nobody knows.
    #[default]
    Everything,
    /// Its code, or nothing that is not noted elsewhere.
    Code,
    /// Its balance.
    Balance,
    /// Whether an account is there in the sense of the rules in force (EIP-161).
    Presence,
    /// Whether balance, nonce and code are all nothing, whatever the rules.
    Emptiness,
    /// What an authorization asks of its authority (EIP-7702).
    Authority,
}

type LoadResult<T> = Result<T, JournalLoadError<Interrupted>>;

/// The watched journal.
#[derive(Debug)]
pub(crate) struct WatchedJournal<'b, 's> {
    pub(crate) journal: CreationJournal<TxnDb<'b, 's>>,
    pub(crate) intent: Intent,
    /// What the beneficiary is owed, if the run had not loaded it.
    pub(crate) fee: Option<U256>,
}

impl<'b, 's> WatchedJournal<'b, 's> {
    fn inner(&self) -> &JournalInner<JournalEntry> {
        &self.journal.journal.inner
    }

    /// An account that was loaded, with its record.
    pub(crate) fn account_mut(
        &mut self,
        address: Address,
    ) -> Option<(&mut Account, &mut Observed)> {
        let Journal { database, inner } = &mut self.journal.journal;
        let account = inner.state.get_mut(&address)?;
        let observed = database.observed_mut(address, &account.info);
        Some((account, observed))
    }

    pub(crate) fn balance(&self, address: Address) -> Option<U256> {
        let account = self.journal.evm_state().get(&address)?;
        Some(account.info.balance)
    }

    /// Notes that the balance of `address` is compared with `value`; the answer.
    pub(crate) fn covers(&mut self, address: Address, value: U256) -> bool {
        self.account_mut(address)
            .is_none_or(|(account, observed)| observed.covers(account.info.balance, value))
    }

    /// Notes that `value` is added to the balance of `address`.
    pub(crate) fn takes(&mut self, address: Address, value: U256) {
        if let Some((account, observed)) = self.account_mut(address) {
            observed.takes(account.info.balance, value);
        }
    }

    /// Notes that the nonce of `address` was observed.
    pub(crate) fn nonce(&mut self, address: Address) {
        if let Some((_, observed)) = self.account_mut(address) {
            observed.nonce();
        }
    }

    /// A loaded account.
    fn journaled(&mut self, address: Address) -> JournaledAccount<'_, TxnDb<'b, 's>> {
        let Journal { database, inner } = &mut self.journal.journal;
        let account = inner.get_account_mut(database, address);
        account.expect("the account was just loaded")
    }

    /// Loads an account, and notes nothing.
    fn load(&mut self, address: Address) -> Result<(), Interrupted> {
        self.journal.journal.load_account(address).map(drop)
    }

    /// Notes what the intent says of a loaded account.
    fn observe(&mut self, address: Address) {
        let (intent, spec) = (self.intent, self.inner().cfg.spec);
        if intent == Intent::Code {
            return;
        }
        let Some((account, observed)) = self.account_mut(address) else {
            return;
        };
        let current = current(account);
        match intent {
            Intent::Code => {}
            Intent::Everything => observed.everything(),
            Intent::Balance => observed.balance(),
            Intent::Emptiness => observed.emptiness(current),
            Intent::Presence if spec.is_enabled_in(SpecId::SPURIOUS_DRAGON) => {
                observed.emptiness(current);
            }
            Intent::Presence => observed.existence(),
            Intent::Authority => {
                observed.nonce();
                observed.existence();
                observed.emptiness(current);
            }
        }
    }
}

fn current(account: &Account) -> Current {
    Current {
        balance: account.info.balance,
        nonce: account.info.nonce,
        has_code: !account.info.is_empty_code_hash() && !account.info.code_hash.is_zero(),
    }
}

impl<'b, 's> JournalTr for WatchedJournal<'b, 's> {
    type Database = TxnDb<'b, 's>;
    type State = EvmState;
    type JournaledAccount<'a>
        = JournaledAccount<'a, TxnDb<'b, 's>>
    where
        Self: 'a;

    fn new(database: TxnDb<'b, 's>) -> Self {
        Self { journal: CreationJournal::new(database), intent: Intent::Everything, fee: None }
    }

    // Loading accounts: noted by intent.

    fn load_account(&mut self, address: Address) -> Result<StateLoad<&Account>, Interrupted> {
        let is_cold = self.journal.load_account(address)?.is_cold;
        self.observe(address);
        Ok(StateLoad::new(self.inner().account(address), is_cold))
    }

    fn load_account_with_code(
        &mut self,
        address: Address,
    ) -> Result<StateLoad<&Account>, Interrupted> {
        let is_cold = self.journal.load_account_with_code(address)?.is_cold;
        self.observe(address);
        let account = self.inner().account(address);
        Ok(StateLoad::new(account, is_cold))
    }

    fn load_account_delegated(
        &mut self,
        address: Address,
    ) -> Result<StateLoad<AccountLoad>, Interrupted> {
        let load = self.journal.load_account_delegated(address)?;
        self.observe(address);
        Ok(load)
    }

    fn load_account_mut_skip_cold_load(
        &mut self,
        address: Address,
        skip_cold_load: bool,
    ) -> LoadResult<StateLoad<Self::JournaledAccount<'_>>> {
        let load = self.journal.load_account_mut_skip_cold_load(address, skip_cold_load)?;
        let is_cold = load.is_cold;
        self.observe(address);
        Ok(StateLoad::new(self.journaled(address), is_cold))
    }

    fn load_account_mut_optional_code(
        &mut self,
        address: Address,
        load_code: bool,
    ) -> Result<StateLoad<Self::JournaledAccount<'_>>, Interrupted> {
        let load = self.journal.load_account_mut_optional_code(address, load_code)?;
        let is_cold = load.is_cold;
        self.observe(address);
        Ok(StateLoad::new(self.journaled(address), is_cold))
    }

    fn load_account_info_skip_cold_load(
        &mut self,
        address: Address,
        load_code: bool,
        skip_cold_load: bool,
    ) -> LoadResult<AccountInfoLoad<'_>> {
        let load =
            self.journal.load_account_info_skip_cold_load(address, load_code, skip_cold_load)?;
        let is_cold = load.is_cold;
        self.observe(address);
        let account = self.inner().account(address);
        let is_empty = account.state_clear_aware_is_empty(self.inner().cfg.spec);
        Ok(AccountInfoLoad::new(&account.info, is_cold, is_empty))
    }

    // Moving balances: noted by what is checked.

    fn transfer(
        &mut self,
        from: Address,
        to: Address,
        balance: U256,
    ) -> Result<Option<TransferError>, Interrupted> {
        self.load(from)?;
        self.load(to)?;
        Ok(self.transfer_loaded(from, to, balance))
    }

    fn transfer_loaded(
        &mut self,
        from: Address,
        to: Address,
        balance: U256,
    ) -> Option<TransferError> {
        if !balance.is_zero() && self.covers(from, balance) && from != to {
            self.takes(to, balance);
        }
        self.journal.transfer_loaded(from, to, balance)
    }

    fn balance_incr(&mut self, address: Address, balance: U256) -> Result<(), Interrupted> {
        self.load(address)?;
        self.takes(address, balance);
        self.journal.balance_incr(address, balance)
    }

    fn create_account_checkpoint(
        &mut self,
        caller: Address,
        address: Address,
        balance: U256,
        spec_id: SpecId,
    ) -> Result<JournalCheckpoint, TransferError> {
        self.nonce(address);
        if !balance.is_zero() {
            self.takes(address, balance);
            self.covers(caller, balance);
        }
        self.journal.create_account_checkpoint(caller, address, balance, spec_id)
    }

    fn selfdestruct(
        &mut self,
        address: Address,
        target: Address,
        skip_cold_load: bool,
    ) -> LoadResult<StateLoad<SelfDestructResult>> {
        let moved = self.balance(address).unwrap_or_default();
        let result = self.journal.selfdestruct(address, target, skip_cold_load)?;
        if let Some((_, observed)) = self.account_mut(address) {
            observed.balance();
        }
        let spec = self.inner().cfg.spec;
        let clears_empty = spec.is_enabled_in(SpecId::SPURIOUS_DRAGON);
        if address != target
            && let Some((account, observed)) = self.account_mut(target)
        {
            let mut before = current(account);
            before.balance = before.balance.wrapping_sub(moved);
            observed.takes(before.balance, moved);
            match clears_empty {
                true if moved.is_zero() => {}
                true => observed.emptiness(before),
                false => observed.existence(),
            }
        }
        Ok(result)
    }

    // Everything else has no need of notes: slots are noted by the database, and the rest is the
    // run's own.

    delegate_to_journal!();
}
