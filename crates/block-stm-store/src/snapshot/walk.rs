//! All accounts of a snapshot, and all slots of an account, in their order.

use std::collections::{BTreeMap, VecDeque};

use alloy_primitives::{Address, U256};

use super::Snapshot;
use crate::{Account, StoreError, recent::Stack};

/// So many rows of the flat state are in memory at once.
const PAGE: usize = 1024;

/// The accounts of a [`Snapshot`], in the order of their addresses.
///
/// It takes memory for what the layers changed, and for a page of the flat state.
#[derive(Debug)]
pub struct Accounts<'a> {
    snapshot: &'a Snapshot,
    merge: Merge<Address, Account>,
}

/// The slots of an account in a [`Snapshot`] that are not zero, in the order of their keys.
///
/// It takes memory for what the layers changed, and for a page of the flat state.
#[derive(Debug)]
pub struct Slots<'a> {
    snapshot: &'a Snapshot,
    address: Address,
    merge: Merge<U256, U256>,
}

/// Rows of the flat state and, in their place, what layers say.
#[derive(Debug)]
struct Merge<K, V> {
    over: BTreeMap<K, Option<V>>,
    page: VecDeque<(K, V)>,
    after: Option<K>,
    is_at_end: bool,
}

impl<K: Copy + Ord, V> Merge<K, V> {
    fn new(over: BTreeMap<K, Option<V>>) -> Self {
        Self { over, page: VecDeque::new(), after: None, is_at_end: false }
    }

    fn next(
        &mut self,
        page: impl Fn(Option<K>) -> Result<Vec<(K, V)>, StoreError>,
    ) -> Result<Option<(K, V)>, StoreError> {
        loop {
            if self.page.is_empty() && !self.is_at_end {
                self.page = page(self.after)?.into();
                self.is_at_end = self.page.len() < PAGE;
                self.after = self.page.back().map(|(key, _)| *key).or(self.after);
            }
            let row = self.page.front().map(|(key, _)| *key);
            let Some((&key, _)) = self.over.first_key_value() else {
                return Ok(self.page.pop_front());
            };
            if row.is_some_and(|row| row < key) {
                return Ok(self.page.pop_front());
            }
            if row == Some(key) {
                self.page.pop_front();
            }
            if let Some((key, Some(value))) = self.over.pop_first() {
                return Ok(Some((key, value)));
            }
        }
    }
}

impl Stack {
    /// What layers say of accounts.
    fn accounts(&self) -> BTreeMap<Address, Option<Account>> {
        let mut accounts = BTreeMap::new();
        for layer in self.under.iter().rev() {
            accounts.extend(layer.record.changes.iter().map(|it| (it.address, it.before)));
        }
        for layer in &self.over {
            accounts.extend(layer.record.changes.iter().map(|it| (it.address, it.after)));
        }
        accounts
    }

    /// What layers say of an account's slots.
    fn slots(&self, address: &Address) -> BTreeMap<U256, Option<U256>> {
        let some = |value: U256| (!value.is_zero()).then_some(value);
        let mut slots = BTreeMap::new();
        for change in self.under.iter().rev().filter_map(|layer| layer.change(address)) {
            slots.extend(change.slots.iter().map(|it| (it.slot, some(it.before))));
        }
        for change in self.over.iter().filter_map(|layer| layer.change(address)) {
            slots.extend(change.slots.iter().map(|it| (it.slot, some(it.after))));
        }
        slots
    }
}

impl Snapshot {
    /// All accounts, in the order of their addresses.
    ///
    /// # Errors
    ///
    /// As [`account`](Self::account), at once and for each.
    pub fn accounts(&self) -> Result<Accounts<'_>, StoreError> {
        let over = self.with(|stack| Ok(stack.accounts()))?;
        Ok(Accounts { snapshot: self, merge: Merge::new(over) })
    }

    /// The slots of an account that are not zero, in the order of their keys.
    ///
    /// # Errors
    ///
    /// As [`account`](Self::account), at once and for each.
    pub fn slots(&self, address: Address) -> Result<Slots<'_>, StoreError> {
        let over = self.with(|stack| Ok(stack.slots(&address)))?;
        Ok(Slots { snapshot: self, address, merge: Merge::new(over) })
    }
}

impl Iterator for Accounts<'_> {
    type Item = Result<(Address, Account), StoreError>;

    fn next(&mut self) -> Option<Self::Item> {
        let Self { snapshot, merge } = self;
        let page = |after| snapshot.with(|stack| stack.flat.accounts(after, PAGE));
        merge.next(page).transpose()
    }
}

impl Iterator for Slots<'_> {
    type Item = Result<(U256, U256), StoreError>;

    fn next(&mut self) -> Option<Self::Item> {
        let Self { snapshot, address, merge } = self;
        let page = |after| snapshot.with(|stack| stack.flat.slots(address, after, PAGE));
        merge.next(page).transpose()
    }
}
