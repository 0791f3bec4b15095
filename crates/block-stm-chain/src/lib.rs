//! Chains of Ethereum blocks on the `block-stm` engine.
#![forbid(unsafe_code)]

pub use block_stm_evm;

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
pub use chain::{BlockError, Chain, Genesis, GenesisError, Imported, OmmerFault, rlp_blocks};
pub use header::{CheckOutcome, HeaderCheck, HeaderChecks, HeaderFault, check_header};
pub use schedule::{ForkSchedule, ScheduleError, UnknownFork, blob_gas_price};
#[cfg(feature = "trie")]
pub use state_trie::{StateTrie, state_root, state_roots_within, storage_root};
