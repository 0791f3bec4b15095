//! `block-stm bal`, and `replay --bal`.

use std::{fs, path::Path};

use serde_json::{Value, json};

use crate::cli::{
    Scratch, TestResult, assert_refused, call, edit, json, sample_block, stderr, stdout,
};

fn sample() -> String {
    sample_block().to_string_lossy().into_owned()
}

/// A chain of twelve blocks.
fn devnet() -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../block-stm-chain/tests/data/devnet");
    folder.to_string_lossy().into_owned()
}

/// Builds a list in a file and returns its path.
fn built(scratch: &Scratch, name: &str, args: &[&str]) -> Result<String, std::io::Error> {
    let file = scratch.arg(name);
    let output = call(&[&["bal", "build"], args, &["--out", &file]].concat())?;
    assert!(output.status.success(), "{}", stderr(&output));
    assert_eq!((stdout(&output), stderr(&output)), (String::new(), String::new()));
    Ok(file)
}

#[test]
fn what_is_built_is_verified_under_any_number_of_threads() -> TestResult {
    let scratch = Scratch::new()?;
    let sample = sample();
    let list = built(&scratch, "list.json", &[&sample, "--threads", "1"])?;
    let printed = call(&["bal", "build", &sample, "--threads", "4"])?;
    assert_eq!(stdout(&printed), fs::read_to_string(&list)?);
    let accounts: Value = serde_json::from_slice(&fs::read(&list)?)?;
    assert_eq!(accounts.as_array().map(Vec::len), Some(5), "{accounts}");
    for threads in ["1", "2", "4", "8"] {
        let output = call(&["bal", "verify", &sample, "--list", &list, "--threads", threads])?;
        assert!(output.status.success(), "{}", stderr(&output));
        let golden = "block 17100000: the list is right: 5 accounts, 1 slot, 9 changes\n";
        assert_eq!(stdout(&output), golden);
    }
    Ok(())
}

#[test]
fn rlp_and_its_digits_say_the_same_as_json() -> TestResult {
    let scratch = Scratch::new()?;
    let sample = sample();
    let json = built(&scratch, "list.json", &[&sample])?;
    let rlp = built(&scratch, "list.rlp", &[&sample, "--format", "rlp"])?;
    let digits: String = fs::read(&rlp)?.iter().map(|byte| format!("{byte:02x}")).collect();
    let hex = scratch.arg("list.hex");
    fs::write(&hex, format!("0x{digits}\n"))?;
    for other in [&rlp, &hex] {
        let output = call(&["bal", "diff", &json, other])?;
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        assert_eq!(stdout(&output), "The lists are the same.\n");
    }
    Ok(())
}

#[test]
fn the_name_of_the_file_decides_on_the_form_where_none_is_asked_for() -> TestResult {
    let scratch = Scratch::new()?;
    let sample = sample();
    let cases: [(&str, &[&str], bool); 5] = [
        ("list.rlp", &[], true),
        ("list.RLP", &[], true),
        ("list.json", &[], false),
        ("list", &[], false),
        ("other.rlp", &["--format", "json"], false),
    ];
    for (name, format, is_rlp) in cases {
        let file = built(&scratch, name, &[&[sample.as_str()], format].concat())?;
        assert_eq!(fs::read(&file)?[0] != b'[', is_rlp, "{name} {format:?}");
    }
    let help = stdout(&call(&["bal", "build", "--help"])?);
    assert!(help.contains("ends with .rlp"), "{help}");
    Ok(())
}

#[test]
fn the_first_wrong_place_is_named() -> TestResult {
    let scratch = Scratch::new()?;
    let sample = sample();
    let right = built(&scratch, "right.json", &[&sample])?;
    let wrong = built(&scratch, "wrong.json", &[&sample])?;
    let mut place = String::new();
    edit(Path::new(&wrong), |list| {
        let accounts = list.as_array_mut().expect("a list").iter_mut();
        let mut changed = accounts
            .filter(|account| account["nonceChanges"].as_array().is_some_and(|n| !n.is_empty()));
        let sender = changed.next().expect("a sender");
        sender["nonceChanges"][0]["value"] = json!("0x77");
        place = sender["address"].as_str().unwrap_or_default().to_owned();
    })?;
    let mut lines = Vec::new();
    for threads in ["1", "2", "8"] {
        let output = call(&["bal", "verify", &sample, "--list", &wrong, "--threads", threads])?;
        assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
        lines.push(stderr(&output));
    }
    let wanted = "block 17100000: the access list is wrong: nonce of ";
    assert!(
        lines[0].contains(wanted) && lines[0].contains("0x77 is listed, but it is"),
        "{lines:?}"
    );
    assert!(lines[0].to_lowercase().contains(&place), "{lines:?}");
    assert!(lines.iter().all(|line| *line == lines[0]), "{lines:?}");
    let output = call(&["bal", "diff", &right, &wrong])?;
    assert_eq!(output.status.code(), Some(1));
    let text = stdout(&output);
    assert!(text.contains(" nonce at index 1: A ") && text.contains(", B 0x77\n"), "{text}");
    assert!(text.ends_with("1 difference.\n"), "{text}");
    Ok(())
}

#[test]
fn a_chain_has_a_list_for_each_block() -> TestResult {
    let scratch = Scratch::new()?;
    let chain = devnet();
    for name in ["lists.json", "lists.rlp"] {
        let lists = built(&scratch, name, &[&chain, "--threads", "2"])?;
        let output = call(&["bal", "verify", &chain, "--list", &lists, "--threads", "4"])?;
        assert!(output.status.success(), "{}", stderr(&output));
        assert_eq!(stdout(&output).lines().count(), 12, "{}", stdout(&output));
    }
    let one = built(&scratch, "one.json", &[&sample()])?;
    let output = call(&["bal", "diff", &one, &scratch.arg("lists.rlp")])?;
    assert_eq!(output.status.code(), Some(1));
    assert!(stdout(&output).starts_with("A has 1 list, B has 12 lists\n"), "{}", stdout(&output));
    Ok(())
}

#[test]
fn what_cannot_be_read_is_named() -> TestResult {
    let scratch = Scratch::new()?;
    let sample = sample();
    let (missing, garbage) = (scratch.arg("missing.json"), scratch.arg("garbage.json"));
    fs::write(&garbage, r#"[{"address": "0x1"}]"#)?;
    assert_refused(&["bal", "verify", &sample, "--list", &missing], &["missing.json"])?;
    assert_refused(
        &["bal", "verify", &sample, "--list", &garbage],
        &["garbage.json", "[0].address"],
    )?;
    assert_refused(&["bal", "diff", &garbage, &garbage], &["garbage.json"])?;
    assert_refused(&["bal", "build", &missing], &["missing.json"])?;
    assert_refused(&["bal", "build"], &["PATH"])?;
    assert_refused(&["bal", "build", &sample, "--format", "xml"], &["xml", "rlp", "json"])?;
    let none = scratch.arg("none.rlp");
    fs::write(&none, "0x")?;
    assert_refused(&["bal", "verify", &sample, "--list", &none], &["none.rlp", "no access list"])?;
    Ok(())
}

#[test]
fn there_must_be_as_many_lists_as_blocks() -> TestResult {
    let scratch = Scratch::new()?;
    let lists = built(&scratch, "lists.json", &[&devnet()])?;
    let (sample, chain) = (sample(), devnet());
    let one = built(&scratch, "one.json", &[&sample])?;
    let output = call(&["bal", "verify", &sample, &chain, "--list", &one])?;
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("1 list for 13 blocks"), "{}", stderr(&output));
    let output = call(&["bal", "verify", &chain, &chain, "--list", &lists])?;
    assert!(stderr(&output).contains("12 lists for 24 blocks"), "{}", stderr(&output));
    Ok(())
}

#[test]
fn a_list_that_the_header_does_not_name_is_told() -> TestResult {
    let scratch = Scratch::new()?;
    let block = scratch.sample_block("block")?;
    let name = |hash: &str| {
        edit(&block.join("block.json"), |block| {
            block.as_object_mut().expect("a block").remove("hash");
            block["blockAccessListHash"] = hash.into();
        })
    };
    name(&format!("0x{}", "00".repeat(32)))?;
    let folder = block.to_string_lossy().into_owned();
    let output = call(&["bal", "build", &folder])?;
    assert_eq!(output.status.code(), Some(1));
    let message = stderr(&output);
    let hash = message.trim().rsplit(' ').next().unwrap_or_default().to_owned();
    assert!(message.contains("blockAccessListHash is 0x0000"), "{message}");
    let report = json(&["replay", &folder, "--repeat", "1", "--json"], 1)?;
    assert_eq!(report["blocks"][0]["checks"]["block_access_list_hash"], false, "{report}");
    name(&hash)?;
    for bal in [&["--bal"][..], &[]] {
        let args = [&["replay", &folder, "--repeat", "1", "--json"], bal].concat();
        let report = json(&args, 0)?;
        assert_eq!(report["blocks"][0]["checks"]["block_access_list_hash"], true, "{report}");
    }
    Ok(())
}

#[test]
fn replay_times_the_execution_with_lists() -> TestResult {
    let sample = sample();
    let args = ["replay", &sample, "--bal", "--threads", "1,2", "--repeat", "1"];
    let reports = json(&[&args[..], &["--json"]].concat(), 0)?;
    for report in reports.as_array().expect("a list of reports") {
        let block = &report["blocks"][0];
        for time in ["with_list_ms", "list_building_ms", "list_building_in_order_ms"] {
            assert!(block[time].as_f64() > Some(0.0), "{report}");
        }
        assert!(block["with_list_speedup"].as_f64() > Some(0.0), "{report}");
        assert!(report["totals"]["with_list_ms"].as_f64() > Some(0.0), "{report}");
        assert!(block["command"].as_str().is_some_and(|command| command.contains(" --bal ")));
    }
    let table = stdout(&call(&args)?);
    assert!(table.contains("with list") && table.contains("With access lists"), "{table}");
    let without = json(&["replay", &sample, "--repeat", "1", "--json"], 0)?;
    assert_eq!(without["blocks"][0].get("with_list_ms"), None);
    assert_eq!(without["blocks"][0].get("list_building_ms"), None);
    Ok(())
}

#[test]
fn verdicts_and_differences_come_as_json() -> TestResult {
    let scratch = Scratch::new()?;
    let sample = sample();
    let right = built(&scratch, "right.json", &[&sample])?;
    let wrong = built(&scratch, "wrong.json", &[&sample])?;
    edit(Path::new(&wrong), |list| {
        let accounts = list.as_array_mut().expect("a list").iter_mut();
        let mut changed = accounts
            .filter(|account| account["nonceChanges"].as_array().is_some_and(|n| !n.is_empty()));
        changed.next().expect("a sender")["nonceChanges"][0]["value"] = json!("0x77");
    })?;
    let verify =
        |list: &str, code| json(&["bal", "verify", &sample, "--list", list, "--json"], code);
    let golden = json!([{
        "path": sample, "number": 17_100_000, "ok": true, "accounts": 5, "slots": 1, "changes": 9
    }]);
    assert_eq!(verify(&right, 0)?, golden);
    let verdict = &verify(&wrong, 1)?[0];
    assert_eq!((&verdict["ok"], &verdict["place"]["part"]), (&json!(false), &json!("nonce")));
    assert_eq!(
        (&verdict["place"]["listed"], &verdict["place"]["index"]),
        (&json!("0x77"), &json!(1))
    );
    assert!(verdict["error"].as_str().is_some_and(|text| text.contains("0x77 is listed")));
    let diff = |a: &str, b: &str, code| json(&["bal", "diff", a, b, "--json"], code);
    let same = json!({"same": true, "lists": [1, 1], "differences": []});
    assert_eq!(diff(&right, &right, 0)?, same);
    let differences = diff(&right, &wrong, 1)?;
    let difference = &differences["differences"][0];
    assert_eq!(differences["same"], false);
    assert_eq!((&difference["list"], &difference["part"]), (&json!(1), &json!("nonce")));
    assert_eq!((&difference["a"], &difference["b"]), (&verdict["place"]["actual"], &json!("0x77")));
    // Into a file, beside the lines.
    let file = scratch.arg("verdicts.json");
    let csv = scratch.arg("verdicts.csv");
    let verify = ["bal", "verify", &sample, "--list", &right, "--json-file", &file, "--csv", &csv];
    let output = call(&verify)?;
    let rows = fs::read_to_string(&csv)?;
    assert!(
        rows.starts_with("number,accounts,changes,ok,path,slots\n17100000,5,9,true,"),
        "{rows}"
    );
    let csv = scratch.arg("differences.csv");
    assert_eq!(call(&["bal", "diff", &right, &wrong, "--csv", &csv])?.status.code(), Some(1));
    assert_eq!(fs::read_to_string(&csv)?.lines().count(), 2);
    assert!(stdout(&output).starts_with("block 17100000: the list is right"), "{output:?}");
    assert_eq!(serde_json::from_slice::<Value>(&fs::read(&file)?)?, golden);
    Ok(())
}

#[test]
fn lists_that_differ_only_in_form_are_not_the_same() -> TestResult {
    let scratch = Scratch::new()?;
    let account = |reads: Value, changes: Value| {
        json!([{
            "address": format!("0x{}", "11".repeat(20)), "storageChanges": changes,
            "storageReads": reads, "balanceChanges": [], "nonceChanges": [], "codeChanges": []
        }])
    };
    let (a, b) = (scratch.arg("a.json"), scratch.arg("b.json"));
    fs::write(&a, account(json!(["0x1"]), json!([])).to_string())?;
    fs::write(&b, account(json!([]), json!([{"key": "0x1", "changes": []}])).to_string())?;
    let output = call(&["bal", "diff", &a, &b])?;
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    assert_eq!(stdout(&output), "The lists differ only in order or form.\n");
    let report = json(&["bal", "diff", &a, &b, "--json"], 1)?;
    assert_eq!(report, json!({"same": false, "lists": [1, 1], "differences": []}));
    Ok(())
}

#[test]
fn what_was_verified_is_told_before_a_block_that_cannot_be_executed() -> TestResult {
    let scratch = Scratch::new()?;
    let sample = sample();
    let lists = built(&scratch, "lists.json", &[&sample, &sample])?;
    let spoilt = scratch.sample_block("spoilt")?;
    // No account has anything.
    fs::write(spoilt.join("prestate.json"), "{}")?;
    let spoilt = spoilt.to_string_lossy().into_owned();
    let args = ["bal", "verify", &sample, &spoilt, "--list", &lists];
    let output = call(&args)?;
    // Whether the list is wrong there or the block can't be executed, the first line is there.
    assert_ne!(output.status.code(), Some(0));
    assert_eq!(stdout(&output).lines().count(), 1, "{}", stderr(&output));
    let code = output.status.code().unwrap_or_default();
    let verdicts = json(&[&args[..], &["--json"]].concat(), code)?;
    let oks: Vec<_> = verdicts.as_array().expect("a list").iter().map(|v| &v["ok"]).collect();
    assert_eq!(oks, [true, false], "{verdicts}");
    // A path that can't even be read.
    let missing = scratch.arg("missing");
    fs::create_dir(&missing)?;
    fs::write(Path::new(&missing).join("block.json"), "7")?;
    fs::write(Path::new(&missing).join("prestate.json"), "{}")?;
    let output = call(&["bal", "verify", &sample, &missing, "--list", &lists])?;
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(stdout(&output).lines().count(), 1, "{}", stderr(&output));
    Ok(())
}

#[test]
fn ommers_without_a_reward_are_told() -> TestResult {
    let scratch = Scratch::new()?;
    let block = scratch.sample_block("block")?;
    edit(&block.join("block.json"), |block| {
        block.as_object_mut().expect("a block").remove("hash");
        block["uncles"] = json!([format!("0x{}", "11".repeat(32))]);
    })?;
    let folder = block.to_string_lossy().into_owned();
    let output = call(&["bal", "build", &folder, "--out", &scratch.arg("list.json")])?;
    let message = stderr(&output);
    assert!(message.contains("note") && message.contains("1 ommer known by hash"), "{message}");
    Ok(())
}

#[test]
fn a_file_of_lists_is_refused_by_its_size() -> TestResult {
    let scratch = Scratch::new()?;
    let large = scratch.arg("large.rlp");
    fs::File::create(&large)?.set_len((64 << 20) + 1)?;
    assert_refused(
        &["bal", "diff", &large, &large],
        &["large.rlp", "67108865 bytes are more than the 67108864"],
    )
}
