//! revm's database for one worker: the view of the transaction at hand, and what it loaded.

use std::fmt;

use alloy_primitives::{Address, B256, U256};
use block_stm::{BoxError, Interrupt, View};
use revm::{
    Database,
    database_interface::DBErrorMarker,
    primitives::{StorageKey, StorageValue},
    state::{AccountId, AccountInfo, Bytecode},
};

use super::{
    attempt::Notes,
    base::Base,
    code_hashes::WorkerHashes,
    codes::{Codes, WorkerCodes},
    location::Location,
    observed::Observed,
    value::{AccountState, StateValue},
    vm::BlockVm,
};
use crate::{keccak::Keccaks, state_ref::State};

/// The view ended the execution; why is the engine's to know.
#[derive(Debug, thiserror::Error)]
#[error("the execution was interrupted by the engine")]
pub(crate) struct Interrupted;

impl DBErrorMarker for Interrupted {}

/// What a run reads from, and what it has loaded so far.
pub(crate) struct TxnDb<'b, 's> {
    pub(crate) view: View<'b, BlockVm<'s>>,
    /// The accounts that the run loaded, in order.
    pub(crate) observed: Vec<Observed>,
    /// What the view answered instead of a value, kept to be handed on.
    pub(crate) interrupt: Option<Interrupt>,
    pub(crate) codes: &'s Codes,
    /// Whether what is loaded now is taken for granted afterwards, so that any value will do.
    pub(crate) glimpses: bool,
    /// What the run notes of itself, if that is wanted.
    pub(crate) notes: Option<Notes>,
    base: &'s dyn Base,
    worker_codes: WorkerCodes,
    pub(crate) worker_hashes: WorkerHashes,
    pub(crate) keccaks: Keccaks,
}

impl fmt::Debug for TxnDb<'_, '_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TxnDb")
            .field("view", &self.view)
            .field("observed", &self.observed)
            .finish_non_exhaustive()
    }
}

impl<'s> TxnDb<'_, 's> {
    pub(crate) fn new(codes: &'s Codes, base: &'s dyn Base) -> Self {
        Self {
            view: View::default(),
            observed: Vec::new(),
            interrupt: None,
            codes,
            glimpses: false,
            notes: None,
            base,
            worker_codes: WorkerCodes::default(),
            worker_hashes: WorkerHashes::default(),
            keccaks: Keccaks::default(),
        }
    }

    /// The record of an account that was loaded; `info` is what revm holds of it now.
    pub(crate) fn observed_mut(&mut self, address: Address, info: &AccountInfo) -> &mut Observed {
        let place = info.account_id.map(AccountId::get);
        // revm keeps no handle for an account that does not exist.
        let place = place.or_else(|| self.observed.iter().position(|o| o.address == address));
        &mut self.observed[place.expect("revm loads an account before it uses it")]
    }

    /// Keeps the view's interrupt, and makes it revm's error.
    pub(crate) fn interrupted(&mut self, interrupt: Interrupt) -> Interrupted {
        self.interrupt.get_or_insert(interrupt);
        Interrupted
    }

    fn failed(&mut self, source: BoxError) -> Interrupted {
        let interrupt = self.view.fail(source);
        self.interrupted(interrupt)
    }

    /// A slot of the account that was loaded as the n-th.
    fn slot(
        &mut self,
        account: Option<usize>,
        address: Address,
        key: U256,
    ) -> Result<U256, Interrupted> {
        let observed = account.map(|account| &self.observed[account]);
        let wipes = observed.map_or(0, |observed| observed.original.wipes);
        let location = Location::Slot { address, wipes, key };
        match self.view.read(&location) {
            Ok(StateValue::Slot(value)) => {
                if let Some(notes) = &mut self.notes {
                    notes.read(account, key, value);
                }
                Ok(value)
            }
            Ok(StateValue::Account(_)) => Err(self.failed("a slot holds an account".into())),
            Err(interrupt) => Err(self.interrupted(interrupt)),
        }
    }
}

impl Database for TxnDb<'_, '_> {
    type Error = Interrupted;

    /// Shows the account without observing it; the journal notes what really matters of it.
    fn basic(&mut self, address: Address) -> Result<Option<AccountInfo>, Interrupted> {
        let location = Location::Account(address);
        let account = match self.glimpses {
            true => self.view.glimpse(&location),
            false => self.view.peek(&location),
        };
        let account = match account {
            Ok(StateValue::Account(account)) => account,
            Ok(StateValue::Slot(_)) => {
                return Err(self.failed("an account holds a slot".into()));
            }
            Err(interrupt) => return Err(self.interrupted(interrupt)),
        };
        let account_id = AccountId::new(self.observed.len());
        self.observed.push(Observed::new(address, account));
        Ok(account.exists.then_some(AccountInfo {
            balance: account.balance,
            nonce: account.nonce,
            code_hash: self.worker_hashes.get(account.code, &self.codes.hashes),
            account_id,
            code: None,
        }))
    }

    fn code_by_hash(&mut self, hash: B256) -> Result<Bytecode, Interrupted> {
        let code = self.worker_codes.get(hash, self.codes, self.base);
        code.map_err(|source| self.failed(source))
    }

    fn storage(&mut self, address: Address, key: StorageKey) -> Result<StorageValue, Interrupted> {
        let mut observed = self.observed.iter();
        let account = observed.position(|observed| observed.address == address);
        self.slot(account, address, key)
    }

    fn storage_by_account_id(
        &mut self,
        address: Address,
        id: AccountId,
        key: StorageKey,
    ) -> Result<StorageValue, Interrupted> {
        self.slot(Some(id.get()), address, key)
    }

    fn block_hash(&mut self, number: u64) -> Result<B256, Interrupted> {
        let hash = self.base.block_hash(number);
        let hash = hash.map_err(|source| self.failed(source))?;
        if let Some(notes) = &mut self.notes {
            notes.block_hash(number, hash);
        }
        Ok(hash)
    }
}

impl State for TxnDb<'_, '_> {
    /// Rests on nothing but what every load of the account observes.
    fn has_storage(&mut self, address: Address) -> Result<bool, Interrupted> {
        let mut observed = self.observed.iter();
        let observed = observed.find(|observed| observed.address == address);
        let answer = match observed.map(|observed| observed.original) {
            Some(AccountState { stored: true, .. }) => true,
            Some(AccountState { wipes: 0, .. }) => {
                self.base.has_storage(address).map_err(|source| self.failed(source))?
            }
            // What was created or destroyed in this block has what it was left with.
            Some(_) | None => false,
        };
        if let Some(notes) = &mut self.notes {
            notes.has_storage(address, answer);
        }
        Ok(answer)
    }
}
