//! Block access lists (EIP-7928).
mod around;
mod builder;
mod check;
mod difference;
mod encoding;
mod error;
mod execute;
mod listed;
mod outcome;
mod parallel;
mod sequential;
mod touch;
mod txn;
mod view;

pub use alloy_eip7928::{
    AccountChanges, BalanceChange, BlockAccessIndex, BlockAccessList, CodeChange, NonceChange,
    SlotChanges, StorageChange,
};
pub use difference::{ListDifference, ListPart, ListedValue, list_differences};
pub use encoding::{ListFileError, access_lists_to_json, access_lists_to_rlp, read_access_lists};
pub use error::{AccessListError, ListFormError, check_list_form, check_list_length};
pub use execute::execute_with_access_list;
pub use sequential::execute_sequential_with_list;

pub(crate) use self::{
    around::{finish, prepare},
    builder::ListBuilder,
    parallel::{Committed, RunAccesses, tell},
    touch::code_bytes,
};
