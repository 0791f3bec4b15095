//! `block-stm replay`.

use std::fs;

use serde_json::{Value, json};

use crate::{
    cli::{Scratch, TestResult, assert_refused, call, edit, json, sample_block, stderr, stdout},
    fixtures,
};

fn blocks(report: &Value) -> &Vec<Value> {
    report["blocks"].as_array().expect("a list of blocks")
}

#[test]
fn the_sample_block_agrees_with_its_header_under_any_number_of_threads() -> TestResult {
    let path = sample_block().to_string_lossy().into_owned();
    let reports = json(&["replay", &path, "--threads", "1,2,8", "--json"], 0)?;
    let reports = reports.as_array().expect("a list of reports");
    assert_eq!(reports.len(), 3);
    for report in reports {
        let [block] = blocks(report).as_slice() else {
            panic!("one block: {report}");
        };
        assert_eq!(block["name"], "two-txns");
        assert_eq!(block["number"], 17_100_000);
        assert_eq!(block["rules"], "Shanghai");
        assert_eq!(block["txns"], 2);
        assert_eq!(block["gas_used"], 0xbc2d);
        assert_eq!(block["state_digest"], blocks(&reports[0])[0]["state_digest"]);
        let holds = ["equal", "gas_used", "receipts_root", "logs_bloom", "requests_hash"];
        assert!(holds.iter().all(|check| block["checks"][check] == true), "{block}");
    }
    Ok(())
}

#[test]
fn compressed_folders_and_files_in_their_place_are_understood() -> TestResult {
    let scratch = Scratch::new()?;
    let folder = scratch.sample_block("block")?;
    for name in ["block.json", "prestate.json"] {
        let file = folder.join(name).to_string_lossy().into_owned();
        let output = std::process::Command::new("gzip").arg(&file).output()?;
        assert!(output.status.success(), "{}", stderr(&output));
    }
    let (path, csv) = (scratch.arg("block"), scratch.arg("rows.csv"));
    let report = json(&["replay", &path, "--repeat", "1", "--json", "--csv", &csv], 0)?;
    assert_eq!(blocks(&report)[0]["number"], 17_100_000);
    let rows = fs::read_to_string(&csv)?;
    assert!(rows.starts_with("name,number,rules,threads,aborts,checks.blob_gas_used,"), "{rows}");
    assert!(rows.lines().nth(1).is_some_and(|row| row.starts_with("block,17100000,Shanghai,")));
    let file = sample_block().join("block.json").to_string_lossy().into_owned();
    assert_refused(&["replay", &file], &["pass the folder"])?;
    assert_refused(&["replay", &path, "--csv", "-"], &["--csv needs a file"])
}

/// Ctrl-C between two blocks: the rows so far, JSON, and the exit code of an interrupt.
#[cfg(unix)]
#[test]
fn an_interrupted_replay_says_what_was_done() -> TestResult {
    use std::{process, thread, time::Duration};
    let scratch = Scratch::new()?;
    for number in 0..50 {
        scratch.sample_block(&number.to_string())?;
    }
    let (path, file) = (scratch.arg(""), scratch.arg("result.txt"));
    let args = ["replay", &path, "--repeat", "3", "--threads", "2", "--json-file", &file];
    let mut child = crate::cli::command(&[&args[..], &["--read-latency", "20ms"]].concat())
        .stdout(process::Stdio::piped())
        .stderr(process::Stdio::piped())
        .spawn()?;
    thread::sleep(Duration::from_secs(3));
    if !crate::cli::interrupt(&mut child)? {
        return Ok(());
    }
    let output = child.wait_with_output()?;
    assert_eq!(output.status.code(), Some(130), "{}", stderr(&output));
    assert!(stderr(&output).contains("interrupted"), "{}", stderr(&output));
    let written: Value = serde_json::from_slice(&fs::read(&file)?)?;
    let rows = blocks(&written).len();
    assert!((1..50).contains(&rows), "{rows} of 50 rows");
    assert!(stdout(&output).contains("sequential"), "{}", stdout(&output));
    Ok(())
}

#[test]
fn real_blocks_have_bounds_too() -> TestResult {
    let path = sample_block().to_string_lossy().into_owned();
    let args = ["replay", &path, "--threads", "2", "--repeat", "1", "--bounds", "--json"];
    let report = json(&args, 0)?;
    let bounds = &blocks(&report)[0]["bounds"];
    assert_eq!(bounds["hardware_failed_txns"], 0, "{report}");
    let graph = bounds["graph_speedup"].as_f64();
    assert!(graph >= Some(1.0) && graph <= Some(2.0), "{report}");
    Ok(())
}

#[test]
fn real_blocks_can_wait_for_slow_reads() -> TestResult {
    let path = sample_block().to_string_lossy().into_owned();
    let slow = ["--read-latency", "5ms", "--threads", "16", "--repeat", "1"];
    let report = json(&[&["replay", &path][..], &slow, &["--json"]].concat(), 0)?;
    let block = &blocks(&report)[0];
    // The two senders at the least, one after the other.
    assert!(block["sequential_ms"].as_f64() >= Some(10.0), "{report}");
    assert!(block["command"].as_str().is_some_and(|text| text.contains(" --read-latency 5ms")));
    let output = call(&[&["replay", &path][..], &slow].concat())?;
    assert!(stdout(&output).contains("1 block, 5ms a read; 16 threads"), "{}", stdout(&output));
    Ok(())
}

#[test]
fn a_folder_of_blocks_is_replayed_by_number() -> TestResult {
    let scratch = Scratch::new()?;
    for name in ["10", "9", "last"] {
        scratch.sample_block(name)?;
    }
    fs::create_dir(scratch.path().join("notes"))?;
    let report = json(&["replay", &scratch.arg(""), "--repeat", "1", "--json"], 0)?;
    let names: Vec<_> = blocks(&report).iter().map(|block| block["name"].clone()).collect();
    assert_eq!(names, ["9", "10", "last"]);
    assert_eq!(report["totals"]["txns"], 6);
    let table = stdout(&call(&["replay", &scratch.arg(""), "--repeat", "1"])?);
    assert!(table.contains("\nlast 17100000 ") && table.contains("\ntotal "), "{table}");
    Ok(())
}

/// The canary: a header that lies about one field fails the check of that field and no other.
#[test]
fn a_header_that_lies_fails_the_check_of_that_field() -> TestResult {
    let zeros = |bytes: usize| format!("0x{}", "00".repeat(bytes));
    let lies = [
        ("gasUsed", "gas_used", "48174".to_owned()),
        ("receiptsRoot", "receipts_root", zeros(32)),
        ("logsBloom", "logs_bloom", zeros(256)),
    ];
    for (field, check, lie) in lies {
        let scratch = Scratch::new()?;
        let folder = scratch.sample_block("lie")?;
        edit(&folder.join("block.json"), |block| {
            block[field] = json!(lie.as_str());
            // Else the lie is found before the block is executed.
            block.as_object_mut().expect("an object").remove("hash");
        })?;
        let report = json(&["replay", &scratch.arg("lie"), "--repeat", "1", "--json"], 1)?;
        let block = &blocks(&report)[0];
        assert_eq!((&report["ok"], &block["ok"]), (&json!(false), &json!(false)));
        for (name, outcome) in block["checks"].as_object().expect("an object") {
            assert_eq!(outcome, &json!(name != check), "{name} in {block}");
        }
        assert_eq!(block["differences"][check]["expected"], lie, "{block}");
        let output = call(&["replay", &scratch.arg("lie"), "--repeat", "1", "--threads", "2"])?;
        assert_eq!(output.status.code(), Some(1));
        let (table, message) = (stdout(&output), stderr(&output));
        assert!(table.contains(&format!("FAILED: {check}")), "{table}");
        assert!(table.contains("CHECKS FAILED in 1 of 1 block."), "{table}");
        let again = format!("block-stm replay {} --threads 2 --repeat 1", scratch.arg("lie"));
        for part in ["block lie 17100000", check, "expected", "found", &again] {
            assert!(message.contains(part), "{part} is missing: {message}");
        }
    }
    Ok(())
}

/// The second canary: another state before the block gives another result.
#[test]
fn a_wrong_pre_state_fails_the_checks() -> TestResult {
    let scratch = Scratch::new()?;
    let folder = scratch.sample_block("state")?;
    edit(&folder.join("prestate.json"), |state| {
        // The slot that the second transaction sets holds that value already, which is cheaper.
        state["0xC0De00000000000000000000000000000000C0DE"]["storage"]["0x01"] = json!("0x2a");
    })?;
    let report = json(&["replay", &scratch.arg("state"), "--repeat", "1", "--json"], 1)?;
    let checks = &blocks(&report)[0]["checks"];
    assert_eq!((&checks["equal"], &checks["gas_used"]), (&json!(true), &json!(false)), "{report}");
    Ok(())
}

#[test]
fn what_can_not_be_read_is_named() -> TestResult {
    assert_refused(&["replay", "/no/such/path"], &["/no/such/path", "No such file"])?;
    let scratch = Scratch::new()?;
    let path = scratch.arg("x");
    fs::create_dir(scratch.path().join("x"))?;
    assert_refused(&["replay", &path], &[&path, "no block here", "block.json"])?;
    fs::write(scratch.path().join("file"), "")?;
    assert_refused(&["replay", &scratch.arg("file")], &[&scratch.arg("file"), "pass the folder"])
}

#[test]
fn a_malformed_block_is_refused_by_file_and_field() -> TestResult {
    type Change = fn(&mut Value);
    let cases: [(&str, Change, &[&str]); 6] = [
        ("block.json", |block| block["gasLimit"] = json!("lots"), &["block.json", "gasLimit"]),
        (
            "block.json",
            |block| block["transactions"][1]["r"] = json!("0x1"),
            &["block.json", "txn 1", "hash"],
        ),
        (
            "block.json",
            |block| block["transactions"][0]["value"] = json!("0x7"),
            &["block.json", "txn 0"],
        ),
        ("block.json", |block| block["hash"] = json!([]), &["block.json", "hash"]),
        (
            "prestate.json",
            |state| state["0x5050A4F4b3f9338C3472dcC01A87C76A144b3c9c"]["balance"] = json!("0xg"),
            &["prestate.json", "balance"],
        ),
        (
            // The first sender is gone: its transaction can't pay.
            "prestate.json",
            |state| *state = json!({}),
            &["block 17100000 can't be executed", "txn 0 is invalid"],
        ),
    ];
    for (file, change, words) in cases {
        let scratch = Scratch::new()?;
        let folder = scratch.sample_block("bad")?;
        edit(&folder.join(file), change)?;
        assert_refused(&["replay", &scratch.arg("bad")], words)?;
    }
    Ok(())
}

#[test]
fn truncated_and_missing_files_are_named() -> TestResult {
    for file in ["block.json", "prestate.json"] {
        let scratch = Scratch::new()?;
        let path = scratch.sample_block("bad")?.join(file);
        let bytes = fs::read(&path)?;
        fs::write(&path, &bytes[..bytes.len() / 2])?;
        assert_refused(&["replay", &scratch.arg("bad")], &[file, "line"])?;
        fs::remove_file(&path)?;
        assert_refused(&["replay", &scratch.arg("bad")], &[file, "No such file"])?;
    }
    Ok(())
}

#[test]
fn forks_that_nobody_knows_or_that_come_in_no_order_are_refused() -> TestResult {
    let cases = [
        (json!({ "chainId": 1, "bogotaTime": 0 }), "bogotaTime is not supported"),
        (json!({ "chainId": 1, "homesteadBlock": 9, "eip150Block": 3 }), "comes before"),
        (json!({ "chainId": "main" }), "chainId"),
    ];
    for (config, word) in cases {
        let scratch = Scratch::new()?;
        let folder = scratch.sample_block("bad")?;
        fs::write(folder.join("chain.json"), json!({ "config": config }).to_string())?;
        assert_refused(&["replay", &scratch.arg("bad")], &["chain.json", "config", word])?;
    }
    Ok(())
}

#[test]
fn a_bad_block_does_not_keep_the_others_from_being_replayed() -> TestResult {
    let scratch = Scratch::new()?;
    scratch.sample_block("1")?;
    let bad = scratch.sample_block("2")?;
    fs::write(bad.join("prestate.json"), "[]")?;
    scratch.sample_block("3")?;
    let report = json(&["replay", &scratch.arg(""), "--repeat", "1", "--json"], 2)?;
    assert_eq!(blocks(&report).len(), 2);
    assert_eq!(report["ok"], false);
    let errors = report["errors"].as_array().expect("a list of errors");
    assert!(errors[0].as_str().is_some_and(|text| text.contains("prestate.json")), "{report}");
    Ok(())
}

#[test]
fn a_real_block_agrees_with_its_header() -> TestResult {
    let Some(folder) = fixtures::folder("a_real_block_agrees_with_its_header", "mainnet") else {
        return Ok(());
    };
    let path = |name: &str| folder.join(name).to_string_lossy().into_owned();
    let (new, old) = (path("15537394"), path("46147"));
    let report = json(&["replay", &new, &old, "--repeat", "1", "--json"], 0)?;
    let [new, old] = blocks(&report).as_slice() else {
        panic!("two blocks: {report}");
    };
    assert_eq!(new["checks"]["receipts_root"], true);
    // Its receipts hold the roots of a state of which only a part is known.
    assert_eq!(old["checks"]["receipts_root"], Value::Null);
    assert_eq!((&old["number"], &old["ok"]), (&json!(46_147), &json!(true)));
    Ok(())
}

#[test]
fn a_chain_is_replayed_block_on_block_and_every_state_root_holds() -> TestResult {
    let test = "a_chain_is_replayed_block_on_block_and_every_state_root_holds";
    let Some(folder) = fixtures::folder(test, "chain") else {
        return Ok(());
    };
    let path = folder.to_string_lossy().into_owned();
    let report = json(&["replay", &path, "--repeat", "1", "--json"], 0)?;
    assert_eq!(blocks(&report).len(), 54);
    for (index, block) in blocks(&report).iter().enumerate() {
        assert_eq!(block["number"], index + 1);
        let checks = block["checks"].as_object().expect("an object");
        assert!(checks.contains_key("state_root"), "{block}");
        assert!(checks.values().all(|outcome| outcome == true), "{block}");
    }
    Ok(())
}

/// The sample, as nodes of several kinds and ages write it.
#[test]
fn what_nodes_write_is_read() -> TestResult {
    type Change = fn(&mut Value);
    let block: [(&str, Change); 8] = [
        ("no chain", |block| {
            for txn in block["transactions"].as_array_mut().expect("a list") {
                txn.as_object_mut().expect("an object").remove("chainId");
            }
        }),
        ("chain 0", |block| {
            for txn in block["transactions"].as_array_mut().expect("a list") {
                txn["chainId"] = json!("0x0");
            }
        }),
        ("v of old", |block| {
            for txn in block["transactions"].as_array_mut().expect("a list") {
                let v = if txn["v"] == "0x0" { "0x1b" } else { "0x1c" };
                if txn["type"] != "0x0" {
                    txn["v"] = json!(v);
                }
            }
        }),
        ("v of old alone", |block| {
            for txn in block["transactions"].as_array_mut().expect("a list") {
                let v = if txn["v"] == "0x0" { "0x1b" } else { "0x1c" };
                if txn["type"] != "0x0" {
                    txn["v"] = json!(v);
                    txn.as_object_mut().expect("an object").remove("yParity");
                }
            }
        }),
        ("data beside input", |block| {
            for txn in block["transactions"].as_array_mut().expect("a list") {
                txn["data"] = txn["input"].clone();
                txn["gasLimit"] = txn["gas"].clone();
            }
        }),
        ("data in place of input", |block| {
            for txn in block["transactions"].as_array_mut().expect("a list") {
                let txn = txn.as_object_mut().expect("an object");
                let input = txn.remove("input").expect("an input");
                txn.insert("data".to_owned(), input);
            }
        }),
        ("author beside miner", |block| block["author"] = block["miner"].clone()),
        ("an answer", |block| {
            *block = json!({ "jsonrpc": "2.0", "id": 1, "error": null, "result": block.clone() });
        }),
    ];
    for (name, change) in block {
        let scratch = Scratch::new()?;
        let folder = scratch.sample_block("block")?;
        edit(&folder.join("block.json"), change)?;
        let output = call(&["replay", &scratch.arg("block"), "--repeat", "1"])?;
        assert_eq!(output.status.code(), Some(0), "{name}: {}", stderr(&output));
    }
    Ok(())
}

#[test]
fn what_contradicts_itself_is_refused() -> TestResult {
    type Change = fn(&mut Value);
    let cases: [(&str, Change, &[&str]); 9] = [
        (
            "block.json",
            |block| block["transactions"][0]["data"] = json!("0x01"),
            &["transactions[0].input", "two names"],
        ),
        (
            "block.json",
            |block| block["transactions"][0]["gasLimit"] = json!("0x1"),
            &["transactions[0].gas", "two names"],
        ),
        (
            "block.json",
            |block| block["author"] = json!(format!("0x{:040x}", 1)),
            &["author", "miner"],
        ),
        ("block.json", |block| block["transactions"][0]["chainId"] = json!("0x2"), &["txn 0"]),
        (
            "block.json",
            |block| *block = json!({ "jsonrpc": "2.0", "id": 1, "result": null }),
            &["null"],
        ),
        ("block.json", |block| *block = json!({ "error": { "code": -32000 } }), &["-32000"]),
        (
            "prestate.json",
            |state| *state = json!([]),
            &["prestate.json", "0 traces for the block's 2 txns"],
        ),
        (
            "prestate.json",
            |state| *state = json!([{ "error": "execution timeout" }, {}]),
            &["[0].error", "timeout"],
        ),
        (
            "prestate.json",
            |state| {
                *state =
                    json!([{ "txHash": format!("0x{:064x}", 1), "result": {} }, { "result": {} }])
            },
            &["[0].txHash"],
        ),
    ];
    for (file, change, words) in cases {
        let scratch = Scratch::new()?;
        let folder = scratch.sample_block("bad")?;
        edit(&folder.join(file), change)?;
        assert_refused(&["replay", &scratch.arg("bad")], words)?;
    }
    // One account under two spellings, one slot under two, one hash twice.
    let account = "0x5050A4F4b3f9338C3472dcC01A87C76A144b3c9c";
    let texts = [
        ("prestate.json", format!(r#"{{"{account}": {{}}, "{}": {{}}}}"#, account.to_lowercase())),
        (
            "prestate.json",
            format!(r#"{{"{account}": {{"storage": {{"0x1": "0x1", "0x01": "0x2"}}}}}}"#),
        ),
        ("blockhashes.json", format!(r#"{{"0x1": "0x{0}", "1": "0x{0}"}}"#, "11".repeat(32))),
    ];
    for (file, text) in texts {
        let scratch = Scratch::new()?;
        let folder = scratch.sample_block("bad")?;
        fs::write(folder.join(file), text)?;
        assert_refused(&["replay", &scratch.arg("bad")], &[file, "is there twice"])?;
    }
    Ok(())
}

/// `debug_traceBlockByNumber` with the prestate tracer: what each transaction finds.
#[test]
fn traces_of_a_block_make_its_state() -> TestResult {
    let plain = json(&["replay", &sample_block().to_string_lossy(), "--repeat", "1", "--json"], 0)?;
    for is_wrapped in [false, true] {
        let scratch = Scratch::new()?;
        let folder = scratch.sample_block("block")?;
        let block: Value = serde_json::from_slice(&fs::read(folder.join("block.json"))?)?;
        let hashes: Vec<_> = block["transactions"]
            .as_array()
            .expect("a list")
            .iter()
            .map(|txn| txn["hash"].clone())
            .collect();
        edit(&folder.join("prestate.json"), |state| {
            // What the first one found, it may have changed for the second.
            let first = state.clone();
            let mut second = state.clone();
            for account in second.as_object_mut().expect("accounts").values_mut() {
                account["balance"] = json!("0x7");
                account["nonce"] = json!("0x63");
                account["storage"] = json!({ "0x77": "0x1" });
            }
            let traces = json!([
                { "txHash": hashes[0], "result": first },
                { "txHash": hashes[1], "result": second },
            ]);
            *state = match is_wrapped {
                true => json!({ "jsonrpc": "2.0", "id": 7, "result": traces }),
                false => traces,
            };
        })?;
        let report = json(&["replay", &scratch.arg("block"), "--repeat", "1", "--json"], 0)?;
        assert_eq!(blocks(&report)[0]["state_digest"], blocks(&plain)[0]["state_digest"]);
    }
    Ok(())
}
