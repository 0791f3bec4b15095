//! The changes of a block whose list is right: they stand in the list.
//!
//! But for two things: which accounts have lost their storage or ceased to exist, which execution
//! has marked; and what everything was before, which it has read.

use std::sync::OnceLock;

use block_stm::Engine;
use revm::{DatabaseRef, state::AccountInfo};

use super::{
    listed::ListedState,
    touch::{fields, nothing},
};
use crate::{AccountChange, SlotChange, StateChanges};
use alloy_eip7928::BlockAccessIndex;
use alloy_primitives::U256;

/// How many accounts are looked at in one go.
const PART: usize = 256;

/// The changes of the whole block.
///
/// # Errors
///
/// What reading returns, if something is read that execution has not.
pub(crate) fn changes<DB: DatabaseRef + Sync>(
    engine: &Engine,
    state: &ListedState<'_, DB>,
) -> Result<StateChanges, DB::Error> {
    let accounts = state.accounts.len();
    let parts: Vec<_> = (0..accounts.div_ceil(PART)).map(|_| OnceLock::new()).collect();
    engine.share(parts.len(), |part| {
        let places = part * PART..accounts.min((part + 1) * PART);
        let changes = places.filter_map(|place| change(state, place).transpose());
        let _ = parts[part].set(changes.collect::<Result<Vec<_>, _>>());
    });
    let parts = parts.into_iter().map(|part| part.into_inner().expect("each part was done"));
    Ok(StateChanges::of(parts.collect::<Result<_, _>>()?))
}

/// What became of the account at `place`, if anything really did.
fn change<DB: DatabaseRef>(
    state: &ListedState<'_, DB>,
    place: usize,
) -> Result<Option<AccountChange>, DB::Error> {
    let before = state.before(place)?;
    let account = &state.accounts[place];
    let address = account.list.address;
    let after = state.account(place, BlockAccessIndex::new(u64::MAX))?;
    // An account without anything exists on if nothing has touched it.
    let after = after.filter(|info| fields(info) != nothing() || !account.was_removed());
    let Some(info) = after else {
        return Ok(before.map(|_| AccountChange::new(address, None)));
    };
    let wiped = account.last_wipe();
    let mut storage = Vec::new();
    for (slot, changes) in account.list.storage_changes.iter().enumerate() {
        let Some(last) = changes.changes.last() else { continue };
        if wiped.is_some_and(|wiped| last.block_access_index < wiped) {
            continue;
        }
        let before = match wiped {
            Some(_) => U256::ZERO,
            None => state.changed_slot_before(place, slot)?,
        };
        if before != last.new_value {
            storage.push(SlotChange { slot: changes.slot, before, after: last.new_value });
        }
    }
    let storage_wiped = wiped.is_some() && before.is_some();
    let same_fields = before == Some(&fields(&info));
    if same_fields && !storage_wiped && storage.is_empty() {
        return Ok(None);
    }
    let code_is_new = before.is_none_or(|before| before.code_hash != info.code_hash);
    let code = if code_is_new { state.codes.get(&info.code_hash) } else { None };
    let info = AccountInfo { code, account_id: None, ..info };
    let mut change = AccountChange::new(address, Some(info));
    change.storage_wiped = storage_wiped;
    change.storage = storage;
    Ok(Some(change))
}
