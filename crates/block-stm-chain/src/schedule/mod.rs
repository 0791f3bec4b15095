//! Which rules are in force at which block.

#[cfg(feature = "import")]
mod config;
mod names;
mod price;

use std::ops::Range;

use alloy_eips::eip7840::BlobParams;
use alloy_primitives::{Address, U256};
use block_stm_evm::SystemContracts;
use revm::primitives::hardfork::SpecId;

pub use names::UnknownFork;
use names::spec_by_name;
pub use price::blob_gas_price;

/// When a chain activates which rules, blob limits and irregular changes.
///
/// Rules are activated by block number up to the Merge and by timestamp afterwards. Constantinople
/// without Petersburg is Petersburg [with net metering](Self::has_net_metering_at).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ForkSchedule {
    chain_id: u64,
    /// Ascending; the first one is in force from block 0 on.
    by_block: Vec<(u64, SpecId)>,
    /// Ascending.
    by_time: Vec<(u64, SpecId)>,
    /// Ascending.
    blobs: Vec<(u64, BlobParams)>,
    merge_block: Option<u64>,
    /// Total difficulty at which the Merge comes, where that decides and not a block.
    terminal_difficulty: Option<U256>,
    /// By how many blocks the difficulty bomb is put off; ascending.
    bomb_delays: Vec<(u64, u64)>,
    dao_fork: Option<u64>,
    /// The blocks from Constantinople on before Petersburg.
    net_metering: Range<u64>,
    deposits: Option<Address>,
    /// From when on headers name a block access list (EIP-7928).
    access_lists: Option<u64>,
}

/// Why a chain configuration makes no fork schedule.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ScheduleError {
    /// A fork comes before one that it builds on.
    #[error("{later} ({later_at}) comes before {earlier} ({earlier_at})")]
    Order {
        /// The fork that should come first.
        earlier: &'static str,
        /// Its block or time.
        earlier_at: u64,
        /// The fork that should come second.
        later: &'static str,
        /// Its block or time.
        later_at: u64,
    },
    /// A fork is set without one that it builds on.
    #[error("{later} is set but {earlier} is not")]
    Missing {
        /// The fork that is not set.
        earlier: &'static str,
        /// The fork that is set.
        later: &'static str,
    },
    /// Two changes that revm only knows together are activated apart.
    #[error("{first} ({first_at:?}) and {second} ({second_at:?}) must be the same block")]
    Apart {
        /// One of them.
        first: &'static str,
        /// Its block.
        first_at: Option<u64>,
        /// The other one.
        second: &'static str,
        /// Its block.
        second_at: Option<u64>,
    },
    /// A fork is newer than revm.
    #[error("{fork} is not supported")]
    Unsupported {
        /// The fork's key in the configuration.
        fork: &'static str,
    },
    /// Blob limits are missing or can't work.
    #[error("blobSchedule.{fork}: {reason}")]
    Blobs {
        /// The fork's key in the blob schedule.
        fork: &'static str,
        /// What is wrong.
        reason: &'static str,
    },
}

impl ForkSchedule {
    /// Ethereum mainnet, up to the newest scheduled fork.
    pub fn mainnet() -> Self {
        use SpecId::*;
        Self {
            chain_id: 1,
            by_block: vec![
                (0, FRONTIER),
                (1_150_000, HOMESTEAD),
                (2_463_000, TANGERINE),
                (2_675_000, SPURIOUS_DRAGON),
                (4_370_000, BYZANTIUM),
                (7_280_000, PETERSBURG),
                (9_069_000, ISTANBUL),
                (12_244_000, BERLIN),
                (12_965_000, LONDON),
                (15_537_394, MERGE),
            ],
            by_time: vec![
                (1_681_338_455, SHANGHAI),
                (1_710_338_135, CANCUN),
                (1_746_612_311, PRAGUE),
                (1_764_798_551, OSAKA),
            ],
            blobs: vec![
                (1_710_338_135, BlobParams::cancun()),
                (1_746_612_311, BlobParams::prague()),
                (1_764_798_551, BlobParams::osaka()),
                (1_765_290_071, BlobParams::bpo1()),
                (1_767_747_671, BlobParams::bpo2()),
            ],
            merge_block: Some(15_537_394),
            terminal_difficulty: None,
            bomb_delays: vec![
                (4_370_000, 3_000_000),
                (7_280_000, 5_000_000),
                (9_200_000, 9_000_000),
                (12_965_000, 9_700_000),
                (13_773_000, 10_700_000),
                (15_050_000, 11_400_000),
            ],
            dao_fork: Some(1_920_000),
            net_metering: 0..0,
            deposits: None,
            access_lists: None,
        }
    }

    /// The same rules at every block, with the blob limits that mainnet started them with.
    pub fn fixed(chain_id: u64, spec: SpecId) -> Self {
        let mut schedule = Self {
            chain_id,
            by_block: vec![(0, spec)],
            by_time: Vec::new(),
            blobs: Vec::new(),
            merge_block: Some(if spec.is_enabled_in(SpecId::MERGE) { 0 } else { u64::MAX }),
            terminal_difficulty: None,
            bomb_delays: vec![(0, bomb_delay(spec))],
            dao_fork: None,
            net_metering: 0..0,
            deposits: None,
            access_lists: spec.is_enabled_in(SpecId::AMSTERDAM).then_some(0),
        };
        if spec.is_enabled_in(SpecId::OSAKA) {
            schedule.blobs.push((0, BlobParams::osaka()));
        } else if spec.is_enabled_in(SpecId::PRAGUE) {
            schedule.blobs.push((0, BlobParams::prague()));
        } else if spec.is_enabled_in(SpecId::CANCUN) {
            schedule.blobs.push((0, BlobParams::cancun()));
        }
        schedule
    }

    /// The same rules at every block of chain 1, by a fork's name such as `Cancun`, in any case.
    ///
    /// # Errors
    ///
    /// [`UnknownFork`], whose message lists the names.
    ///
    /// # Examples
    ///
    /// ```
    /// use block_stm_chain::{ForkSchedule, block_stm_evm::revm::primitives::hardfork::SpecId};
    ///
    /// let schedule = ForkSchedule::by_name("cancun")?;
    /// assert_eq!(schedule.spec_at(0, 0), SpecId::CANCUN);
    /// # Ok::<_, block_stm_chain::UnknownFork>(())
    /// ```
    pub fn by_name(name: &str) -> Result<Self, UnknownFork> {
        let mut schedule = Self::fixed(1, spec_by_name(name)?);
        if let Some(blobs) = names::bpo_by_name(name) {
            schedule.blobs = vec![(0, blobs)];
        }
        Ok(schedule)
    }

    /// The schedule that the `config` of a geth-style genesis file describes.
    ///
    /// Blob limits that `blobSchedule` leaves out are mainnet's.
    ///
    /// # Errors
    ///
    /// A [`ScheduleError`] if forks are out of order, missing or unknown.
    #[cfg(feature = "import")]
    pub fn from_genesis(config: &alloy_genesis::ChainConfig) -> Result<Self, ScheduleError> {
        config::schedule(config)
    }

    /// The chain's EIP-155 id.
    pub fn chain_id(&self) -> u64 {
        self.chain_id
    }

    /// The rules of block `number` at `timestamp` (seconds).
    ///
    /// Where the configuration gives the Merge by total difficulty alone, its blocks up to Shanghai
    /// are taken for London's; [`spec_of`](Self::spec_of) knows better.
    pub fn spec_at(&self, number: u64, timestamp: u64) -> SpecId {
        let by_time = last_active(&self.by_time, timestamp);
        let spec = by_time.or_else(|| last_active(&self.by_block, number));
        spec.unwrap_or(SpecId::FRONTIER)
    }

    /// The rules of a block whose header is at hand: without difficulty, it comes after the Merge.
    pub fn spec_of(&self, number: u64, timestamp: u64, difficulty: U256) -> SpecId {
        let spec = self.spec_at(number, timestamp);
        if self.merge_block.is_none() && difficulty.is_zero() && spec == SpecId::LONDON {
            return SpecId::MERGE;
        }
        spec
    }

    /// The blob limits at `timestamp`, or `None` before Cancun.
    pub fn blob_params_at(&self, timestamp: u64) -> Option<BlobParams> {
        last_active(&self.blobs, timestamp)
    }

    /// The block at which the DAO's balances are moved, if any (EIP-779).
    pub fn dao_fork(&self) -> Option<u64> {
        self.dao_fork
    }

    /// Whether SSTORE costs what it did in Constantinople in block `number` (EIP-1283).
    pub fn has_net_metering_at(&self, number: u64) -> bool {
        self.net_metering.contains(&number)
    }

    /// The same schedule with the prices of EIP-1283 in `blocks`.
    pub fn net_metering_in(mut self, blocks: Range<u64>) -> Self {
        self.net_metering = blocks;
        self
    }

    /// Whether the block `number` comes after the Merge, if the blocks before it have
    /// `total_difficulty`.
    pub fn is_merged(&self, number: u64, total_difficulty: U256) -> bool {
        match self.terminal_difficulty {
            Some(terminal) => total_difficulty >= terminal,
            None => self.merge_block.is_some_and(|merge| number >= merge),
        }
    }

    /// By how many blocks the difficulty bomb is put off at block `number`.
    pub fn bomb_delay_at(&self, number: u64) -> u64 {
        last_active(&self.bomb_delays, number).unwrap_or_default()
    }

    /// Whether headers at `timestamp` name a block access list (EIP-7928).
    pub fn has_access_lists_at(&self, timestamp: u64) -> bool {
        self.access_lists.is_some_and(|from| timestamp >= from)
    }

    /// The same schedule with block access lists from `timestamp` on, whatever the other rules are.
    pub fn access_lists_from(mut self, timestamp: u64) -> Self {
        self.access_lists = Some(timestamp);
        self
    }

    /// The same schedule with `blobs` as limits at all times.
    pub fn blob_params(mut self, blobs: BlobParams) -> Self {
        self.blobs = vec![(0, blobs)];
        self
    }

    /// The contracts that the protocol calls or listens to on this chain.
    pub fn system_contracts(&self) -> SystemContracts {
        let mut contracts = SystemContracts::default();
        if let Some(deposits) = self.deposits {
            contracts.deposits = deposits;
        }
        contracts
    }
}

/// By how many blocks the rules of `spec` put off the difficulty bomb, where no fork is about that
/// alone.
fn bomb_delay(spec: SpecId) -> u64 {
    match spec {
        spec if spec.is_enabled_in(SpecId::LONDON) => 9_700_000,
        spec if spec.is_enabled_in(SpecId::BERLIN) => 9_000_000,
        spec if spec.is_enabled_in(SpecId::PETERSBURG) => 5_000_000,
        spec if spec.is_enabled_in(SpecId::BYZANTIUM) => 3_000_000,
        _ => 0,
    }
}

/// The value of the last entry that is active at `at`.
fn last_active<T: Copy>(entries: &[(u64, T)], at: u64) -> Option<T> {
    let active = entries.partition_point(|(from, _)| *from <= at);
    Some(entries[..active].last()?.1)
}
