//! The first block of a chain, from a genesis file.

use std::path::Path;

use alloy_consensus::{Block as RlpBlock, EMPTY_OMMER_ROOT_HASH, Header};
use alloy_eips::{eip1559::INITIAL_BASE_FEE, eip7685::EMPTY_REQUESTS_HASH};
use alloy_genesis::ChainConfig;
use alloy_primitives::{Address, B64, B256, Bytes, U256, keccak256};
use alloy_rlp::Decodable;
use alloy_trie::EMPTY_ROOT_HASH;
use block_stm_evm::PreState;
use revm::primitives::hardfork::SpecId;
use serde::Deserialize;

use crate::{
    ForkSchedule,
    import::{
        ImportError, SignedTxn,
        json::{Alloc, Document, Quantity, pre_state},
    },
};

/// What a chain starts from: its rules, its first header without the state root, and its first
/// state.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Genesis {
    /// Which rules are in force when.
    pub schedule: ForkSchedule,
    /// The header, whose state root [`Chain::new`](super::Chain::new) fills in.
    pub header: Header,
    /// The state.
    pub state: PreState,
}

/// A genesis file in geth's format.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", expecting = "a genesis object")]
struct JsonGenesis {
    config: ChainConfig,
    alloc: Alloc,
    #[serde(default)]
    nonce: Quantity<u64>,
    #[serde(default)]
    timestamp: Quantity<u64>,
    #[serde(default)]
    extra_data: Bytes,
    gas_limit: Quantity<u64>,
    #[serde(default)]
    gas_used: Quantity<u64>,
    #[serde(default)]
    difficulty: Quantity<U256>,
    #[serde(default)]
    mix_hash: B256,
    #[serde(default)]
    coinbase: Address,
    #[serde(default)]
    number: Quantity<u64>,
    #[serde(default)]
    parent_hash: B256,
    base_fee_per_gas: Option<Quantity<u64>>,
    excess_blob_gas: Option<Quantity<u64>>,
    blob_gas_used: Option<Quantity<u64>>,
    slot_number: Option<Quantity<u64>>,
}

impl Genesis {
    /// A start that is not from a file.
    pub fn new(schedule: ForkSchedule, header: Header, state: PreState) -> Self {
        Self { schedule, header, state }
    }

    /// A start with the header of the block whose RLP is `rlp`.
    ///
    /// # Errors
    ///
    /// The bytes are not one block in RLP.
    pub fn from_rlp(
        schedule: ForkSchedule,
        mut rlp: &[u8],
        state: PreState,
    ) -> Result<Self, alloy_rlp::Error> {
        let block = RlpBlock::<SignedTxn>::decode(&mut rlp)?;
        if !rlp.is_empty() {
            return Err(alloy_rlp::Error::UnexpectedLength);
        }
        Ok(Self::new(schedule, block.header, state))
    }

    /// Reads a genesis file in geth's format; errors call it `file`.
    ///
    /// Fields that the rules at the first block require, and that the file leaves out, are those of
    /// an empty block.
    ///
    /// # Errors
    ///
    /// An [`ImportError`] that names the field.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::path::Path;
    /// use block_stm_chain::Genesis;
    ///
    /// let json = br#"{"config": {"chainId": 5}, "alloc": {}, "gasLimit": "0x1388"}"#;
    /// let genesis = Genesis::parse(Path::new("genesis.json"), json)?;
    /// assert_eq!(genesis.header.gas_limit, 5000);
    /// # Ok::<_, block_stm_chain::import::ImportError>(())
    /// ```
    pub fn parse(file: &Path, json: &[u8]) -> Result<Self, ImportError> {
        let document = Document::bare(file, json);
        let mut json: JsonGenesis = document.parse()?;
        let state = pre_state(std::mem::take(&mut json.alloc))
            .map_err(|(address, error)| document.wrong(&format!("alloc.{address}.code"), error))?;
        let schedule = ForkSchedule::from_genesis(&json.config);
        let file = file.to_owned();
        let schedule = schedule.map_err(|source| ImportError::Schedule { file, source })?;
        let header = json.header(&schedule);
        Ok(Self { schedule, header, state })
    }
}

impl JsonGenesis {
    fn header(self, schedule: &ForkSchedule) -> Header {
        let (number, timestamp) = (self.number.0, self.timestamp.0);
        let spec = schedule.spec_of(number, timestamp, self.difficulty.0);
        let from = |fork| spec.is_enabled_in(fork);
        let base_fee = self.base_fee_per_gas.map_or(INITIAL_BASE_FEE, |fee| fee.0);
        let or_zero = |field: Option<Quantity<u64>>| field.unwrap_or_default().0;
        let lists = schedule.has_access_lists_at(timestamp);
        Header {
            parent_hash: self.parent_hash,
            ommers_hash: EMPTY_OMMER_ROOT_HASH,
            beneficiary: self.coinbase,
            state_root: EMPTY_ROOT_HASH,
            transactions_root: EMPTY_ROOT_HASH,
            receipts_root: EMPTY_ROOT_HASH,
            difficulty: self.difficulty.0,
            number,
            gas_limit: self.gas_limit.0,
            gas_used: self.gas_used.0,
            timestamp,
            extra_data: self.extra_data,
            mix_hash: self.mix_hash,
            nonce: B64::from(self.nonce.0),
            base_fee_per_gas: from(SpecId::LONDON).then_some(base_fee),
            withdrawals_root: from(SpecId::SHANGHAI).then_some(EMPTY_ROOT_HASH),
            blob_gas_used: from(SpecId::CANCUN).then(|| or_zero(self.blob_gas_used)),
            excess_blob_gas: from(SpecId::CANCUN).then(|| or_zero(self.excess_blob_gas)),
            parent_beacon_block_root: from(SpecId::CANCUN).then_some(B256::ZERO),
            requests_hash: from(SpecId::PRAGUE).then_some(EMPTY_REQUESTS_HASH),
            // The hash of an empty list.
            block_access_list_hash: lists.then(|| keccak256([0xc0])),
            slot_number: from(SpecId::AMSTERDAM).then(|| or_zero(self.slot_number)),
            ..Header::default()
        }
    }
}
