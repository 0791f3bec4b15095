//! `block-stm statetest` and `block-stm blocktest`: output, exit codes, and wrong input.

use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
    process::{Output, Stdio},
};

use serde_json::{Value, json};

use crate::{
    cli::{Scratch, TestResult, assert_refused, call, command, edit, json, stderr, stdout},
    fixtures,
};

/// A small file of tests of our own.
pub(crate) fn sample(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../block-stm-conformance/tests/data").join(name)
}

fn arg(name: &str) -> String {
    sample(name).to_string_lossy().into_owned()
}

/// A copy of a sample in a folder of one's own.
fn copy(scratch: &Scratch, name: &str) -> std::io::Result<PathBuf> {
    let path = scratch.path().join(name);
    fs::copy(sample(name), &path)?;
    Ok(path)
}

/// Said once, however many files there are.
#[test]
fn tests_of_the_other_kind_are_told_by_their_name() -> TestResult {
    let scratch = Scratch::new()?;
    for name in ["a.json", "b.json"] {
        fs::copy(sample("blocks.json"), scratch.path().join(name))?;
    }
    let output = call(&["statetest", &scratch.arg("")])?;
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(stderr(&output), "error: 2 files with blockchain tests: use blocktest\n");
    let output = call(&["blocktest", &arg("state.json")])?;
    assert_eq!(stderr(&output), "error: 1 file with state tests: use statetest\n");
    Ok(())
}

#[test]
fn the_samples_pass_whatever_the_threads() -> TestResult {
    for (command, file, cases) in [("statetest", "state.json", 7), ("blocktest", "blocks.json", 1)]
    {
        let file = arg(file);
        let first = json(&[command, &file, "--threads", "1", "--json"], 0)?;
        let list = first.as_array().expect("a list");
        assert_eq!(list.len(), cases);
        assert!(list.iter().all(|case| case["pass"] == true), "{first}");
        for threads in ["2", "4", "8"] {
            let other = json(&[command, &file, "--threads", threads, "--json"], 0)?;
            assert_eq!(other, first, "{threads} threads");
        }
    }
    Ok(())
}

#[test]
fn json_has_the_fields_that_geth_prints() -> TestResult {
    let cases = json(&["statetest", &arg("state.json"), "--json"], 0)?;
    let case = &cases[0];
    assert_eq!(case["name"], "storeAndLog");
    assert_eq!(case["fork"], "Frontier");
    assert_eq!(case["variant"], "d0g0v0");
    assert!(case["stateRoot"].as_str().is_some_and(|root| root.len() == 66), "{case}");
    assert_eq!(case.get("error"), None);
    Ok(())
}

#[test]
fn cases_come_as_rows() -> TestResult {
    let scratch = Scratch::new()?;
    let csv = scratch.arg("cases.csv");
    let args = ["statetest", &arg("state.json"), "--csv", &csv];
    assert_eq!(call(&args)?.status.code(), Some(0));
    let rows = fs::read_to_string(&csv)?;
    let header = rows.lines().next().unwrap_or_default();
    assert!(header.starts_with("name,") && header.contains("pass"), "{rows}");
    assert!(rows.lines().count() > 1, "{rows}");
    Ok(())
}

#[test]
fn the_summary_counts_by_fork() -> TestResult {
    let output = call(&["statetest", &arg("state.json")])?;
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let text = stdout(&output);
    for part in ["fork", "run", "passed", "failed", "skipped", "\nShanghai", "\ntotal"] {
        assert!(text.contains(part), "{part}:\n{text}");
    }
    assert!(text.contains("7 cases of 1 file in ") && text.contains(": all passed."), "{text}");
    Ok(())
}

#[test]
fn a_case_that_fails_is_told_and_ends_with_1() -> TestResult {
    let scratch = Scratch::new()?;
    let file = copy(&scratch, "state.json")?;
    edit(&file, |tests| {
        tests["storeAndLog"]["post"]["Shanghai"][1]["hash"] = json!(format!("0x{:064x}", 7));
    })?;
    let path = scratch.arg("state.json");
    let output = call(&["statetest", &path])?;
    assert_eq!(output.status.code(), Some(1));
    let message = stderr(&output);
    assert!(message.contains("FAILED storeAndLog d1g0v0 under Shanghai: the state root is 0x"));
    assert!(stdout(&output).contains("1 FAILED"), "{}", stdout(&output));
    let cases = json(&["statetest", &path, "--json"], 1)?;
    let failed: Vec<_> =
        cases.as_array().expect("a list").iter().filter(|case| case["pass"] == false).collect();
    assert_eq!(failed.len(), 1);
    assert!(failed[0]["error"].as_str().is_some_and(|error| error.contains("state root")));

    let file = copy(&scratch, "blocks.json")?;
    edit(&file, |tests| {
        let block = tests["payments"]["blocks"][1].as_object_mut().expect("a block");
        block.remove("expectException");
    })?;
    let output = call(&["blocktest", &scratch.arg("blocks.json")])?;
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("FAILED payments under Shanghai: block 1: it is refused: "));
    Ok(())
}

#[test]
fn a_skipped_case_does_not_pass_and_says_why() -> TestResult {
    let scratch = Scratch::new()?;
    let file = copy(&scratch, "blocks.json")?;
    edit(&file, |tests| tests["payments"]["sealEngine"] = json!("Ethash"))?;
    let path = scratch.arg("blocks.json");
    let output = call(&["blocktest", &path])?;
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let text = stdout(&output);
    assert!(text.contains("Skipped 1 case: proof of work is not checked."), "{text}");
    assert!(text.contains("0 cases of 1 file") && text.contains("no case was run"), "{text}");
    let cases = json(&["blocktest", &path, "--json"], 0)?;
    assert_eq!((&cases[0]["pass"], &cases[0]["skipped"]), (&json!(false), &json!(true)));
    Ok(())
}

#[test]
fn an_unknown_exception_is_named_and_an_unknown_network_fails_alone() -> TestResult {
    let scratch = Scratch::new()?;
    let file = copy(&scratch, "blocks.json")?;
    edit(&file, |tests| tests["payments"]["blocks"][1]["expectException"] = json!("Mood"))?;
    let path = scratch.arg("blocks.json");
    let output = call(&["blocktest", &path])?;
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let message = "Refused 1 time, reason not compared: the exception \"Mood\" is unknown.";
    assert!(stdout(&output).contains(message), "{}", stdout(&output));
    let cases = json(&["blocktest", &path, "--json"], 0)?;
    assert_eq!(cases[0]["reasonNotCompared"], json!(["Mood"]));

    edit(&file, |tests| {
        tests["other"] = tests["payments"].clone();
        tests["other"]["network"] = json!("Cancoon");
    })?;
    let cases = json(&["blocktest", &path, "--json"], 1)?;
    let passed: Vec<_> =
        cases.as_array().expect("a list").iter().map(|case| &case["pass"]).collect();
    assert_eq!(passed, [false, true]);
    Ok(())
}

#[test]
fn run_chooses_tests_by_name() -> TestResult {
    let file = arg("state.json");
    let all = json(&["statetest", &file, "--run", "^store.*Log$", "--json"], 0)?;
    assert_eq!(all.as_array().map(Vec::len), Some(7));
    // Nothing was wanted, which is no success unless that is said.
    let nothing = ["statetest", &file, "--run", "^Log", "--json"];
    assert_eq!(json(&nothing, 1)?, json!([]));
    assert!(stderr(&call(&nothing)?).contains("nothing was run"));
    assert_eq!(json(&[&nothing[..], &["--allow-empty"]].concat(), 0)?, json!([]));
    let scratch = Scratch::new()?;
    fs::write(scratch.path().join("none.json"), "{}")?;
    assert_eq!(call(&["blocktest", &scratch.arg("none.json")])?.status.code(), Some(1));
    assert_refused(&["statetest", &file, "--run", "("], &["--run", "("])
}

#[test]
fn folders_are_searched_and_a_bad_file_does_not_keep_the_others_from_running() -> TestResult {
    let scratch = Scratch::new()?;
    fs::create_dir_all(scratch.path().join("deep/down"))?;
    fs::copy(sample("state.json"), scratch.path().join("deep/down/good.json"))?;
    fs::write(scratch.path().join("bad.json"), "{")?;
    fs::write(scratch.path().join("notes.txt"), "no tests")?;
    let output = call(&["statetest", &scratch.arg(""), "--jobs", "1"])?;
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("bad.json: "), "{}", stderr(&output));
    assert!(stdout(&output).contains("7 cases of 2 files"), "{}", stdout(&output));
    Ok(())
}

#[test]
fn wrong_input_is_refused_with_its_place() -> TestResult {
    let scratch = Scratch::new()?;
    assert_refused(&["statetest", "/no/such/path"], &["/no/such/path", "No such file"])?;
    assert_refused(&["statetest"], &["PATH"])?;
    assert_refused(&["blocktest", &scratch.arg("")], &["no .json file here"])?;
    let cases: [(&str, &str, Value, &str); 3] = [
        ("statetest", "state.json", json!({ "t": { "pre": 5 } }), "t.pre"),
        ("statetest", "state.json", json!([]), "state.json"),
        ("blocktest", "blocks.json", json!({ "t": {} }), "missing field"),
    ];
    for (command, file, content, word) in cases {
        fs::write(scratch.path().join(file), content.to_string())?;
        let output = call(&[command, &scratch.arg(file)])?;
        assert_eq!(output.status.code(), Some(2), "{content}");
        let message = stderr(&output);
        assert!(message.contains(file) && message.contains(word), "{content}: {message}");
        assert!(!message.contains("panicked"), "{message}");
    }
    Ok(())
}

#[test]
fn a_part_of_the_official_tests_passes() -> TestResult {
    let test = "a_part_of_the_official_tests_passes";
    let samples = [
        ("statetest", "state-tests/legacy/stEIP2930"),
        ("blocktest", "block-tests/legacy/TransitionTests"),
        ("blocktest", "block-tests/legacy/InvalidBlocks/bcUncleTest"),
    ];
    for (command, name) in samples {
        let Some(folder) = fixtures::folder(test, name) else {
            return Ok(());
        };
        let path = folder.to_string_lossy().into_owned();
        let cases = json(&[command, &path, "--threads", "2", "--json"], 0)?;
        let cases = cases.as_array().expect("a list");
        let not_passed = cases.iter().find(|case| case["pass"] == false);
        assert_eq!(not_passed, None);
        assert!(cases.len() >= 15, "{name}: {}", cases.len());
    }
    Ok(())
}

/// A call with names of files on standard input.
fn with_names(args: &[&str], names: &str) -> Result<Output, Box<dyn std::error::Error>> {
    let mut child = command(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    child.stdin.take().expect("a pipe").write_all(names.as_bytes())?;
    Ok(child.wait_with_output()?)
}

#[test]
fn names_of_files_come_on_standard_input() -> TestResult {
    let (state, blocks) = (arg("state.json"), arg("blocks.json"));
    let output = with_names(&["statetest", "--json"], &format!("{state}\n{state}\n\n{blocks}\n"))?;
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    // A list for each file, up to the empty line.
    let lists = serde_json::Deserializer::from_slice(&output.stdout).into_iter::<Value>();
    let lists = lists.collect::<Result<Vec<_>, _>>()?;
    assert_eq!(lists.len(), 2);
    assert!(lists.iter().all(|list| list.as_array().is_some_and(|cases| cases.len() == 7)));
    let output = with_names(&["blocktest"], &format!("{blocks}\n/no/such/file.json"))?;
    assert_eq!(output.status.code(), Some(2));
    assert!(stdout(&output).contains("1 case of 1 file"), "{}", stdout(&output));
    assert!(stderr(&output).contains("/no/such/file.json"), "{}", stderr(&output));
    // A name that is the output.
    let scratch = Scratch::new()?;
    let copied = copy(&scratch, "state.json")?.to_string_lossy().into_owned();
    let output = with_names(&["statetest", "--json-file", &copied], &copied)?;
    assert_eq!(output.status.code(), Some(2), "{}", stdout(&output));
    assert_eq!(fs::read(&copied)?, fs::read(sample("state.json"))?);
    let output = with_names(&["statetest"], "")?;
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("PATH"), "{}", stderr(&output));
    Ok(())
}

#[test]
fn a_state_test_is_traced_dumped_and_timed() -> TestResult {
    let file = arg("state.json");
    let output = call(&["statetest", "--json", "--dump", "--bench", "--trace", &file])?;
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let cases: Value = serde_json::from_slice(&output.stdout)?;
    let first = &cases[0];
    let root = first["stateRoot"].as_str().expect("a root");
    assert_eq!(first["state"]["root"].as_str(), root.strip_prefix("0x"));
    let accounts = first["state"]["accounts"].as_object().expect("accounts");
    for (address, account) in accounts {
        let lower = account["address"].as_str().expect("an address");
        assert_eq!(address.to_lowercase(), lower);
        for field in ["balance", "nonce", "root", "codeHash", "key"] {
            assert!(!account[field].is_null(), "{field}: {account}");
        }
    }
    let stored = cases.to_string().contains("\"storage\":{\"0x");
    assert!(stored && cases.to_string().contains("\"code\":\"0x"), "{cases}");
    assert!(first["benchStats"]["time"].as_u64() > Some(0), "{first}");
    // 26,518 gas, of which a half is paid back.
    assert_eq!(first["benchStats"]["gasUsed"], 13_259, "{first}");
    let lines: Vec<Value> =
        stderr(&output).lines().map(serde_json::from_str).collect::<Result<_, _>>()?;
    let roots: Vec<_> = lines.iter().filter_map(|line| line["stateRoot"].as_str()).collect();
    let expected =
        cases.as_array().expect("a list").iter().filter_map(|case| case["stateRoot"].as_str());
    assert_eq!(roots, expected.collect::<Vec<_>>());
    assert!(lines[0]["pc"] == 0 && lines[0]["stack"] == json!([]), "{}", lines[0]);
    assert!(lines.iter().any(|line| line["opName"] == "SSTORE"));
    assert!(lines.iter().all(|line| line.get("memory").is_none()));
    // Code that writes to the memory: the case fails, and its trace is there.
    let scratch = Scratch::new()?;
    let copied = copy(&scratch, "state.json")?;
    edit(&copied, |tests| {
        for account in tests["storeAndLog"]["pre"].as_object_mut().expect("accounts").values_mut() {
            if account["code"].as_str().is_some_and(|code| code.len() > 2) {
                account["code"] = json!("0x600160005200");
            }
        }
    })?;
    let path = scratch.arg("state.json");
    let traced = |more: &[&str]| -> Result<String, std::io::Error> {
        Ok(stderr(&call(&[&["statetest", "--json", "--trace", &path], more].concat())?))
    };
    assert!(!traced(&[])?.contains("\"memory\""));
    let all = traced(&["--nostack", "--trace.nomemory=false"])?;
    assert!(all.contains("\"memory\":\"0x") && !all.contains("\"stack\""), "{all}");
    assert!(!all.contains("FAILED"), "JSON alone has standard error: {all}");

    let output = call(&["blocktest", "--json", "--dump", "--trace", &arg("blocks.json")])?;
    let cases: Value = serde_json::from_slice(&output.stdout)?;
    let root = cases[0]["stateRoot"].as_str().and_then(|root| root.strip_prefix("0x"));
    assert_eq!(cases[0]["state"]["root"].as_str(), root);
    assert_eq!(stderr(&output), "", "its blocks have no transactions");
    assert_refused(
        &["statetest", "--trace", "--trace.format=md", &file],
        &["--trace.format", "json"],
    )
}

#[test]
fn a_block_test_is_traced() -> TestResult {
    let name = "block-tests/legacy/TransitionTests";
    let Some(folder) = fixtures::folder("a_block_test_is_traced", name) else {
        return Ok(());
    };
    let path = folder.to_string_lossy().into_owned();
    let output = call(&["blocktest", "--json", "--trace", &path])?;
    assert_eq!(output.status.code(), Some(0));
    let trace = stderr(&output);
    let lines: Vec<Value> = trace.lines().map(serde_json::from_str).collect::<Result<_, _>>()?;
    assert!(lines.iter().any(|line| line["opName"] == "SSTORE"), "{}", lines.len());
    assert!(lines.iter().any(|line| line["output"] == "" && line["gasUsed"].is_string()));
    Ok(())
}
