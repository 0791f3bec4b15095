//! JSON-RPC over a stored chain, in the form of Ethereum's nodes, also while blocks are imported.
//!
//! A [`Node`] is a chain: a store, its rules, and the trie of its newest block. A [`Server`]
//! answers for it over HTTP.
//!
//! # What an answer is of
//!
//! Each request takes a snapshot of the store, and its answer comes from that alone: it is of one
//! block, whatever is imported meanwhile. The newest block is the newest that was checked in full.
//! What the store does not keep any more is an error, and never a value.
//!
//! # Limits
//!
//! Each request has [`Limits`]: of bytes, of time, of gas, of blocks. What would take more is an
//! error that says which limit it was. Requests are answered on threads of their own, of which
//! there are so many; the others wait for as long as they have time.
//!
//! # Examples
//!
//! ```
//! use std::{num::NonZeroUsize, sync::Arc};
//!
//! use block_stm_pipeline::block_stm_chain::{ForkSchedule, Genesis};
//! use block_stm_pipeline::block_stm_evm::{PreState, revm::primitives::hardfork::SpecId};
//! use block_stm_pipeline::block_stm_store::{Options, disk::Folder};
//! use block_stm_pipeline::{World, block_stm_evm::block_stm::{Config, Engine}};
//! use block_stm_rpc::{Limits, Node, Server};
//!
//! let folder = tempfile::tempdir()?;
//! let schedule = ForkSchedule::fixed(1, SpecId::OSAKA);
//! let genesis = Genesis::new(schedule.clone(), Default::default(), PreState::new());
//! let (world, store) =
//!     World::open(Folder::create(folder.path())?, genesis, Options::default())?;
//! let chain = (schedule, world.prover());
//! let engine = Engine::new(Config::default())?;
//! let node = Node::new(Arc::new(store), chain, engine, Limits::default(), "example".to_owned());
//! let server = Server::start(node, "127.0.0.1:0".parse()?, Vec::new())?;
//! assert_ne!(server.addr().port(), 0);
//! # Ok::<_, Box<dyn std::error::Error>>(())
//! ```
#![forbid(unsafe_code)]

mod answer;
mod blocks;
mod call;
mod chain;
mod fault;
mod limits;
mod logs;
mod methods;
mod node;
mod proof;
mod receipts;
mod server;
mod state;
mod trace;

pub use limits::Limits;
pub use methods::method_names;
pub use node::Node;
pub use server::Server;
