//! revm's journal, and the rule on the creation of contracts that it lacks.
//!
//! No contract is created where there is storage (EIP-7610), under the rules of any fork. revm
//! looks at nonce and code alone. Just before it creates, it loads the place through
//! [`JournalTr::load_account`]: there the state is asked, so that a state that can't be read ends
//! the execution as any other does.
//!
//! What is asked of the state is what the account had before the transaction. An account that has
//! neither nonce nor code has that storage still, as only its own code could have changed it,
//! unless the transaction created it.

use alloy_primitives::{
    Address, B256, Log, U256,
    map::{AddressMap, AddressSet, HashSet},
};
use revm::{
    Database,
    context::{Journal, JournalEntry, JournalTr},
    context_interface::{
        context::{SStoreResult, SelfDestructResult, StateLoad},
        journaled_state::{
            AccountInfoLoad, AccountLoad, JournalCheckpoint, JournalLoadError, TransferError,
            account::JournaledAccount,
        },
    },
    inspector::JournalExt,
    primitives::{StorageKey, StorageValue, hardfork::SpecId},
    state::{Account, Bytecode, EvmState},
};

use crate::{delegate::delegate_to_journal, state_ref::State};

/// revm's journal, in which no contract is created over storage.
#[derive(Debug)]
pub struct CreationJournal<DB> {
    pub(crate) journal: Journal<DB>,
    /// The account that was loaded last, if it has storage and neither nonce nor code.
    occupied: Option<Address>,
    /// Whether the rule is switched off.
    pub(crate) creates_over_storage: bool,
}

type LoadResult<T, DB> = Result<T, JournalLoadError<<DB as Database>::Error>>;

impl<DB> CreationJournal<DB> {
    pub(crate) fn into_database(self) -> DB {
        self.journal.database
    }
}

impl<DB: State> CreationJournal<DB> {
    /// Whether an account that is loaded has storage and neither nonce nor code.
    fn is_occupied(&mut self, address: Address) -> Result<bool, DB::Error> {
        if self.creates_over_storage {
            return Ok(false);
        }
        let account = self.journal.inner.account(address);
        if account.info.nonce != 0 || !account.info.is_empty_code_hash() {
            return Ok(false);
        }
        if account.storage.values().any(|slot| !slot.present_value().is_zero()) {
            return Ok(true);
        }
        Ok(!account.is_created() && self.journal.database.has_storage(address)?)
    }
}

impl<DB: State> JournalTr for CreationJournal<DB> {
    type Database = DB;
    type State = EvmState;
    type JournaledAccount<'a>
        = JournaledAccount<'a, DB>
    where
        Self: 'a;

    fn new(database: DB) -> Self {
        let journal = Journal::new(database);
        Self { journal, occupied: None, creates_over_storage: false }
    }

    /// Also finds out whether a contract may be created at `address`.
    fn load_account(&mut self, address: Address) -> Result<StateLoad<&Account>, DB::Error> {
        let is_cold = self.journal.load_account(address)?.is_cold;
        self.occupied = self.is_occupied(address)?.then_some(address);
        Ok(StateLoad::new(self.journal.inner.account(address), is_cold))
    }

    fn create_account_checkpoint(
        &mut self,
        caller: Address,
        address: Address,
        balance: U256,
        spec_id: SpecId,
    ) -> Result<JournalCheckpoint, TransferError> {
        if self.occupied == Some(address) {
            return Err(TransferError::CreateCollision);
        }
        self.journal.create_account_checkpoint(caller, address, balance, spec_id)
    }

    // All else is revm's.

    fn load_account_with_code(
        &mut self,
        address: Address,
    ) -> Result<StateLoad<&Account>, DB::Error> {
        self.journal.load_account_with_code(address)
    }

    fn load_account_delegated(
        &mut self,
        address: Address,
    ) -> Result<StateLoad<AccountLoad>, DB::Error> {
        self.journal.load_account_delegated(address)
    }

    fn load_account_mut_skip_cold_load(
        &mut self,
        address: Address,
        skip_cold_load: bool,
    ) -> LoadResult<StateLoad<Self::JournaledAccount<'_>>, DB> {
        self.journal.load_account_mut_skip_cold_load(address, skip_cold_load)
    }

    fn load_account_mut_optional_code(
        &mut self,
        address: Address,
        load_code: bool,
    ) -> Result<StateLoad<Self::JournaledAccount<'_>>, DB::Error> {
        self.journal.load_account_mut_optional_code(address, load_code)
    }

    fn load_account_info_skip_cold_load(
        &mut self,
        address: Address,
        load_code: bool,
        skip_cold_load: bool,
    ) -> LoadResult<AccountInfoLoad<'_>, DB> {
        self.journal.load_account_info_skip_cold_load(address, load_code, skip_cold_load)
    }

    fn transfer(
        &mut self,
        from: Address,
        to: Address,
        balance: U256,
    ) -> Result<Option<TransferError>, DB::Error> {
        self.journal.transfer(from, to, balance)
    }

    fn transfer_loaded(
        &mut self,
        from: Address,
        to: Address,
        balance: U256,
    ) -> Option<TransferError> {
        self.journal.transfer_loaded(from, to, balance)
    }

    fn balance_incr(&mut self, address: Address, balance: U256) -> Result<(), DB::Error> {
        self.journal.balance_incr(address, balance)
    }

    fn selfdestruct(
        &mut self,
        address: Address,
        target: Address,
        skip_cold_load: bool,
    ) -> LoadResult<StateLoad<SelfDestructResult>, DB> {
        self.journal.selfdestruct(address, target, skip_cold_load)
    }

    delegate_to_journal!();
}

/// For inspectors.
impl<DB: State> JournalExt for CreationJournal<DB> {
    fn journal(&self) -> &[JournalEntry] {
        self.journal.journal()
    }
}
