//! The state that the transactions of a block start from: the host's, with the pre-block steps
//! applied.

use std::{
    error::Error,
    sync::{Mutex, PoisonError},
};

use alloy_primitives::{Address, B256, U256, map::AddressMap};
use block_stm::{BoxError, FinalState, Storage};
use revm::state::{AccountInfo, Bytecode};

use super::{
    code_hashes::CodeId,
    codes::Codes,
    location::Location,
    value::{AccountState, StateValue},
};
use crate::{
    StateRef,
    block_state::{BlockState, CachedAccount},
};

/// What the VM asks of the state before the block beside locations. Neither ever changes within it.
pub(crate) trait Base: Sync {
    fn code(&self, hash: B256) -> Result<Bytecode, BoxError>;
    fn block_hash(&self, number: u64) -> Result<B256, BoxError>;
    /// Whether an account had storage before the block, as far as the host can tell.
    fn has_storage(&self, address: Address) -> Result<bool, BoxError>;
}

/// Where it is known what accounts held before the transactions.
pub(crate) trait AccountsBefore: Sync {
    fn account_before_txns(&self, address: &Address) -> Result<AccountState, BoxError>;
}

/// The accounts that were read, so that who commits need not read them again.
#[derive(Debug, Default)]
struct Memo([Mutex<AddressMap<AccountState>>; 16]);

impl Memo {
    fn shard(&self, address: &Address) -> &Mutex<AddressMap<AccountState>> {
        &self.0[usize::from(address[19]) % self.0.len()]
    }

    fn get(&self, address: &Address) -> Option<AccountState> {
        let shard = self.shard(address).lock().unwrap_or_else(PoisonError::into_inner);
        shard.get(address).copied()
    }

    fn keep(&self, address: Address, account: AccountState) {
        let mut shard = self.shard(&address).lock().unwrap_or_else(PoisonError::into_inner);
        shard.insert(address, account);
    }
}

/// The host's state under the changes of the pre-block steps.
pub(crate) struct BlockBase<'s, DB> {
    db: &'s DB,
    pre_block: &'s BlockState<&'s DB>,
    codes: &'s Codes,
    memo: Option<Memo>,
}

impl<'s, DB: StateRef> BlockBase<'s, DB> {
    pub(crate) fn new<'d: 's>(
        db: &'d DB,
        pre_block: &'s BlockState<&'d DB>,
        codes: &'s Codes,
    ) -> Self {
        Self { db, pre_block, codes, memo: None }
    }

    /// The same base, which remembers the accounts that it was asked for.
    pub(crate) fn remembering(mut self) -> Self {
        self.memo = Some(Memo::default());
        self
    }

    fn account(&self, address: &Address) -> Result<AccountState, DB::Error> {
        if let Some(cached) = self.pre_block.accounts.get(address) {
            let mut account = AccountState::of(cached.now.as_ref(), is_wiped(cached), self.codes);
            // What the account was left with when it was created; else the host is asked.
            account.stored = account.wipes > 0
                && account.nonce == 0
                && !account.code.is_code()
                && cached.storage.values().any(|slot| !slot.now.is_zero());
            return Ok(account);
        }
        let info = self.db.basic_ref(*address)?;
        Ok(AccountState::of(info.as_ref(), info.is_none(), self.codes))
    }

    /// The account before the transactions, which the execution that led to `state` has read in
    /// most cases.
    pub(crate) fn account_before(
        &self,
        state: &FinalState<Location, StateValue>,
        address: &Address,
    ) -> Result<AccountState, DB::Error> {
        let location = Location::Account(*address);
        let unchanged = || state.value(&location).is_none().then(|| state.cached(&location));
        match state.before(&location).or_else(|| unchanged().flatten()) {
            Some(StateValue::Account(account)) => Ok(*account),
            Some(StateValue::Slot(_)) | None => self.account(address),
        }
    }

    fn slot(&self, address: Address, wipes: u32, key: U256) -> Result<U256, DB::Error> {
        let mut first = 0;
        if let Some(cached) = self.pre_block.accounts.get(&address) {
            first = u32::from(is_wiped(cached));
            if wipes == first
                && let Some(slot) = cached.storage.get(&key)
            {
                return Ok(slot.now);
            }
        }
        // Zero and wiped are the same; only what was never wiped is in the host's state.
        if wipes > 0 || first > 0 {
            return Ok(U256::ZERO);
        }
        self.db.storage_ref(address, key)
    }
}

impl AccountState {
    /// The account that `info` describes, whose storage the host knows unless it is `wiped`.
    pub(crate) fn of(info: Option<&AccountInfo>, wiped: bool, codes: &Codes) -> Self {
        let wipes = u32::from(wiped);
        let Some(info) = info else {
            return Self {
                balance: U256::ZERO,
                nonce: 0,
                wipes,
                code: CodeId::NONE,
                exists: false,
                stored: false,
            };
        };
        let code = codes.hashes.id(&info.code_hash);
        if code.is_code()
            && let Some(bytes) = &info.code
        {
            codes.insert(info.code_hash, bytes);
        }
        let AccountInfo { balance, nonce, .. } = *info;
        Self { balance, nonce, wipes, code, exists: true, stored: false }
    }
}

/// As it is, so that it can be taken out again; `?` would put a box into a box.
fn boxed<E: Error + Send + Sync + 'static>(error: E) -> BoxError {
    Box::new(error)
}

/// Whether slots that are not cached are zero. An account that is absent counts as wiped.
pub(crate) fn is_wiped(cached: &CachedAccount) -> bool {
    cached.wiped || cached.before.is_none()
}

impl<DB> Storage<Location, StateValue> for BlockBase<'_, DB>
where
    DB: StateRef + Sync,
{
    fn read(&self, location: &Location) -> Result<StateValue, BoxError> {
        Ok(match location {
            Location::Account(address) => {
                let account = self.account(address).map_err(boxed)?;
                if let Some(memo) = &self.memo {
                    memo.keep(*address, account);
                }
                StateValue::Account(account)
            }
            Location::Slot { address, wipes, key } => {
                StateValue::Slot(self.slot(*address, *wipes, *key).map_err(boxed)?)
            }
        })
    }
}

impl<DB: StateRef + Sync> AccountsBefore for BlockBase<'_, DB> {
    fn account_before_txns(&self, address: &Address) -> Result<AccountState, BoxError> {
        match self.memo.as_ref().and_then(|memo| memo.get(address)) {
            Some(account) => Ok(account),
            None => self.account(address).map_err(boxed),
        }
    }
}

impl<DB: StateRef + Sync> Base for BlockBase<'_, DB> {
    fn code(&self, hash: B256) -> Result<Bytecode, BoxError> {
        if let Some(code) = self.pre_block.code.get(&hash) {
            return Ok(code.clone());
        }
        self.db.code_by_hash_ref(hash).map_err(boxed)
    }

    fn block_hash(&self, number: u64) -> Result<B256, BoxError> {
        self.db.block_hash_ref(number).map_err(boxed)
    }

    fn has_storage(&self, address: Address) -> Result<bool, BoxError> {
        Ok(self.db.has_storage_ref(address).map_err(boxed)?.unwrap_or(false))
    }
}
