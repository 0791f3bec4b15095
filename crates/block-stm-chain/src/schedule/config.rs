//! Reading a schedule from the `config` of a genesis file.

use std::ops::Range;

use alloy_eips::eip7840::{BLOB_BASE_COST, BlobParams};
use alloy_genesis::ChainConfig;
use alloy_primitives::U256;
use revm::primitives::hardfork::SpecId;

use super::{ForkSchedule, ScheduleError};

/// A fork's key in the configuration, when it is activated, and what it brings.
type Fork<T> = (&'static str, Option<u64>, T);

/// Most blobs of one transaction, from Osaka on (EIP-7594).
const MAX_BLOBS_PER_TXN: u64 = 6;

pub(super) fn schedule(config: &ChainConfig) -> Result<ForkSchedule, ScheduleError> {
    if config.bogota_time.is_some() {
        return Err(ScheduleError::Unsupported { fork: "bogotaTime" });
    }
    let merge_block = merge_block(config);
    let by_block = block_forks(config, merge_block)?;
    let by_time = time_forks(config)?;
    if let Some(&(later, ..)) = by_time.iter().find(|fork| fork.1.is_some()) {
        let earlier = "londonBlock";
        if config.london_block.is_none() {
            return Err(ScheduleError::Missing { earlier, later });
        }
        if merge_block.is_none() && config.terminal_total_difficulty.is_none() {
            let earlier = "terminalTotalDifficulty";
            return Err(ScheduleError::Missing { earlier, later });
        }
    }
    let mut active_by_block = vec![(0, SpecId::FRONTIER)];
    active_by_block.extend(active(&by_block));
    Ok(ForkSchedule {
        chain_id: config.chain_id,
        by_block: active_by_block,
        by_time: active(&by_time).collect(),
        blobs: blob_forks(config)?,
        merge_block,
        terminal_difficulty: config.terminal_total_difficulty,
        bomb_delays: bomb_delays(config)?,
        dao_fork: config.dao_fork_block.filter(|_| config.dao_fork_support),
        net_metering: net_metering(config),
        deposits: config.deposit_contract_address,
        access_lists: config.amsterdam_time,
    })
}

/// The blocks of Constantinople before Petersburg, which comes with it unless it is set apart.
fn net_metering(config: &ChainConfig) -> Range<u64> {
    match (config.constantinople_block, config.petersburg_block) {
        (Some(from), Some(until)) => from..until,
        _ => 0..0,
    }
}

/// The first block after the Merge, where the configuration tells it.
fn merge_block(config: &ChainConfig) -> Option<u64> {
    let from_start = config.terminal_total_difficulty == Some(U256::ZERO);
    let from_start = from_start.then_some(0);
    config.merge_netsplit_block.or(from_start)
}

fn block_forks(
    config: &ChainConfig,
    merge: Option<u64>,
) -> Result<Vec<Fork<SpecId>>, ScheduleError> {
    if config.eip155_block != config.eip158_block {
        return Err(ScheduleError::Apart {
            first: "eip155Block",
            first_at: config.eip155_block,
            second: "eip158Block",
            second_at: config.eip158_block,
        });
    }
    // Petersburg undoes a part of Constantinople, and comes with it unless it is set apart.
    let petersburg = config.petersburg_block.or(config.constantinople_block);
    let forks = vec![
        ("homesteadBlock", config.homestead_block, SpecId::HOMESTEAD),
        ("eip150Block", config.eip150_block, SpecId::TANGERINE),
        ("eip158Block", config.eip158_block, SpecId::SPURIOUS_DRAGON),
        ("byzantiumBlock", config.byzantium_block, SpecId::BYZANTIUM),
        ("constantinopleBlock", config.constantinople_block, SpecId::PETERSBURG),
        ("petersburgBlock", petersburg, SpecId::PETERSBURG),
        ("istanbulBlock", config.istanbul_block, SpecId::ISTANBUL),
        ("berlinBlock", config.berlin_block, SpecId::BERLIN),
        ("londonBlock", config.london_block, SpecId::LONDON),
        ("mergeNetsplitBlock", merge, SpecId::MERGE),
    ];
    check_order(&forks)?;
    Ok(forks)
}

/// The forks that put off the difficulty bomb, in their order; several at one block are the last
/// one of them.
fn bomb_delays(config: &ChainConfig) -> Result<Vec<(u64, u64)>, ScheduleError> {
    let forks = [
        ("byzantiumBlock", config.byzantium_block, 3_000_000),
        ("constantinopleBlock", config.constantinople_block, 5_000_000),
        ("muirGlacierBlock", config.muir_glacier_block, 9_000_000),
        ("londonBlock", config.london_block, 9_700_000),
        ("arrowGlacierBlock", config.arrow_glacier_block, 10_700_000),
        ("grayGlacierBlock", config.gray_glacier_block, 11_400_000),
    ];
    // A glacier may be missing, but not be out of order.
    let set: Vec<_> = forks.into_iter().filter(|fork| fork.1.is_some()).collect();
    check_order(&set)?;
    Ok(active(&set).collect())
}

fn time_forks(config: &ChainConfig) -> Result<Vec<Fork<SpecId>>, ScheduleError> {
    let forks = vec![
        ("shanghaiTime", config.shanghai_time, SpecId::SHANGHAI),
        ("cancunTime", config.cancun_time, SpecId::CANCUN),
        ("pragueTime", config.prague_time, SpecId::PRAGUE),
        ("osakaTime", config.osaka_time, SpecId::OSAKA),
        ("amsterdamTime", config.amsterdam_time, SpecId::AMSTERDAM),
    ];
    check_order(&forks)?;
    Ok(forks)
}

/// Checks that every fork builds on the one before it.
fn check_order<T>(forks: &[Fork<T>]) -> Result<(), ScheduleError> {
    for pair in forks.windows(2) {
        let (earlier, earlier_at, _) = pair[0];
        let (later, later_at, _) = pair[1];
        match (earlier_at, later_at) {
            (None, Some(_)) => return Err(ScheduleError::Missing { earlier, later }),
            (Some(earlier_at), Some(later_at)) if later_at < earlier_at => {
                return Err(ScheduleError::Order { earlier, earlier_at, later, later_at });
            }
            _ => {}
        }
    }
    Ok(())
}

fn active<T: Copy>(forks: &[Fork<T>]) -> impl Iterator<Item = (u64, T)> {
    forks.iter().filter_map(|(_, at, value)| Some(((*at)?, *value)))
}

fn blob_forks(config: &ChainConfig) -> Result<Vec<(u64, BlobParams)>, ScheduleError> {
    let osaka = config.blob_schedule.get("prague").copied();
    let osaka = osaka.unwrap_or_else(BlobParams::osaka);
    let defaults = [
        ("cancun", config.cancun_time, Some(BlobParams::cancun())),
        ("prague", config.prague_time, Some(BlobParams::prague())),
        // Osaka itself leaves the limits as they are.
        ("osaka", config.osaka_time, Some(osaka)),
        ("bpo1", config.bpo1_time, Some(BlobParams::bpo1())),
        ("bpo2", config.bpo2_time, Some(BlobParams::bpo2())),
        ("bpo3", config.bpo3_time, None),
        ("bpo4", config.bpo4_time, None),
        ("bpo5", config.bpo5_time, None),
    ];
    let given = |fork| config.blob_schedule.get(fork).copied();
    let mut forks = Vec::new();
    for (fork, at, default) in defaults {
        let Some(at) = at else { continue };
        let params = given(fork).or(default);
        let reason = "the limits are missing";
        let params = params.ok_or(ScheduleError::Blobs { fork, reason })?;
        forks.push((fork, Some(at), checked(fork, params)?));
    }
    check_order(&forks)?;
    // Amsterdam may come before, between or after the forks of blob parameters alone.
    if let (Some(at), Some(params)) = (config.amsterdam_time, given("amsterdam")) {
        let place = forks.partition_point(|fork| fork.1 <= Some(at));
        let params = checked("amsterdam", params)?;
        forks.insert(place, ("amsterdam", Some(at), params));
    }
    Ok(active(&forks).collect())
}

/// The limits as execution needs them: the file gives target, maximum and fraction alone.
fn checked(fork: &'static str, mut params: BlobParams) -> Result<BlobParams, ScheduleError> {
    let error = |reason| Err(ScheduleError::Blobs { fork, reason });
    if params.update_fraction == 0 || u64::try_from(params.update_fraction).is_err() {
        return error("baseFeeUpdateFraction must be 1 to 2^64 - 1");
    }
    if params.max_blob_count > u64::from(u32::MAX)
        || params.target_blob_count > params.max_blob_count
    {
        return error("target must not exceed max, and max must not exceed 2^32 - 1");
    }
    params.max_blobs_per_tx = params.max_blob_count;
    if !matches!(fork, "cancun" | "prague") {
        params.max_blobs_per_tx = params.max_blob_count.min(MAX_BLOBS_PER_TXN);
        params.blob_base_cost = BLOB_BASE_COST;
    }
    Ok(params)
}
