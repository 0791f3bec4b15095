//! The compiled contracts: code, the places of their variables, the selectors of their methods.
//!
//! The artefacts are compiled into the crate from `contracts/artifacts/`, which
//! `contracts/build.mjs` writes. A missing variable or method is a mistake in this crate and
//! panics.

use std::{collections::BTreeMap, sync::LazyLock};

use alloy_primitives::{B256, Bytes, U256, hex, keccak256};
use block_stm_evm::revm::state::Bytecode;
use serde_json::Value;

/// One compiled contract.
#[derive(Debug)]
pub(crate) struct Artifact {
    /// Code as it lies in an account, analysed once.
    pub(crate) code: Bytecode,
    pub(crate) code_hash: B256,
    variables: BTreeMap<String, Place>,
    structs: BTreeMap<String, BTreeMap<String, Place>>,
    selectors: BTreeMap<String, [u8; 4]>,
}

/// Where a variable lies: slot, and bits within the slot counted from the low end.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    pub(crate) slot: U256,
    pub(crate) shift: usize,
    pub(crate) bits: usize,
}

macro_rules! artifacts {
    ($($(#[$doc:meta])* $name:ident = $file:literal;)*) => {
        /// The workloads' contracts, as JSON in the form of solc and the tools around it.
        ///
        /// Each has `contract`, `deployedBytecode.object`, `storageLayout` and `methodIdentifiers`.
        pub const ARTIFACTS: &[&str] =
            &[$(include_str!(concat!("../contracts/artifacts/", $file, ".json"))),*];

        $(
        $(#[$doc])*
        pub(crate) static $name: LazyLock<Artifact> = LazyLock::new(|| {
            Artifact::parse(include_str!(concat!("../contracts/artifacts/", $file, ".json")))
                .expect(concat!("the committed artefact of ", $file, " is whole"))
        });
    )*};
}

artifacts! {
    /// ERC-20 token.
    TOKEN = "Token";
    /// Constant-product market.
    PAIR = "Pair";
    /// Entry point to the markets.
    ROUTER = "Router";
    /// Posted prices.
    PRICE_ORACLE = "PriceOracle";
    /// Loans against deposits.
    LENDING_POOL = "LendingPool";
    /// Unique items.
    NFT = "Nft";
    /// Exchange by signed orders.
    SETTLEMENT = "Settlement";
}

impl Artifact {
    /// `None` if `text` is not an artefact as `build.mjs` writes it.
    fn parse(text: &str) -> Option<Self> {
        let json: Value = serde_json::from_str(text).ok()?;
        let runtime = json["deployedBytecode"]["object"].as_str()?;
        let runtime = Bytes::from(hex::decode(runtime).ok()?);
        let layout = &json["storageLayout"];
        let types = &layout["types"];
        let structs = types.as_object()?.values().filter(|kind| kind["members"].is_array());
        let methods = json["methodIdentifiers"].as_object()?.iter();
        Some(Self {
            code_hash: keccak256(&runtime),
            code: Bytecode::new_legacy(runtime),
            variables: places(&layout["storage"], types)?,
            structs: structs
                .map(|kind| {
                    let name = kind["label"].as_str()?.strip_prefix("struct ")?;
                    Some((name.to_owned(), places(&kind["members"], types)?))
                })
                .collect::<Option<_>>()?,
            selectors: methods
                .map(|(name, hex)| Some((name.clone(), hex::decode_to_array(hex.as_str()?).ok()?)))
                .collect::<Option<_>>()?,
        })
    }

    /// The place of the state variable `name`.
    pub(crate) fn place(&self, name: &str) -> Place {
        let place = self.variables.get(name);
        *place.unwrap_or_else(|| panic!("no variable {name}"))
    }

    /// The place of a member within a struct that starts at slot 0.
    pub(crate) fn member(&self, structure: &str, member: &str) -> Place {
        let members = self.structs.get(structure);
        let place = members.and_then(|members| members.get(member));
        *place.unwrap_or_else(|| panic!("no member {structure}.{member}"))
    }

    /// The first four bytes of a call to the method with `signature`.
    pub(crate) fn selector(&self, signature: &str) -> [u8; 4] {
        let selector = self.selectors.get(signature);
        *selector.unwrap_or_else(|| panic!("no method {signature}"))
    }
}

/// solc writes numbers as strings, but for the offset.
fn places(list: &Value, types: &Value) -> Option<BTreeMap<String, Place>> {
    let entries = list.as_array()?.iter().map(|entry| {
        let kind = &types[entry["type"].as_str()?];
        let place = Place {
            slot: U256::from_str_radix(entry["slot"].as_str()?, 10).ok()?,
            shift: 8 * usize::try_from(entry["offset"].as_u64()?).ok()?,
            bits: 8 * kind["numberOfBytes"].as_str()?.parse::<usize>().ok()?,
        };
        Some((entry["label"].as_str()?.to_owned(), place))
    });
    entries.collect()
}

#[cfg(test)]
mod tests {
    use std::{fs, path::Path};

    use super::*;

    /// The sources that an artefact names and that are not as it was compiled from them.
    fn stale(artifact: &str, read: impl Fn(&str) -> Vec<u8>) -> Vec<String> {
        let json: Value = serde_json::from_str(artifact).expect("an artefact is JSON");
        let sources = json["sources_keccak256"].as_object();
        let sources = sources.expect("an artefact names its sources");
        assert!(!sources.is_empty());
        let parted = sources.iter().filter(|(name, hash)| {
            Some(keccak256(read(name)).to_string().as_str()) != hash.as_str()
        });
        parted.map(|(name, _)| name.clone()).collect()
    }

    fn folder() -> std::path::PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("contracts")
    }

    fn source(name: &str) -> Vec<u8> {
        fs::read(folder().join(name)).expect("the source is committed")
    }

    #[test]
    fn artefacts_are_compiled_from_the_sources_beside_them() {
        let artifacts = fs::read_dir(folder().join("artifacts")).expect("committed");
        let mut count = 0;
        for entry in artifacts {
            let path = entry.expect("a readable folder").path();
            let text = fs::read_to_string(&path).expect("an artefact is text");
            assert_eq!(stale(&text, source), [""; 0], "{}", path.display());
            count += 1;
        }
        assert_eq!(count, 7);
    }

    #[test]
    fn a_changed_source_is_noticed() {
        let text = include_str!("../contracts/artifacts/Token.json");
        let changed = |name: &str| {
            let mut bytes = source(name);
            if name == "Erc20.sol" {
                bytes.push(b'\n');
            }
            bytes
        };
        assert_eq!(stale(text, changed), ["Erc20.sol"]);
    }

    #[test]
    fn every_artefact_parses() {
        let all = [&TOKEN, &PAIR, &ROUTER, &PRICE_ORACLE, &LENDING_POOL, &NFT, &SETTLEMENT];
        assert!(all.iter().all(|artifact| artifact.code.len() > 100));
        assert!(Artifact::parse("{}").is_none());
    }

    #[test]
    fn selectors_are_the_hash_of_the_signature() {
        let signature = "transfer(address,uint256)";
        assert_eq!(TOKEN.selector(signature), keccak256(signature)[..4]);
    }
}
