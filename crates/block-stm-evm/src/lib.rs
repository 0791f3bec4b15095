//! Ethereum blocks on the `block-stm` engine, executed by [`revm`].
//!
//! A [`Block`] (what a header and its body mean to execution) and a [`PreState`] (the state before
//! it, or a [`StateRef`] of your own, which is any revm database) go in; a [`BlockResult`]
//! (receipts, requests and state changes) comes out.
#![forbid(unsafe_code)]

pub use block_stm;
pub use revm;

mod access_list;
mod admission;
mod alone;
mod blake2f;
mod block;
mod block_state;
mod creation;
mod dao;
mod delegate;
mod deposits;
mod error;
mod keccak;
mod net_metering;
mod parallel;
mod payment;
mod post_block;
mod pre_block;
mod pre_state;
mod receipts;
mod result;
mod sequential;
mod slot_feed;
mod state_changes;
mod state_ref;
mod system_call;
mod warm_up;

pub use access_list::{
    AccessListError, AccountChanges, BalanceChange, BlockAccessIndex, BlockAccessList, CodeChange,
    ListDifference, ListFormError, ListPart, ListedValue, NonceChange, SlotChanges, StorageChange,
    check_list_form, check_list_length, execute_sequential_with_list, execute_with_access_list,
    list_differences,
};
pub use admission::BlockGas;
pub use blake2f::choose_blake2f;
pub use block::{Block, Ommer, Rewards, SystemContracts};
pub use deposits::deposit_requests;
pub use error::{ExecutionError, InvalidTxnReason, Stage, SystemCallFailure};
pub use parallel::{
    Location, ParallelOptions, ParallelResult, TxnHints, execute_parallel, execute_with_oracle,
};
pub use post_block::{balance_increments, post_block_calls};
pub use pre_block::{drain_dao, pre_block_calls};
pub use pre_state::{PreAccount, PreState, PreStateError};
pub use receipts::{Receipt, ReceiptStatus};
pub use result::{BlockResult, InvalidTxn, TxnEnd, TxnOutcome};
pub use sequential::{execute_plain, execute_sequential};
pub use slot_feed::SlotFeed;
pub use state_changes::{AccountChange, SlotChange, StateChanges};
pub use state_ref::StateRef;
pub use system_call::SystemCall;
pub use warm_up::warm_up;

use block_state::BlockState;
use post_block::apply_post_block;
use pre_block::apply_pre_block;
use result::BlockRecord;

pub mod steps {
    //! The parts of a block's execution, for a host with a loop of its own over the transactions: a
    //! tracer, or another handler of revm's.

    pub use crate::{
        block_state::BlockState,
        creation::CreationJournal,
        post_block::apply_post_block,
        pre_block::apply_pre_block,
        result::BlockRecord,
        sequential::{context_for, execute_observed},
        state_ref::State,
    };
}
