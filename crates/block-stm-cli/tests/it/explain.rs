//! `block-stm explain`.

use std::{collections::BTreeMap, fs};

use serde_json::{Value, json};

use crate::{
    cli::{Scratch, TestResult, assert_refused, call, json, sample_block, stderr, stdout},
    fixtures,
};

const ONE_PAIR: [&str; 8] =
    ["explain", "--workload", "amm", "--txns", "60", "--pools", "1", "--repeat=1"];

fn names(list: &Value) -> Vec<&str> {
    list.as_array().into_iter().flatten().filter_map(|one| one["name"].as_str()).collect()
}

#[test]
fn the_reserves_of_a_pair_hold_its_swaps_back() -> TestResult {
    let report = json(&[&ONE_PAIR[..], &["--json"]].concat(), 0)?;
    let block = &report["blocks"][0];
    let locations = names(&block["locations"]);
    assert!(
        locations.iter().any(|name| name.contains("Pair.reserve0 / reserve1")),
        "{locations:?}"
    );
    assert!(locations.iter().any(|name| name.contains(".balanceOf[Pair")), "{locations:?}");
    let chain = block["critical_path"].as_array().expect("a path");
    assert!(chain.len() > 50, "all trade with one pair");
    assert!(
        chain[0]["call"].as_str().is_some_and(|call| call.starts_with("Router.")),
        "{}",
        chain[0]
    );
    let bounds: Vec<_> = block["speedup"].as_array().expect("bounds").iter().collect();
    assert_eq!(bounds.len(), 7);
    assert!(bounds.iter().all(|bound| bound["speedup"].as_f64() < Some(1.5)), "{bounds:?}");
    // Without all that is shared, nothing is left to wait for.
    let last = block["locations"].as_array().and_then(|all| all.last());
    let free = last.and_then(|one| one["speedup_without_all_so_far"].as_f64());
    assert!(free > Some(10.0), "{free:?}");
    Ok(())
}

#[test]
fn tables_show_the_same_and_fit() -> TestResult {
    let output = call(&ONE_PAIR)?;
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let text = stdout(&output);
    for part in [
        "amm: 60 txns",
        "The longest chain",
        "Pair.reserve0 / reserve1",
        "By contract",
        "dependent",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    let widest = text.lines().map(|line| line.chars().count()).max();
    assert!(widest <= Some(80), "{widest:?}: {text}");
    Ok(())
}

#[test]
fn independent_payments_wait_for_nobody() -> TestResult {
    let args = ["explain", "--workload", "transfers", "--txns", "40", "--accounts", "4000"];
    let report = json(&[&args[..], &["--zipf", "0", "--repeat", "1", "--json"]].concat(), 0)?;
    let block = &report["blocks"][0];
    assert_eq!(block["locations"], json!([]), "{block}");
    assert_eq!(block["critical_path"].as_array().map(Vec::len), Some(1));
    Ok(())
}

#[test]
fn files_name_accounts_slots_and_methods() -> TestResult {
    let scratch = Scratch::new()?;
    let report = json(&[&ONE_PAIR[..], &["--json"]].concat(), 0)?;
    let locations = report["blocks"][0]["locations"].as_array().expect("locations");
    let pair = locations
        .iter()
        .find(|one| one["name"].as_str().is_some_and(|name| name.contains("reserve0")));
    let pair = pair.and_then(|one| one["address"].as_str()).expect("the pair").to_owned();

    let labels = scratch.path().join("labels.json");
    fs::write(&labels, json!({ &pair: "Market" }).to_string())?;
    let labels = labels.to_string_lossy().into_owned();
    // Another layout for the pair, and no code to compare with.
    let layout = scratch.path().join("layout.json");
    let word = json!({"encoding": "inplace", "numberOfBytes": "32"});
    let place = json!({"label": "packed", "offset": 0, "slot": "7", "type": "t"});
    fs::write(&layout, json!({"storage": [place], "types": {"t": word}}).to_string())?;
    let layout = format!("{pair}={}", layout.display());
    let named = ["--labels", &labels, "--layout", &layout, "--json"];
    let report = json(&[&ONE_PAIR[..], &named].concat(), 0)?;
    let locations = names(&report["blocks"][0]["locations"]);
    assert!(locations.contains(&"Market.packed"), "{locations:?}");

    let dot = scratch.path().join("block.dot");
    let path = dot.to_string_lossy().into_owned();
    assert_eq!(call(&[&ONE_PAIR[..], &["--dot", &path]].concat())?.status.code(), Some(0));
    let dot = fs::read_to_string(dot)?;
    assert_eq!(stdout(&call(&[&ONE_PAIR[..], &["--dot", "-"]].concat())?), dot, "nothing else");
    assert!(
        dot.starts_with("digraph block {") && dot.contains("0 -> 1 [label=\"Pair.reserve0"),
        "{dot}"
    );
    Ok(())
}

#[test]
fn names_that_can_not_be_are_refused() -> TestResult {
    let scratch = Scratch::new()?;
    let file = |name: &str, content: Value| -> Result<String, std::io::Error> {
        let path = scratch.path().join(name);
        fs::write(&path, content.to_string())?;
        Ok(path.to_string_lossy().into_owned())
    };
    let account = format!("0x{}", "11".repeat(20));
    let one = file("one.json", json!({ &account: "A" }))?;
    let other = file("other.json", json!({ &account: "B" }))?;
    let refused = |args: &[&str], part: &str| -> TestResult {
        assert_refused(&[&ONE_PAIR[..], args].concat(), &[part])
    };
    refused(&["--labels", &one, "--labels", &other], "\"A\" in ")?;
    let empty = json!({"storage": [], "types": null});
    let layout = file("layout.json", empty.clone())?;
    refused(&["--layout", &layout], "give ADDRESS=FILE")?;
    let bare = file("bare.json", json!({"abi": []}))?;
    refused(&["--layout", &bare], "it has no storage layout")?;
    let artifact = json!({"storageLayout": empty, "deployedBytecode": {"object": "0x60016001"}});
    let artifact = file("artifact.json", artifact)?;
    let router = json(&[&ONE_PAIR[..], &["--json"]].concat(), 0)?;
    let address =
        router["blocks"][0]["contracts"][0]["address"].as_str().expect("a contract").to_owned();
    refused(&["--layout", &format!("{address}={artifact}")], "does not fit the code")?;
    refused(&["--layout", "0x12=a.json"], "40 hexadecimal digits")?;
    refused(&["--abi", &layout], "layout.json: no ABI here")?;
    let short = file("short.json", json!({"0x11": "A"}))?;
    refused(&["--labels", &short], "short.json: 0x11: no address: it has 40")?;
    // No words of the parser's own stand in the place of a field.
    let cut = scratch.arg("cut.json");
    fs::write(&cut, "{")?;
    refused(&["--labels", &cut], "cut.json: EOF while parsing an object at line 1")?;
    refused(&["--dot", &scratch.arg("none/a.dot")], "there is no folder")?;
    refused(&["--dot", "-", "--json"], "both want standard output")?;
    refused(&["--dot", &one, "--labels", &one], "cannot write")?;
    let dot = scratch.path().join("all.dot").to_string_lossy().into_owned();
    assert_refused(&["explain", "--txns", "5", "--dot", &dot], &["--dot draws one block"])?;

    // A layout for code that none of the blocks has is no mistake, but said.
    let output = call(&[&ONE_PAIR[..], &["--layout", &artifact]].concat())?;
    assert_eq!(output.status.code(), Some(0));
    assert!(stderr(&output).contains("no contract of these blocks has this code"));
    Ok(())
}

#[test]
fn a_block_on_disk_is_explained_as_a_generated_one() -> TestResult {
    let path = sample_block().to_string_lossy().into_owned();
    let report = json(&["explain", &path, "--repeat", "1", "--json"], 0)?;
    assert_eq!(report["blocks"][0]["block"], "block 17100000");
    assert_eq!(report["blocks"][0]["txns"], 2);
    Ok(())
}

/// The longest chain in transactions' costs, over the graph that the JSON tells: for each block the
/// path's costs must add up to it, and the total to all calls.
#[test]
fn real_blocks_add_up() -> TestResult {
    let Some(folder) = fixtures::folder("real_blocks_add_up", "mainnet") else { return Ok(()) };
    let path = folder.to_string_lossy().into_owned();
    let report = json(&["explain", &path, "--repeat", "1", "--top", "10000", "--json"], 0)?;
    let blocks = report["blocks"].as_array().expect("blocks");
    assert!(blocks.len() > 40);
    let mut contracts = BTreeMap::new();
    for block in blocks {
        let cost = |list: &Value| -> u64 {
            list.as_array().into_iter().flatten().filter_map(|one| one["cost_ns"].as_u64()).sum()
        };
        assert_eq!(
            block["critical_ns"].as_u64(),
            Some(cost(&block["critical_path"])),
            "{}",
            block["block"]
        );
        assert_eq!(block["total_ns"].as_u64(), Some(cost(&block["calls"])), "{}", block["block"]);
        for contract in block["contracts"].as_array().into_iter().flatten() {
            *contracts.entry(contract["address"].to_string()).or_insert(0_u64) +=
                contract["lost_ns"].as_u64().unwrap_or(0);
        }
    }
    for brake in report["contracts"].as_array().into_iter().flatten() {
        assert_eq!(
            brake["lost_ns"].as_u64(),
            contracts.get(&brake["address"].to_string()).copied()
        );
    }
    Ok(())
}
