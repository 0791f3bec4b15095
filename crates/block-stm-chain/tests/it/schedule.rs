//! Which rules are in force when, as tables.

use std::error::Error;

use alloy_genesis::ChainConfig;
use block_stm_chain::ForkSchedule;
use block_stm_evm::revm::primitives::{U256, hardfork::SpecId};
use serde_json::{Value, json};

fn from_genesis(config: &Value) -> Result<ForkSchedule, Box<dyn Error>> {
    let config: ChainConfig = serde_json::from_value(config.clone())?;
    Ok(ForkSchedule::from_genesis(&config)?)
}

#[test]
fn mainnet_changes_its_rules_at_these_blocks() {
    use SpecId::*;
    let mainnet = ForkSchedule::mainnet();
    // The last block of each set of rules, and the first one, with their timestamps.
    let table = [
        (0, 0, FRONTIER),
        (1_149_999, 1_457_981_342, FRONTIER),
        (1_150_000, 1_457_981_393, HOMESTEAD),
        (2_462_999, 1_476_796_747, HOMESTEAD),
        (2_463_000, 1_476_796_771, TANGERINE),
        (2_674_999, 1_479_831_337, TANGERINE),
        (2_675_000, 1_479_831_344, SPURIOUS_DRAGON),
        (4_369_999, 1_508_131_303, SPURIOUS_DRAGON),
        (4_370_000, 1_508_131_331, BYZANTIUM),
        (7_279_999, 1_551_383_501, BYZANTIUM),
        (7_280_000, 1_551_383_524, PETERSBURG),
        (9_068_999, 1_575_764_708, PETERSBURG),
        (9_069_000, 1_575_764_709, ISTANBUL),
        (12_243_999, 1_618_481_214, ISTANBUL),
        (12_244_000, 1_618_481_223, BERLIN),
        (12_964_999, 1_628_166_812, BERLIN),
        (12_965_000, 1_628_166_822, LONDON),
        (15_537_393, 1_663_224_162, LONDON),
        (15_537_394, 1_663_224_179, MERGE),
        (17_034_869, 1_681_338_443, MERGE),
        (17_034_870, 1_681_338_455, SHANGHAI),
        (19_426_586, 1_710_338_123, SHANGHAI),
        (19_426_587, 1_710_338_135, CANCUN),
        (22_431_083, 1_746_612_299, CANCUN),
        (22_431_084, 1_746_612_311, PRAGUE),
        (23_935_693, 1_764_798_539, PRAGUE),
        (23_935_694, 1_764_798_551, OSAKA),
        (99_999_999, 4_000_000_000, OSAKA),
    ];
    for (number, timestamp, spec) in table {
        assert_eq!(mainnet.spec_at(number, timestamp), spec, "block {number}");
    }
    assert_eq!(mainnet.dao_fork(), Some(1_920_000));
    assert_eq!(mainnet.chain_id(), 1);
}

#[test]
fn mainnet_changes_its_blob_limits_at_these_times() {
    let mainnet = ForkSchedule::mainnet();
    let limits = |timestamp| {
        let params = mainnet.blob_params_at(timestamp)?;
        Some((params.target_blob_count, params.max_blob_count, params.update_fraction))
    };
    assert_eq!(limits(1_710_338_134), None);
    assert_eq!(limits(1_710_338_135), Some((3, 6, 3_338_477)));
    assert_eq!(limits(1_746_612_311), Some((6, 9, 5_007_716)));
    assert_eq!(limits(1_764_798_551), Some((6, 9, 5_007_716)));
    assert_eq!(limits(1_765_290_071), Some((10, 15, 8_346_193)));
    assert_eq!(limits(1_767_747_671), Some((14, 21, 11_684_671)));
    assert_eq!(limits(u64::MAX), Some((14, 21, 11_684_671)));
}

fn config() -> Value {
    json!({
        "chainId": 77, "homesteadBlock": 0, "daoForkBlock": 2, "daoForkSupport": true,
        "eip150Block": 3, "eip155Block": 6, "eip158Block": 6, "byzantiumBlock": 9,
        "constantinopleBlock": 12, "petersburgBlock": 15, "istanbulBlock": 18, "berlinBlock": 24,
        "londonBlock": 27, "mergeNetsplitBlock": 36, "terminalTotalDifficulty": 1000,
        "shanghaiTime": 390, "cancunTime": 420, "pragueTime": 450, "osakaTime": 480,
        "bpo1Time": 510, "bpo3Time": 540, "amsterdamTime": 600,
        "depositContractAddress": "0x00000000000000000000000000000000000000dd",
        "blobSchedule": {
            "prague": { "target": 7, "max": 10, "baseFeeUpdateFraction": 100 },
            "bpo3": { "target": 20, "max": 30, "baseFeeUpdateFraction": 200 },
        },
    })
}

#[test]
fn a_genesis_file_sets_forks_blobs_and_contracts() -> Result<(), Box<dyn Error>> {
    use SpecId::*;
    let schedule = from_genesis(&config())?;
    assert_eq!(schedule.chain_id(), 77);
    assert_eq!(schedule.dao_fork(), Some(2));
    assert_eq!(schedule.system_contracts().deposits.as_slice()[19], 0xdd);
    let by_number = [
        (0, HOMESTEAD),
        (3, TANGERINE),
        (8, SPURIOUS_DRAGON),
        (9, BYZANTIUM),
        // Constantinople, which is Petersburg but for the price of SSTORE.
        (12, PETERSBURG),
        (17, PETERSBURG),
        (18, ISTANBUL),
        (26, BERLIN),
        (35, LONDON),
        (36, MERGE),
    ];
    let net_metering = [11, 12, 14, 15].map(|number| schedule.has_net_metering_at(number));
    assert_eq!(net_metering, [false, true, true, false]);
    for (number, spec) in by_number {
        assert_eq!(schedule.spec_at(number, 10 * number), spec, "block {number}");
    }
    let by_time = [(389, MERGE), (390, SHANGHAI), (479, PRAGUE), (599, OSAKA), (600, AMSTERDAM)];
    for (timestamp, spec) in by_time {
        assert_eq!(schedule.spec_at(40, timestamp), spec, "at {timestamp}");
    }
    let max = |timestamp| {
        let params = schedule.blob_params_at(timestamp)?;
        Some((params.max_blob_count, params.max_blobs_per_tx))
    };
    assert_eq!(max(419), None);
    assert_eq!(max(420), Some((6, 6)), "mainnet's, as none are given");
    assert_eq!(max(450), Some((10, 10)));
    assert_eq!(max(480), Some((10, 6)), "Prague's, with Osaka's limit per transaction");
    assert_eq!(max(510), Some((15, 6)), "mainnet's, as none are given");
    assert_eq!(max(540), Some((30, 6)));
    assert_eq!(max(600), Some((30, 6)), "Amsterdam changes none");
    Ok(())
}

#[test]
fn the_merge_may_be_known_by_difficulty_alone() -> Result<(), Box<dyn Error>> {
    let mut config = config();
    config["mergeNetsplitBlock"] = Value::Null;
    let schedule = from_genesis(&config)?;
    assert_eq!(schedule.spec_at(36, 360), SpecId::LONDON);
    assert_eq!(schedule.spec_of(36, 360, U256::ONE), SpecId::LONDON);
    assert_eq!(schedule.spec_of(36, 360, U256::ZERO), SpecId::MERGE);
    assert_eq!(schedule.spec_of(20, 200, U256::ZERO), SpecId::ISTANBUL);
    assert_eq!(schedule.spec_of(40, 390, U256::ZERO), SpecId::SHANGHAI);
    config["terminalTotalDifficulty"] = json!(0);
    for field in ["homestead", "eip150", "eip155", "eip158", "byzantium", "constantinople"] {
        config[format!("{field}Block")] = json!(0);
    }
    for field in ["petersburgBlock", "istanbulBlock", "berlinBlock", "londonBlock"] {
        config[field] = json!(0);
    }
    assert_eq!(from_genesis(&config)?.spec_at(0, 0), SpecId::MERGE);
    Ok(())
}

#[test]
fn a_contradictory_config_is_refused_with_the_forks() -> Result<(), Box<dyn Error>> {
    let table = [
        ("berlinBlock", json!(17), "berlinBlock (17) comes before istanbulBlock (18)"),
        ("byzantiumBlock", Value::Null, "constantinopleBlock is set but byzantiumBlock is not"),
        (
            "eip155Block",
            json!(5),
            "eip155Block (Some(5)) and eip158Block (Some(6)) must be the same block",
        ),
        ("cancunTime", json!(1), "cancunTime (1) comes before shanghaiTime (390)"),
        ("shanghaiTime", Value::Null, "cancunTime is set but shanghaiTime is not"),
        ("bogotaTime", json!(1), "bogotaTime is not supported"),
        ("bpo3Time", json!(505), "bpo3 (505) comes before bpo1 (510)"),
        ("bpo4Time", json!(900), "blobSchedule.bpo4: the limits are missing"),
        (
            "blobSchedule",
            json!({ "cancun": { "target": 3, "max": 6, "baseFeeUpdateFraction": 0 } }),
            "blobSchedule.cancun: baseFeeUpdateFraction must be 1 to 2^64 - 1",
        ),
        (
            "blobSchedule",
            json!({ "osaka": { "target": 7, "max": 6, "baseFeeUpdateFraction": 1 } }),
            "blobSchedule.osaka: target must not exceed max",
        ),
    ];
    for (field, value, expected) in table {
        let mut config = config();
        config[field] = value;
        let error = from_genesis(&config).expect_err(expected).to_string();
        assert!(error.starts_with(expected), "{field}: {error}");
    }
    let mut config = config();
    config["mergeNetsplitBlock"] = Value::Null;
    config["terminalTotalDifficulty"] = Value::Null;
    let error = from_genesis(&config).expect_err("no merge").to_string();
    assert_eq!(error, "shanghaiTime is set but terminalTotalDifficulty is not");
    Ok(())
}

#[test]
fn a_fork_may_be_given_by_name() -> Result<(), Box<dyn Error>> {
    assert_eq!(ForkSchedule::by_name("Paris")?.spec_at(1, 1), SpecId::MERGE);
    let bpo1 = ForkSchedule::by_name("BPO1")?;
    assert_eq!(bpo1.spec_at(0, 0), SpecId::OSAKA);
    let max = bpo1.blob_params_at(0).map(|params| params.max_blob_count);
    assert_eq!(max, Some(15));
    let error = ForkSchedule::by_name("Berlin2").expect_err("no such fork");
    assert!(error.to_string().contains("Istanbul, Berlin, London"));
    Ok(())
}
