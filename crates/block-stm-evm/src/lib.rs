//! Ethereum blocks on the `block-stm` engine, executed by [`revm`].
//!
//! A [`Block`] (what a header and its body mean to execution) and a [`PreState`] (the state before
//! it, or a [`StateRef`] of your own, which is any revm database) go in; a [`BlockResult`]
//! (receipts, requests and state changes) comes out.
#![forbid(unsafe_code)]

pub use revm;

mod access_list;
mod admission;
mod alone;
mod blake2f;
mod block;
mod block_size;
mod block_state;
mod chain;
mod creation;
mod dao;
mod deposits;
mod difficulty;
mod error;
mod header;
pub mod import;
mod keccak;
mod net_metering;
mod parallel;
mod plain_call;
mod post_block;
mod pre_block;
mod pre_state;
mod receipts;
mod result;
mod schedule;
mod sequential;
mod state_changes;
mod state_ref;
mod state_root;
mod state_trie;
mod system_call;
pub mod t8n;
mod warm_up;

pub use access_list::{
    AccessListError, AccountChanges, BalanceChange, BlockAccessIndex, BlockAccessList, CodeChange,
    ListDifference, ListFileError, ListFormError, ListPart, ListedValue, NonceChange, SlotChanges,
    StorageChange, access_lists_to_json, access_lists_to_rlp, check_list_form, check_list_length,
    execute_sequential_with_list, execute_with_access_list, list_differences, read_access_lists,
};
pub use admission::BlockGas;
pub use blake2f::choose_blake2f;
pub use block::{Block, Ommer, Rewards, SystemContracts};
pub use block_state::BlockState;
pub use chain::{
    BlockError, Chain, Genesis, GenesisError, HeaderFault, Imported, OmmerFault, check_header,
    rlp_blocks,
};
pub use deposits::deposit_requests;
pub use error::{ExecutionError, InvalidTxnReason, Stage, SystemCallFailure};
pub use header::{CheckOutcome, HeaderCheck, HeaderChecks};
pub use parallel::{
    Location, ParallelOptions, ParallelResult, TxnHints, execute_parallel, execute_with_oracle,
};
pub use post_block::{apply_post_block, balance_increments, post_block_calls};
pub use pre_block::{apply_pre_block, drain_dao, pre_block_calls};
pub use pre_state::{PreAccount, PreState, PreStateError};
pub use receipts::{Receipt, ReceiptStatus, logs_bloom, receipts_root};
pub use result::{BlockRecord, BlockResult, InvalidTxn, TxnEnd, TxnOutcome};
pub use schedule::{
    FORK_NAMES, ForkSchedule, ScheduleError, UnknownFork, blob_gas_price, spec_by_name,
};
pub use sequential::{execute_plain, execute_sequential};
pub use state_changes::{AccountChange, SlotChange, StateChanges};
pub use state_ref::StateRef;
pub use state_trie::{SlotFeed, StateTrie};
pub use system_call::SystemCall;
pub use warm_up::warm_up;
