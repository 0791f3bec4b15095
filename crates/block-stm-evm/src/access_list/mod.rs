//! Block access lists (EIP-7928): made as a by-product of execution, and used to execute without
//! any conflict.
//!
//! # The list
//!
//! For every account that a block looks at, the list has what it is changed to and where in the
//! block, and which slots are read.
//!
//! ```text
//! index    0                 1 .. n             n + 1
//! what     system calls,     transaction 0 ..   system calls, withdrawals,
//!          the DAO's drain   transaction n - 1  rewards of block and ommers
//! ```
//!
//! From Amsterdam on, the header names the list's hash. It can be made, and used, for blocks of any
//! fork.
//!
//! # Making it
//!
//! * `around`: what happens before and after the transactions, the same on all paths.
//! * `parallel`: the engine's by-product. A committed run has the accounts and slots that it
//!   looked at in revm's journal; balances and nonces, which payments and fees change without
//!   looking, come from its committed writes.
//! * `sequential`: the plain loop, from the journal alone. What both come to must be equal, and
//!   have the hash that headers name. The tests compare both with what follows from the EIP's
//!   definition, made by code that shares nothing with this module.
//!
//! A change is told by comparing what an account or slot is after an index with what it was before
//! that index. revm's own builder compares with what it has listed last, which is wrong where an
//! account is destroyed without a look at its slots, and made again.
//!
//! # Using it
//!
//! `listed` is the state at every index, from the state before the block and the list; it never
//! changes. `execute` runs all transactions on it, in any order and each once. `check` compares
//! what happened at an index with what is listed for it:
//!
//! ```text
//! the list is right below index i   =>  what runs at i starts from the exact state
//! what happens at i is what is listed for i, no more, no less   =>  the list is right below i + 1
//! ```
//!
//! So a list that passes at every index is right, but for what it says is looked at and is not,
//! which marks in `listed` tell. If it does not pass, the lowest index at which it fails is the
//! first place that is wrong, whenever it is found: all that runs at an index is a pure function of
//! the list and the state before the block. Transactions below a failure are always
//! completed, those above need not be; nor those after the first that the block has no room for.
//!
//! The changes of the whole block then stand in the list, see `outcome`; nothing is collected
//! from the transactions.
//!
//! # What a list does not say
//!
//! * That storage is wiped. It shows in the code, see `listed`.
//! * That an account without anything exists, or ceases to. Since Spurious Dragon (EIP-161) one
//!   execution alone depends on it: that of a delegation (EIP-7702) by such an account. For the
//!   rest, marks tell `outcome`. Where it counts, lists are compared with the one that ordinary
//!   execution makes.
//!
//! A list is untrusted: what is allocated is bounded by its length, its form is checked before
//! anything else.

mod ahead;
mod around;
mod builder;
mod check;
mod difference;
mod error;
mod execute;
mod listed;
mod outcome;
mod parallel;
mod sequential;
mod touch;
mod txn;
mod view;

pub use difference::{ListDifference, ListPart, ListedValue, list_differences};
pub use error::{AccessListError, ListFormError, check_list_form, check_list_length};
pub use execute::execute_with_access_list;
pub use sequential::execute_sequential_with_list;

pub(crate) use self::{
    around::{finish, finish_as_asked, prepare},
    builder::ListBuilder,
    listed::ListedState,
    parallel::{Committed, RunAccesses, complete},
    touch::{Touch, code_bytes, slots_of},
};
