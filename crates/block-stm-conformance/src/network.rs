//! The rules of a test's network, by its name.

use std::collections::BTreeMap;

use alloy_eips::eip7840::BlobParams;
use alloy_genesis::ChainConfig;
use alloy_primitives::U256;
use block_stm_chain::ForkSchedule;

/// The forks in order; the older and the newer name of one stand together.
const FORKS: [&[&str]; 20] = [
    &["Frontier"],
    &["Homestead"],
    &["EIP150", "TangerineWhistle"],
    &["EIP158", "SpuriousDragon"],
    &["Byzantium"],
    &[CONSTANTINOPLE],
    &["ConstantinopleFix", "Petersburg"],
    &["Istanbul"],
    &["MuirGlacier"],
    &["Berlin"],
    &["London"],
    &["ArrowGlacier"],
    &["GrayGlacier"],
    &["Paris", "Merge"],
    &["Shanghai"],
    &["Cancun"],
    &["Prague"],
    &["Osaka"],
    &["BPO1"],
    &["BPO2"],
];

const CONSTANTINOPLE: &str = "Constantinople";

/// When a fork comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum At {
    Start,
    Block(u64),
    Time(u64),
    Difficulty(U256),
}

/// The schedule of the network called `name`: a fork, or `XToYAt5`, `XToYAtTime15k`,
/// `XToYAtDiffC0000`.
///
/// `blobs` are the test's own limits by fork. Amsterdam is Osaka with block access lists
/// (EIP-7928), with blob limits of its own where they are given.
///
/// # Errors
///
/// What is wrong with the name, or with the limits.
pub(crate) fn schedule(
    name: &str,
    chain_id: u64,
    blobs: &BTreeMap<String, BlobParams>,
) -> Result<ForkSchedule, String> {
    let (from, to) = match transition(name) {
        Some((from, to, at)) => (from, Some((to, at))),
        None => (name, None),
    };
    let mut config = ChainConfig { chain_id, ..ChainConfig::default() };
    let limits = blobs.iter().map(|(fork, params)| (fork.to_ascii_lowercase(), *params));
    config.blob_schedule.extend(limits);
    let mut lists = None;
    let start = activate(&mut config, 0, from, At::Start, &mut lists)?;
    if let Some((to, at)) = to {
        if to == "Dao" {
            let At::Block(block) = at else { return Err(unknown(name)) };
            (config.dao_fork_block, config.dao_fork_support) = (Some(block), true);
        } else {
            activate(&mut config, start + 1, to, at, &mut lists)?;
        }
    }
    let schedule = ForkSchedule::from_genesis(&config).map_err(|error| error.to_string())?;
    let schedule = match lists {
        Some(from) => schedule.access_lists_from(from),
        None => schedule,
    };
    // A schedule takes Petersburg to come with Constantinople unless it is set.
    let last = to.map_or((from, At::Start), |(to, at)| (to, at));
    Ok(match (last.0, block(last.1)) {
        (CONSTANTINOPLE, Some(from)) => schedule.net_metering_in(from..u64::MAX),
        _ => schedule,
    })
}

fn unknown(name: &str) -> String {
    format!("the network {name:?} is unknown")
}

/// Activates the forks from the one with index `first` up to `name`, and returns that one's index.
fn activate(
    config: &mut ChainConfig,
    first: usize,
    name: &str,
    at: At,
    lists: &mut Option<u64>,
) -> Result<usize, String> {
    let is_amsterdam = name == "Amsterdam";
    let name = if is_amsterdam { "Osaka" } else { name };
    let index = FORKS.iter().position(|names| names.contains(&name));
    let index = index.ok_or_else(|| unknown(name))?;
    for fork in FORKS.iter().take(index + 1).skip(first) {
        // A glacier is about the difficulty bomb alone; the Merge can do without.
        if fork[0].ends_with("Glacier") && block(at).is_none() {
            continue;
        }
        set(config, fork[0], at).ok_or_else(|| format!("{} can't come {at:?}", fork[0]))?;
    }
    if is_amsterdam {
        let from = time(at).ok_or_else(|| format!("Amsterdam can't come {at:?}"))?;
        *lists = Some(from);
        if let Some(own) = config.blob_schedule.get("amsterdam").copied() {
            config.blob_schedule.insert("bpo3".to_owned(), own);
            config.bpo3_time = Some(from);
        }
    }
    Ok(index)
}

fn block(at: At) -> Option<u64> {
    match at {
        At::Start => Some(0),
        At::Block(block) => Some(block),
        _ => None,
    }
}

fn time(at: At) -> Option<u64> {
    match at {
        At::Start => Some(0),
        At::Time(time) => Some(time),
        _ => None,
    }
}

/// Sets when `fork` comes; `None` if it can't come like that.
fn set(config: &mut ChainConfig, fork: &str, at: At) -> Option<()> {
    if fork == "EIP158" {
        // The two come together.
        config.eip155_block = Some(block(at)?);
    }
    let by_block = [
        ("Homestead", &mut config.homestead_block),
        ("EIP150", &mut config.eip150_block),
        ("EIP158", &mut config.eip158_block),
        ("Byzantium", &mut config.byzantium_block),
        (CONSTANTINOPLE, &mut config.constantinople_block),
        ("ConstantinopleFix", &mut config.petersburg_block),
        ("Istanbul", &mut config.istanbul_block),
        ("MuirGlacier", &mut config.muir_glacier_block),
        ("Berlin", &mut config.berlin_block),
        ("London", &mut config.london_block),
        ("ArrowGlacier", &mut config.arrow_glacier_block),
        ("GrayGlacier", &mut config.gray_glacier_block),
    ];
    let by_time = [
        ("Shanghai", &mut config.shanghai_time),
        ("Cancun", &mut config.cancun_time),
        ("Prague", &mut config.prague_time),
        ("Osaka", &mut config.osaka_time),
        ("BPO1", &mut config.bpo1_time),
        ("BPO2", &mut config.bpo2_time),
    ];
    for (name, field) in by_block {
        if name == fork {
            *field = Some(block(at)?);
            return Some(());
        }
    }
    for (name, field) in by_time {
        if name == fork {
            *field = Some(time(at)?);
            return Some(());
        }
    }
    if fork == "Paris" {
        config.terminal_total_difficulty = Some(match at {
            At::Start => U256::ZERO,
            At::Difficulty(total) => total,
            _ => return None,
        });
    }
    Some(())
}

/// The parts of `XToYAt5`, `XToYAtTime15k` or `XToYAtDiffC0000`.
fn transition(name: &str) -> Option<(&str, &str, At)> {
    let (from, rest) = name.split_once("To")?;
    let (to, at) = rest.split_once("At")?;
    let at = if let Some(digits) = at.strip_prefix("Diff") {
        At::Difficulty(U256::from_str_radix(digits, 16).ok()?)
    } else if let Some(seconds) = at.strip_prefix("Time") {
        At::Time(match seconds.strip_suffix('k') {
            Some(thousands) => thousands.parse::<u64>().ok()?.checked_mul(1_000)?,
            None => seconds.parse().ok()?,
        })
    } else {
        At::Block(at.parse().ok()?)
    };
    Some((from, to, at))
}

#[cfg(test)]
mod tests {
    use block_stm_evm::revm::primitives::hardfork::SpecId;

    use super::*;

    fn network(name: &str) -> Result<ForkSchedule, String> {
        schedule(name, 1, &BTreeMap::new())
    }

    #[test]
    fn every_fork_is_a_network() {
        for names in FORKS {
            for name in names {
                assert!(network(name).is_ok(), "{name}");
            }
        }
        assert_eq!(network("London").map(|rules| rules.spec_at(0, 0)), Ok(SpecId::LONDON));
        assert_eq!(network("BPO2").map(|rules| rules.spec_at(0, 0)), Ok(SpecId::OSAKA));
    }

    #[test]
    fn transitions_come_by_block_time_and_difficulty() -> Result<(), String> {
        let london = network("BerlinToLondonAt5")?;
        assert_eq!(london.spec_at(4, 99), SpecId::BERLIN);
        assert_eq!(london.spec_at(5, 99), SpecId::LONDON);
        let shanghai = network("ParisToShanghaiAtTime15k")?;
        assert_eq!(shanghai.spec_at(9, 14_999), SpecId::MERGE);
        assert_eq!(shanghai.spec_at(9, 15_000), SpecId::SHANGHAI);
        let paris = network("ArrowGlacierToParisAtDiffC0000")?;
        assert!(!paris.is_merged(9, U256::from(0xbffff)));
        assert!(paris.is_merged(9, U256::from(0xc0000)));
        let dao = network("HomesteadToDaoAt5")?;
        assert_eq!(dao.dao_fork(), Some(5));
        Ok(())
    }

    #[test]
    fn amsterdam_is_osaka_with_lists_and_blob_limits_of_its_own() -> Result<(), String> {
        let own = BlobParams::bpo2();
        let blobs = BTreeMap::from([("Amsterdam".to_owned(), own)]);
        let amsterdam = schedule("Amsterdam", 1, &blobs)?;
        assert_eq!(amsterdam.spec_at(0, 0), SpecId::OSAKA);
        assert!(amsterdam.has_access_lists_at(0));
        let limits = amsterdam.blob_params_at(0).map(|params| params.max_blob_count);
        assert_eq!(limits, Some(own.max_blob_count));
        Ok(())
    }

    #[test]
    fn what_is_unknown_is_named() {
        for name in ["Cancoon", "XToLondonAt5", "BerlinToLondonAtNoon", "ShanghaiToCancunAt5"] {
            assert!(network(name).is_err(), "{name}");
        }
    }
}
