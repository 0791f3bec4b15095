//! `block-stm explain` on real blocks, with the storage layouts that four well-known contracts
//! publish, written here by hand: every slot that it names is where the layout puts it.

use std::collections::BTreeSet;

use alloy_primitives::{Address, B256, U256, address, keccak256};
use regex::Regex;
use serde_json::Value;

use crate::{
    cli::{TestResult, json},
    fixtures,
};

/// The contracts: what they are called, where they are, their layout.
const CONTRACTS: [(&str, Address, &str); 5] = [
    ("WETH", address!("c02aaa39b223fe8d0a0e5c4f27ead9083c756cc2"), "weth"),
    ("USDC", address!("a0b86991c6218b36c1d19d4a2e9eb0ce3606eb48"), "usdc"),
    ("USDT", address!("dac17f958d2ee523a2206206994597c13d831ec7"), "usdt"),
    (
        "UniswapV2 USDC/WETH",
        address!("b4e16d0168e52d35cacd2c6185b44281ec28c9dc"),
        "uniswap-v2-pair",
    ),
    (
        "UniswapV2 WETH/USDT",
        address!("0d4a11d5eeaac28ec3f61d100daf4d40471f1852"),
        "uniswap-v2-pair",
    ),
];

/// Others that keys are named after.
const NAMED: [(&str, Address); 3] = [
    ("UniswapV3 USDC/WETH", address!("88e6a0c2ddd26feeb64f039a2c41296fcb3f5640")),
    ("UniswapV3Router", address!("e592427a0aece92de3edee1f18e0157c05861564")),
    ("UniswapV2Router", address!("7a250d5630b4cf539739df2c5dacb4c659f2488d")),
];

/// Mappings by contract and name, as the sources declare them: the slot of each.
const MAPPINGS: [(&str, &str, u64); 8] = [
    ("WETH", "balanceOf", 3),
    ("WETH", "allowance", 4),
    ("USDC", "balances", 9),
    ("USDC", "allowed", 10),
    ("USDT", "balances", 2),
    ("USDT", "allowed", 5),
    ("UniswapV2 USDC/WETH", "balanceOf", 1),
    ("UniswapV2 WETH/USDT", "balanceOf", 1),
];

/// Where the entry of a mapping at `slot` is, for these keys.
fn entry(slot: u64, keys: &[Address]) -> B256 {
    keys.iter().fold(B256::from(U256::from(slot)), |slot, key| {
        keccak256([key.into_word().0, slot.0].concat())
    })
}

/// The accounts that a key may mean which is shown by its beginning and its end: all that the
/// block's files have, wherever they stand in calls, code or storage.
fn meant(shown: &str, files: &str) -> Vec<Address> {
    let names = CONTRACTS.iter().map(|(name, address, _)| (*name, *address)).chain(NAMED);
    for (name, address) in names {
        if name == shown {
            return vec![address];
        }
    }
    let shown = shown.trim_start_matches("0x").to_lowercase();
    let (start, end) = shown.split_once('…').unwrap_or((&shown, ""));
    let between = 40_usize.saturating_sub(start.len() + end.len());
    let pattern = Regex::new(&format!("{start}[0-9a-f]{{{between}}}{end}")).expect("digits");
    let found = pattern.find_iter(files).filter_map(|found| found.as_str().parse().ok());
    found.collect::<BTreeSet<Address>>().into_iter().collect()
}

#[test]
fn names_of_slots_agree_with_published_layouts() -> TestResult {
    let test = "names_of_slots_agree_with_published_layouts";
    let Some(blocks) = fixtures::folder(test, "mainnet") else { return Ok(()) };
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/layouts");
    let layouts = CONTRACTS.map(|(_, address, file)| format!("{address}={folder}/{file}.json"));
    let (mut mapped, mut plain) = (0, 0);
    for number in ["10760440", "12459406", "13217637", "15274915"] {
        let block = blocks.join(number);
        let file = |name| std::fs::read_to_string(block.join(name));
        let files = format!("{} {}", file("prestate.json")?, file("block.json")?).to_lowercase();
        let path = block.to_string_lossy();
        let mut args = vec!["explain", &*path, "--repeat", "1", "--top", "10000", "--json"];
        args.extend(layouts.iter().flat_map(|layout| ["--layout", layout]));
        let report = json(&args, 0)?;
        let locations = report["blocks"][0]["locations"].as_array().ok_or("a list")?;
        let text = |location: &Value, field: &str| {
            location[field].as_str().map(str::to_owned).ok_or(format!("no {field}: {location}"))
        };
        for location in locations {
            let address: Address = text(location, "address")?.parse()?;
            let known = CONTRACTS.iter().find(|(_, known, _)| *known == address);
            let (Some((contract, ..)), Ok(slot)) = (known, text(location, "slot")) else {
                continue;
            };
            let (name, slot): (String, B256) = (text(location, "name")?, slot.parse()?);
            let variable = name.strip_prefix(&format!("{contract}.")).ok_or("no contract")?;
            let Some((mapping, keys)) = variable.split_once('[') else {
                assert_eq!(
                    variable, "reserve0 / reserve1 / blockTimestampLast",
                    "{number}: {name}"
                );
                assert_eq!(slot, B256::from(U256::from(8)), "{number}: {name}");
                plain += 1;
                continue;
            };
            let at = MAPPINGS.iter().find(|one| (one.0, one.1) == (*contract, mapping));
            let (_, _, at) = at.ok_or(format!("{number}: {name} is in no layout"))?;
            let keys: Vec<_> = keys.trim_end_matches(']').split("][").collect();
            let meant: Vec<Vec<Address>> = keys.iter().map(|key| meant(key, &files)).collect();
            let fits = match meant.as_slice() {
                [one] => one.iter().any(|key| entry(*at, &[*key]) == slot),
                [one, other] => {
                    one.iter().any(|a| other.iter().any(|b| entry(*at, &[*a, *b]) == slot))
                }
                _ => false,
            };
            assert!(fits, "{number}: {name} is not at {slot}");
            mapped += 1;
        }
    }
    println!("{mapped} entries of mappings and {plain} packed slots are where layouts put them");
    assert!(mapped >= 60 && plain >= 3, "{mapped} and {plain}");
    Ok(())
}

#[test]
fn another_slot_would_be_noticed() {
    let pair = CONTRACTS[3].1;
    // The one that WETH's balance of the pair has in every block.
    let published = "b374801ace2c02f5db0425ab5920a2b7ed1d5a00abbcd395fda7530ba1d666c0";
    assert_eq!(entry(3, &[pair]), published.parse::<B256>().expect("a word"));
    assert_ne!(entry(4, &[pair]), entry(3, &[pair]));
    assert_ne!(entry(3, &[CONTRACTS[4].1]), entry(3, &[pair]));
}
