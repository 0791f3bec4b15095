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

use crate::state_ref::State;

/// revm's journal, in which no contract is created over storage.
#[derive(Debug)]
pub struct CreationJournal<DB> {
    pub(crate) journal: Journal<DB>,
    /// The account that was loaded last, if it has storage and neither nonce nor code.
    occupied: Option<Address>,
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
        Self { journal: Journal::new(database), occupied: None }
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

    fn db_and_state(&self) -> (&DB, &EvmState) {
        self.journal.db_and_state()
    }

    fn db_and_state_mut(&mut self) -> (&mut DB, &mut EvmState) {
        self.journal.db_and_state_mut()
    }

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

    #[expect(deprecated, reason = "part of the trait")]
    fn caller_accounting_journal_entry(&mut self, address: Address, old: U256, bump_nonce: bool) {
        self.journal.caller_accounting_journal_entry(address, old, bump_nonce);
    }

    #[expect(deprecated, reason = "part of the trait")]
    fn nonce_bump_journal_entry(&mut self, address: Address) {
        self.journal.nonce_bump_journal_entry(address);
    }

    fn sload_skip_cold_load(
        &mut self,
        address: Address,
        key: StorageKey,
        skip_cold_load: bool,
    ) -> LoadResult<StateLoad<StorageValue>, DB> {
        self.journal.sload_skip_cold_load(address, key, skip_cold_load)
    }

    fn sstore_skip_cold_load(
        &mut self,
        address: Address,
        key: StorageKey,
        value: StorageValue,
        skip_cold_load: bool,
    ) -> LoadResult<StateLoad<SStoreResult>, DB> {
        self.journal.sstore_skip_cold_load(address, key, value, skip_cold_load)
    }

    fn tload(&mut self, address: Address, key: StorageKey) -> StorageValue {
        self.journal.tload(address, key)
    }

    fn tstore(&mut self, address: Address, key: StorageKey, value: StorageValue) {
        self.journal.tstore(address, key, value);
    }

    fn log(&mut self, log: Log) {
        self.journal.log(log);
    }

    fn take_logs(&mut self) -> Vec<Log> {
        self.journal.take_logs()
    }

    fn logs(&self) -> &[Log] {
        self.journal.logs()
    }

    fn warm_access_list(&mut self, access_list: AddressMap<HashSet<StorageKey>>) {
        self.journal.warm_access_list(access_list);
    }

    fn warm_coinbase_account(&mut self, address: Address) {
        self.journal.warm_coinbase_account(address);
    }

    fn warm_precompiles(&mut self, addresses: &AddressSet) {
        self.journal.warm_precompiles(addresses);
    }

    fn precompile_addresses(&self) -> &AddressSet {
        self.journal.precompile_addresses()
    }

    fn set_spec_id(&mut self, spec_id: SpecId) {
        self.journal.set_spec_id(spec_id);
    }

    fn set_eip7708_config(&mut self, disabled: bool, delayed_clear_disabled: bool) {
        self.journal.set_eip7708_config(disabled, delayed_clear_disabled);
    }

    fn touch_account(&mut self, address: Address) {
        self.journal.touch_account(address);
    }

    fn set_code_with_hash(&mut self, address: Address, code: Bytecode, hash: B256) {
        self.journal.set_code_with_hash(address, code, hash);
    }

    fn checkpoint(&mut self) -> JournalCheckpoint {
        self.journal.checkpoint()
    }

    fn checkpoint_commit(&mut self) {
        self.journal.checkpoint_commit();
    }

    fn checkpoint_revert(&mut self, checkpoint: JournalCheckpoint) {
        self.journal.checkpoint_revert(checkpoint);
    }

    fn depth(&self) -> usize {
        self.journal.depth()
    }

    fn commit_tx(&mut self) {
        self.journal.commit_tx();
    }

    fn discard_tx(&mut self) {
        self.journal.discard_tx();
    }

    fn finalize(&mut self) -> EvmState {
        self.journal.finalize()
    }
}

/// For inspectors.
impl<DB: State> JournalExt for CreationJournal<DB> {
    fn journal(&self) -> &[JournalEntry] {
        self.journal.journal()
    }
}
