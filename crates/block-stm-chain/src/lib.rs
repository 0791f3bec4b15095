//! Chains of Ethereum blocks, executed in parallel by [`block_stm_evm`].
//!
//! A [`Chain`] starts from a [`Genesis`] and takes blocks in RLP. Each is checked in full before it
//! is added: header, ommers, roots, signatures, execution, state root. Branches are followed; a
//! block that is refused leaves no trace.
//!
//! # Examples
//!
//! An empty block after the first one:
//!
//! ```
//! # #[cfg(feature = "import")] {
//! use std::path::Path;
//!
//! use alloy_consensus::{Block, BlockBody, Header};
//! use block_stm_chain::block_stm_evm::block_stm::{Config, Engine};
//! use block_stm_chain::{Chain, Genesis};
//!
//! let json = br#"{"alloc": {}, "gasLimit": 30000000, "config": {"chainId": 1, "londonBlock": 0,
//!     "homesteadBlock": 0, "eip150Block": 0, "eip155Block": 0, "eip158Block": 0,
//!     "byzantiumBlock": 0, "constantinopleBlock": 0, "istanbulBlock": 0, "berlinBlock": 0,
//!     "terminalTotalDifficulty": 0}}"#;
//! let mut chain = Chain::new(Genesis::parse(Path::new("genesis.json"), json)?);
//!
//! let genesis = chain.head_header();
//! let header = Header {
//!     parent_hash: chain.head(),
//!     number: 1,
//!     timestamp: 12,
//!     gas_limit: genesis.gas_limit,
//!     state_root: genesis.state_root,
//!     // The block before used no gas: an eighth less.
//!     base_fee_per_gas: Some(875_000_000),
//!     ..Header::default()
//! };
//! let rlp = alloy_rlp::encode(Block::<alloy_consensus::TxEnvelope>::new(
//!     header,
//!     BlockBody::default(),
//! ));
//! let imported = chain.import(&rlp, &Engine::new(Config::default())?)?;
//! assert!(imported.is_head && imported.number == 1);
//! # }
//! # Ok::<_, Box<dyn std::error::Error>>(())
//! ```
//!
//! # Features
//!
//! Without any there are fork schedules ([`ForkSchedule`]) and the rules of headers
//! ([`check_header`], [`HeaderChecks`]). Each of these needs the one before it:
//!
//! * `trie`: state roots, from scratch ([`state_root`]) and from block to block ([`StateTrie`]).
//! * `import`: blocks in RLP and JSON, genesis files, [`Chain`], and witnesses.
//! * `t8n`: state transitions from JSON to JSON, with traces; batches of rollups.
//!
//! `kzg` is that of [`block_stm_evm`]. `kzg` and `t8n` are on by default.
#![forbid(unsafe_code)]

pub use block_stm_evm;

#[cfg(feature = "t8n")]
pub mod batch;
#[cfg(feature = "import")]
mod chain;
mod header;
#[cfg(feature = "import")]
pub mod import;
mod schedule;
#[cfg(feature = "trie")]
mod state_trie;
#[cfg(feature = "t8n")]
pub mod t8n;
#[cfg(feature = "import")]
pub mod witness;

#[cfg(feature = "import")]
pub use chain::{
    BlockError, Chain, Genesis, GenesisError, Imported, Line, OmmerFault, Prepared, rlp_blocks,
};
pub use header::{CheckOutcome, HeaderCheck, HeaderChecks, HeaderFault, check_header};
pub use schedule::{ForkSchedule, ScheduleError, UnknownFork, blob_gas_price};
#[cfg(feature = "trie")]
pub use state_trie::{StateTrie, state_root, state_roots_within, storage_root};
