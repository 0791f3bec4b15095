//! The state that a list describes: at every block access index, from the state before the block
//! and what is listed.
//!
//! ```text
//! list      account A: balance (2, 70) (5, 40)     slot 7: (3, 1)      index of places, made once
//! database  account A: balance 100            slot 7: 0           read once, when first asked for
//!
//! A's balance at index  0 1 2 -> 100   3 4 5 -> 70   6.. -> 40    what lower indexes have left
//! ```
//!
//! Nothing of it ever changes, so that any transaction can be executed at any time. Whether the
//! list is right shows where what happens at an index is not what is listed for it: up to the first
//! such place the state is exact.
//!
//! Storage is wiped without a word in the list where a contract is created, and before Cancun where
//! one is destroyed. Both show in its code, which appears or goes, and which nothing else changes
//! but delegations: from there on, slots are zero unless they are listed again.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        OnceLock,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use alloy_eip7928::{AccountChanges, BlockAccessIndex, CodeChange};
use alloy_primitives::{Address, B256, U256, map::AddressMap};
use block_stm::BoxError;
use revm::{
    DatabaseRef,
    primitives::hardfork::SpecId,
    state::{AccountId, AccountInfo, Bytecode},
};

use super::touch::{fields, nothing};
use crate::{
    Block, StateRef,
    block_state::Fields,
    parallel::{Base, Codes},
};

/// A list over a database.
pub(crate) struct ListedState<'a, DB> {
    pub(crate) db: &'a DB,
    pub(crate) accounts: Vec<Listed<'a>>,
    places: AddressMap<usize>,
    /// How many changes are listed for each index.
    changes_at: Vec<usize>,
    pub(crate) codes: Codes,
    code_goes_with_storage: bool,
    has_delegations: bool,
}

/// A listed account.
pub(crate) struct Listed<'a> {
    pub(crate) list: &'a AccountChanges,
    /// The hashes of the listed code.
    code_hashes: Vec<B256>,
    before: OnceLock<Option<Fields>>,
    /// Of the slots that are listed as changed, then of those that are only read.
    slots: Box<[SlotMarks]>,
    accessed: AtomicBool,
    /// The greatest index at which the storage was wiped, and one; 0 for never.
    wiped: AtomicU64,
    removed: AtomicBool,
}

#[derive(Default)]
struct SlotMarks {
    before: OnceLock<U256>,
    accessed: AtomicBool,
}

impl<'a, DB> ListedState<'a, DB> {
    /// `list` is in canonical order, and has no index beyond those of `block`.
    pub(crate) fn new(block: &Block, db: &'a DB, list: &'a [AccountChanges]) -> Self {
        let codes = Codes::default();
        let has_delegations = block.spec.is_enabled_in(SpecId::PRAGUE);
        let mut changes_at = vec![0; block.txns.len() + 2];
        let mut count = |index: BlockAccessIndex| changes_at[index.get() as usize] += 1;
        let mut places = AddressMap::default();
        places.reserve(list.len());
        let mut accounts = Vec::with_capacity(list.len());
        for (place, account) in list.iter().enumerate() {
            places.insert(account.address, place);
            account.balance_changes.iter().for_each(|change| count(change.block_access_index));
            account.nonce_changes.iter().for_each(|change| count(change.block_access_index));
            account.code_changes.iter().for_each(|change| count(change.block_access_index));
            let slots = account.storage_changes.iter().flat_map(|slot| &slot.changes);
            slots.for_each(|change| count(change.block_access_index));
            let code_changes = account.code_changes.iter();
            let code_hashes = code_changes.map(|change| keep_code(&codes, change, has_delegations));
            accounts.push(Listed::new(account, code_hashes.collect()));
        }
        let code_goes_with_storage = !block.spec.is_enabled_in(SpecId::CANCUN);
        Self { db, accounts, places, changes_at, codes, code_goes_with_storage, has_delegations }
    }

    pub(crate) fn place(&self, address: &Address) -> Option<usize> {
        self.places.get(address).copied()
    }

    /// How many changes are listed for `index`.
    pub(crate) fn changes_at(&self, index: BlockAccessIndex) -> usize {
        self.changes_at[index.get() as usize]
    }
}

/// Makes listed code known, and returns its hash.
fn keep_code(codes: &Codes, change: &CodeChange, has_delegations: bool) -> B256 {
    let bytes = change.new_code.clone();
    if bytes.is_empty() {
        return nothing().code_hash;
    }
    // Before EIP-7702, code may look like a delegation and be none; revm follows whatever is made
    // as one.
    let delegation = has_delegations.then(|| Bytecode::new_raw_checked(bytes.clone()).ok());
    let code = delegation.flatten().unwrap_or_else(|| Bytecode::new_legacy(bytes));
    let hash = code.hash_slow();
    codes.insert(hash, &code);
    hash
}

impl<DB: DatabaseRef> ListedState<'_, DB> {
    /// The account before the block.
    pub(crate) fn before(&self, place: usize) -> Result<Option<&Fields>, DB::Error> {
        let account = &self.accounts[place];
        if let Some(before) = account.before.get() {
            return Ok(before.as_ref());
        }
        let info = self.db.basic_ref(account.list.address)?;
        if let Some(AccountInfo { code: Some(code), code_hash, .. }) = &info
            && !code.is_empty()
        {
            self.codes.insert(*code_hash, code);
        }
        Ok(account.before.get_or_init(|| info.as_ref().map(fields)).as_ref())
    }

    /// The account as `index` finds it, if it is there.
    pub(crate) fn account(
        &self,
        place: usize,
        index: BlockAccessIndex,
    ) -> Result<Option<AccountInfo>, DB::Error> {
        let before = self.before(place)?;
        let account = &self.accounts[place];
        let list = account.list;
        let mut fields = before.cloned().unwrap_or_else(nothing);
        let mut is_listed = false;
        if let Some(change) = last(&list.balance_changes, index, |change| change.block_access_index)
        {
            fields.balance = list.balance_changes[change].post_balance;
            is_listed = true;
        }
        if let Some(change) = last(&list.nonce_changes, index, |change| change.block_access_index) {
            fields.nonce = list.nonce_changes[change].new_nonce;
            is_listed = true;
        }
        if let Some(change) = last(&list.code_changes, index, |change| change.block_access_index) {
            fields.code_hash = account.code_hashes[change];
            is_listed = true;
        }
        let exists = if is_listed { fields != nothing() } else { before.is_some() };
        Ok(exists.then_some(AccountInfo {
            balance: fields.balance,
            nonce: fields.nonce,
            code_hash: fields.code_hash,
            account_id: AccountId::new(place),
            code: None,
        }))
    }

    /// The slot as `index` finds it; `None` if it is not listed.
    pub(crate) fn slot(
        &self,
        place: usize,
        key: U256,
        index: BlockAccessIndex,
    ) -> Result<Option<U256>, DB::Error> {
        let account = &self.accounts[place];
        let Some(slot) = account.slot_place(key) else { return Ok(None) };
        let changes = account.list.storage_changes.get(slot).map(|slot| &*slot.changes);
        let change = changes.and_then(|changes| {
            let last = last(changes, index, |change| change.block_access_index)?;
            Some(&changes[last])
        });
        let wiped = self.wiped_before(account, index);
        Ok(Some(match (change, wiped) {
            (Some(change), Some(wiped)) if change.block_access_index < wiped => U256::ZERO,
            (Some(change), _) => change.new_value,
            (None, Some(_)) => U256::ZERO,
            (None, None) => self.slot_before(place, slot, key)?,
        }))
    }

    /// The slot before the block.
    pub(super) fn slot_before(
        &self,
        place: usize,
        slot: usize,
        key: U256,
    ) -> Result<U256, DB::Error> {
        if self.before(place)?.is_none() {
            return Ok(U256::ZERO);
        }
        let account = &self.accounts[place];
        let marks = &account.slots[slot];
        match marks.before.get() {
            Some(before) => Ok(*before),
            None => {
                let before = self.db.storage_ref(account.list.address, key)?;
                Ok(*marks.before.get_or_init(|| before))
            }
        }
    }

    /// The slot that is listed as the one with number `slot` among the changed ones, before the
    /// block.
    pub(crate) fn changed_slot_before(&self, place: usize, slot: usize) -> Result<U256, DB::Error> {
        let key = self.accounts[place].list.storage_changes[slot].slot;
        self.slot_before(place, slot, key)
    }

    /// Whether the account has nothing left, as `index` finds it, of the storage that it had before
    /// the block.
    pub(crate) fn was_wiped(
        &self,
        place: usize,
        index: BlockAccessIndex,
    ) -> Result<bool, DB::Error> {
        let wiped = self.wiped_before(&self.accounts[place], index);
        Ok(wiped.is_some() || self.before(place)?.is_none())
    }

    /// The last index below `index` at which the account's storage was wiped, as its code says.
    fn wiped_before(
        &self,
        account: &Listed<'_>,
        index: BlockAccessIndex,
    ) -> Option<BlockAccessIndex> {
        let changes = account.list.code_changes.iter().rev();
        let mut below = changes.filter(|change| change.block_access_index < index);
        let wipes = |change: &&CodeChange| match change.new_code.as_ref() {
            [] => self.code_goes_with_storage,
            [0xef, 0x01, 0x00, ..] => !self.has_delegations,
            _ => true,
        };
        below.find(wipes).map(|change| change.block_access_index)
    }
}

impl<DB: DatabaseRef + Sync> ListedState<'_, DB> {
    /// Whether the list says of every listed account whether it exists, and what storage it has.
    ///
    /// An account that has nothing and is there is one from before Spurious Dragon. It ceases to
    /// exist when it is touched, and its storage with it, and no list says so. What a delegation
    /// costs depends on whether it is there (EIP-7702), whether a contract can be created depends
    /// on its storage (EIP-7610).
    pub(crate) fn says_who_exists(&self) -> bool {
        let mut places = 0..self.accounts.len();
        let all = || {
            places.all(|place| self.before(place).is_ok_and(|before| before != Some(&nothing())))
        };
        catch_unwind(AssertUnwindSafe(all)).unwrap_or(false)
    }
}

impl<'a> Listed<'a> {
    fn new(list: &'a AccountChanges, code_hashes: Vec<B256>) -> Self {
        let slots = list.storage_slots().map(|_| SlotMarks::default()).collect();
        Self {
            list,
            code_hashes,
            before: OnceLock::new(),
            slots,
            accessed: AtomicBool::new(false),
            wiped: AtomicU64::new(0),
            removed: AtomicBool::new(false),
        }
    }

    /// How many slots are listed.
    pub(super) fn slot_count(&self) -> usize {
        self.slots.len()
    }

    /// The key of the slot with this number.
    pub(super) fn slot_key(&self, slot: usize) -> U256 {
        let changed = &self.list.storage_changes;
        match changed.get(slot) {
            Some(slot) => slot.slot,
            None => self.list.storage_reads[slot - changed.len()],
        }
    }

    /// The slot's number among those that are changed and those that are only read.
    fn slot_place(&self, key: U256) -> Option<usize> {
        let changed = &self.list.storage_changes;
        let found = changed.binary_search_by_key(&key, |slot| slot.slot).ok();
        found.or_else(|| {
            let read = self.list.storage_reads.binary_search(&key).ok()?;
            Some(changed.len() + read)
        })
    }

    /// The hash of the code that is listed for exactly `index`.
    pub(crate) fn code_at(&self, index: BlockAccessIndex) -> Option<B256> {
        let place = at(&self.list.code_changes, index, |change| change.block_access_index)?;
        Some(self.code_hashes[place])
    }

    /// The balance that is listed for exactly `index`.
    pub(crate) fn balance_at(&self, index: BlockAccessIndex) -> Option<U256> {
        let changes = &self.list.balance_changes;
        let place = at(changes, index, |change| change.block_access_index)?;
        Some(changes[place].post_balance)
    }

    /// The nonce that is listed for exactly `index`.
    pub(crate) fn nonce_at(&self, index: BlockAccessIndex) -> Option<u64> {
        let changes = &self.list.nonce_changes;
        let place = at(changes, index, |change| change.block_access_index)?;
        Some(changes[place].new_nonce)
    }

    /// The slot's value that is listed for exactly `index`.
    pub(crate) fn slot_at(&self, key: U256, index: BlockAccessIndex) -> Option<U256> {
        let slots = &self.list.storage_changes;
        let slot = slots.binary_search_by_key(&key, |slot| slot.slot).ok()?;
        let changes = &slots[slot].changes;
        let place = at(changes, index, |change| change.block_access_index)?;
        Some(changes[place].new_value)
    }

    // ORDERING: all marks are Relaxed: they are read when the threads that make them have come
    // back.

    pub(crate) fn mark_accessed(&self) {
        // Most accounts that are accessed often stay in every core's cache like this.
        if !self.is_accessed() {
            self.accessed.store(true, Ordering::Relaxed);
        }
    }

    pub(crate) fn is_accessed(&self) -> bool {
        self.accessed.load(Ordering::Relaxed)
    }

    /// False if the slot is not listed.
    pub(crate) fn mark_slot_accessed(&self, key: U256) -> bool {
        let Some(place) = self.slot_place(key) else { return false };
        self.slots[place].accessed.store(true, Ordering::Relaxed);
        true
    }

    /// The first slot that is listed as read, and was not.
    pub(crate) fn unread_slot(&self) -> Option<U256> {
        let mut slots = self.list.storage_slots().zip(&self.slots);
        let (key, _) = slots.find(|(_, marks)| !marks.accessed.load(Ordering::Relaxed))?;
        Some(key)
    }

    pub(crate) fn mark_wiped(&self, index: BlockAccessIndex) {
        self.wiped.fetch_max(index.get() + 1, Ordering::Relaxed);
    }

    /// The last index at which the storage was wiped.
    pub(crate) fn last_wipe(&self) -> Option<BlockAccessIndex> {
        self.wiped.load(Ordering::Relaxed).checked_sub(1).map(BlockAccessIndex::new)
    }

    pub(crate) fn mark_removed(&self) {
        self.removed.store(true, Ordering::Relaxed);
    }

    pub(crate) fn was_removed(&self) -> bool {
        self.removed.load(Ordering::Relaxed)
    }
}

/// The place of the last of the `changes` below `index`.
fn last<T>(
    changes: &[T],
    index: BlockAccessIndex,
    index_of: impl Fn(&T) -> BlockAccessIndex,
) -> Option<usize> {
    changes.partition_point(|change| index_of(change) < index).checked_sub(1)
}

/// The place of the change at `index` among `changes`.
fn at<T>(
    changes: &[T],
    index: BlockAccessIndex,
    index_of: impl Fn(&T) -> BlockAccessIndex,
) -> Option<usize> {
    changes.binary_search_by_key(&index, index_of).ok()
}

impl<DB: StateRef + Sync> Base for ListedState<'_, DB> {
    fn code(&self, hash: B256) -> Result<Bytecode, BoxError> {
        self.db.code_by_hash_ref(hash).map_err(|error| Box::new(error) as BoxError)
    }

    fn block_hash(&self, number: u64) -> Result<B256, BoxError> {
        self.db.block_hash_ref(number).map_err(|error| Box::new(error) as BoxError)
    }

    fn has_storage(&self, address: Address) -> Result<bool, BoxError> {
        let answer = self.db.has_storage_ref(address);
        Ok(answer.map_err(|error| Box::new(error) as BoxError)?.unwrap_or(false))
    }
}
