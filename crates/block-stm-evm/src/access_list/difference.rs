//! Where two lists differ, or a list and what really happens.

use std::{cmp::Ordering, fmt};

use alloy_eip7928::{AccountChanges, BlockAccessIndex, SlotChanges};
use alloy_primitives::{Address, Bytes, U256};

/// A place at which a list has something else than another one, or than what really happens.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ListDifference {
    /// The account.
    pub address: Address,
    /// What of it.
    pub part: ListPart,
    /// The block access index, 0 before the transactions and from 1 on at each; `None` where an
    /// access as such is concerned, which has none in a list.
    pub index: Option<BlockAccessIndex>,
    /// What the first list has there.
    pub listed: Option<ListedValue>,
    /// What the second list has there, or what happens.
    pub actual: Option<ListedValue>,
}

/// A part of an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ListPart {
    /// The account as such: that it was looked at.
    Account,
    /// Its balance.
    Balance,
    /// Its nonce.
    Nonce,
    /// Its code.
    Code,
    /// The slot with this key.
    Slot(U256),
}

/// What a list has at a place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ListedValue {
    /// An access without a value.
    Access,
    /// The number that a balance, a nonce or a slot is changed to.
    Number(U256),
    /// The code that an account is given; empty if it loses what it had.
    Code(Bytes),
}

impl ListDifference {
    /// Something that happens at `index` is not listed.
    pub(crate) fn unlisted(address: Address, part: ListPart, index: BlockAccessIndex) -> Self {
        let (listed, actual) = (None, Some(ListedValue::Access));
        Self { address, part, index: Some(index), listed, actual }
    }

    /// Something is listed that is never looked at.
    pub(crate) fn never_accessed(address: Address, part: ListPart) -> Self {
        let (listed, actual) = (Some(ListedValue::Access), None);
        Self { address, part, index: None, listed, actual }
    }

    /// What comes first in the block comes first; an access as such comes last.
    fn in_block_order(&self, other: &Self) -> Ordering {
        let key = |difference: &Self| {
            let index = difference.index.map_or(u64::MAX, BlockAccessIndex::get);
            (index, difference.address, difference.part)
        };
        key(self).cmp(&key(other))
    }
}

/// All differences of the lists `a` and `b`, by account, part and index.
///
/// An account that only one of them has counts as a difference of its own, beside what is listed of
/// it.
///
/// # Cost
///
/// Sorts references to the accounts and to their parts.
pub fn list_differences(a: &[AccountChanges], b: &[AccountChanges]) -> Vec<ListDifference> {
    let key = |account: &&AccountChanges| account.address;
    let mut differences = Vec::new();
    let nothing = AccountChanges::default();
    for (address, a, b) in paired(a.iter(), b.iter(), key) {
        if a.is_none() || b.is_none() {
            let access = |account: Option<_>| account.map(|_| ListedValue::Access);
            let (listed, actual) = (access(a), access(b));
            let part = ListPart::Account;
            differences.push(ListDifference { address, part, index: None, listed, actual });
        }
        in_account(address, a.unwrap_or(&nothing), b.unwrap_or(&nothing), &mut differences);
    }
    differences
}

/// The difference of the lists `a` and `b` that comes first in the block.
pub(crate) fn first_difference(
    a: &[AccountChanges],
    b: &[AccountChanges],
) -> Option<ListDifference> {
    list_differences(a, b).into_iter().min_by(ListDifference::in_block_order)
}

type Value = (BlockAccessIndex, ListedValue);

fn in_account(
    address: Address,
    a: &AccountChanges,
    b: &AccountChanges,
    differences: &mut Vec<ListDifference>,
) {
    let number = |index, value| (index, ListedValue::Number(value));
    let balances = |account: &AccountChanges| -> Vec<Value> {
        let changes = account.balance_changes.iter();
        changes.map(|change| number(change.block_access_index, change.post_balance)).collect()
    };
    let nonces = |account: &AccountChanges| -> Vec<Value> {
        let changes = account.nonce_changes.iter();
        changes
            .map(|change| number(change.block_access_index, U256::from(change.new_nonce)))
            .collect()
    };
    let codes = |account: &AccountChanges| -> Vec<Value> {
        let changes = account.code_changes.iter();
        let code = |code: &Bytes| ListedValue::Code(code.clone());
        changes.map(|change| (change.block_access_index, code(&change.new_code))).collect()
    };
    let mut part = |part, a: Vec<Value>, b: Vec<Value>| {
        for (index, a, b) in paired(a.into_iter(), b.into_iter(), |(index, _)| *index) {
            let (listed, actual) = (a.map(|(_, value)| value), b.map(|(_, value)| value));
            if listed != actual {
                let index = Some(index);
                differences.push(ListDifference { address, part, index, listed, actual });
            }
        }
    };
    part(ListPart::Balance, balances(a), balances(b));
    part(ListPart::Nonce, nonces(a), nonces(b));
    part(ListPart::Code, codes(a), codes(b));
    in_slots(address, a, b, differences);
}

fn in_slots(
    address: Address,
    a: &AccountChanges,
    b: &AccountChanges,
    differences: &mut Vec<ListDifference>,
) {
    let slots = |account: &AccountChanges| -> Vec<(U256, Vec<Value>)> {
        let reads = account.storage_reads.iter().map(|key| (*key, Vec::new()));
        let changed = account.storage_changes.iter().map(|slot| {
            let changes = slot.changes.iter();
            let value = |value| ListedValue::Number(value);
            let changes =
                changes.map(|change| (change.block_access_index, value(change.new_value)));
            (slot.slot, changes.collect())
        });
        reads.chain(changed).collect()
    };
    for (key, a, b) in paired(slots(a).into_iter(), slots(b).into_iter(), |(key, _)| *key) {
        let part = ListPart::Slot(key);
        let (a, b) = (a.map(|(_, changes)| changes), b.map(|(_, changes)| changes));
        let only_read = |slot: &Option<Vec<Value>>| slot.as_ref().is_some_and(Vec::is_empty);
        if only_read(&a) && b.is_none() || only_read(&b) && a.is_none() {
            let access = |slot: Option<_>| slot.map(|_| ListedValue::Access);
            let (listed, actual) = (access(a), access(b));
            differences.push(ListDifference { address, part, index: None, listed, actual });
            continue;
        }
        let (a, b) = (a.unwrap_or_default(), b.unwrap_or_default());
        for (index, a, b) in paired(a.into_iter(), b.into_iter(), |(index, _)| *index) {
            let (listed, actual) = (a.map(|(_, value)| value), b.map(|(_, value)| value));
            if listed != actual {
                let index = Some(index);
                differences.push(ListDifference { address, part, index, listed, actual });
            }
        }
    }
}

/// Both sides by key, those with one key beside each other. They may come in any order.
fn paired<T, K: Ord + Copy>(
    a: impl Iterator<Item = T>,
    b: impl Iterator<Item = T>,
    key: impl Fn(&T) -> K,
) -> Vec<(K, Option<T>, Option<T>)> {
    let mut a: Vec<_> = a.map(|item| (key(&item), item)).collect();
    let mut b: Vec<_> = b.map(|item| (key(&item), item)).collect();
    a.sort_by_key(|(key, _)| *key);
    b.sort_by_key(|(key, _)| *key);
    let (mut a, mut b) = (a.into_iter().peekable(), b.into_iter().peekable());
    let mut pairs = Vec::new();
    loop {
        let (left, right) = (a.peek().map(|(key, _)| *key), b.peek().map(|(key, _)| *key));
        let key = match (left, right) {
            (Some(left), Some(right)) => left.min(right),
            (Some(one), None) | (None, Some(one)) => one,
            (None, None) => return pairs,
        };
        let left = a.next_if(|(at, _)| *at == key).map(|(_, item)| item);
        let right = b.next_if(|(at, _)| *at == key).map(|(_, item)| item);
        pairs.push((key, left, right));
    }
}

impl fmt::Display for ListDifference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { address, part, index, listed, actual } = self;
        match part {
            ListPart::Account => write!(f, "account {address}")?,
            part => write!(f, "{part} of {address}")?,
        }
        if let Some(index) = index {
            write!(f, " at index {index}")?;
        }
        match (listed, actual) {
            (Some(ListedValue::Access), _) => f.write_str(": is listed, but never accessed"),
            (None, Some(ListedValue::Access)) => f.write_str(": is accessed, but not listed"),
            (Some(listed), Some(actual)) => write!(f, ": {listed} is listed, but it is {actual}"),
            (Some(listed), None) => write!(f, ": {listed} is listed, but nothing changes"),
            (None, Some(actual)) => write!(f, ": nothing is listed, but it becomes {actual}"),
            (None, None) => Ok(()),
        }
    }
}

impl fmt::Display for ListPart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Account => f.write_str("account"),
            Self::Balance => f.write_str("balance"),
            Self::Nonce => f.write_str("nonce"),
            Self::Code => f.write_str("code"),
            Self::Slot(key) => write!(f, "slot {key:#x}"),
        }
    }
}

impl fmt::Display for ListedValue {
    /// Code of more than 32 bytes is cut.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Access => f.write_str("access"),
            Self::Number(number) => write!(f, "{number:#x}"),
            Self::Code(code) if code.is_empty() => f.write_str("no code"),
            Self::Code(code) if code.len() <= 32 => write!(f, "{code}"),
            Self::Code(code) => {
                let start = Bytes::copy_from_slice(&code[..32]);
                write!(f, "{start}... ({} bytes)", code.len())
            }
        }
    }
}

/// What `account` lists for exactly `index`; `None` if that is nothing.
pub(crate) fn only_at(account: &AccountChanges, index: BlockAccessIndex) -> Option<AccountChanges> {
    let mut only = AccountChanges::new(account.address);
    let balances = account.balance_changes.iter();
    only.balance_changes =
        balances.filter(|change| change.block_access_index == index).cloned().collect();
    let nonces = account.nonce_changes.iter();
    only.nonce_changes =
        nonces.filter(|change| change.block_access_index == index).cloned().collect();
    let codes = account.code_changes.iter();
    only.code_changes =
        codes.filter(|change| change.block_access_index == index).cloned().collect();
    for slot in &account.storage_changes {
        let changes = slot.changes.iter();
        let changes: Vec<_> =
            changes.filter(|change| change.block_access_index == index).cloned().collect();
        if !changes.is_empty() {
            only.storage_changes.push(SlotChanges::new(slot.slot, changes));
        }
    }
    only.has_changes().then_some(only)
}
