//! Ethereum blocks on the `block-stm` engine, executed by [`revm`].
//!
//! A [`Block`] (what a header and its body mean to execution) and a [`PreState`] (the state before
//! it, or a [`StateRef`] of your own, which is any revm database) go in; a [`BlockResult`]
//! (receipts, requests and state changes) comes out.
#![forbid(unsafe_code)]

pub use alloy_eip7928;
pub use block_stm;
pub use revm;

pub mod access_list;
mod admission;
mod alone;
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

pub use block::{Block, Ommer, Rewards, SystemContracts};
pub use error::{ExecutionError, InvalidTxnReason, Stage, SystemCallFailure};
pub use parallel::{Location, ParallelOptions, ParallelResult, TxnHints, execute_parallel};
pub use pre_state::{PreAccount, PreState, PreStateError};
pub use receipts::{Receipt, ReceiptStatus};
pub use result::{BlockResult, InvalidTxn, TxnEnd, TxnOutcome};
pub use sequential::execute_sequential;
pub use slot_feed::SlotFeed;
pub use state_changes::{AccountChange, SlotChange, StateChanges};
pub use state_ref::StateRef;
pub use warm_up::warm_up;

pub mod baseline {
    //! What the parallel path is compared with, beside
    //! [`execute_sequential`](crate::execute_sequential): the loop that users of revm have, and the
    //! same VM without threads.

    pub use crate::{parallel::execute_with_oracle, sequential::execute_plain};
}

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

// For the crate's own modules.
use admission::BlockGas;
use block_state::BlockState;
use result::BlockRecord;
use system_call::SystemCall;
