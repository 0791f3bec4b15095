//! Ethereum's official tests on the engine: GeneralStateTests and BlockchainTests, as JSON.
//!
//! [`state_test`] executes single transactions and compares state root and logs; it also joins all
//! variants of a test into one block, which it executes in parallel and one after another.
//! [`block_test`] imports blocks, valid and invalid ones, on all branches. Both read untrusted
//! files: what is malformed is an [`ImportError`](block_stm_chain::import::ImportError) that names
//! the place.
//!
//! # Examples
//!
//! ```no_run
//! use std::path::Path;
//!
//! use block_stm::{Config, Engine};
//! use block_stm_conformance::state_test::StateTestFile;
//!
//! let path = Path::new("create2.json");
//! let file = StateTestFile::parse(path, &std::fs::read(path)?)?;
//! let engine = Engine::new(Config::default())?;
//! for case in file.run(&engine, |_name| true) {
//!     println!("{} under {}: {:?}", case.name, case.fork, case.verdict);
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![forbid(unsafe_code)]

pub mod block_test;
mod config;
mod entries;
mod exception;
mod info;
mod network;
mod rejection;
mod report;
pub mod state_test;
mod watch;

pub use rejection::Rejection;
pub use report::{CaseReport, SkipReason, Verdict};
pub use watch::{StateDump, Stats, TraceTo, Watch, Watched};
