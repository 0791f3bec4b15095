//! The state before each transaction, from what a sink is told of all of them.
//!
//! It says all that there is to say, under any rules: also that an account ceases to exist, that it
//! exists without anything, and that its storage is gone.

use std::collections::HashMap;

use alloy_primitives::{
    Address, B256, U256,
    map::{AddressMap, B256Map},
};
use block_stm::{Engine, Flow};
use foldhash::fast::RandomState;
use revm::{
    DatabaseRef,
    state::{Account, AccountInfo, Bytecode},
};

use crate::{
    Block, BlockResult, BlockSink, BlockState, ExecutionError, FinalTxn, ParallelOptions, StateRef,
    access_list::{Touch, slots_of},
    execute_parallel_with,
    pre_block::prepare_state,
};

/// The changes of a block's transactions over the state that they start from.
#[derive(Debug)]
pub(super) struct ToldStates<'a, DB> {
    /// With the steps before the transactions.
    base: BlockState<&'a DB>,
    told: Told,
}

/// What the transactions changed.
#[derive(Debug, Default)]
struct Told {
    accounts: AddressMap<Changes>,
    codes: B256Map<Bytecode>,
}

/// What the transactions changed in one account, each change with the transaction's place.
#[derive(Debug, Default)]
struct Changes {
    infos: Vec<(usize, Option<AccountInfo>)>,
    /// Where all storage was wiped.
    wipes: Vec<usize>,
    slots: HashMap<U256, Vec<(usize, U256)>, RandomState>,
}

impl<'a, DB: StateRef + Sync> ToldStates<'a, DB> {
    /// Executes `block`, and keeps what each transaction changes.
    pub(super) fn new(
        engine: &Engine,
        block: &Block,
        db: &'a DB,
    ) -> Result<(Self, BlockResult), ExecutionError<DB::Error>> {
        let mut told = Told::default();
        let options = ParallelOptions::default();
        let executed = execute_parallel_with(engine, block, db, &options, &mut told)?;
        let base = prepare_state(block, BlockState::new(db))?;
        Ok((Self { base, told }, executed.result))
    }

    pub(super) fn account(
        &self,
        address: Address,
        txn: usize,
    ) -> Result<Option<AccountInfo>, DB::Error> {
        let changes = self.told.accounts.get(&address);
        match changes.and_then(|changes| last(&changes.infos, txn)) {
            Some((_, info)) => Ok(info.clone()),
            None => self.base.basic_ref(address),
        }
    }

    pub(super) fn code(&self, hash: B256) -> Result<Bytecode, DB::Error> {
        match self.told.codes.get(&hash) {
            Some(code) => Ok(code.clone()),
            None => self.base.code_by_hash_ref(hash),
        }
    }

    pub(super) fn block_hash(&self, number: u64) -> Result<B256, DB::Error> {
        self.base.block_hash_ref(number)
    }

    pub(super) fn slot(&self, address: Address, key: U256, txn: usize) -> Result<U256, DB::Error> {
        let Some(changes) = self.told.accounts.get(&address) else {
            return self.base.storage_ref(address, key);
        };
        let change = changes.slots.get(&key).and_then(|changes| last(changes, txn));
        match (change, changes.wiped_before(txn)) {
            (Some((at, value)), wiped) if wiped.is_none_or(|wiped| wiped <= *at) => Ok(*value),
            (_, Some(_)) => Ok(U256::ZERO),
            (_, None) => self.base.storage_ref(address, key),
        }
    }

    pub(super) fn has_storage(
        &self,
        address: Address,
        txn: usize,
    ) -> Result<Option<bool>, DB::Error> {
        let Some(changes) = self.told.accounts.get(&address) else {
            return self.base.has_storage_ref(address);
        };
        let wiped = changes.wiped_before(txn);
        let mut now = changes.slots.values().filter_map(|changes| last(changes, txn));
        if now.any(|(at, value)| !value.is_zero() && wiped.is_none_or(|wiped| wiped <= *at)) {
            return Ok(Some(true));
        }
        if wiped.is_some() { Ok(Some(false)) } else { self.base.has_storage_ref(address) }
    }
}

impl Changes {
    /// The last transaction below `txn` that wiped the storage.
    fn wiped_before(&self, txn: usize) -> Option<usize> {
        let below = self.wipes.partition_point(|wiped| *wiped < txn);
        Some(self.wipes[below.checked_sub(1)?])
    }

    fn add(&mut self, txn: usize, account: &Account) {
        let touch = Touch::of(account);
        if touch.is_wiped() {
            self.wipes.push(txn);
        }
        if touch.is_removed() {
            self.infos.push((txn, None));
            return;
        }
        let code = account.info.code.clone();
        self.infos.push((txn, Some(AccountInfo { code, ..touch.after.info() })));
        // What a transaction changes after a wipe of its own comes after it.
        for slot in slots_of(account) {
            if let Some(value) = slot.change() {
                self.slots.entry(slot.key).or_default().push((txn, value));
            }
        }
    }
}

/// The last of the `changes` by a transaction below `txn`.
fn last<T>(changes: &[(usize, T)], txn: usize) -> Option<&(usize, T)> {
    let below = changes.partition_point(|(at, _)| *at < txn);
    changes.get(below.checked_sub(1)?)
}

impl BlockSink for Told {
    fn wants_state(&self) -> bool {
        true
    }

    fn commit(&mut self, txn: FinalTxn<'_>) -> Flow {
        for (address, account) in txn.state.into_iter().flatten() {
            if !account.is_touched() {
                continue;
            }
            if let Some(code) = account.info.code.as_ref().filter(|code| !code.is_empty()) {
                self.codes.entry(account.info.code_hash).or_insert_with(|| code.clone());
            }
            self.accounts.entry(address).or_default().add(txn.index, &account);
        }
        Flow::Continue
    }
}
