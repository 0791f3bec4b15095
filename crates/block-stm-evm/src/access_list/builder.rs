//! Putting a list together, one block access index after the other.

use std::collections::HashMap;

use alloy_eip7928::{
    AccountChanges, BalanceChange, BlockAccessIndex, BlockAccessList, CodeChange, NonceChange,
    SlotChanges, StorageChange,
};
use alloy_primitives::{Address, Bytes, U256, map::AddressMap};
use foldhash::fast::RandomState;
use revm::state::EvmState;

use super::touch::{SlotTouch, Touch};
use crate::block_state::Fields;

/// A list under construction. What is told counts for the current index, which starts at 0.
#[derive(Debug, Default)]
pub(crate) struct ListBuilder {
    index: BlockAccessIndex,
    accounts: AddressMap<Account>,
}

/// An account that was looked at.
#[derive(Debug, Default)]
struct Account {
    balance: Vec<BalanceChange>,
    nonce: Vec<NonceChange>,
    code: Vec<CodeChange>,
    /// Every slot that was looked at; one without changes was only read.
    slots: HashMap<U256, Vec<StorageChange>, RandomState>,
}

impl ListBuilder {
    /// A list in which everything has the one index.
    pub(crate) fn at(index: BlockAccessIndex) -> Self {
        Self { index, accounts: AddressMap::default() }
    }

    /// From here on, what is told counts for the next index.
    pub(crate) fn next_index(&mut self) {
        self.index.increment();
    }

    /// The account was looked at.
    pub(crate) fn account(&mut self, address: Address) {
        self.accounts.entry(address).or_default();
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
        let account = self.accounts.entry(address).or_default();
        if before.balance != after.balance {
            account.balance.push(BalanceChange::new(index, after.balance));
        }
        if before.nonce != after.nonce {
            account.nonce.push(NonceChange::new(index, after.nonce));
        }
        if before.code_hash != after.code_hash {
            account.code.push(CodeChange::new(index, new_code()));
        }
    }

    /// A slot was looked at, and changed if there is a new value.
    pub(crate) fn slot(&mut self, address: Address, key: U256, change: Option<U256>) {
        let account = self.accounts.entry(address).or_default();
        let changes = account.slots.entry(key).or_default();
        changes.extend(change.map(|value| StorageChange::new(self.index, value)));
    }

    /// All that a run did.
    pub(crate) fn run(&mut self, state: &EvmState) {
        for (&address, account) in state {
            let touch = Touch::of(account);
            self.fields(address, &touch.before, &touch.after, || touch.new_code());
            for slot in touch.slots() {
                self.slot(address, slot.key, SlotTouch::change(&slot));
            }
        }
    }

    /// The list in canonical order.
    pub(crate) fn finish(self) -> BlockAccessList {
        let accounts = self.accounts.into_iter();
        let mut list: Vec<_> = accounts.map(|(address, account)| account.finish(address)).collect();
        list.sort_unstable_by_key(|account| account.address);
        list
    }
}

impl Account {
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
