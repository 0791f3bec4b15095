//! The state while a block is executed one transaction after another.

use std::collections::hash_map::Entry;

use alloy_primitives::{
    Address, B256, U256,
    map::{AddressMap, B256Map},
};
use foldhash::fast::RandomState;
use revm::{
    Database, DatabaseCommit, DatabaseRef,
    primitives::{StorageKey, StorageValue},
    state::{Account, AccountInfo, Bytecode},
};

use crate::{AccountChange, SlotChange, StateChanges, StateRef, state_ref::State};

pub(crate) type SlotMap = std::collections::HashMap<U256, Slot, RandomState>;

/// A write-back cache over the state before the block, which ends as [`StateChanges`].
///
/// It does what revm's `CacheDB` does at the same price, and remembers two things more: the values
/// before the block, so that only real changes are reported, and that an account was destroyed
/// even when it exists again later in the block, so that its old slots stay gone.
#[derive(Clone, Debug)]
pub struct BlockState<DB> {
    pub(crate) db: DB,
    pub(crate) accounts: AddressMap<CachedAccount>,
    pub(crate) code: B256Map<Bytecode>,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct CachedAccount {
    pub(crate) before: Option<Fields>,
    pub(crate) now: Option<AccountInfo>,
    /// The account ceased to exist or was created anew: slots that are not cached are zero.
    pub(crate) wiped: bool,
    pub(crate) storage: SlotMap,
}

/// An account's fields without its code.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Fields {
    pub(crate) balance: U256,
    pub(crate) nonce: u64,
    pub(crate) code_hash: B256,
}

#[derive(Clone, Debug)]
pub(crate) struct Slot {
    pub(crate) before: U256,
    pub(crate) now: U256,
}

impl<DB> BlockState<DB> {
    /// The state `db`, with nothing read or changed yet.
    pub fn new(db: DB) -> Self {
        Self { db, accounts: AddressMap::default(), code: B256Map::default() }
    }

    /// What was changed since [`new`](Self::new).
    pub fn into_changes(self) -> StateChanges {
        // Room for all, as mostly all were changed; what is not needed is given back.
        let mut changes = Vec::with_capacity(self.accounts.len());
        let accounts = self.accounts.into_iter();
        changes.extend(accounts.filter_map(|(address, account)| account.into_change(address)));
        changes.shrink_to_fit();
        StateChanges::of(vec![changes])
    }
}

impl CachedAccount {
    fn loaded(info: Option<AccountInfo>) -> Self {
        Self { before: info.as_ref().map(Fields::of), now: info, ..Self::default() }
    }

    fn wipe(&mut self) {
        self.wiped = true;
        self.storage.clear();
    }

    /// Applies one transaction's outcome for this account.
    fn commit(&mut self, account: Account) {
        if account.is_selfdestructed() || (account.is_empty() && !account.is_created()) {
            self.now = None;
            self.wipe();
            return;
        }
        if account.is_created() {
            self.wipe();
        }
        self.now = Some(account.info);
        for (key, slot) in account.storage {
            if slot.is_changed() {
                let now = slot.present_value;
                let before = slot.original_value;
                self.storage
                    .entry(key)
                    .and_modify(|cached| cached.now = now)
                    .or_insert(Slot { before, now });
            }
        }
    }

    pub(crate) fn into_change(self, address: Address) -> Option<AccountChange> {
        let Some(info) = self.now else {
            return self.before.map(|_| AccountChange::new(address, None));
        };
        let storage: Vec<_> = self
            .storage
            .into_iter()
            .filter(|(_, slot)| slot.before != slot.now)
            .map(|(slot, Slot { before, now: after })| SlotChange { slot, before, after })
            .collect();
        let storage_wiped = self.wiped && self.before.is_some();
        let same_fields = self.before == Some(Fields::of(&info));
        if same_fields && !storage_wiped && storage.is_empty() {
            return None;
        }
        let mut change = AccountChange::new(address, Some(info));
        change.storage_wiped = storage_wiped;
        change.storage = storage;
        Some(change)
    }
}

impl Fields {
    pub(crate) fn of(info: &AccountInfo) -> Self {
        Self { balance: info.balance, nonce: info.nonce, code_hash: info.code_hash }
    }

    pub(crate) fn info(&self) -> AccountInfo {
        let Self { balance, nonce, code_hash } = *self;
        AccountInfo { balance, nonce, code_hash, code: None, ..AccountInfo::default() }
    }
}

impl<DB: DatabaseRef> BlockState<DB> {
    /// The account, loaded if need be.
    pub(crate) fn cached(&mut self, address: Address) -> Result<&mut CachedAccount, DB::Error> {
        Ok(match self.accounts.entry(address) {
            Entry::Occupied(cached) => cached.into_mut(),
            Entry::Vacant(vacant) => {
                let info = self.db.basic_ref(address)?;
                vacant.insert(CachedAccount::loaded(info))
            }
        })
    }
}

impl<DB: DatabaseRef> Database for BlockState<DB> {
    type Error = DB::Error;

    fn basic(&mut self, address: Address) -> Result<Option<AccountInfo>, Self::Error> {
        Ok(match self.accounts.entry(address) {
            Entry::Occupied(cached) => cached.get().now.clone(),
            Entry::Vacant(vacant) => {
                let info = self.db.basic_ref(address)?;
                vacant.insert(CachedAccount::loaded(info)).now.clone()
            }
        })
    }

    fn code_by_hash(&mut self, hash: B256) -> Result<Bytecode, Self::Error> {
        Ok(match self.code.entry(hash) {
            Entry::Occupied(cached) => cached.get().clone(),
            Entry::Vacant(vacant) => vacant.insert(self.db.code_by_hash_ref(hash)?).clone(),
        })
    }

    fn storage(&mut self, address: Address, key: StorageKey) -> Result<StorageValue, Self::Error> {
        let account = match self.accounts.entry(address) {
            Entry::Occupied(cached) => cached.into_mut(),
            Entry::Vacant(vacant) => {
                let info = self.db.basic_ref(address)?;
                vacant.insert(CachedAccount::loaded(info))
            }
        };
        Ok(match account.storage.entry(key) {
            Entry::Occupied(slot) => slot.get().now,
            Entry::Vacant(_) if account.wiped || account.before.is_none() => U256::ZERO,
            Entry::Vacant(vacant) => {
                let before = self.db.storage_ref(address, key)?;
                let now = before;
                vacant.insert(Slot { before, now }).now
            }
        })
    }

    fn block_hash(&mut self, number: u64) -> Result<B256, Self::Error> {
        self.db.block_hash_ref(number)
    }
}

/// Without keeping what is read.
impl<DB: DatabaseRef> DatabaseRef for BlockState<DB> {
    type Error = DB::Error;

    fn basic_ref(&self, address: Address) -> Result<Option<AccountInfo>, Self::Error> {
        match self.accounts.get(&address) {
            Some(cached) => Ok(cached.now.clone()),
            None => self.db.basic_ref(address),
        }
    }

    fn code_by_hash_ref(&self, hash: B256) -> Result<Bytecode, Self::Error> {
        match self.code.get(&hash) {
            Some(code) => Ok(code.clone()),
            None => self.db.code_by_hash_ref(hash),
        }
    }

    fn storage_ref(&self, address: Address, key: StorageKey) -> Result<StorageValue, Self::Error> {
        let is_new = match self.accounts.get(&address) {
            Some(cached) => match cached.storage.get(&key) {
                Some(slot) => return Ok(slot.now),
                None => cached.wiped || cached.before.is_none(),
            },
            None => self.db.basic_ref(address)?.is_none(),
        };
        if is_new { Ok(U256::ZERO) } else { self.db.storage_ref(address, key) }
    }

    fn block_hash_ref(&self, number: u64) -> Result<B256, Self::Error> {
        self.db.block_hash_ref(number)
    }
}

impl<DB: StateRef> StateRef for BlockState<DB> {
    fn has_storage_ref(&self, address: Address) -> Result<Option<bool>, Self::Error> {
        let Some(cached) = self.accounts.get(&address) else {
            return self.db.has_storage_ref(address);
        };
        if cached.storage.values().any(|slot| !slot.now.is_zero()) {
            return Ok(Some(true));
        }
        if cached.wiped || cached.before.is_none() {
            return Ok(Some(false));
        }
        self.db.has_storage_ref(address)
    }
}

impl<DB: StateRef> State for BlockState<DB> {
    fn has_storage(&mut self, address: Address) -> Result<bool, DB::Error> {
        let account = self.cached(address)?;
        if account.storage.values().any(|slot| !slot.now.is_zero()) {
            return Ok(true);
        }
        if account.wiped || account.before.is_none() {
            return Ok(false);
        }
        Ok(self.db.has_storage_ref(address)?.unwrap_or(false))
    }
}

impl<DB: DatabaseRef> DatabaseCommit for BlockState<DB> {
    /// Applies what revm returns from a transaction; it has read every account before.
    fn commit(&mut self, changes: AddressMap<Account>) {
        self.commit_iter(&mut changes.into_iter());
    }

    fn commit_iter(&mut self, changes: &mut dyn Iterator<Item = (Address, Account)>) {
        for (address, account) in changes {
            if !account.is_touched() {
                continue;
            }
            if let Some(code) = &account.info.code
                && account.is_created()
            {
                self.code.insert(account.info.code_hash, code.clone());
            }
            self.accounts.entry(address).or_default().commit(account);
        }
    }
}

#[cfg(test)]
mod tests {
    use revm::state::{AccountStatus, EvmStorageSlot, TransactionId};

    use super::*;
    use crate::PreState;

    const ALICE: Address = Address::repeat_byte(0xa1);

    fn pre_state() -> PreState {
        let mut state = PreState::new();
        let info = AccountInfo::default().with_balance(U256::from(9));
        state.insert_account(ALICE, info);
        state.insert_storage(ALICE, U256::ONE, U256::from(100));
        state
    }

    /// Commits, as one transaction, `status` and a write to slot 1.
    fn touch(state: &mut BlockState<&PreState>, balance: u64, status: AccountStatus, slot: u64) {
        let info = state.basic(ALICE).expect("in memory").unwrap_or_default();
        let before = state.storage(ALICE, U256::ONE).expect("in memory");
        let mut account = Account::from(info.with_balance(U256::from(balance)));
        account.status = AccountStatus::Touched | status;
        let after = U256::from(slot);
        let slot = EvmStorageSlot::new_changed(before, after, TransactionId::ZERO);
        account.storage.insert(U256::ONE, slot);
        state.commit([(ALICE, account)].into_iter().collect());
    }

    #[test]
    fn what_ends_as_it_was_is_no_change() {
        let pre = pre_state();
        let mut state = BlockState::new(&pre);
        touch(&mut state, 10, AccountStatus::empty(), 101);
        touch(&mut state, 9, AccountStatus::empty(), 100);
        assert!(state.into_changes().is_empty());
    }

    #[test]
    fn a_destroyed_account_that_is_paid_later_has_lost_its_slots() {
        let pre = pre_state();
        let mut state = BlockState::new(&pre);
        touch(&mut state, 0, AccountStatus::SelfDestructed, 100);
        assert_eq!(state.storage(ALICE, U256::ONE), Ok(U256::ZERO));
        touch(&mut state, 5, AccountStatus::empty(), 0);
        let changes = state.into_changes();
        let change = changes.account(ALICE).expect("changed");
        assert!(change.storage_wiped && change.storage.is_empty());

        let mut after = pre.clone();
        after.apply(&changes);
        assert_eq!(after.storage(&ALICE, &U256::ONE), U256::ZERO);
        let balance = after.account(&ALICE).map(|account| account.info.balance);
        assert_eq!(balance, Some(U256::from(5)));
    }

    #[test]
    fn touching_an_empty_account_removes_it_and_only_that_counts() {
        let mut pre = pre_state();
        pre.insert_account(ALICE, AccountInfo::default());
        let mut state = BlockState::new(&pre);
        touch(&mut state, 0, AccountStatus::empty(), 100);
        let changes = state.into_changes();
        assert_eq!(changes.account(ALICE).map(|change| change.info.is_none()), Some(true));

        let nowhere = PreState::new();
        let mut state = BlockState::new(&nowhere);
        touch(&mut state, 0, AccountStatus::empty(), 0);
        assert!(state.into_changes().is_empty());
    }

    #[test]
    fn the_bundle_and_the_digest_follow_the_changes() {
        let pre = pre_state();
        let mut state = BlockState::new(&pre);
        touch(&mut state, 8, AccountStatus::empty(), 7);
        let changes = state.into_changes();
        let bundle = changes.to_bundle(&pre).expect("in memory");
        let account = bundle.account(&ALICE).expect("changed");
        assert_eq!(account.storage_slot(U256::ONE), Some(U256::from(7)));
        let balance = account.account_info().map(|info| info.balance);
        assert_eq!(balance, Some(U256::from(8)));
        assert_eq!(bundle.reverts[0].len(), 1);

        let mut other = BlockState::new(&pre);
        touch(&mut other, 8, AccountStatus::empty(), 6);
        let other = other.into_changes();
        assert_ne!(changes, other);
        #[cfg(feature = "digest")]
        for other in [other, StateChanges::default()] {
            assert_ne!(changes.digest(), other.digest());
        }
    }
}
