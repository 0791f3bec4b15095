//! `block-stm import`: a chain from its genesis.

use std::fs;

use serde_json::{Value, json};

use crate::{
    cli::{Scratch, TestResult, assert_refused, call, json, stderr, stdout},
    conformance::sample,
    fixtures,
};

/// A folder with a genesis file and the sample's first and last block in files of their own.
fn chain() -> Result<Scratch, Box<dyn std::error::Error>> {
    let scratch = Scratch::new()?;
    let forks = [
        "homesteadBlock",
        "eip150Block",
        "eip155Block",
        "eip158Block",
        "byzantiumBlock",
        "constantinopleBlock",
        "petersburgBlock",
        "istanbulBlock",
        "berlinBlock",
        "londonBlock",
        "terminalTotalDifficulty",
        "shanghaiTime",
    ];
    let mut config = json!({ "chainId": 1 });
    for fork in forks {
        config[fork] = json!(0);
    }
    let genesis = json!({
        "config": config, "alloc": {}, "gasLimit": "0x989680", "baseFeePerGas": "0x7",
    });
    fs::write(scratch.path().join("genesis.json"), genesis.to_string())?;
    let tests: Value = serde_json::from_slice(&fs::read(sample("blocks.json"))?)?;
    let blocks = tests["payments"]["blocks"].as_array().ok_or("a list of blocks")?;
    let (first, last) = (blocks.first().ok_or("a block")?, blocks.last().ok_or("a block")?);
    for (name, block) in [("1.rlp", first), ("2.rlp", last), ("wrong.rlp", &blocks[1])] {
        let hex = block["rlp"].as_str().and_then(|rlp| rlp.strip_prefix("0x")).ok_or("hex")?;
        let digits = hex.as_bytes().chunks(2).map(|pair| {
            let digits = std::str::from_utf8(pair).map_err(|error| error.to_string())?;
            u8::from_str_radix(digits, 16).map_err(|error| error.to_string())
        });
        fs::write(scratch.path().join(name), digits.collect::<Result<Vec<_>, _>>()?)?;
    }
    Ok(scratch)
}

fn import<'a>(genesis: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    ["import", "--genesis", genesis].into_iter().chain(more.iter().copied()).collect()
}

#[test]
fn blocks_are_imported_one_file_after_another() -> TestResult {
    let chain = chain()?;
    let (genesis, one, two) = (chain.arg("genesis.json"), chain.arg("1.rlp"), chain.arg("2.rlp"));
    let output = call(&import(&genesis, &[&one, &two]))?;
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let text = stdout(&output);
    assert!(text.contains("2 blocks imported") && text.contains("Head: block 2 0x"), "{text}");
    let first = json(&import(&genesis, &[&one, &two, "--threads", "1", "--json"]), 0)?;
    assert_eq!((&first["blocks"], &first["ok"]), (&json!(2), &json!(true)));
    for threads in ["2", "4", "8"] {
        let other = json(&import(&genesis, &[&one, &two, "--threads", threads, "--json"]), 0)?;
        assert_eq!(other["head"], first["head"]);
        assert_eq!(other["state_root"], first["state_root"]);
    }
    Ok(())
}

#[test]
fn a_block_that_follows_on_what_was_forgotten_is_refused() -> TestResult {
    let chain = chain()?;
    let (genesis, one, two) = (chain.arg("genesis.json"), chain.arg("1.rlp"), chain.arg("2.rlp"));
    // Depth 0 forgets all below the head but headers, so that a block that is known stays known.
    let again = [one.as_str(), &two, &one, &two, "--branch-depth", "0", "--json"];
    assert_eq!(json(&import(&genesis, &again), 0)?["blocks"], 4);
    let wrong = chain.arg("wrong.rlp");
    let output = call(&import(&genesis, &[&one, &two, &wrong, "--branch-depth", "0"]))?;
    assert_eq!(output.status.code(), Some(1), "{}", stdout(&output));
    let message = stderr(&output);
    assert!(message.contains("no branch can begin below block 2"), "{message}");
    Ok(())
}

#[test]
fn the_first_wrong_block_ends_the_import_with_1() -> TestResult {
    let chain = chain()?;
    let genesis = chain.arg("genesis.json");
    let (one, two, wrong) = (chain.arg("1.rlp"), chain.arg("2.rlp"), chain.arg("wrong.rlp"));
    let output = call(&import(&genesis, &[&one, &wrong, &two]))?;
    assert_eq!(output.status.code(), Some(1));
    let message = stderr(&output);
    for part in ["wrong.rlp: block 2, at byte 0: ", "stateRoot is "] {
        assert!(message.contains(part), "{part}: {message}");
    }
    assert!(stdout(&output).contains("1 block imported"), "{}", stdout(&output));
    // A gap.
    let report = json(&import(&genesis, &[&two, "--json"]), 1)?;
    assert!(report["error"].as_str().is_some_and(|error| error.contains("is unknown")), "{report}");
    assert_eq!((&report["blocks"], &report["ok"]), (&json!(0), &json!(false)));
    Ok(())
}

#[test]
fn wrong_input_is_refused_with_its_place() -> TestResult {
    let chain = chain()?;
    let (genesis, one) = (chain.arg("genesis.json"), chain.arg("1.rlp"));
    assert_refused(&["import", &one], &["--genesis"])?;
    assert_refused(&import(&genesis, &[]), &["FILE"])?;
    assert_refused(&import("/no/such/genesis.json", &[&one]), &["/no/such/genesis.json"])?;
    assert_refused(&import(&one, &[&one]), &["1.rlp"])?;
    let mut bytes = fs::read(&one)?;
    bytes.extend_from_slice(&[0xf9, 0x01]);
    fs::write(chain.path().join("cut.rlp"), bytes)?;
    let cut = chain.arg("cut.rlp");
    let output = call(&import(&genesis, &[&cut]))?;
    assert_eq!(output.status.code(), Some(2));
    let message = stderr(&output);
    assert!(message.contains("cut.rlp: block 1 of the file, at byte "), "{message}");
    // What comes before the broken tail was checked.
    assert!(stdout(&output).starts_with("1 block imported in "), "{}", stdout(&output));
    let report = json(&import(&genesis, &[&cut, "--json"]), 2)?;
    assert_eq!(
        (&report["blocks"], &report["ok"], &report["number"]),
        (&json!(1), &json!(false), &json!(1))
    );
    assert!(report["error"].as_str().is_some_and(|error| error.contains("block 1 of the file")));
    let report = json(&import(&genesis, &[&one, "/no/such/blocks.rlp", "--json"]), 2)?;
    assert_eq!((&report["blocks"], &report["ok"]), (&json!(1), &json!(false)));
    // A file without blocks is nothing that was checked.
    fs::write(chain.path().join("empty.rlp"), [])?;
    let empty = chain.arg("empty.rlp");
    assert_eq!(json(&import(&genesis, &[&empty, "--json"]), 1)?["ok"], false);
    assert_eq!(json(&import(&genesis, &[&empty, "--json", "--allow-empty"]), 0)?["ok"], true);
    fs::write(chain.path().join("list.rlp"), [0xc2, 0x01, 0x02])?;
    assert_refused(&import(&genesis, &[&chain.arg("list.rlp")]), &["list.rlp: block 0"])
}

#[test]
fn a_whole_chain_is_imported() -> TestResult {
    let Some(folder) = fixtures::folder("a_whole_chain_is_imported", "chain") else {
        return Ok(());
    };
    let path = |name: &str| folder.join(name).to_string_lossy().into_owned();
    let (genesis, blocks) = (path("genesis.json"), path("chain.rlp"));
    let report = json(&import(&genesis, &[&blocks, "--json"]), 0)?;
    assert_eq!((&report["blocks"], &report["txns"]), (&json!(54), &json!(249)));
    assert_eq!(report["number"], 54);
    Ok(())
}

#[test]
fn what_is_imported_can_be_kept_in_a_store() -> TestResult {
    let chain = chain()?;
    let (genesis, one, two) = (chain.arg("genesis.json"), chain.arg("1.rlp"), chain.arg("2.rlp"));
    let store = chain.arg("store");
    let first = json(&import(&genesis, &[&one, "--store", &store, "--json"]), 0)?;
    assert_eq!(first["durable"], 1);
    // What is there already stays.
    let output = call(&import(&genesis, &[&one, &two, "--store", &store]))?;
    assert!(stdout(&output).contains("\nIn the store: all up to block 2\n"), "{}", stderr(&output));
    let stats = json(&["db", "stats", &store, "--json"], 0)?;
    let all = json(&import(&genesis, &[&one, &two, "--json"]), 0)?;
    assert_eq!((&stats["hash"], &stats["number"]), (&all["head"], &json!(2)));
    assert_eq!(json(&["db", "check", &store, "--json"], 0)?["log_blocks"], 3);
    // The state in the store is the one whose root the header has: it begins a chain as well.
    let mut after: Value = serde_json::from_slice(&fs::read(&genesis)?)?;
    after["alloc"] = json(&["db", "export", &store], 0)?;
    fs::write(chain.path().join("after.json"), after.to_string())?;
    fs::write(chain.path().join("empty.rlp"), [])?;
    let (after, empty) = (chain.arg("after.json"), chain.arg("empty.rlp"));
    let root = json(&import(&after, &[&empty, "--allow-empty", "--json"]), 0)?;
    assert_eq!(root["state_root"], all["state_root"]);

    assert_refused(
        &import(&genesis, &[&one, "--store", &store, "--branch-depth", "0"]),
        &["--store needs a --branch-depth"],
    )?;
    let other = import(&after, &[&empty, "--allow-empty", "--store", &store]);
    assert_refused(&other, &["the store of another chain", "STORE"])
}
