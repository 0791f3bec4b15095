//! Blocks in parallel for hosts of [`alloy_evm`]: where [`EthBlockExecutorFactory`] stood,
//! [`BlockStmExecutorFactory`] stands.
//!
//! [`execute_block`](alloy_evm::block::BlockExecutor::execute_block) executes the transactions on
//! the [`block_stm_evm`] engine; one by one they are executed as ever. Whatever surrounds them
//! (system calls, requests, withdrawals, rewards) is alloy-evm's own code, and so is what makes a
//! receipt and commits a transaction. So receipts, requests, gas, the database's state with its
//! reverts, and what state hooks see in which order are those of [`EthBlockExecutor`].
//!
//! # How
//!
//! ```text
//! the engine's threads    execute ahead, judge in order, and ask for what was not read yet
//!        | reads ^ values          | final transactions
//!        v       |                 v
//! the calling thread      owns the database: reads for them, and commits in order, hooks included
//! ```
//!
//! An executor's database need not be shared: it is neither [`Sync`] nor [`Send`], and it never
//! leaves the thread that called. Where reads are slow or many, give the factory the
//! [state itself](BlockStmExecutorFactory::with_states), and threads read it side by side.
//!
//! # Examples
//!
//! ```
//! use std::sync::Arc;
//!
//! use alloy_evm::{
//!     EvmEnv, EvmFactory,
//!     block::{BlockExecutor, BlockExecutorFactory},
//!     eth::{EthBlockExecutionCtx, receipt_builder::AlloyReceiptBuilder, spec::EthSpec},
//!     revm::database::{CacheDB, EmptyDB, State},
//! };
//! use block_stm_alloy::{BlockStmExecutorFactory, block_stm::{Config, Engine}};
//!
//! // Once.
//! let engine = Arc::new(Engine::new(Config::default())?);
//! let spec = EthSpec::mainnet();
//! let factory = BlockStmExecutorFactory::new(engine, AlloyReceiptBuilder::default(), spec);
//!
//! // For each block.
//! let db = CacheDB::new(EmptyDB::default());
//! let mut state = State::builder().with_database(db).with_bundle_update().build();
//! let evm = factory.evm_factory().create_evm(&mut state, EvmEnv::default());
//! let ctx = EthBlockExecutionCtx {
//!     // ...
//! #   parent_hash: Default::default(), parent_beacon_block_root: None, ommers: &[],
//! #   withdrawals: None, extra_data: Default::default(), tx_count_hint: None, slot_number: None,
//! };
//! let executor = factory.create_executor(evm, ctx);
//! # type Txn = alloy_consensus::transaction::Recovered<alloy_consensus::TxEnvelope>;
//! # let transactions: Vec<Txn> = Vec::new();
//! let result = executor.execute_block(&transactions)?;
//! assert_eq!(result.gas_used, 0);
//! # Ok::<_, Box<dyn std::error::Error>>(())
//! ```
//!
//! # What is executed one after another
//!
//! [`BlockStmExecutor::obstacle`] says why a block would not be executed in parallel: a configured
//! inspector, precompiles that were changed, an engine of one thread. Nothing is left out or
//! approximated for that: such a block is executed as alloy-evm does it, or refused, if the factory
//! [says so](BlockStmExecutorFactory::refusing).
//!
//! [`EthBlockExecutorFactory`]: alloy_evm::eth::EthBlockExecutorFactory
//! [`EthBlockExecutor`]: alloy_evm::eth::EthBlockExecutor
#![forbid(unsafe_code)]

pub mod any;
mod errors;
mod evm;
mod executor;
mod factory;
mod gas;
mod receipts;
mod serve;
mod states;

pub use alloy_evm;
pub use block_stm_any_evm;
pub use block_stm_evm::{self, block_stm};
pub use evm::{BlockStmEvm, BlockStmEvmFactory};
pub use executor::{BlockStmExecutor, Obstacle};
pub use factory::BlockStmExecutorFactory;
pub use receipts::{receipt_envelope, receipt_of};
pub use states::{SharedState, StateError, States};
