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
//! The engine's threads must read the state before the block, side by side. An executor's database
//! is neither [`Sync`] nor [`Send`]; so give the factory the
//! [states](BlockStmExecutorFactory::with_states) that it can be read from. The database itself
//! never leaves the thread that calls, which commits to it in order, hooks included:
//! - while the others execute, if the engine has fewer threads than cores, so that one is left;
//! - when they are done, if it has as many: then the calling thread is one of them, and a block's
//!   changes are in memory until it has been executed.
//!
//! Where a core is left, blocks are executed in parallel without states, too: the calling thread
//! reads for the others. Each read is a message then, which is worth it only where messages are
//! much faster than transactions.
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
//!     revm::{
//!         database::{CacheDB, EmptyDB, State, WrapDatabaseRef},
//!         primitives::B256,
//!     },
//! };
//! use block_stm_alloy::{
//!     BlockStmExecutorFactory, SharedState, States,
//!     block_stm::{Config, Engine},
//! };
//!
//! /// What is stored, which all threads can read.
//! struct Node(Arc<CacheDB<EmptyDB>>);
//!
//! impl States for Node {
//!     fn after(&self, _block: B256) -> Option<Box<dyn SharedState + '_>> {
//!         Some(Box::new(&self.0))
//!     }
//! }
//!
//! // Once.
//! let engine = Arc::new(Engine::new(Config::default())?);
//! let spec = EthSpec::mainnet();
//! let db = Arc::new(CacheDB::new(EmptyDB::default()));
//! let factory = BlockStmExecutorFactory::new(engine, AlloyReceiptBuilder::default(), spec)
//!     .with_states(Node(db.clone()));
//!
//! // For each block.
//! let mut state = State::builder().with_database(WrapDatabaseRef(db)).build();
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
//! inspector, precompiles that were changed, a state that only the calling thread can read. Nothing
//! is left out or approximated for that: such a block is executed as alloy-evm does it, or refused,
//! if the factory [says so](BlockStmExecutorFactory::refusing).
//!
//! [`EthBlockExecutorFactory`]: alloy_evm::eth::EthBlockExecutorFactory
//! [`EthBlockExecutor`]: alloy_evm::eth::EthBlockExecutor
#![forbid(unsafe_code)]

pub mod any;
mod errors;
mod executor;
mod factory;
mod gas;
mod receipts;
mod serve;
mod states;
mod tracked;

pub use alloy_evm;
pub use block_stm_any_evm;
pub use block_stm_evm::{self, block_stm};
pub use executor::{BlockStmExecutor, Obstacle};
pub use factory::BlockStmExecutorFactory;
pub use receipts::{receipt_envelope, receipt_of};
pub use states::{SharedState, StateError, States};
pub use tracked::{BlockStmEvm, BlockStmEvmFactory, TrackedEvm, TrackedEvmFactory};
