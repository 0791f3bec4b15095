//! Traces of all transactions of an Ethereum block, made in parallel.
//!
//! [`trace_block`] executes a block once on the [`block_stm_evm`] engine, which makes its access
//! list. With that, the state before each transaction is known. So each is traced independently, on
//! all threads, and handed on in the order of the block. [`write_traces`] writes what geth's
//! `debug_traceBlockByNumber` answers.
//!
//! The tracers are the inspectors of [`revm_inspectors`], with the names and options of geth's:
//! [`Tracer`]. The traces are those of [`trace_in_order`], which traces one transaction after
//! another.
//!
//! # Examples
//!
//! ```
//! use block_stm_trace::{
//!     TracedBlock, Tracer, write_traces,
//!     block_stm_evm::{
//!         Block, PreState,
//!         block_stm::{Config, Engine},
//!         revm::{
//!             context::{BlockEnv, TxEnv},
//!             primitives::{Address, TxKind, U256, hardfork::SpecId},
//!             state::AccountInfo,
//!         },
//!     },
//! };
//!
//! let [alice, bob] = [1, 2].map(Address::repeat_byte);
//! let mut state = PreState::new();
//! state.insert_account(alice, AccountInfo::from_balance(U256::from(1_000_000)));
//! let (kind, value) = (TxKind::Call(bob), U256::from(5));
//! let payment = TxEnv { caller: alice, kind, value, gas_limit: 21_000, ..TxEnv::default() };
//! let block = Block::new(SpecId::SHANGHAI, BlockEnv::default(), vec![payment]);
//!
//! // Once; its threads sleep between blocks.
//! let engine = Engine::new(Config::default())?;
//! let tracer = Tracer::parse("callTracer", Some(r#"{"withLog": true}"#))?;
//! let mut json = Vec::new();
//! write_traces(&engine, &TracedBlock::new(&block), &state, &tracer, &mut json)?;
//! let traces: serde_json::Value = serde_json::from_slice(&json)?;
//! assert_eq!(traces[0]["result"]["type"], "CALL");
//! assert_eq!(traces[0]["result"]["value"], "0x5");
//! # Ok::<_, Box<dyn std::error::Error>>(())
//! ```
//!
//! # Other inspectors
//!
//! What is here is thin: [`block_stm_evm::inspect`] does the same for any inspector of revm's.
#![forbid(unsafe_code)]

mod block;
mod json;
mod options;
mod parallel;
mod sequential;
mod tracer;

pub use alloy_rpc_types_trace;
pub use block::{TracedBlock, TxnTrace};
pub use block_stm_evm;
pub use json::{TraceError, write_traces};
pub use options::TracerError;
pub use parallel::{default_in_flight, trace_block};
pub use revm_inspectors;
pub use sequential::trace_in_order;
pub use tracer::Tracer;
