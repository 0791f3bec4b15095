//! Putting a list together, one block access index after the other.

use std::collections::HashMap;

use alloy_eip7928::{
    AccountChanges, BalanceChange, BlockAccessIndex, BlockAccessList, CodeChange, NonceChange,
    SlotChanges, StorageChange,
};
use alloy_primitives::{Address, Bytes, U256, map::AddressMap};
use foldhash::fast::RandomState;
use revm::state::EvmState;

use super::touch::{Touch, slots_of};
use crate::block_state::Fields;

/// A list has so many shards.
pub(crate) const SHARDS: usize = 16;

/// A list under construction. What is told counts for the current index, which starts at 0.
///
/// Accounts lie in shards by the first digit of their address, so that threads can work on shards
/// of their own, and shards in order are accounts in order.
#[derive(Debug, Default)]
pub(crate) struct ListBuilder {
    index: BlockAccessIndex,
    shards: [Shard; SHARDS],
}

/// The accounts with one first digit that were looked at.
#[derive(Debug, Default)]
pub(crate) struct Shard(AddressMap<Account>);

/// An account that was looked at.
#[derive(Debug, Default)]
pub(crate) struct Account {
    balance: Vec<BalanceChange>,
    nonce: Vec<NonceChange>,
    code: Vec<CodeChange>,
    /// Every slot that was looked at; one without changes was only read.
    slots: HashMap<U256, Vec<StorageChange>, RandomState>,
}

/// The number of the shard that an account lies in.
pub(crate) fn shard_of(address: &Address) -> usize {
    usize::from(address[0] >> 4)
}

impl ListBuilder {
    /// A list in which everything has the one index.
    pub(crate) fn at(index: BlockAccessIndex) -> Self {
        Self { index, ..Self::default() }
    }

    /// From here on, what is told counts for the next index.
    pub(crate) fn next_index(&mut self) {
        self.index.increment();
    }

    pub(crate) fn index(&self) -> BlockAccessIndex {
        self.index
    }

    /// The current index, and all shards.
    pub(crate) fn into_shards(self) -> (BlockAccessIndex, [Shard; SHARDS]) {
        (self.index, self.shards)
    }

    /// The account was looked at, and had the one fields before, the other ones after. What is
    /// equal is no change.
    pub(crate) fn fields(
        &mut self,
        address: Address,
        before: &Fields,
        after: &Fields,
        new_code: impl FnOnce() -> Bytes,
    ) {
        let index = self.index;
        self.account(address).fields(index, before, after, new_code);
    }

    /// All that a run did.
    pub(crate) fn run(&mut self, state: &EvmState) {
        let index = self.index;
        for (&address, account) in state {
            let touch = Touch::of(account);
            let listed = self.account(address);
            listed.fields(index, &touch.before, &touch.after, || touch.new_code());
            listed.slots(index, slots_of(account).map(|slot| (slot.key, slot.change())));
        }
    }

    /// The account was looked at.
    pub(crate) fn account(&mut self, address: Address) -> &mut Account {
        self.shards[shard_of(&address)].account(address)
    }

    /// The list in canonical order.
    pub(crate) fn finish(self) -> BlockAccessList {
        self.shards.into_iter().flat_map(Shard::finish).collect()
    }
}

impl Shard {
    /// The account was looked at.
    pub(crate) fn account(&mut self, address: Address) -> &mut Account {
        self.0.entry(address).or_default()
    }

    /// Its part of the list.
    pub(crate) fn finish(self) -> BlockAccessList {
        let accounts = self.0.into_iter();
        let mut list: Vec<_> = accounts.map(|(address, account)| account.finish(address)).collect();
        list.sort_unstable_by_key(|account| account.address);
        list
    }
}

impl Account {
    /// It had the one fields before, the other ones after.
    pub(crate) fn fields(
        &mut self,
        index: BlockAccessIndex,
        before: &Fields,
        after: &Fields,
        new_code: impl FnOnce() -> Bytes,
    ) {
        if before.balance != after.balance {
            self.balance.push(BalanceChange::new(index, after.balance));
        }
        if before.nonce != after.nonce {
            self.nonce.push(NonceChange::new(index, after.nonce));
        }
        if before.code_hash != after.code_hash {
            self.code.push(CodeChange::new(index, new_code()));
        }
    }

    /// These slots were looked at. They changed where there is a new value.
    pub(crate) fn slots(
        &mut self,
        index: BlockAccessIndex,
        slots: impl IntoIterator<Item = (U256, Option<U256>)>,
    ) {
        for (key, change) in slots {
            let changes = self.slots.entry(key).or_default();
            changes.extend(change.map(|value| StorageChange::new(index, value)));
        }
    }

    fn finish(self, address: Address) -> AccountChanges {
        let mut changes = AccountChanges::new(address);
        for (key, slot) in self.slots {
            if slot.is_empty() {
                changes.storage_reads.push(key);
            } else {
                changes.storage_changes.push(SlotChanges::new(key, slot));
            }
        }
        changes.storage_reads.sort_unstable();
        changes.storage_changes.sort_unstable_by_key(|slot| slot.slot);
        changes.balance_changes = self.balance;
        changes.nonce_changes = self.nonce;
        changes.code_changes = self.code;
        changes
    }
}
