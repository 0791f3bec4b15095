//! Blocks of chains whose EVM is not Ethereum's, and blocks that are inspected.
//!
//! [`AnyExecutorFactory`] stands where an `EthBlockExecutorFactory` stood that has an
//! [`EvmFactory`](alloy_evm::EvmFactory) of the host's. What is around the transactions is
//! alloy-evm's code, and the transactions are executed by [`block_stm_any_evm`]: on all threads,
//! each by an EVM that the host's factory makes, with an inspector if the host wants to have them
//! inspected.
//!
//! # Examples
//!
//! ```
//! use std::sync::{Arc, mpsc};
//!
//! use alloy_evm::{
//!     EthEvmFactory, EvmEnv, EvmFactory,
//!     block::{BlockExecutor, BlockExecutorFactory},
//!     eth::{EthBlockExecutionCtx, receipt_builder::AlloyReceiptBuilder, spec::EthSpec},
//!     revm::{
//!         database::{CacheDB, EmptyDB, State, WrapDatabaseRef},
//!         inspector::CountInspector,
//!         primitives::B256,
//!     },
//! };
//! use block_stm_alloy::{
//!     SharedState, States,
//!     any::AnyExecutorFactory,
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
//! let (builder, spec) = (AlloyReceiptBuilder::default(), EthSpec::mainnet());
//! let (counts, counted) = mpsc::channel();
//! let db = Arc::new(CacheDB::new(EmptyDB::default()));
//! // Here goes the factory of the host's own EVM.
//! let factory = AnyExecutorFactory::new(engine, builder, spec, EthEvmFactory::default())
//!     .with_states(Node(db.clone()))
//!     .with_vaults(|block| vec![block.beneficiary])
//!     .with_inspectors(
//!         |_index: usize, _txn: &_| CountInspector::new(),
//!         move |index, count: CountInspector| counts.send((index, count)).unwrap_or_default(),
//!     );
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
//! assert_eq!((result.gas_used, counted.try_iter().count()), (0, 0));
//! # Ok::<_, Box<dyn std::error::Error>>(())
//! ```

mod executor;
mod factory;

pub use executor::AnyExecutor;
pub use factory::AnyExecutorFactory;
