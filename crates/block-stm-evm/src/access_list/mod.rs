//! Block access lists (EIP-7928).
mod around;
mod builder;
mod parallel;
mod sequential;
mod touch;

pub use alloy_eip7928::{
    AccountChanges, BalanceChange, BlockAccessIndex, BlockAccessList, CodeChange, NonceChange,
    SlotChanges, StorageChange,
};
pub use sequential::execute_sequential_with_list;

pub(crate) use self::{
    around::{finish, prepare},
    builder::ListBuilder,
    parallel::{Committed, RunAccesses, tell},
    touch::code_bytes,
};
