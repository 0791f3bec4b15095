//! What a batch left, put into the state that the next one starts from.
//!
//! Afterwards the state is what it would be had the plain loop executed the batch on it: the same
//! changes come out of it, and the same answers.

use std::collections::hash_map::Entry;

use alloy_primitives::{Address, U256, map::AddressMap};
use block_stm::FinalState;
use revm::state::AccountInfo;

use super::{
    after::{account_value, fields, info, slot_value},
    base::is_wiped,
    codes::Codes,
    location::Location,
    value::StateValue,
};
use crate::{
    BlockState, StateRef,
    block_state::{CachedAccount, Fields, Slot, SlotMap},
};

/// What takes one change of a state back.
#[derive(Debug)]
pub(crate) enum Undo {
    /// The account was not known.
    Unknown(Address),
    /// Its fields.
    Account { address: Address, now: Option<AccountInfo>, wiped: bool },
    /// Its slots, all of which were wiped.
    Storage(Address, SlotMap),
    /// A slot, if it was known.
    Slot(Address, U256, Option<Slot>),
}

/// Puts into `state` what the batch left that ended as `after`. What takes that back is appended
/// to `log`, if there is one.
///
/// # Errors
///
/// What reading an account or slot returns that the batch has not read. A part of the batch is in
/// the state then.
pub(crate) fn fold<DB: StateRef>(
    state: &mut BlockState<&DB>,
    after: &FinalState<Location, StateValue>,
    codes: &Codes,
    mut log: Option<&mut Vec<Undo>>,
) -> Result<(), DB::Error> {
    for change in after.iter() {
        let (Location::Account(address), StateValue::Account(now)) =
            (change.location, change.after)
        else {
            continue;
        };
        let known = account_value(change.before).map(|account| fields(account, codes));
        let account = known_account(state, *address, known, &mut log)?;
        if now.wipes > u32::from(is_wiped(account)) {
            account.wiped = true;
            let slots = std::mem::take(&mut account.storage);
            if let Some(log) = &mut log {
                log.push(Undo::Storage(*address, slots));
            }
        }
        account.now = info(now, account.before.as_ref(), codes);
        let code = account.now.as_ref().and_then(|info| Some((info.code_hash, info.code.clone()?)));
        if let Some((hash, code)) = code {
            // By its hash it is right whatever becomes of the account.
            state.code.insert(hash, code);
        }
    }
    for change in after.iter() {
        let (&Location::Slot { address, wipes, key }, StateValue::Slot(now)) =
            (change.location, change.after)
        else {
            continue;
        };
        let account = account_value(after.cached(&Location::Account(address)));
        if account.is_some_and(|account| account.wipes != wipes) {
            continue;
        }
        let db = state.db;
        if !state.accounts.contains_key(&address) {
            let known = account.map(|account| fields(account, codes));
            known_account(state, address, known, &mut log)?;
        }
        let account = state.accounts.get_mut(&address).expect("just made known");
        let is_new = is_wiped(account);
        let undo = match account.storage.entry(key) {
            Entry::Occupied(mut slot) => {
                let old = slot.get().clone();
                slot.get_mut().now = *now;
                Some(old)
            }
            Entry::Vacant(slot) => {
                let before = match slot_value(change.before) {
                    _ if is_new => U256::ZERO,
                    Some(before) => before,
                    None => db.storage_ref(address, key)?,
                };
                slot.insert(Slot { before, now: *now });
                None
            }
        };
        if let Some(log) = &mut log {
            log.push(Undo::Slot(address, key, undo));
        }
    }
    Ok(())
}

/// The account, about to be changed. `before` is what it was before the batch, if that is known.
fn known_account<'a, DB: StateRef>(
    state: &'a mut BlockState<&DB>,
    address: Address,
    before: Option<Option<Fields>>,
    log: &mut Option<&mut Vec<Undo>>,
) -> Result<&'a mut CachedAccount, DB::Error> {
    Ok(match state.accounts.entry(address) {
        Entry::Occupied(account) => {
            let account = account.into_mut();
            if let Some(log) = log {
                let (now, wiped) = (account.now.clone(), account.wiped);
                log.push(Undo::Account { address, now, wiped });
            }
            account
        }
        Entry::Vacant(vacant) => {
            let before = match before {
                Some(before) => before,
                None => state.db.basic_ref(address)?.as_ref().map(Fields::of),
            };
            let now = before.as_ref().map(Fields::info);
            if let Some(log) = log {
                log.push(Undo::Unknown(address));
            }
            vacant.insert(CachedAccount { before, now, ..CachedAccount::default() })
        }
    })
}

/// Takes back what `log` says, which is in the order in which it was done.
pub(crate) fn undo(
    accounts: &mut AddressMap<CachedAccount>,
    log: impl DoubleEndedIterator<Item = Undo>,
) {
    for undo in log.rev() {
        match undo {
            Undo::Unknown(address) => {
                accounts.remove(&address);
            }
            Undo::Account { address, now, wiped } => {
                let account = accounts.entry(address).or_default();
                (account.now, account.wiped) = (now, wiped);
            }
            Undo::Storage(address, slots) => accounts.entry(address).or_default().storage = slots,
            Undo::Slot(address, key, slot) => {
                let storage = &mut accounts.entry(address).or_default().storage;
                match slot {
                    Some(slot) => storage.insert(key, slot),
                    None => storage.remove(&key),
                };
            }
        }
    }
}
