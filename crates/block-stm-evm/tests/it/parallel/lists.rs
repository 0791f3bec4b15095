//! Access lists: built the same on every path, executed with to the same result, and refused where
//! they are wrong.

use alloy_primitives::{Address, U256};
use block_stm_evm::{
    Block, BlockResult, InvalidTxn, ParallelOptions, StateRef,
    access_list::{
        AccessListError, ListDifference, ListedValue, execute_sequential_with_list,
        execute_with_access_list, list_differences,
    },
    alloy_eip7928::{
        AccountChanges, BalanceChange, BlockAccessIndex, BlockAccessList, NonceChange, SlotChanges,
        StorageChange,
    },
};

use super::{
    definition::list_by_definition,
    same::{engines, parallel_runs},
};

/// Checks that all paths build the list of the definition, and that executing with it comes to
/// `expected`. Returns the list of a valid block.
///
/// # Panics
///
/// If one does not.
pub(super) fn assert_same_lists<DB: StateRef + Sync>(
    block: &Block,
    db: &DB,
    policy: InvalidTxn,
    expected: &Result<BlockResult, String>,
) -> Option<BlockAccessList> {
    let mut result = execute_sequential_with_list(block, db, policy).ok()?;
    let list = result.access_list.take().expect("it was asked for");
    assert_eq!(Ok(&result), expected.as_ref(), "{policy:?}");
    let defined = list_by_definition(block, db, &result);
    let differences = list_differences(&list, &defined);
    assert!(differences.is_empty(), "sequentially, not as defined: {}", differences[0]);
    assert_eq!(list, defined, "sequentially");
    let options = ParallelOptions::default().policy(policy).access_list();
    for (path, executed) in parallel_runs(block, db, &options) {
        let mut executed = executed.expect("valid sequentially").result;
        let built = executed.access_list.take().expect("it was asked for");
        let differences = list_differences(&list, &built);
        assert!(differences.is_empty(), "{path}, {policy:?}: {}", differences[0]);
        assert_eq!(built, list, "{path}, {policy:?}");
        assert_eq!(executed, result, "{path}, {policy:?}");
    }
    if result.receipts.len() == block.txns.len() {
        for engine in engines() {
            let executed = execute_with_access_list(engine, block, db, &list);
            let executed = executed.unwrap_or_else(|error| panic!("a right list: {error}"));
            assert_eq!(executed, result, "with a list and {} workers", engine.threads());
            assert_eq!(executed.state.digest(), result.state.digest());
        }
    }
    Some(list)
}

/// Checks that about `most` lists, each with one fault, are refused with the right place by any
/// number of threads.
pub(super) fn assert_wrong_lists_are_refused<DB: StateRef + Sync>(
    block: &Block,
    db: &DB,
    list: &BlockAccessList,
    most: usize,
) {
    let wrong = wrong_lists(list, block.txns.len() as u64 + 1);
    let step = wrong.len().div_ceil(most).max(1);
    for (fault, wrong) in wrong.iter().step_by(step) {
        let refused = |engine| match execute_with_access_list(engine, block, db, wrong) {
            Ok(_) => panic!("accepted: {fault}"),
            Err(AccessListError::Execution(error)) => panic!("{fault}: {error}"),
            Err(error) => error,
        };
        let first = refused(&engines()[0]);
        if let AccessListError::Wrong(place) = &first {
            assert_right_place(fault, place, wrong, list);
        }
        for engine in &engines()[1..] {
            assert_eq!(refused(engine).to_string(), first.to_string(), "{fault}");
        }
    }
}

/// Checks a place against the difference of the lists themselves.
fn assert_right_place(
    fault: &str,
    place: &ListDifference,
    wrong: &[AccountChanges],
    right: &[AccountChanges],
) {
    let differences = list_differences(wrong, right);
    let at = |address: Address, part| {
        differences.iter().any(|other| (other.address, other.part) == (address, part))
    };
    if place.listed == Some(ListedValue::Access) || place.actual == Some(ListedValue::Access) {
        assert!(at(place.address, place.part), "{fault}: {place}");
        return;
    }
    let changes = differences.iter().filter(|difference| difference.index.is_some());
    let first = changes.min_by_key(|other| (other.index, other.address, other.part));
    assert_eq!(Some(place), first, "{fault}");
}

/// The list with one fault each, of every kind, at every place.
fn wrong_lists(list: &BlockAccessList, last: u64) -> Vec<(String, BlockAccessList)> {
    let mut wrong = Vec::new();
    let stranger = Address::repeat_byte(0x5a);
    let mut longer = list.clone();
    longer.push(AccountChanges::new(stranger));
    longer.sort_by_key(|account| account.address);
    wrong.push(("an account too many".to_owned(), longer));
    for place in 0..list.len() {
        let address = list[place].address;
        let mut tell = |what: &str, spoil: &dyn Fn(&mut BlockAccessList)| {
            let mut list = list.clone();
            spoil(&mut list);
            wrong.push((format!("{what} of {address}"), list));
        };
        tell("without all", &|list| {
            list.remove(place);
        });
        tell("twice all", &|list| list.insert(place, list[place].clone()));
        if place > 0 {
            tell("another order", &|list| list.swap(place - 1, place));
        }
        of_account(
            &mut |what, spoil| tell(what, &|list| spoil(&mut list[place])),
            &list[place],
            last,
        );
    }
    wrong
}

type Tell<'a> = dyn FnMut(&str, &dyn Fn(&mut AccountChanges)) + 'a;

fn of_account(tell: &mut Tell<'_>, account: &AccountChanges, last: u64) {
    let next = |index: BlockAccessIndex| BlockAccessIndex::new((index.get() + 1) % (last + 1));
    for n in 0..account.balance_changes.len() {
        tell("no balance", &|account| {
            account.balance_changes.remove(n);
        });
        tell("another balance", &|account| account.balance_changes[n].post_balance ^= U256::ONE);
        tell("a moved balance", &|account| {
            let index = &mut account.balance_changes[n].block_access_index;
            *index = next(*index);
            account.balance_changes.sort_by_key(|change| change.block_access_index);
        });
    }
    for n in 0..account.nonce_changes.len() {
        tell("no nonce", &|account| {
            account.nonce_changes.remove(n);
        });
        tell("another nonce", &|account| account.nonce_changes[n].new_nonce ^= 1);
        tell("a moved nonce", &|account| {
            let index = &mut account.nonce_changes[n].block_access_index;
            *index = next(*index);
            account.nonce_changes.sort_by_key(|change| change.block_access_index);
        });
    }
    for n in 0..account.code_changes.len() {
        tell("no code", &|account| {
            account.code_changes.remove(n);
        });
        tell("other code", &|account| {
            let code = [account.code_changes[n].new_code.as_ref(), &[0]].concat();
            account.code_changes[n].new_code = code.into();
        });
        tell("moved code", &|account| {
            let index = &mut account.code_changes[n].block_access_index;
            *index = next(*index);
            account.code_changes.sort_by_key(|change| change.block_access_index);
        });
    }
    for n in 0..account.storage_reads.len() {
        tell("no read", &|account| {
            account.storage_reads.remove(n);
        });
    }
    for n in 0..account.storage_changes.len() {
        tell("no slot", &|account| {
            account.storage_changes.remove(n);
        });
        tell("a slot only read", &|account| {
            let slot = account.storage_changes.remove(n).slot;
            account.storage_reads.push(slot);
            account.storage_reads.sort_unstable();
        });
        tell("another value", &|account| {
            account.storage_changes[n].changes[0].new_value ^= U256::ONE;
        });
        tell("a moved value", &|account| {
            let index = &mut account.storage_changes[n].changes[0].block_access_index;
            *index = next(*index);
            account.storage_changes[n].changes.sort_by_key(|change| change.block_access_index);
        });
    }
    extra(tell, account, last);
    malformed(tell, account, last);
}

fn malformed(tell: &mut Tell<'_>, account: &AccountChanges, last: u64) {
    if account.balance_changes.len() > 1 {
        tell("balances out of order", &|account| account.balance_changes.swap(0, 1));
    }
    if account.storage_reads.len() > 1 {
        tell("reads out of order", &|account| account.storage_reads.swap(0, 1));
    }
    if account.storage_changes.len() > 1 {
        tell("slots out of order", &|account| account.storage_changes.swap(0, 1));
    }
    if !account.storage_changes.is_empty() {
        tell("a slot twice", &|account| {
            account.storage_reads.insert(0, account.storage_changes[0].slot);
            account.storage_reads.sort_unstable();
        });
        tell("a slot changed to nothing", &|account| account.storage_changes[0].changes.clear());
    }
    if let Some(place) = account.nonce_changes.len().checked_sub(1) {
        tell("an index beyond the block", &|account| {
            account.nonce_changes[place].block_access_index = BlockAccessIndex::new(last + 1);
        });
    }
}

fn extra(tell: &mut Tell<'_>, account: &AccountChanges, last: u64) {
    let (at, slot) = (BlockAccessIndex::new(last), U256::from(0x5107));
    if account.storage_slots().all(|other| other != slot) {
        tell("a read too many", &|account| {
            account.storage_reads.push(slot);
            account.storage_reads.sort_unstable();
        });
        tell("a slot too many", &|account| {
            let changes = vec![StorageChange::new(at, U256::from(7))];
            account.storage_changes.push(SlotChanges::new(slot, changes));
            account.storage_changes.sort_by_key(|slot| slot.slot);
        });
    }
    if account.balance_changes.last().is_none_or(|change| change.block_access_index < at) {
        tell("a balance too many", &|account| {
            account.balance_changes.push(BalanceChange::new(at, U256::from(7)));
        });
    }
    if account.nonce_changes.last().is_none_or(|change| change.block_access_index < at) {
        tell("a nonce too many", &|account| {
            account.nonce_changes.push(NonceChange::new(at, 7));
        });
    }
}
