//! Chains of Ethereum blocks on the `block-stm` engine.
#![forbid(unsafe_code)]

pub use block_stm_evm;

mod chain;
mod header;
pub mod import;
mod schedule;
mod state_trie;
pub mod t8n;

pub use chain::{BlockError, Chain, Genesis, GenesisError, Imported, OmmerFault, rlp_blocks};
pub use header::{CheckOutcome, HeaderCheck, HeaderChecks, HeaderFault, check_header};
pub use schedule::{ForkSchedule, ScheduleError, UnknownFork, blob_gas_price};
pub use state_trie::{StateTrie, state_root, state_roots_within, storage_root};
