//! From committed transactions to the block's result.

use std::{collections::hash_map::Entry, error::Error};

use alloy_primitives::{
    Address,
    map::{AddressMap, AddressSet},
};
use block_stm::{Admission, BoxError, CommitSink, Flow, Outcome, TxnIndex, Writes};
use revm::{
    DatabaseRef,
    context::{TxEnv, result::ExecutionResult},
    state::AccountInfo,
};

use super::{
    base::{Before, is_wiped},
    codes::Codes,
    location::Location,
    value::{AccountState, StateValue},
    vm::{BlockVm, VmFailure},
};
use crate::{
    Block, BlockRecord, ExecutionError, InvalidTxnReason, SlotFeed, Stage,
    block_state::{BlockState, CachedAccount, Fields, Slot},
};

/// Makes receipts and outcomes of transactions as they are committed.
pub(crate) struct RecordSink<'a> {
    block: &'a Block,
    record: &'a mut BlockRecord,
    feed: Option<&'a SlotFeed>,
}

impl<'a> RecordSink<'a> {
    pub(crate) fn new(
        block: &'a Block,
        record: &'a mut BlockRecord,
        feed: Option<&'a SlotFeed>,
    ) -> Self {
        Self { block, record, feed }
    }
}

impl<'s> CommitSink<BlockVm<'s>> for RecordSink<'_> {
    fn admit(&mut self, _index: TxnIndex, txn: &&'s TxEnv) -> Admission<InvalidTxnReason> {
        match self.record.admit(txn) {
            Ok(()) => Admission::Admit,
            Err(reason) => Admission::Refuse(reason),
        }
    }

    fn commit(
        &mut self,
        index: TxnIndex,
        outcome: Outcome<ExecutionResult, InvalidTxnReason>,
        writes: Writes<'_, BlockVm<'s>>,
    ) -> Flow {
        if let Some(feed) = self.feed {
            feed.committed(writes.iter().filter_map(|(location, value)| match (location, value) {
                (Location::Slot { address, key, .. }, StateValue::Slot { now, .. }) => {
                    Some((*address, *key, *now))
                }
                _ => None,
            }));
        }
        match outcome {
            Outcome::Done(result) => {
                self.record.executed(&self.block.txns[index.as_usize()], result);
            }
            Outcome::Invalid(reason) => self.record.skipped(reason),
        }
        Flow::Continue
    }
}

/// Puts what the transactions left behind on top of the state after the pre-block steps.
pub(crate) fn absorb<DB: DatabaseRef>(
    state: &mut BlockState<&DB>,
    finals: Vec<(Location, StateValue)>,
    mut before: Before,
    codes: &Codes,
) {
    let mut slots = Vec::new();
    // Of accounts whose storage was wiped, how often: older slots do not count.
    let mut wipes = AddressMap::<u32>::default();
    state.accounts.reserve(finals.len() / 2);
    for (location, value) in finals {
        match (location, value) {
            (Location::Account(address), StateValue::Account(account)) => {
                if account.wipes > 0 {
                    wipes.insert(address, account.wipes);
                }
                absorb_account(state, address, &account, &mut before, codes);
            }
            (_, StateValue::Slot { now, before }) => slots.push((location, Slot { before, now })),
            (Location::Slot { .. }, StateValue::Account(_)) => {}
        }
    }
    add_unchanged(state, &slots, &mut before);
    for (location, slot) in slots {
        if let Location::Slot { address, wipes: written, key } = location
            && let Some(cached) = state.accounts.get_mut(&address)
            && written == wipes.get(&address).copied().unwrap_or(u32::from(is_wiped(cached)))
        {
            cached.storage.insert(key, slot);
        }
    }
}

fn absorb_account<DB: DatabaseRef>(
    state: &mut BlockState<&DB>,
    address: Address,
    account: &AccountState,
    before: &mut Before,
    codes: &Codes,
) {
    let cached = match state.accounts.entry(address) {
        Entry::Occupied(known) => known.into_mut(),
        Entry::Vacant(new) => new.insert(CachedAccount {
            before: before.take(account.before),
            ..CachedAccount::default()
        }),
    };
    if account.wipes > u32::from(is_wiped(cached)) {
        cached.wiped = true;
        cached.storage.clear();
    }
    let same_code = |before: &Fields| before.code_hash == account.code_hash;
    let code = match &cached.before {
        Some(before) if same_code(before) => None,
        _ => codes.get(&account.code_hash),
    };
    if let Some(code) = &code {
        state.code.insert(account.code_hash, code.clone());
    }
    cached.now = account.exists.then_some(AccountInfo {
        balance: account.balance,
        nonce: account.nonce,
        code_hash: account.code_hash,
        account_id: None,
        code,
    });
}

/// Adds the accounts of which only slots were changed.
fn add_unchanged<DB>(state: &mut BlockState<&DB>, slots: &[(Location, Slot)], before: &mut Before) {
    let slots = slots.iter().map(|(location, _)| *location.address());
    let unknown: AddressSet = slots.filter(|a| !state.accounts.contains_key(a)).collect();
    if unknown.is_empty() {
        return;
    }
    for (address, fields) in before.iter() {
        if unknown.contains(&address) {
            let now = AccountInfo {
                balance: fields.balance,
                nonce: fields.nonce,
                code_hash: fields.code_hash,
                account_id: None,
                code: None,
            };
            let cached = state.accounts.entry(address).or_default();
            cached.before = Some(Fields::of(&now));
            cached.now = Some(now);
        }
    }
}

/// The crate's word for the engine's error.
pub(crate) fn execution_error<E: Error + 'static>(
    error: block_stm::Error<InvalidTxnReason>,
) -> ExecutionError<E> {
    use block_stm::Error as Engine;
    match error {
        Engine::Invalid { txn, reason } => {
            let index = txn.as_usize();
            ExecutionError::InvalidTxn { index, reason }
        }
        Engine::Storage { txn, source, .. } | Engine::Vm { txn, source } => {
            vm_error(Stage::Txn(txn.as_usize()), source)
        }
        Engine::Panicked { txn, message } => {
            let stage = Stage::Txn(txn.as_usize());
            ExecutionError::Panicked { stage, message }
        }
        Engine::Cancelled { committed } => ExecutionError::Cancelled { committed },
        // The engine's other errors are about the block as a whole.
        other => ExecutionError::Engine { message: other.to_string() },
    }
}

fn vm_error<E: Error + 'static>(stage: Stage, source: BoxError) -> ExecutionError<E> {
    let source = match source.downcast::<E>() {
        Ok(source) => return ExecutionError::Database { stage, source: *source },
        Err(source) => source,
    };
    match source.downcast::<VmFailure>().map(|failure| *failure) {
        Ok(VmFailure::Header(header)) => ExecutionError::Header(header),
        Ok(VmFailure::Custom(message)) => ExecutionError::Vm { stage, message },
        Err(source) => ExecutionError::Vm { stage, message: source.to_string() },
    }
}
