//! Ethereum blocks on the [`block_stm`] engine, executed by [`revm`].
//!
//! A [`Block`] (what a header and its body mean to execution) and the state before it go in. The
//! state is a [`PreState`], or a [`StateRef`] of the host's: any revm database. A [`BlockResult`]
//! comes out: receipts, requests and state changes, the same as from [`execute_sequential`].
//!
//! # Examples
//!
//! Two payments, executed with all threads of the machine and one after the other:
//!
//! ```
//! use block_stm_evm::{
//!     Block, InvalidTxn, ParallelOptions, PreState,
//!     block_stm::{Config, Engine},
//!     execute_parallel, execute_sequential,
//!     revm::{
//!         context::{BlockEnv, TxEnv},
//!         primitives::{Address, TxKind, U256, hardfork::SpecId},
//!         state::AccountInfo,
//!     },
//! };
//!
//! let [alice, bob] = [1, 2].map(Address::repeat_byte);
//! let mut state = PreState::new();
//! for address in [alice, bob] {
//!     state.insert_account(address, AccountInfo::from_balance(U256::from(1_000_000)));
//! }
//! let pay = |caller, to, wei| TxEnv {
//!     caller,
//!     kind: TxKind::Call(to),
//!     value: U256::from(wei),
//!     gas_limit: 21_000,
//!     ..TxEnv::default()
//! };
//! let txns = vec![pay(alice, bob, 5), pay(bob, alice, 7)];
//! let block = Block::new(SpecId::SHANGHAI, BlockEnv::default(), txns);
//!
//! // Once; its threads sleep between blocks.
//! let engine = Engine::new(Config::default())?;
//! let options = ParallelOptions::default();
//! let executed = execute_parallel(&engine, &block, &state, &options)?;
//! assert_eq!(executed.result, execute_sequential(&block, &state, InvalidTxn::Reject)?);
//!
//! state.apply(&executed.result.state);
//! let account = state.account(&alice).ok_or("paid")?;
//! assert_eq!(account.info.balance, U256::from(1_000_002));
//! # Ok::<_, Box<dyn std::error::Error>>(())
//! ```
//!
//! # Features
//!
//! All are on by default; none changes a result.
//!
//! * `kzg`: point evaluation (EIP-4844) by c-kzg, which is faster than blst and written in C.
//! * `trie`: [`BlockResult::receipts_root`].
//! * `digest`: [`StateChanges::digest`].
//!
//! Headers, fork schedules, state roots and files are in the crate `block-stm-chain`.
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
mod handles;
pub mod inspect;
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
mod session;
mod share;
mod sink;
mod slot_feed;
mod state_changes;
mod state_ref;
mod system_call;
mod warm_up;

pub use block::{Block, Ommer, Rewards, SystemContracts};
pub use error::{ExecutionError, InvalidTxnReason, Stage, SystemCallFailure};
pub use handles::{HandlePool, StateHandles};
pub use parallel::{
    Attempt, Attempts, Location, ParallelOptions, ParallelResult, TxnHints, execute_parallel,
    execute_parallel_with,
};
pub use pre_state::{PreAccount, PreState, PreStateError};
pub use receipts::{Receipt, ReceiptStatus};
pub use result::{BlockResult, InvalidTxn, TxnEnd, TxnOutcome};
pub use sequential::{execute_sequential, execute_sequential_with};
pub use session::{
    BlockSession, Bundle, BundleError, Mark, Push, PushError, Pusher, RollBackError, SessionBlock,
    SessionError, SessionOptions, Settled, Ticket, UnsettledError, build_sequential,
};
pub use sink::{
    BlockSink, CommittedTxn, ExecutedTxn, FinalTxn, RefuseReverted, StreamReceipts, TxnSink,
};
pub use slot_feed::SlotFeed;
pub use state_changes::{AccountChange, SlotChange, StateChanges};
pub use state_ref::StateRef;
pub use warm_up::warm_up;

pub mod baseline {
    //! What the parallel path is compared with, beside
    //! [`execute_sequential`](crate::execute_sequential): the loop that users of revm have, and the
    //! same VM without threads.

    pub use crate::{
        parallel::{execute_with_oracle, execute_with_oracle_and},
        sequential::execute_plain,
    };
}

pub mod steps {
    //! The parts of a block's execution, for a host with a loop of its own over the transactions: a
    //! tracer, or another handler of revm's.

    pub use crate::{
        block_state::BlockState,
        creation::CreationJournal,
        parallel::{TxnsExecuted, execute_txns, is_for_one},
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
