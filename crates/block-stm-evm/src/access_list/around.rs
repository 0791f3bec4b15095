//! What the steps before and after the transactions look at and change.
//!
//! They are several calls and credits with one block access index, of which only the sum counts. So
//! they are not taken from revm's journals, each of which knows one call, but from the database
//! below: all that is asked of it, and all that is committed to it. That also shows what a call
//! looked at that failed.

use std::collections::BTreeMap;

use alloy_eip7928::BlockAccessIndex;
use alloy_eips::eip7685::Requests;
use alloy_primitives::{Address, B256, U256, map::AddressMap};
use revm::{
    Database, DatabaseCommit,
    primitives::{StorageKey, StorageValue},
    state::{Account, AccountInfo, Bytecode},
};

use super::{
    builder::{Account as ListedAccount, ListBuilder, Shard, shard_of},
    touch::{Touch, code_bytes, fields, nothing, slots_of},
};
use crate::{
    Block, BlockState, ExecutionError, Receipt, StateRef, block_state::Fields,
    post_block::finish_state, pre_block::prepare_state, state_ref::State,
};

/// What the steps around the transactions did, together.
#[derive(Debug, Default)]
pub(crate) struct StepLog(BTreeMap<Address, StepAccount>);

/// An account that was looked at.
#[derive(Debug)]
pub(crate) struct StepAccount {
    pub(crate) before: Fields,
    pub(crate) after: Fields,
    pub(crate) new_code: Option<Bytecode>,
    /// Whether it ceased to exist at some time, which touching an empty one brings about, too.
    pub(crate) removed: bool,
    /// Whether its storage was wiped at some time.
    pub(crate) wiped: bool,
    /// Slots that were looked at: before and after.
    pub(crate) slots: BTreeMap<U256, (U256, U256)>,
}

impl StepLog {
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&Address, &StepAccount)> {
        self.0.iter()
    }

    /// Tells `list` of it all.
    pub(crate) fn tell(&self, list: &mut ListBuilder) {
        let index = list.index();
        for (address, account) in &self.0 {
            account.tell(list.account(*address), index);
        }
    }

    /// Tells the shard with this number of what lies in it.
    pub(crate) fn tell_shard(&self, number: usize, shard: &mut Shard, index: BlockAccessIndex) {
        for (address, account) in &self.0 {
            if shard_of(address) == number {
                account.tell(shard.account(*address), index);
            }
        }
    }

    fn loaded(&mut self, address: Address, info: Option<&AccountInfo>) {
        self.0.entry(address).or_insert_with(|| {
            let fields = info.map_or_else(nothing, fields);
            StepAccount::new(fields)
        });
    }

    fn committed(&mut self, address: Address, account: &Account) {
        let touch = Touch::of(account);
        let known = self.0.entry(address).or_insert_with(|| {
            let Touch { before, .. } = &touch;
            StepAccount::new(before.clone())
        });
        for slot in slots_of(account) {
            known.slots.entry(slot.key).or_insert((slot.before, slot.before));
        }
        if !account.is_touched() {
            return;
        }
        if touch.is_wiped() {
            known.wiped = true;
            known.slots.values_mut().for_each(|(_, after)| *after = U256::ZERO);
        }
        for slot in slots_of(account) {
            known.slots.entry(slot.key).and_modify(|(_, after)| *after = slot.after);
        }
        known.removed |= touch.is_removed();
        if known.after.code_hash != touch.after.code_hash {
            known.new_code = account.info.code.clone();
        }
        known.after = touch.after;
    }
}

impl StepAccount {
    fn new(fields: Fields) -> Self {
        Self {
            before: fields.clone(),
            after: fields,
            new_code: None,
            removed: false,
            wiped: false,
            slots: BTreeMap::new(),
        }
    }

    fn tell(&self, listed: &mut ListedAccount, index: BlockAccessIndex) {
        listed.fields(index, &self.before, &self.after, || {
            code_bytes(&self.after, self.new_code.as_ref())
        });
        let change = |before, after| (before != after).then_some(after);
        let slots = self.slots.iter();
        listed.slots(index, slots.map(|(&key, &(before, after))| (key, change(before, after))));
    }
}

/// A database that remembers what was asked of it and what was committed to it.
#[derive(Debug)]
pub(crate) struct Watched<DB> {
    db: DB,
    log: StepLog,
}

impl<DB> Watched<DB> {
    fn new(db: DB) -> Self {
        Self { db, log: StepLog::default() }
    }
}

impl<DB: Database> Database for Watched<DB> {
    type Error = DB::Error;

    fn basic(&mut self, address: Address) -> Result<Option<AccountInfo>, DB::Error> {
        let info = self.db.basic(address)?;
        self.log.loaded(address, info.as_ref());
        Ok(info)
    }

    fn code_by_hash(&mut self, hash: B256) -> Result<Bytecode, DB::Error> {
        self.db.code_by_hash(hash)
    }

    fn storage(&mut self, address: Address, key: StorageKey) -> Result<StorageValue, DB::Error> {
        let value = self.db.storage(address, key)?;
        if let Some(account) = self.log.0.get_mut(&address) {
            account.slots.entry(key).or_insert((value, value));
        }
        Ok(value)
    }

    fn block_hash(&mut self, number: u64) -> Result<B256, DB::Error> {
        self.db.block_hash(number)
    }
}

impl<DB: State> State for Watched<DB> {
    fn has_storage(&mut self, address: Address) -> Result<bool, DB::Error> {
        self.db.has_storage(address)
    }
}

impl<DB: DatabaseCommit> DatabaseCommit for Watched<DB> {
    fn commit(&mut self, changes: AddressMap<Account>) {
        for (address, account) in &changes {
            self.log.committed(*address, account);
        }
        self.db.commit(changes);
    }

    fn commit_iter(&mut self, changes: &mut dyn Iterator<Item = (Address, Account)>) {
        let log = &mut self.log;
        let mut watched = changes.inspect(|(address, account)| log.committed(*address, account));
        self.db.commit_iter(&mut watched);
    }
}

/// The steps before the transactions on `state`, which is handed back.
pub(crate) fn prepare_logged<DB: StateRef>(
    block: &Block,
    state: BlockState<DB>,
) -> Result<(BlockState<DB>, StepLog), ExecutionError<DB::Error>> {
    let Watched { db, log } = prepare_state(block, Watched::new(state))?;
    Ok((db, log))
}

/// The state after a block, and its requests.
type Finished<DB> = (BlockState<DB>, Option<Requests>);

/// The steps after the transactions on `state`, which is handed back.
pub(crate) fn finish_logged<DB: StateRef>(
    block: &Block,
    receipts: &[Receipt],
    state: BlockState<DB>,
) -> Result<(Finished<DB>, StepLog), ExecutionError<DB::Error>> {
    let (Watched { db, log }, requests) = finish_state(block, receipts, Watched::new(state))?;
    Ok(((db, requests), log))
}

/// [`finish_logged`] where there is a list, else without a log.
pub(crate) fn finish_as_asked<DB: StateRef>(
    block: &Block,
    receipts: &[Receipt],
    state: BlockState<DB>,
    list: &Option<ListBuilder>,
) -> Result<(Finished<DB>, StepLog), ExecutionError<DB::Error>> {
    match list {
        Some(_) => finish_logged(block, receipts, state),
        None => Ok((finish_state(block, receipts, state)?, StepLog::default())),
    }
}

/// [`prepare_state`], telling `list` of it if there is one.
pub(crate) fn prepare<DB: StateRef>(
    block: &Block,
    state: BlockState<DB>,
    list: Option<&mut ListBuilder>,
) -> Result<BlockState<DB>, ExecutionError<DB::Error>> {
    let Some(list) = list else { return prepare_state(block, state) };
    let (state, log) = prepare_logged(block, state)?;
    log.tell(list);
    list.next_index();
    Ok(state)
}

/// [`finish_state`], telling `list` of it if there is one.
pub(crate) fn finish<DB: StateRef>(
    block: &Block,
    receipts: &[Receipt],
    state: BlockState<DB>,
    list: Option<&mut ListBuilder>,
) -> Result<Finished<DB>, ExecutionError<DB::Error>> {
    let Some(list) = list else { return finish_state(block, receipts, state) };
    let (finished, log) = finish_logged(block, receipts, state)?;
    log.tell(list);
    Ok(finished)
}
