//! Where two results of a block differ, in words.

use std::fmt::Debug;

use block_stm_evm::{AccountChange, BlockResult, StateChanges};

/// The first place at which something is not what it must be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Difference {
    /// Which value it is.
    pub(crate) place: String,
    /// What it must be.
    pub(crate) expected: String,
    /// What it is.
    pub(crate) found: String,
}

impl Difference {
    /// A value that is `found` and not `expected`.
    pub(crate) fn new(place: impl Into<String>, expected: String, found: String) -> Self {
        Self { place: place.into(), expected: shorten(expected), found: shorten(found) }
    }

    fn debug<T: Debug + ?Sized>(place: impl Into<String>, expected: &T, found: &T) -> Self {
        Self::new(place, format!("{expected:?}"), format!("{found:?}"))
    }
}

/// Longer values, such as code or logs, are cut: the place says where to look.
const SHOWN_CHARS: usize = 600;

fn shorten(mut text: String) -> String {
    if let Some((end, _)) = text.char_indices().nth(SHOWN_CHARS) {
        text.truncate(end);
        text.push_str("...");
    }
    text
}

/// The first place where `found` is not `expected`, outcomes of transactions before all else.
pub(crate) fn first_difference(expected: &BlockResult, found: &BlockResult) -> Option<Difference> {
    if expected == found {
        return None;
    }
    let place = in_list("outcome of txn", &expected.outcomes, &found.outcomes)
        .or_else(|| in_list("receipt", &expected.receipts, &found.receipts))
        .or_else(|| in_value("gas used", &expected.gas_used, &found.gas_used))
        .or_else(|| in_value("blob gas used", &expected.blob_gas_used, &found.blob_gas_used))
        .or_else(|| in_value("requests", &expected.requests, &found.requests))
        .or_else(|| in_state(&expected.state, &found.state));
    Some(place.unwrap_or_else(|| Difference::debug("result", expected, found)))
}

fn in_value<T: PartialEq + Debug>(place: &str, expected: &T, found: &T) -> Option<Difference> {
    (expected != found).then(|| Difference::debug(place, expected, found))
}

fn in_list<T: PartialEq + Debug>(what: &str, expected: &[T], found: &[T]) -> Option<Difference> {
    let mut pairs = expected.iter().zip(found).enumerate();
    if let Some((index, (expected, found))) = pairs.find(|(_, (a, b))| a != b) {
        return Some(Difference::debug(format!("{what} {index}"), expected, found));
    }
    in_value(&format!("number of {what}s"), &expected.len(), &found.len())
}

fn in_state(expected: &StateChanges, found: &StateChanges) -> Option<Difference> {
    let (expected, found) = (expected.sorted(), found.sorted());
    let pair = expected.iter().zip(&found).find(|(a, b)| a != b);
    if let Some((expected, found)) = pair {
        return Some(in_account(expected, found));
    }
    in_value("number of changed accounts", &expected.len(), &found.len())
}

fn in_account(expected: &AccountChange, found: &AccountChange) -> Difference {
    if expected.address != found.address {
        let place = "address of a changed account";
        return Difference::debug(place, &expected.address, &found.address);
    }
    let place = |what: &str| format!("{what} of account {}", expected.address);
    if expected.info != found.info {
        return Difference::debug(place("fields"), &expected.info, &found.info);
    }
    if expected.storage_wiped != found.storage_wiped {
        return Difference::debug(
            place("wiped flag"),
            &expected.storage_wiped,
            &found.storage_wiped,
        );
    }
    let sorted = |change: &AccountChange| {
        let mut slots = change.storage.clone();
        slots.sort_unstable_by_key(|change| change.slot);
        slots
    };
    let (expected_slots, found_slots) = (sorted(expected), sorted(found));
    let slot = in_list(&place("changed slot"), &expected_slots, &found_slots);
    slot.unwrap_or_else(|| Difference::debug(place("change"), expected, found))
}

#[cfg(test)]
mod tests {
    use block_stm_evm::{
        Block, InvalidTxn, PreState, execute_sequential,
        revm::{
            context::BlockEnv,
            primitives::{Address, hardfork::SpecId},
            state::AccountInfo,
        },
    };

    use super::*;

    fn empty_result() -> BlockResult {
        let block = Block::new(SpecId::SHANGHAI, BlockEnv::default(), Vec::new());
        execute_sequential(&block, &PreState::new(), InvalidTxn::Reject).expect("an empty block")
    }

    fn with_balance(balance: u64) -> BlockResult {
        let info = AccountInfo::from_balance(block_stm_evm::revm::primitives::U256::from(balance));
        let mut result = empty_result();
        result.state = [AccountChange::new(Address::ZERO, Some(info))].into_iter().collect();
        result
    }

    #[test]
    fn equal_results_have_no_difference() {
        assert_eq!(first_difference(&with_balance(1), &with_balance(1)), None);
    }

    #[test]
    fn a_difference_is_told_with_its_place() {
        let difference = |expected, found| first_difference(&expected, &found).expect("different");
        let mut gas = empty_result();
        gas.gas_used = 7;
        let expected = Difference::new("gas used", "0".into(), "7".into());
        assert_eq!(difference(empty_result(), gas), expected);
        let account = difference(with_balance(1), with_balance(2));
        assert_eq!(account.place, format!("fields of account {}", Address::ZERO));
        assert!(account.found.contains("balance: 2"), "{account:?}");
        let count = difference(with_balance(1), empty_result());
        assert_eq!(
            (count.place.as_str(), count.expected.as_str()),
            ("number of changed accounts", "1")
        );
    }

    #[test]
    fn long_values_are_cut() {
        let difference = Difference::new("code", "\u{fc}".repeat(601), String::new());
        assert_eq!(difference.expected.chars().count(), 603);
    }
}
