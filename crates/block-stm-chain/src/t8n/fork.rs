//! The rules of a transition, by the names that geth's `evm t8n` and the official test filler use.

use alloy_eips::eip7840::BlobParams;
use revm::primitives::hardfork::SpecId;

use super::T8nError;

/// The rules of a transition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct T8nFork {
    /// The rules of execution.
    pub spec: SpecId,
    /// Blob limits, from Cancun on.
    pub blobs: Option<BlobParams>,
    /// Blocks by which the difficulty bomb is late.
    pub bomb_delay: u64,
    /// Whether the DAO's balances are moved before the first transaction.
    pub dao: bool,
    /// Whether the header names the block's access list (EIP-7928).
    pub access_lists: bool,
    /// Whether SSTORE costs what it did in Constantinople (EIP-1283).
    pub net_metering: bool,
}

/// Name, other names, rules, delay of the difficulty bomb in thousands of blocks.
type Row = (&'static str, &'static [&'static str], SpecId, u64);

/// Sources of the delays: EIP-649, 1234, 2384, 3554, 4345, 5133.
const FORKS: [Row; 25] = [
    ("Frontier", &[], SpecId::FRONTIER, 0),
    ("Homestead", &[], SpecId::HOMESTEAD, 0),
    (DAO, &["Dao"], SpecId::HOMESTEAD, 0),
    ("EIP150", &["TangerineWhistle"], SpecId::TANGERINE, 0),
    ("EIP158", &["SpuriousDragon"], SpecId::SPURIOUS_DRAGON, 0),
    ("Byzantium", &[], SpecId::BYZANTIUM, 3_000),
    (CONSTANTINOPLE, &[], SpecId::PETERSBURG, 5_000),
    ("ConstantinopleFix", &["Petersburg"], SpecId::PETERSBURG, 5_000),
    ("Istanbul", &[], SpecId::ISTANBUL, 5_000),
    ("MuirGlacier", &[], SpecId::ISTANBUL, 9_000),
    ("Berlin", &[], SpecId::BERLIN, 9_000),
    ("London", &[], SpecId::LONDON, 9_700),
    ("ArrowGlacier", &[], SpecId::LONDON, 10_700),
    ("GrayGlacier", &[], SpecId::LONDON, 11_400),
    ("Paris", &[], SpecId::MERGE, 11_400),
    ("Merge", &[], SpecId::MERGE, 11_400),
    ("Shanghai", &[], SpecId::SHANGHAI, 11_400),
    ("Cancun", &[], SpecId::CANCUN, 11_400),
    ("Prague", &[], SpecId::PRAGUE, 11_400),
    ("Osaka", &[], SpecId::OSAKA, 11_400),
    ("BPO1", &[], SpecId::OSAKA, 11_400),
    ("BPO2", &[], SpecId::OSAKA, 11_400),
    ("BPO3", &[], SpecId::OSAKA, 11_400),
    ("BPO4", &[], SpecId::OSAKA, 11_400),
    ("Amsterdam", &[], SpecId::AMSTERDAM, 11_400),
];
const DAO: &str = "DAOFork";
/// Petersburg's rules but for SSTORE.
const CONSTANTINOPLE: &str = "Constantinople";
/// What follows a fork's name to add block access lists to its rules (EIP-7928).
const WITH_LISTS: &str = "+7928";
/// What `Time15k` stands for, in seconds.
const TIME_15K: u64 = 15_000;

impl T8nFork {
    /// The rules that `name` stands for in block `number` at `timestamp`, in any case of letters.
    ///
    /// Beside a fork's name it may be a transition, such as `BerlinToLondonAt5` (a block) or
    /// `CancunToPragueAtTime15k` (seconds, in thousands). `+7928` at the end adds block access
    /// lists, and no other rule of Amsterdam.
    ///
    /// # Errors
    ///
    /// [`T8nError::Config`] if the name is unknown or its rules are not implemented.
    pub fn by_name(name: &str, number: u64, timestamp: u64) -> Result<Self, T8nError> {
        let (name, with_lists) = match name.strip_suffix(WITH_LISTS) {
            Some(name) => (name, true),
            None => (name, false),
        };
        if name.contains('+') {
            let message = format!(
                "fork {name:?}: of single EIPs that are added to a fork only {WITH_LISTS} is known"
            );
            return Err(T8nError::Config(message));
        }
        let mut fork = Self::at(name, number, timestamp)?;
        fork.access_lists |= with_lists;
        Ok(fork)
    }

    fn at(name: &str, number: u64, timestamp: u64) -> Result<Self, T8nError> {
        let Some((from, to, at)) = transition(name) else { return Self::plain(name) };
        let (height, start) = match at {
            At::Block(at) => (number, at),
            At::Time(at) => (timestamp, at),
        };
        if height < start {
            return Self::plain(from);
        }
        let mut fork = Self::plain(to)?;
        // The balances are moved once, in the first block.
        fork.dao &= height == start;
        Ok(fork)
    }

    fn plain(name: &str) -> Result<Self, T8nError> {
        let is = |other: &str| name.eq_ignore_ascii_case(other);
        let row = FORKS.iter().find(|row| is(row.0) || row.1.iter().any(|other| is(other)));
        let Some(&(name, _, spec, delay)) = row else {
            let message = format!("unknown fork {name:?}; known are {}", Self::names().join(", "));
            return Err(T8nError::Config(message));
        };
        Ok(Self {
            spec,
            blobs: blobs(name, spec),
            bomb_delay: 1_000 * delay,
            dao: name == DAO,
            access_lists: spec.is_enabled_in(SpecId::AMSTERDAM),
            net_metering: name == CONSTANTINOPLE,
        })
    }

    /// The names of all forks that can be executed, oldest first.
    pub fn names() -> Vec<&'static str> {
        FORKS.iter().map(|row| row.0).collect()
    }
}

/// Where a transition happens.
enum At {
    Block(u64),
    Time(u64),
}

/// The parts of a name such as `BerlinToLondonAt5`.
fn transition(name: &str) -> Option<(&str, &str, At)> {
    let (forks, at) = name.rsplit_once("At")?;
    let (from, to) = forks.split_once("To")?;
    let at = match at {
        "Time15k" => At::Time(TIME_15K),
        number => At::Block(number.parse().ok()?),
    };
    Some((from, to, at))
}

fn blobs(name: &str, spec: SpecId) -> Option<BlobParams> {
    // BPO3 and BPO4 are for tests only; their limits are geth's.
    let test = |target_blob_count, max_blob_count, update_fraction| BlobParams {
        target_blob_count,
        max_blob_count,
        update_fraction,
        ..BlobParams::osaka()
    };
    Some(match name {
        "BPO1" => BlobParams::bpo1(),
        // Amsterdam goes on with the limits of the fork before it.
        "BPO2" | "Amsterdam" => BlobParams::bpo2(),
        "BPO3" => test(21, 32, 20_609_697),
        "BPO4" => test(14, 21, 13_739_630),
        _ if spec.is_enabled_in(SpecId::OSAKA) => BlobParams::osaka(),
        _ if spec.is_enabled_in(SpecId::PRAGUE) => BlobParams::prague(),
        _ if spec.is_enabled_in(SpecId::CANCUN) => BlobParams::cancun(),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(name: &str, number: u64, timestamp: u64) -> SpecId {
        T8nFork::by_name(name, number, timestamp).expect("a known fork").spec
    }

    #[test]
    fn every_name_is_known_in_any_case_and_the_rules_ascend() {
        let names = T8nFork::names();
        let specs: Vec<_> = names.iter().map(|name| spec(&name.to_lowercase(), 0, 0)).collect();
        assert!(specs.is_sorted());
        assert_eq!((specs[0], specs.last()), (SpecId::FRONTIER, Some(&SpecId::AMSTERDAM)));
        assert_eq!(spec("TangerineWhistle", 0, 0), SpecId::TANGERINE);
    }

    #[test]
    fn transitions_happen_at_their_block_or_time() {
        assert_eq!(spec("BerlinToLondonAt5", 4, u64::MAX), SpecId::BERLIN);
        assert_eq!(spec("BerlinToLondonAt5", 5, 0), SpecId::LONDON);
        assert_eq!(spec("CancunToPragueAtTime15k", u64::MAX, 14_999), SpecId::CANCUN);
        assert_eq!(spec("CancunToPragueAtTime15k", 0, 15_000), SpecId::PRAGUE);
        let dao = [4, 5, 6].map(|number| {
            T8nFork::by_name("HomesteadToDaoAt5", number, 0).expect("a known fork").dao
        });
        assert_eq!(dao, [false, true, false]);
    }

    #[test]
    fn blob_limits_follow_the_name() {
        let target = |name| {
            let fork = T8nFork::by_name(name, 0, 0).expect("a known fork");
            fork.blobs.map(|blobs| blobs.target_blob_count)
        };
        let targets =
            ["Shanghai", "Cancun", "Prague", "Osaka", "BPO1", "BPO3", "Amsterdam"].map(target);
        assert_eq!(targets, [None, Some(3), Some(6), Some(6), Some(10), Some(21), Some(14)]);
    }

    #[test]
    fn lists_come_with_amsterdam_or_where_they_are_added() {
        let lists = |name, timestamp| {
            T8nFork::by_name(name, 0, timestamp).expect("a known fork").access_lists
        };
        assert_eq!(
            ["BPO2", "BPO2+7928", "amsterdam"].map(|name| lists(name, 0)),
            [false, true, true]
        );
        assert_eq!([14_999, 15_000].map(|at| lists("BPO2ToAmsterdamAtTime15k", at)), [false, true]);
        assert_eq!(spec("BPO2+7928", 0, 0), SpecId::OSAKA);
        assert!(lists("PragueToOsakaAtTime15k+7928", 0));
    }

    #[test]
    fn what_is_not_executed_exactly_is_refused() {
        let message = |name| {
            let error = T8nFork::by_name(name, 0, 0).expect_err("refused");
            assert!(matches!(error, T8nError::Config(_)));
            error.to_string()
        };
        assert!(message("London+3855").contains("single EIPs"));
        assert!(message("Osaka+3855+7928").contains("single EIPs"));
        assert!(message("Cancoon").contains("known are Frontier, "));
        assert!(message("BerlinToLondonAt").contains("unknown fork"));
    }
}
