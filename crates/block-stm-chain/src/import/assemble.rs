//! From a header and a body to an executable block.

use alloy_consensus::{
    Header,
    proofs::{calculate_transaction_root, calculate_withdrawals_root},
};
use alloy_eips::eip4895::Withdrawal;
use alloy_primitives::{Address, U256};
use alloy_trie::EMPTY_ROOT_HASH;
use block_stm_evm::{Block, Ommer};
use revm::{
    context::BlockEnv, context_interface::block::BlobExcessGasAndPrice,
    primitives::hardfork::SpecId,
};

use super::{
    SignedTxn,
    json_txn::Claims,
    senders::{WrongTxn, executable_from, recover},
};
use crate::{ForkSchedule, HeaderChecks, blob_gas_price};

/// Header and body of a block, in whatever form they came.
#[derive(Debug)]
pub(super) struct Parts {
    pub(super) header: Header,
    pub(super) txns: Vec<SignedTxn>,
    /// What the transactions claim about themselves, or nothing.
    pub(super) claims: Vec<Claims>,
    /// The senders, where they are known and need not be recovered.
    pub(super) senders: Option<Vec<Address>>,
    pub(super) withdrawals: Vec<Withdrawal>,
    pub(super) ommers: Vec<Header>,
}

/// Why parts make no block.
#[derive(Debug)]
pub(crate) enum AssembleError {
    /// A header field, by its JSON name, and what is wrong with it.
    Field(&'static str, String),
    /// A transaction is wrong.
    Txn(WrongTxn),
}

impl Parts {
    /// The block under the rules of `schedule`, and what its header says about the result.
    pub(super) fn assemble(
        self,
        schedule: &ForkSchedule,
    ) -> Result<(Block, HeaderChecks), AssembleError> {
        let (root, claimed) =
            (calculate_transaction_root(&self.txns), self.header.transactions_root);
        // First what is wrong with a transaction, which says more than the root.
        let assembled = self.assemble_any_txns(schedule)?;
        if root != claimed {
            let message = format!("the root of the transactions is {root}");
            return Err(AssembleError::Field("transactionsRoot", message));
        }
        Ok(assembled)
    }

    /// The same, whatever the header says of the transactions.
    pub(super) fn assemble_any_txns(
        self,
        schedule: &ForkSchedule,
    ) -> Result<(Block, HeaderChecks), AssembleError> {
        let Self { header, txns, claims, senders, withdrawals, ommers } = self;
        let spec = schedule.spec_of(header.number, header.timestamp, header.difficulty);
        let env = environment(&header, spec, schedule)?;
        let recovered = match senders {
            None => recover(&txns, &claims, spec, schedule.chain_id()),
            Some(senders) if senders.len() == txns.len() => {
                executable_from(&txns, &senders, spec, schedule.chain_id())
            }
            Some(senders) => {
                let message = format!("{} senders of {} txns", senders.len(), txns.len());
                return Err(AssembleError::Field("transactions", message));
            }
        };
        let recovered = recovered.map_err(AssembleError::Txn)?;
        // A header without the field, from before Shanghai, stands for no withdrawals.
        let root = calculate_withdrawals_root(&withdrawals);
        if root != header.withdrawals_root.unwrap_or(EMPTY_ROOT_HASH) {
            let message = format!("the root of the withdrawals is {root}");
            return Err(AssembleError::Field("withdrawalsRoot", message));
        }
        let mut block = Block::new(spec, env, recovered).chain_id(schedule.chain_id());
        block.parent_hash = header.parent_hash;
        block.parent_beacon_block_root = header.parent_beacon_block_root;
        block.withdrawals = withdrawals;
        block.ommers = ommers.iter().map(ommer).collect();
        block.dao_fork = schedule.dao_fork() == Some(header.number);
        block.net_metering = schedule.has_net_metering_at(header.number);
        block.blob_params = schedule.blob_params_at(header.timestamp);
        block.system_contracts = schedule.system_contracts();
        Ok((block, HeaderChecks::from(&header)))
    }
}

fn ommer(header: &Header) -> Ommer {
    Ommer { number: header.number, beneficiary: header.beneficiary }
}

fn environment(
    header: &Header,
    spec: SpecId,
    schedule: &ForkSchedule,
) -> Result<BlockEnv, AssembleError> {
    let missing = |field| AssembleError::Field(field, format!("missing under {spec:?}'s rules"));
    let base_fee = header.base_fee_per_gas;
    if spec.is_enabled_in(SpecId::LONDON) && base_fee.is_none() {
        return Err(missing("baseFeePerGas"));
    }
    let merged = spec.is_enabled_in(SpecId::MERGE);
    let blobs = if spec.is_enabled_in(SpecId::CANCUN) {
        let excess = header.excess_blob_gas;
        Some(blob_price(
            excess.ok_or_else(|| missing("excessBlobGas"))?,
            header.timestamp,
            schedule,
        )?)
    } else {
        None
    };
    Ok(BlockEnv {
        number: U256::from(header.number),
        beneficiary: header.beneficiary,
        timestamp: U256::from(header.timestamp),
        gas_limit: header.gas_limit,
        basefee: base_fee.unwrap_or_default(),
        difficulty: header.difficulty,
        prevrandao: merged.then_some(header.mix_hash),
        blob_excess_gas_and_price: blobs,
        slot_num: header.slot_number.unwrap_or_default(),
    })
}

fn blob_price(
    excess_blob_gas: u64,
    timestamp: u64,
    schedule: &ForkSchedule,
) -> Result<BlobExcessGasAndPrice, AssembleError> {
    let params = schedule.blob_params_at(timestamp);
    let fraction = params.map(|params| params.update_fraction);
    let fraction = fraction.and_then(|fraction| u64::try_from(fraction).ok());
    let price = fraction.and_then(|fraction| blob_gas_price(excess_blob_gas, fraction));
    let too_high = || {
        let message = format!("{excess_blob_gas} makes a blob price beyond 128 bits");
        AssembleError::Field("excessBlobGas", message)
    };
    Ok(BlobExcessGasAndPrice { excess_blob_gas, blob_gasprice: price.ok_or_else(too_high)? })
}
