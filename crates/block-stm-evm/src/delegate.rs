//! What a journal around another one hands on as it is.

/// The methods of [`JournalTr`](revm::context::JournalTr) that a wrapper has no word on, for its
/// implementation of it: each calls that of the field `journal`.
macro_rules! delegate_to_journal {
    () => {
        fn db_and_state(&self) -> (&Self::Database, &EvmState) {
            self.journal.db_and_state()
        }

        fn db_and_state_mut(&mut self) -> (&mut Self::Database, &mut EvmState) {
            self.journal.db_and_state_mut()
        }

        #[expect(deprecated, reason = "part of the trait")]
        fn caller_accounting_journal_entry(
            &mut self,
            address: Address,
            old: U256,
            bump_nonce: bool,
        ) {
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
        ) -> Result<StateLoad<StorageValue>, JournalLoadError<<Self::Database as Database>::Error>>
        {
            self.journal.sload_skip_cold_load(address, key, skip_cold_load)
        }

        fn sstore_skip_cold_load(
            &mut self,
            address: Address,
            key: StorageKey,
            value: StorageValue,
            skip_cold_load: bool,
        ) -> Result<StateLoad<SStoreResult>, JournalLoadError<<Self::Database as Database>::Error>>
        {
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
    };
}

pub(crate) use delegate_to_journal;
