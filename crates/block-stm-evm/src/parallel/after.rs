//! What the transactions left: the state that the post-block steps start from, and the block's changes.

use std::collections::hash_map::Entry;

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
    AccountChange, SlotChange, StateChanges,
    block_state::{BlockState, CachedAccount, Fields, Slot},
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

impl<'a, DB: DatabaseRef> AfterTxns<'a, DB> {
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
        account_value(self.state.value(&Location::Account(address)))
    }

    /// The slot after the transactions, if they looked at it.
    fn slot(&self, address: Address, key: U256) -> Option<U256> {
        let wipes = self.account(address)?.wipes;
        slot_value(self.state.value(&Location::Slot { address, wipes, key }))
    }

    /// The account before the block. `read` is what it was before the transactions, if that is known; the pre-block
    /// steps have not loaded the account.
    fn fields_before(
        &self,
        address: Address,
        read: Option<&StateValue>,
    ) -> Result<Option<Fields>, DB::Error> {
        match account_value(read) {
            Some(account) => Ok(fields(account)),
            None => Ok(self.db.basic_ref(address)?.as_ref().map(Fields::of)),
        }
    }

    /// The slot before the block, if the transactions looked at it; the pre-block steps have not.
    fn slot_before(&self, address: Address, key: U256) -> Result<Option<U256>, DB::Error> {
        let Some(account) = self.account(address) else { return Ok(None) };
        let location = Location::Slot { address, wipes: account.wipes, key };
        match slot_value(self.state.before(&location)) {
            Some(before) => Ok(Some(before)),
            None if self.state.value(&location).is_none() => Ok(None),
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

impl<DB: DatabaseRef> DatabaseRef for AfterTxns<'_, DB> {
    type Error = DB::Error;

    fn basic_ref(&self, address: Address) -> Result<Option<AccountInfo>, DB::Error> {
        match (self.account(address), self.pre_block.accounts.get(&address)) {
            (Some(account), _) => Ok(plain_info(account)),
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

/// The changes of the whole block.
///
/// Nearly all accounts were changed by transactions alone: their changes are taken straight from where the execution left
/// them. The few that the steps before or after the transactions looked at are put together from all three.
///
/// # Errors
///
/// What reading an account or slot returns that the execution has not read.
pub(crate) fn changes<DB: DatabaseRef>(
    pre_block: &BlockState<&DB>,
    mut post_block: BlockState<AfterTxns<'_, DB>>,
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
    let mut slots = changed_slots(after, &mut special, &wiped_last)?;
    let mut changes = Vec::with_capacity(after.state.len() / 2);
    for change in after.state.iter() {
        let (Location::Account(address), StateValue::Account(now)) =
            (*change.location, *change.after)
        else {
            continue;
        };
        if special.contains_key(&address) {
            continue;
        }
        let touched = if slots.is_empty() { None } else { slots.remove(&address) };
        let storage = touched.map(|touched| touched.storage).unwrap_or_default();
        let before = after.fields_before(address, change.before)?;
        changes.extend(account_change(address, before, &now, storage, after.codes));
    }
    for (address, touched) in slots {
        if !touched.storage.is_empty() {
            let mut change = AccountChange::new(address, touched.info);
            change.storage = touched.storage;
            changes.push(change);
        }
    }
    let special = special.into_iter();
    changes.extend(special.filter_map(|(address, account)| account.into_change(address)));
    Ok(changes.into_iter().collect())
}

/// An account of which slots were written.
struct Touched {
    wipes: u32,
    info: Option<AccountInfo>,
    storage: Vec<SlotChange>,
}

/// The slots that transactions really changed, by account; those of `special` accounts are put there.
fn changed_slots<DB: DatabaseRef>(
    after: AfterTxns<'_, DB>,
    special: &mut AddressMap<CachedAccount>,
    wiped_last: &AddressSet,
) -> Result<AddressMap<Touched>, DB::Error> {
    let mut slots = AddressMap::<Touched>::default();
    for change in after.state.iter() {
        let (Location::Slot { address, wipes, key }, StateValue::Slot(now)) =
            (*change.location, *change.after)
        else {
            continue;
        };
        let touched = match slots.entry(address) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(new) => {
                let (wipes, info) = match after.account(address) {
                    Some(account) => (account.wipes, plain_info(account)),
                    None => (0, after.db.basic_ref(address)?),
                };
                new.insert(Touched { wipes, info, storage: Vec::new() })
            }
        };
        if wipes != touched.wipes {
            // Wiped since.
            continue;
        }
        let before = match slot_value(change.before) {
            _ if wipes > 0 => U256::ZERO,
            Some(before) => before,
            None => after.db.storage_ref(address, key)?,
        };
        if let Some(cached) = special.get_mut(&address) {
            if !wiped_last.contains(&address) {
                cached.storage.entry(key).or_insert(Slot { before, now });
            }
        } else if before != now {
            touched.storage.push(SlotChange { slot: key, before, after: now });
        }
    }
    slots.retain(|address, _| !special.contains_key(address));
    Ok(slots)
}

/// What became of an account, if anything really did.
fn account_change(
    address: Address,
    before: Option<Fields>,
    now: &AccountState,
    storage: Vec<SlotChange>,
    codes: &Codes,
) -> Option<AccountChange> {
    let Some(info) = info(now, before.as_ref(), codes) else {
        return before.map(|_| AccountChange::new(address, None));
    };
    let wiped = before.is_some() && now.wipes > 0;
    if !wiped && storage.is_empty() && before == Some(Fields::of(&info)) {
        return None;
    }
    let mut change = AccountChange::new(address, Some(info));
    change.storage_wiped = wiped;
    change.storage = storage;
    Some(change)
}

/// The account as revm knows it, with its code if that is not what it was before.
fn info(account: &AccountState, before: Option<&Fields>, codes: &Codes) -> Option<AccountInfo> {
    let mut info = plain_info(account)?;
    if before.is_none_or(|before| before.code_hash != account.code_hash) {
        info.code = codes.get(&account.code_hash);
    }
    Some(info)
}

fn plain_info(account: &AccountState) -> Option<AccountInfo> {
    account.exists.then_some(AccountInfo {
        balance: account.balance,
        nonce: account.nonce,
        code_hash: account.code_hash,
        account_id: None,
        code: None,
    })
}

fn fields(account: &AccountState) -> Option<Fields> {
    let AccountState { balance, nonce, code_hash, .. } = *account;
    account.exists.then_some(Fields { balance, nonce, code_hash })
}

fn account_value(value: Option<&StateValue>) -> Option<&AccountState> {
    match value {
        Some(StateValue::Account(account)) => Some(account),
        Some(StateValue::Slot(_)) | None => None,
    }
}

fn slot_value(value: Option<&StateValue>) -> Option<U256> {
    match value {
        Some(StateValue::Slot(value)) => Some(*value),
        Some(StateValue::Account(_)) | None => None,
    }
}
