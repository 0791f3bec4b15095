//! What a header must be, given its parent: all that can be checked without execution.

use alloy_consensus::{EMPTY_OMMER_ROOT_HASH, Header};
use alloy_eips::{
    eip1559::{BaseFeeParams, INITIAL_BASE_FEE, calc_next_block_base_fee},
    eip4844::DATA_GAS_PER_BLOB,
    eip7840::BlobParams,
};
use alloy_primitives::U256;
use revm::primitives::hardfork::SpecId;

use super::HeaderFault;
use crate::{
    ForkSchedule, blob_gas_price,
    header::difficulty::{Parent, difficulty},
};

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
    let expected = next_difficulty(header, parent, schedule);
    let expected = expected.ok_or(HeaderFault::DifficultyTooLarge)?;
    if header.difficulty != expected {
        return Err(HeaderFault::Difficulty { difficulty: header.difficulty, expected });
    }
    Ok(())
}

fn next_difficulty(header: &Header, parent: &Header, schedule: &ForkSchedule) -> Option<U256> {
    let spec = schedule.spec_at(header.number, header.timestamp);
    let bomb_delay = schedule.bomb_delay_at(header.number);
    let parent = Parent {
        difficulty: parent.difficulty,
        timestamp: parent.timestamp,
        has_ommers: parent.ommers_hash != EMPTY_OMMER_ROOT_HASH,
    };
    difficulty(spec, bomb_delay, header.number, header.timestamp, parent)
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

/// The excess blob gas after `parent` under the limits of its child (EIP-4844; EIP-7918 from Osaka
/// on).
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

#[cfg(test)]
mod tests {
    use alloy_primitives::{B64, B256, Bytes};

    use super::*;

    const GENERIC_TIME: u64 = 1_000;

    /// A parent, and a child that may follow it, under the rules of `spec`.
    fn pair(spec: SpecId) -> (Header, Header) {
        let merged = spec.is_enabled_in(SpecId::MERGE);
        let from = |fork| spec.is_enabled_in(fork);
        let parent = Header {
            number: 10,
            timestamp: GENERIC_TIME,
            gas_limit: 10_240_000,
            gas_used: 5_120_000,
            ommers_hash: EMPTY_OMMER_ROOT_HASH,
            difficulty: U256::from(if merged { 0 } else { 2_048_000 }),
            base_fee_per_gas: from(SpecId::LONDON).then_some(100),
            withdrawals_root: from(SpecId::SHANGHAI).then_some(B256::ZERO),
            blob_gas_used: from(SpecId::CANCUN).then_some(0),
            excess_blob_gas: from(SpecId::CANCUN).then_some(0),
            parent_beacon_block_root: from(SpecId::CANCUN).then_some(B256::ZERO),
            requests_hash: from(SpecId::PRAGUE).then_some(B256::ZERO),
            ..Header::default()
        };
        let child = Header { number: 11, timestamp: GENERIC_TIME + 10, ..parent.clone() };
        (parent, child)
    }

    fn check(spec: SpecId, spoil: impl FnOnce(&mut Header, &mut Header)) -> Result<(), String> {
        let (mut parent, mut child) = pair(spec);
        spoil(&mut parent, &mut child);
        let schedule = ForkSchedule::fixed(1, spec);
        let checked = check_header(&child, &parent, U256::ZERO, &schedule);
        checked.map_err(|fault| fault.to_string())
    }

    #[test]
    fn a_child_may_follow_under_each_fork() {
        use SpecId::*;
        for spec in [FRONTIER, HOMESTEAD, BERLIN, LONDON, MERGE, SHANGHAI, CANCUN, PRAGUE, OSAKA] {
            // Frontier lowers the difficulty of a slow block alone, so that 10 s raise it.
            let raised = |_: &mut Header, child: &mut Header| {
                if spec == FRONTIER {
                    child.difficulty = U256::from(2_049_000);
                } else if spec == BERLIN || spec == LONDON {
                    child.difficulty = U256::from(2_048_000);
                }
            };
            assert_eq!(check(spec, raised), Ok(()), "{spec:?}");
        }
    }

    #[test]
    fn every_rule_that_all_forks_share_is_checked() {
        type Spoil = fn(&mut Header, &mut Header);
        let cases: [(Spoil, &str); 11] = [
            (|_, child| child.number = 12, "the number is 12, the parent's is 10"),
            (|parent, _| parent.number = u64::MAX, "the number is 11"),
            (|_, child| child.timestamp = GENERIC_TIME, "the timestamp 1000 is not after"),
            (|_, child| child.extra_data = Bytes::from(vec![0; 33]), "the extra data has 33 bytes"),
            (|_, child| child.gas_limit = 4_999, "the gas limit 4999 is not within"),
            (|_, child| child.gas_limit = 1 << 63, "the gas limit 9223372036854775808 is not"),
            (|_, child| child.gas_limit += 10_000, "the gas limit 10250000 is too far"),
            (|_, child| child.gas_limit -= 10_000, "the gas limit 10230000 is too far"),
            (|_, child| child.gas_used = 10_240_001, "the gas used 10240001 exceeds"),
            (|_, child| child.difficulty += U256::ONE, "the difficulty is 2048001, not 2048000"),
            (|_, child| child.base_fee_per_gas = Some(7), "baseFeePerGas is there too early"),
        ];
        for (spoil, message) in cases {
            let error = check(SpecId::HOMESTEAD, spoil).expect_err(message);
            assert!(error.starts_with(message), "{error}");
        }
        // One less than 1/1024 is allowed.
        assert_eq!(check(SpecId::HOMESTEAD, |_, child| child.gas_limit += 9_999), Ok(()));
    }

    #[test]
    fn every_rule_since_the_merge_is_checked() {
        type Spoil = fn(&mut Header, &mut Header);
        let cases: [(Spoil, &str); 13] = [
            (|_, child| child.difficulty = U256::ONE, "the difficulty is 1, which must be zero"),
            (|_, child| child.nonce = B64::from(1_u64), "the nonce must be zero"),
            (|_, child| child.ommers_hash = B256::ZERO, "there must be no ommers"),
            (|_, child| child.base_fee_per_gas = Some(101), "the base fee is 101, not 100"),
            (|_, child| child.base_fee_per_gas = None, "baseFeePerGas is missing"),
            (|parent, _| parent.gas_used = 10_240_000, "the base fee is 100, not 112"),
            (|_, child| child.withdrawals_root = None, "withdrawalsRoot is missing"),
            (|_, child| child.parent_beacon_block_root = None, "parentBeaconBlockRoot is missing"),
            (|_, child| child.requests_hash = None, "requestsHash is missing"),
            (|_, child| child.block_access_list_hash = Some(B256::ZERO), "blockAccessListHash is"),
            (|_, child| child.blob_gas_used = Some(1), "the blob gas used is 1, which is"),
            (|_, child| child.blob_gas_used = Some(10 << 17), "the blob gas used is 1310720"),
            (|_, child| child.excess_blob_gas = Some(1), "the excess blob gas is 1, not 0"),
        ];
        for (spoil, message) in cases {
            let error = check(SpecId::OSAKA, spoil).expect_err(message);
            assert!(error.starts_with(message), "{error}");
        }
    }

    #[test]
    fn london_doubles_the_limit_and_starts_with_a_gwei() {
        let config = alloy_genesis::ChainConfig {
            homestead_block: Some(0),
            eip150_block: Some(0),
            eip155_block: Some(0),
            eip158_block: Some(0),
            byzantium_block: Some(0),
            constantinople_block: Some(0),
            istanbul_block: Some(0),
            berlin_block: Some(0),
            london_block: Some(11),
            ..Default::default()
        };
        let schedule = ForkSchedule::from_genesis(&config).expect("forks in order");
        let (parent, mut child) = pair(SpecId::BERLIN);
        child.gas_limit = 2 * parent.gas_limit;
        child.base_fee_per_gas = Some(INITIAL_BASE_FEE);
        assert_eq!(check_header(&child, &parent, U256::ZERO, &schedule), Ok(()));
        child.base_fee_per_gas = Some(INITIAL_BASE_FEE - 1);
        assert!(check_header(&child, &parent, U256::ZERO, &schedule).is_err());
    }

    #[test]
    fn a_slow_block_at_the_minimum_has_the_difficulty_of_the_specification() {
        let mainnet = ForkSchedule::mainnet();
        let (mut parent, mut child) = pair(SpecId::HOMESTEAD);
        parent.difficulty = U256::from(131_072);
        (parent.number, child.number) = (1_799_999, 1_800_000);
        child.timestamp = parent.timestamp + 5_000;
        // With the bomb added to the minimum it would be 196,608.
        for (difficulty, is_right) in [(190_272, true), (196_608, false), (131_072, false)] {
            child.difficulty = U256::from(difficulty);
            let checked = check_header(&child, &parent, U256::ZERO, &mainnet);
            assert_eq!(checked.is_ok(), is_right, "{difficulty}: {checked:?}");
        }
        // A sum of more than 256 bits is no difficulty, not even the greatest.
        (parent.difficulty, child.difficulty) = (U256::MAX, U256::MAX);
        child.timestamp = parent.timestamp + 1;
        let checked = check_header(&child, &parent, U256::ZERO, &mainnet);
        assert_eq!(checked, Err(HeaderFault::DifficultyTooLarge));
    }

    /// Block 1 follows the genesis block, whose timestamp is 0, after 46 years.
    #[test]
    fn the_first_block_of_mainnet_has_the_right_difficulty() {
        let genesis = Header { difficulty: U256::from(17_179_869_184_u64), ..Header::default() };
        let first = Header { number: 1, timestamp: 1_438_269_988, ..Header::default() };
        let found = next_difficulty(&first, &genesis, &ForkSchedule::mainnet());
        assert_eq!(found, Some(U256::from(17_171_480_576_u64)));
    }

    #[test]
    fn the_ten_blocks_of_the_dao_fork_say_so() {
        let mainnet = ForkSchedule::mainnet();
        let (mut parent, mut child) = pair(SpecId::HOMESTEAD);
        for (number, is_due) in [(1_919_999, false), (1_920_000, true), (1_920_009, true)] {
            (parent.number, child.number) = (number - 1, number);
            child.difficulty = next_difficulty(&child, &parent, &mainnet).expect("is small");
            child.extra_data = Bytes::new();
            let checked = check_header(&child, &parent, U256::ZERO, &mainnet);
            assert_eq!(checked.is_err(), is_due, "{number}: {checked:?}");
            child.extra_data = Bytes::from_static(DAO_EXTRA_DATA);
            assert_eq!(check_header(&child, &parent, U256::ZERO, &mainnet), Ok(()));
        }
    }

    #[test]
    fn excess_blob_gas_follows_use_and_since_osaka_the_base_fee() {
        let blobs = BlobParams::osaka();
        let parent = |excess: u64, used: u64, fee| Header {
            excess_blob_gas: Some(excess << 17),
            blob_gas_used: Some(used << 17),
            base_fee_per_gas: Some(fee),
            ..Header::default()
        };
        let next = |parent, spec| next_excess_blob_gas(&parent, blobs, spec);
        assert_eq!(next(parent(0, 6, 7), SpecId::PRAGUE), 0);
        assert_eq!(next(parent(0, 9, 7), SpecId::PRAGUE), 3 << 17);
        // Blobs are cheaper than what executing them is worth: a third of what was used piles up.
        assert_eq!(next(parent(6, 9, 1_000), SpecId::OSAKA), 9 << 17);
        assert_eq!(next(parent(6, 3, 1_000), SpecId::OSAKA), 7 << 17);
        assert_eq!(next(parent(6, 3, 1_000), SpecId::PRAGUE), 3 << 17);
        let no_limits = Header { excess_blob_gas: Some(u64::MAX), ..parent(0, 9, u64::MAX) };
        assert!(next(no_limits, SpecId::OSAKA) > 0);
    }
}
