//! Forks by name, for command lines and test files.

use alloy_eips::eip7840::BlobParams;
use revm::primitives::hardfork::SpecId;

/// The names of all forks, in order.
const FORK_NAMES: [&str; 17] = [
    "Frontier",
    "Homestead",
    "TangerineWhistle",
    "SpuriousDragon",
    "Byzantium",
    "Petersburg",
    "Istanbul",
    "Berlin",
    "London",
    "Paris",
    "Shanghai",
    "Cancun",
    "Prague",
    "Osaka",
    "BPO1",
    "BPO2",
    "Amsterdam",
];

/// No fork has this name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown fork {0:?}; known are {names}", names = FORK_NAMES.join(", "))]
pub struct UnknownFork(pub String);

/// The rules with the name `name`, in any case; the short names of the official tests are known
/// too.
///
/// A fork of blob parameters alone (`BPO1`, `BPO2`) has Osaka's rules.
///
/// # Errors
///
/// [`UnknownFork`], whose message lists the names.
pub(super) fn spec_by_name(name: &str) -> Result<SpecId, UnknownFork> {
    Ok(match name.to_ascii_lowercase().as_str() {
        "frontier" => SpecId::FRONTIER,
        "homestead" => SpecId::HOMESTEAD,
        "tangerinewhistle" | "tangerine" | "eip150" => SpecId::TANGERINE,
        "spuriousdragon" | "spurious" | "eip158" => SpecId::SPURIOUS_DRAGON,
        "byzantium" => SpecId::BYZANTIUM,
        "petersburg" | "constantinoplefix" => SpecId::PETERSBURG,
        "istanbul" => SpecId::ISTANBUL,
        "berlin" => SpecId::BERLIN,
        "london" => SpecId::LONDON,
        "paris" | "merge" => SpecId::MERGE,
        "shanghai" => SpecId::SHANGHAI,
        "cancun" => SpecId::CANCUN,
        "prague" => SpecId::PRAGUE,
        "osaka" | "bpo1" | "bpo2" => SpecId::OSAKA,
        "amsterdam" => SpecId::AMSTERDAM,
        _ => return Err(UnknownFork(name.to_owned())),
    })
}

/// The blob limits of a fork that changes nothing else.
pub(super) fn bpo_by_name(name: &str) -> Option<BlobParams> {
    match name.to_ascii_lowercase().as_str() {
        "bpo1" => Some(BlobParams::bpo1()),
        "bpo2" => Some(BlobParams::bpo2()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_listed_name_is_known_and_they_ascend() {
        let specs: Vec<_> =
            FORK_NAMES.iter().map(|name| spec_by_name(name).expect("listed")).collect();
        assert!(specs.is_sorted());
        assert_eq!(specs.last(), Some(&SpecId::NEXT));
    }

    #[test]
    fn an_unknown_name_is_answered_with_the_known_ones() {
        let error = spec_by_name("Cancoon").expect_err("no such fork");
        let message = error.to_string();
        assert!(message.starts_with("unknown fork \"Cancoon\"; known are Frontier, "));
        assert!(message.ends_with("BPO2, Amsterdam"));
    }
}
