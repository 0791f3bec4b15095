//! What a header must be, given its parent: all that can be checked without execution.

use alloy_consensus::{EMPTY_OMMER_ROOT_HASH, Header};
use alloy_eips::{
    eip1559::{BaseFeeParams, INITIAL_BASE_FEE, calc_next_block_base_fee},
    eip4844::DATA_GAS_PER_BLOB,
    eip7840::BlobParams,
};
use alloy_primitives::U256;
use revm::primitives::hardfork::SpecId;

use super::{HeaderFault, difficulty::difficulty};
use crate::{ForkSchedule, blob_gas_price};

const GAS_LIMIT_MIN: u64 = 5_000;
const GAS_LIMIT_MAX: u64 = i64::MAX as u64;
const EXTRA_DATA_MAX: usize = 32;
/// `dao-hard-fork`, in the ten blocks from the fork on.
const DAO_EXTRA_DATA: &[u8] = b"dao-hard-fork";
const DAO_BLOCKS: u64 = 10;

/// Checks that `header` may follow `parent`, whose branch has `total_difficulty`.
///
/// The seal, the proof of work before the Merge, is not checked.
///
/// # Errors
///
/// The first rule that is broken, as a [`HeaderFault`].
pub fn check_header(
    header: &Header,
    parent: &Header,
    total_difficulty: U256,
    schedule: &ForkSchedule,
) -> Result<(), HeaderFault> {
    if parent.number.checked_add(1) != Some(header.number) {
        return Err(HeaderFault::Number { number: header.number, parent: parent.number });
    }
    if header.timestamp <= parent.timestamp {
        let (timestamp, parent) = (header.timestamp, parent.timestamp);
        return Err(HeaderFault::Timestamp { timestamp, parent });
    }
    if header.extra_data.len() > EXTRA_DATA_MAX {
        return Err(HeaderFault::ExtraData(header.extra_data.len()));
    }
    let since_dao = schedule.dao_fork().and_then(|fork| header.number.checked_sub(fork));
    if since_dao.is_some_and(|since| since < DAO_BLOCKS) && *header.extra_data != *DAO_EXTRA_DATA {
        return Err(HeaderFault::DaoExtraData);
    }
    let merged = schedule.is_merged(header.number, total_difficulty);
    check_seal_fields(header, parent, merged, schedule)?;
    let spec = schedule.spec_of(header.number, header.timestamp, header.difficulty);
    check_gas(header, parent, spec, schedule)?;
    check_presence(header, spec, schedule)?;
    if let Some(blobs) = schedule.blob_params_at(header.timestamp) {
        check_blobs(header, parent, blobs, spec)?;
    }
    Ok(())
}

/// What proof of work or the Merge ask of difficulty, nonce and ommers.
fn check_seal_fields(
    header: &Header,
    parent: &Header,
    merged: bool,
    schedule: &ForkSchedule,
) -> Result<(), HeaderFault> {
    if merged {
        if !header.difficulty.is_zero() {
            return Err(HeaderFault::WorkAfterMerge(header.difficulty));
        }
        if !header.nonce.is_zero() {
            return Err(HeaderFault::NonceAfterMerge);
        }
        if header.ommers_hash != EMPTY_OMMER_ROOT_HASH {
            return Err(HeaderFault::OmmersAfterMerge);
        }
        return Ok(());
    }
    let expected = difficulty(schedule, parent, header.timestamp);
    if header.difficulty != expected {
        return Err(HeaderFault::Difficulty { difficulty: header.difficulty, expected });
    }
    Ok(())
}

fn check_gas(
    header: &Header,
    parent: &Header,
    spec: SpecId,
    schedule: &ForkSchedule,
) -> Result<(), HeaderFault> {
    let limit = header.gas_limit;
    if !(GAS_LIMIT_MIN..=GAS_LIMIT_MAX).contains(&limit) {
        return Err(HeaderFault::GasLimitRange(limit));
    }
    if header.gas_used > limit {
        return Err(HeaderFault::GasUsed { used: header.gas_used, limit });
    }
    let london = spec.is_enabled_in(SpecId::LONDON);
    let parent_spec = schedule.spec_of(parent.number, parent.timestamp, parent.difficulty);
    let is_first = london && !parent_spec.is_enabled_in(SpecId::LONDON);
    // At London the target of gas stays what the limit was.
    let scale = if is_first { 2 } else { 1 };
    let parent_limit = parent.gas_limit.saturating_mul(scale);
    if limit.abs_diff(parent_limit) >= parent_limit / 1024 {
        return Err(HeaderFault::GasLimitStep { limit, parent: parent_limit });
    }
    match (london, header.base_fee_per_gas) {
        (false, None) => Ok(()),
        (false, Some(_)) => Err(HeaderFault::Early("baseFeePerGas")),
        (true, None) => Err(HeaderFault::Missing("baseFeePerGas")),
        (true, Some(fee)) => {
            let expected = if is_first { INITIAL_BASE_FEE } else { next_base_fee(parent) };
            let agrees = fee == expected;
            agrees.then_some(()).ok_or(HeaderFault::BaseFee { fee, expected })
        }
    }
}

fn next_base_fee(parent: &Header) -> u64 {
    let fee = parent.base_fee_per_gas.unwrap_or(INITIAL_BASE_FEE);
    // So that the formula can't overflow: a parent that was checked is never beyond.
    let used = parent.gas_used.min(parent.gas_limit);
    let fee = fee.min(u64::MAX / 2);
    calc_next_block_base_fee(used, parent.gas_limit, fee, BaseFeeParams::ethereum())
}

/// Fields come with their forks, not earlier, and none is missing.
fn check_presence(
    header: &Header,
    spec: SpecId,
    schedule: &ForkSchedule,
) -> Result<(), HeaderFault> {
    let from = |fork| spec.is_enabled_in(fork);
    let lists = schedule.has_access_lists_at(header.timestamp);
    let fields = [
        ("withdrawalsRoot", header.withdrawals_root.is_some(), from(SpecId::SHANGHAI)),
        ("blobGasUsed", header.blob_gas_used.is_some(), from(SpecId::CANCUN)),
        ("excessBlobGas", header.excess_blob_gas.is_some(), from(SpecId::CANCUN)),
        ("parentBeaconBlockRoot", header.parent_beacon_block_root.is_some(), from(SpecId::CANCUN)),
        ("requestsHash", header.requests_hash.is_some(), from(SpecId::PRAGUE)),
        ("blockAccessListHash", header.block_access_list_hash.is_some(), lists),
        ("slotNumber", header.slot_number.is_some(), from(SpecId::AMSTERDAM)),
    ];
    for (name, is_there, is_due) in fields {
        match (is_there, is_due) {
            (false, true) => return Err(HeaderFault::Missing(name)),
            (true, false) => return Err(HeaderFault::Early(name)),
            _ => {}
        }
    }
    Ok(())
}

fn check_blobs(
    header: &Header,
    parent: &Header,
    blobs: BlobParams,
    spec: SpecId,
) -> Result<(), HeaderFault> {
    let used = header.blob_gas_used.unwrap_or_default();
    let max = blobs.max_blob_gas_per_block();
    if used > max || !used.is_multiple_of(DATA_GAS_PER_BLOB) {
        return Err(HeaderFault::BlobGasUsed { used, max });
    }
    let excess = header.excess_blob_gas.unwrap_or_default();
    let expected = next_excess_blob_gas(parent, blobs, spec);
    let agrees = excess == expected;
    agrees.then_some(()).ok_or(HeaderFault::ExcessBlobGas { excess, expected })
}

/// The excess blob gas after `parent` under the limits of its child (EIP-4844; EIP-7918 from Osaka on).
fn next_excess_blob_gas(parent: &Header, blobs: BlobParams, spec: SpecId) -> u64 {
    let parent_excess = parent.excess_blob_gas.unwrap_or_default();
    let used = parent.blob_gas_used.unwrap_or_default();
    let total = parent_excess.saturating_add(used);
    let target = blobs.target_blob_gas_per_block();
    let Some(beyond) = total.checked_sub(target) else { return 0 };
    let fraction = u64::try_from(blobs.update_fraction).unwrap_or(u64::MAX);
    if spec.is_enabled_in(SpecId::OSAKA) && blobs.max_blob_count > 0 {
        let fee = U256::from(parent.base_fee_per_gas.unwrap_or_default());
        let price = U256::from(blob_gas_price(parent_excess, fraction).unwrap_or(u128::MAX));
        if U256::from(blobs.blob_base_cost) * fee > U256::from(DATA_GAS_PER_BLOB) * price {
            let share = u128::from(blobs.max_blob_count - blobs.target_blob_count);
            let scaled = u128::from(used) * share / u128::from(blobs.max_blob_count);
            return parent_excess.saturating_add(u64::try_from(scaled).unwrap_or(u64::MAX));
        }
    }
    beyond
}
