//! What the transactions left: the state that the post-block steps start from, and the block's
//! changes.

use std::{collections::hash_map::Entry, ops::Range};

use alloy_primitives::{
    Address, B256, U256,
    map::{AddressMap, AddressSet},
};
use block_stm::FinalState;
use revm::{
    DatabaseRef,
    state::{AccountInfo, Bytecode},
};

use super::{
    base::is_wiped,
    codes::Codes,
    location::Location,
    value::{AccountState, StateValue},
};
use crate::{
    AccountChange, SlotChange, StateChanges, StateRef,
    block_state::{BlockState, CachedAccount, Fields, Slot},
    share::{self, Share},
};

/// The state after the transactions, as a database for the steps that follow.
pub(crate) struct AfterTxns<'a, DB> {
    db: &'a DB,
    pre_block: &'a BlockState<&'a DB>,
    state: &'a FinalState<Location, StateValue>,
    codes: &'a Codes,
}

impl<DB> Clone for AfterTxns<'_, DB> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<DB> Copy for AfterTxns<'_, DB> {}

impl<'a, DB: StateRef> AfterTxns<'a, DB> {
    pub(crate) fn new(
        db: &'a DB,
        pre_block: &'a BlockState<&'a DB>,
        state: &'a FinalState<Location, StateValue>,
        codes: &'a Codes,
    ) -> Self {
        Self { db, pre_block, state, codes }
    }

    /// The account, if the transactions looked at it.
    fn account(&self, address: Address) -> Option<&'a AccountState> {
        account_value(self.state.cached(&Location::Account(address)))
    }

    /// The slot after the transactions, if they looked at it.
    fn slot(&self, address: Address, key: U256) -> Option<U256> {
        let wipes = self.account(address)?.wipes;
        slot_value(self.state.cached(&Location::Slot { address, wipes, key }))
    }

    /// The account before the block. `read` is what it was before the transactions, if that is
    /// known; the pre-block steps have not loaded the account.
    fn fields_before(
        &self,
        address: Address,
        read: Option<&StateValue>,
    ) -> Result<Option<Fields>, DB::Error> {
        match account_value(read) {
            Some(account) => Ok(fields(account, self.codes)),
            None => Ok(self.db.basic_ref(address)?.as_ref().map(Fields::of)),
        }
    }

    /// The slot before the block, if the transactions looked at it; the pre-block steps have not.
    fn slot_before(&self, address: Address, key: U256) -> Result<Option<U256>, DB::Error> {
        let Some(account) = self.account(address) else { return Ok(None) };
        let location = Location::Slot { address, wipes: account.wipes, key };
        match slot_value(self.state.before(&location)) {
            Some(before) => Ok(Some(before)),
            None if self.state.cached(&location).is_none() => Ok(None),
            None => self.db.storage_ref(address, key).map(Some),
        }
    }

    /// The account over the whole block, of which `post_block` is the last part.
    fn compose(
        &self,
        address: Address,
        pre_block: Option<CachedAccount>,
        post_block: Option<CachedAccount>,
    ) -> Result<CachedAccount, DB::Error> {
        let mut whole = match (pre_block, &post_block) {
            (Some(account), _) => account,
            // What the transactions did not look at is as it was.
            (None, Some(last)) if self.account(address).is_none() => {
                CachedAccount { before: last.before.clone(), ..CachedAccount::default() }
            }
            (None, _) => {
                let read = self.state.before(&Location::Account(address));
                let before = self.fields_before(address, read)?;
                CachedAccount { before, ..CachedAccount::default() }
            }
        };
        if let Some(account) = self.account(address) {
            if account.wipes > u32::from(is_wiped(&whole)) {
                whole.wiped = true;
                whole.storage.clear();
            }
            for (&key, slot) in &mut whole.storage {
                slot.now = self.slot(address, key).unwrap_or(slot.now);
            }
            whole.now = info(account, whole.before.as_ref(), self.codes);
        }
        let Some(last) = post_block else { return Ok(whole) };
        if last.wiped {
            whole.wiped = true;
            whole.storage.clear();
        }
        whole.now = last.now;
        for (key, Slot { before, now }) in last.storage {
            match whole.storage.entry(key) {
                Entry::Occupied(mut slot) => slot.get_mut().now = now,
                Entry::Vacant(_) if last.wiped && now.is_zero() => {}
                Entry::Vacant(slot) => {
                    let before = match self.slot_before(address, key)? {
                        _ if whole.wiped || whole.before.is_none() => U256::ZERO,
                        Some(before) => before,
                        None => before,
                    };
                    slot.insert(Slot { before, now });
                }
            }
        }
        Ok(whole)
    }
}

impl<DB: StateRef> DatabaseRef for AfterTxns<'_, DB> {
    type Error = DB::Error;

    fn basic_ref(&self, address: Address) -> Result<Option<AccountInfo>, DB::Error> {
        match (self.account(address), self.pre_block.accounts.get(&address)) {
            // With its code if that came with the block: what is done to the account here must not
            // lose it.
            (Some(account), _) => Ok(info(account, None, self.codes)),
            (None, Some(cached)) => Ok(cached.now.clone()),
            (None, None) => self.db.basic_ref(address),
        }
    }

    fn code_by_hash_ref(&self, hash: B256) -> Result<Bytecode, DB::Error> {
        match self.codes.get(&hash).or_else(|| self.pre_block.code.get(&hash).cloned()) {
            Some(code) => Ok(code),
            None => self.db.code_by_hash_ref(hash),
        }
    }

    fn storage_ref(&self, address: Address, key: U256) -> Result<U256, DB::Error> {
        if let Some(value) = self.slot(address, key) {
            return Ok(value);
        }
        let cached = self.pre_block.accounts.get(&address);
        if let Some(slot) = cached.and_then(|cached| cached.storage.get(&key)) {
            return Ok(slot.now);
        }
        let wiped = match self.account(address) {
            Some(account) => account.wipes > 0,
            None => cached.is_some_and(is_wiped),
        };
        if wiped { Ok(U256::ZERO) } else { self.db.storage_ref(address, key) }
    }

    fn block_hash_ref(&self, number: u64) -> Result<B256, DB::Error> {
        self.db.block_hash_ref(number)
    }
}

impl<DB: StateRef> StateRef for AfterTxns<'_, DB> {
    fn has_storage_ref(&self, address: Address) -> Result<Option<bool>, DB::Error> {
        match (self.account(address), self.pre_block.accounts.get(&address)) {
            (Some(AccountState { stored: true, .. }), _) => Ok(Some(true)),
            (Some(AccountState { wipes: 0, .. }), _) | (None, None) => {
                self.db.has_storage_ref(address)
            }
            (None, Some(cached)) if !is_wiped(cached) => self.db.has_storage_ref(address),
            (Some(_), _) | (None, Some(_)) => Ok(Some(false)),
        }
    }
}

/// The changes of the whole block.
///
/// Nearly all accounts were changed by transactions alone: their changes are taken straight from
/// where the execution left them, part by part. The few that the steps before or after the
/// transactions looked at are put together from all three.
///
/// # Errors
///
/// What reading an account or slot returns that the execution has not read.
pub(crate) fn changes<DB: StateRef + Sync>(
    pre_block: &BlockState<&DB>,
    mut post_block: BlockState<AfterTxns<'_, DB>>,
    share: &Share<'_>,
) -> Result<StateChanges, DB::Error> {
    let after = post_block.db;
    let wiped_last = post_block.accounts.iter().filter(|(_, last)| last.wiped);
    let wiped_last: AddressSet = wiped_last.map(|(address, _)| *address).collect();
    let mut special = AddressMap::<CachedAccount>::default();
    for (&address, cached) in &pre_block.accounts {
        let last = post_block.accounts.remove(&address);
        special.insert(address, after.compose(address, Some(cached.clone()), last)?);
    }
    for (address, last) in post_block.accounts.drain() {
        special.insert(address, after.compose(address, None, Some(last))?);
    }
    let len = after.state.len();
    let ranges = (0..len).step_by(PART).map(|start| start..len.min(start + PART));
    let parts = share::map(share, ranges, |range| Part::collect(after, range, &special));
    let parts = parts.into_iter().collect::<Result<Vec<_>, _>>()?;
    let mut slots = together(&parts);
    let mut changes = Vec::with_capacity(parts.len() + 1);
    for part in parts {
        changes.push(part.accounts);
        for (address, Storage { slots: more, .. }) in part.storages {
            let slots = slots.entry(address).or_default();
            if slots.capacity() == 0 {
                *slots = more;
            } else {
                slots.extend(more);
            }
        }
    }
    for (address, cached) in &mut special {
        let slots = slots.remove(address).filter(|_| !wiped_last.contains(address));
        for SlotChange { slot, before, after: now } in slots.into_iter().flatten() {
            cached.storage.entry(slot).or_insert(Slot { before, now });
        }
    }
    if !slots.is_empty() {
        for change in changes.iter_mut().flatten() {
            change.storage = slots.remove(&change.address).unwrap_or_default();
        }
    }
    let special = special.into_iter();
    let mut others: Vec<_> =
        special.filter_map(|(address, account)| account.into_change(address)).collect();
    // What is left are accounts of which only slots were changed.
    for (address, storage) in slots.into_iter().filter(|(_, storage)| !storage.is_empty()) {
        let info = after.basic_ref(address)?.map(|info| AccountInfo { code: None, ..info });
        let mut change = AccountChange::new(address, info);
        change.storage = storage;
        others.push(change);
    }
    changes.push(others);
    Ok(StateChanges::of(changes))
}

/// Room for the slots of each account that has some in several parts.
fn together(parts: &[Part]) -> AddressMap<Vec<SlotChange>> {
    let mut lens = AddressMap::<(usize, usize)>::default();
    for (address, storage) in parts.iter().flat_map(|part| &part.storages) {
        let (parts, slots) = lens.entry(*address).or_default();
        *parts += 1;
        *slots += storage.slots.len();
    }
    let room = lens.into_iter().filter(|(_, (parts, _))| *parts > 1);
    room.map(|(address, (_, slots))| (address, Vec::with_capacity(slots))).collect()
}

/// How many locations are looked at in one go.
const PART: usize = 1024;

/// What a part of the locations comes to.
struct Part {
    /// Accounts whose fields were really changed.
    accounts: Vec<AccountChange>,
    storages: AddressMap<Storage>,
}

/// Slots of one account.
struct Storage {
    /// How often they had been wiped in the end: what was written before the last time does not
    /// count.
    wipes: u32,
    /// Those that were really changed; all that were written, of accounts that other steps looked
    /// at.
    slots: Vec<SlotChange>,
}

impl Part {
    fn collect<DB: StateRef>(
        after: AfterTxns<'_, DB>,
        range: Range<usize>,
        special: &AddressMap<CachedAccount>,
    ) -> Result<Self, DB::Error> {
        let mut part = Self { accounts: Vec::new(), storages: AddressMap::default() };
        part.accounts.reserve(range.len());
        for change in range.map(|n| after.state.nth(n)) {
            match (change.location, change.after) {
                (Location::Account(address), StateValue::Account(now)) => {
                    if !special.contains_key(address) {
                        let before = after.fields_before(*address, change.before)?;
                        part.accounts.extend(account_change(*address, before, now, after.codes));
                    }
                }
                (&Location::Slot { address, wipes, key }, StateValue::Slot(now)) => {
                    let storage = part.storages.entry(address).or_insert_with(|| Storage {
                        wipes: after.account(address).map_or(0, |account| account.wipes),
                        slots: Vec::new(),
                    });
                    if wipes != storage.wipes {
                        continue;
                    }
                    let before = match slot_value(change.before) {
                        _ if wipes > 0 => U256::ZERO,
                        Some(before) => before,
                        None => after.db.storage_ref(address, key)?,
                    };
                    if before != *now || special.contains_key(&address) {
                        storage.slots.push(SlotChange { slot: key, before, after: *now });
                    }
                }
                (Location::Account(_), StateValue::Slot(_))
                | (Location::Slot { .. }, StateValue::Account(_)) => {}
            }
        }
        part.accounts.shrink_to_fit();
        part.storages.values_mut().for_each(|storage| storage.slots.shrink_to_fit());
        Ok(part)
    }
}

/// What became of an account's fields, if anything really did.
fn account_change(
    address: Address,
    before: Option<Fields>,
    now: &AccountState,
    codes: &Codes,
) -> Option<AccountChange> {
    let Some(info) = info(now, before.as_ref(), codes) else {
        return before.map(|_| AccountChange::new(address, None));
    };
    let wiped = before.is_some() && now.wipes > 0;
    if !wiped && before == Some(Fields::of(&info)) {
        return None;
    }
    let mut change = AccountChange::new(address, Some(info));
    change.storage_wiped = wiped;
    Some(change)
}

/// The account as revm knows it, with its code if that is not what it was before.
pub(super) fn info(
    account: &AccountState,
    before: Option<&Fields>,
    codes: &Codes,
) -> Option<AccountInfo> {
    let mut info = plain_info(account, codes)?;
    if before.is_none_or(|before| before.code_hash != info.code_hash) {
        info.code = codes.get(&info.code_hash);
    }
    Some(info)
}

fn plain_info(account: &AccountState, codes: &Codes) -> Option<AccountInfo> {
    account.exists.then(|| AccountInfo {
        balance: account.balance,
        nonce: account.nonce,
        code_hash: codes.hashes.hash(account.code),
        account_id: None,
        code: None,
    })
}

pub(super) fn fields(account: &AccountState, codes: &Codes) -> Option<Fields> {
    let AccountState { balance, nonce, code, .. } = *account;
    account.exists.then(|| Fields { balance, nonce, code_hash: codes.hashes.hash(code) })
}

pub(super) fn account_value(value: Option<&StateValue>) -> Option<&AccountState> {
    match value {
        Some(StateValue::Account(account)) => Some(account),
        Some(StateValue::Slot(_)) | None => None,
    }
}

pub(super) fn slot_value(value: Option<&StateValue>) -> Option<U256> {
    match value {
        Some(StateValue::Slot(value)) => Some(*value),
        Some(StateValue::Account(_)) | None => None,
    }
}
