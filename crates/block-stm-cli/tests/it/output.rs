//! Streams and files: escape codes, broken pipes, and JSON files that are whole or not there.

use std::{fs, io::Read, process::Stdio};

use serde_json::{Value, json};

use crate::{
    cli::{Scratch, TestResult, call, command, edit, sample_block, stderr, stdout},
    conformance::sample,
};

const TINY: [&str; 7] = ["run", "--workload", "nft", "--txns", "20", "--repeat", "1"];

#[test]
fn there_are_no_escape_codes_unless_they_are_forced() -> TestResult {
    let plain = command(&TINY).output()?;
    let forced = command(&TINY).env("CLICOLOR_FORCE", "1").output()?;
    let refused = command(&TINY).env("NO_COLOR", "1").output()?;
    for output in [&plain, &refused] {
        assert_eq!(output.status.code(), Some(0), "{}", stderr(output));
        assert!(!output.stdout.contains(&0x1b) && !output.stderr.contains(&0x1b));
    }
    assert!(forced.stdout.contains(&0x1b), "this test would not see an escape code");
    let error = call(&["replay", "/no/such/path"])?;
    assert!(!error.stderr.contains(&0x1b));
    Ok(())
}

#[test]
fn json_alone_goes_to_standard_output() -> TestResult {
    let output = call(&[&TINY[..], &["--json"]].concat())?;
    let _: Value = serde_json::from_slice(&output.stdout)?;
    assert!(!stderr(&output).contains("speed-up"), "the table is not wanted");
    Ok(())
}

#[test]
fn a_json_file_stands_beside_the_table_and_replaces_an_older_one() -> TestResult {
    let scratch = Scratch::new()?;
    let file = scratch.path().join("results.json");
    fs::write(&file, "old and longer than ".repeat(1_000))?;
    let output = call(&[&TINY[..], &["--json-file", &scratch.arg("results.json")]].concat())?;
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert!(stdout(&output).contains("speed-up"));
    let report: Value = serde_json::from_slice(&fs::read(&file)?)?;
    assert_eq!(report["workloads"][0]["name"], "nft");
    let left: Vec<_> = fs::read_dir(scratch.path())?.collect::<Result<_, _>>()?;
    assert_eq!(left.len(), 1, "no temporary file is left: {left:?}");
    Ok(())
}

#[test]
fn a_json_file_survives_a_run_that_has_no_result() -> TestResult {
    let scratch = Scratch::new()?;
    let file = scratch.path().join("results.json");
    fs::write(&file, "old")?;
    let folder = scratch.sample_block("broken")?;
    fs::write(folder.join("block.json"), "{")?;
    let (path, json) = (scratch.arg("broken"), scratch.arg("results.json"));
    let output = call(&["replay", &path, "--json-file", &json])?;
    assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
    assert_eq!(fs::read_to_string(file)?, "old");
    assert_eq!(fs::read_dir(scratch.path())?.count(), 2, "no temporary file is left");
    Ok(())
}

#[cfg(unix)]
#[test]
fn a_link_stays_and_its_target_is_written() -> TestResult {
    let scratch = Scratch::new()?;
    fs::write(scratch.path().join("target.json"), "")?;
    std::os::unix::fs::symlink("target.json", scratch.path().join("link.json"))?;
    let output = call(&[&TINY[..], &["--json-file", &scratch.arg("link.json")]].concat())?;
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert!(fs::symlink_metadata(scratch.path().join("link.json"))?.is_symlink());
    let report: Value = serde_json::from_slice(&fs::read(scratch.path().join("target.json"))?)?;
    assert_eq!(report["ok"], true);
    // A link that leads to what is not there yet, and one in a circle.
    std::os::unix::fs::symlink("new.json", scratch.path().join("ahead.json"))?;
    std::os::unix::fs::symlink("circle.json", scratch.path().join("circle.json"))?;
    let output = call(&[&TINY[..], &["--json-file", &scratch.arg("ahead.json")]].concat())?;
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert!(fs::symlink_metadata(scratch.path().join("ahead.json"))?.is_symlink());
    assert!(scratch.path().join("new.json").is_file());
    let output = call(&[&TINY[..], &["--json-file", &scratch.arg("circle.json")]].concat())?;
    assert_eq!(output.status.code(), Some(2), "{}", stdout(&output));
    Ok(())
}

#[test]
fn a_reader_that_goes_away_is_no_error() -> TestResult {
    let sample = sample_block().to_string_lossy().into_owned();
    let calls: [&[&str]; 6] = [
        &TINY,
        &["sweep", "--blocks", "20", "--accounts", "2", "--work", "0us", "--repeat", "1"],
        &["run", "--workload", "nft", "--txns", "20", "--repeat", "1", "--json"],
        &["replay", &sample],
        &["completions", "zsh"],
        &["--help"],
    ];
    for args in calls {
        let mut child = command(args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
        drop(child.stdout.take());
        let mut message = String::new();
        child.stderr.take().expect("piped").read_to_string(&mut message)?;
        assert_eq!(child.wait()?.code(), Some(0), "{args:?}: {message}");
        assert!(!message.contains("error") && !message.contains("panicked"), "{args:?}: {message}");
    }
    Ok(())
}

/// Names and messages that would clear a screen, colour what follows, or reorder it.
#[test]
fn text_from_inputs_reaches_a_terminal_escaped() -> TestResult {
    let scratch = Scratch::new()?;
    let evil = "a\u{1b}[2Jb\u{9b}31mc\u{202e}d\u{7}";
    let acts = ['\u{1b}', '\u{9b}', '\u{202e}', '\u{7}'];
    let tests: Value = serde_json::from_slice(&fs::read(sample("state.json"))?)?;
    let mut test = tests["storeAndLog"].clone();
    test["post"]["Shanghai"][0]["hash"] = json!(format!("0x{:064x}", 7));
    let mut tests = serde_json::Map::new();
    tests.insert(evil.to_owned(), test.clone());
    fs::write(scratch.path().join("named.json"), Value::Object(tests).to_string())?;
    let variants = test["post"]["Shanghai"].clone();
    test["post"] = json!({ evil: variants });
    fs::write(scratch.path().join("fork.json"), json!({ "t": test }).to_string())?;
    let block = scratch.sample_block(evil)?;
    edit(&block.join("block.json"), |block| {
        block["gasUsed"] = json!("48174");
        block.as_object_mut().expect("an object").remove("hash");
    })?;
    let (named, fork) = (scratch.arg("named.json"), scratch.arg("fork.json"));
    let (folder, missing) = (block.to_string_lossy().into_owned(), scratch.arg(evil) + "x");
    let calls: [(&[&str], i32); 7] = [
        (&["statetest", &named], 1),
        (&["statetest", &named, "--json"], 1),
        (&["statetest", &fork], 1),
        (&["statetest", &missing], 2),
        (&["replay", &folder, "--repeat", "1"], 1),
        (&["replay", &folder, "--repeat", "1", "--json"], 1),
        (&["bal", "diff", &missing, &missing], 2),
    ];
    for (args, code) in calls {
        let output = call(args)?;
        assert_eq!(output.status.code(), Some(code), "{args:?}: {}", stderr(&output));
        for text in [stdout(&output), stderr(&output)] {
            assert!(!text.contains(acts), "{args:?}: {text:?}");
        }
        assert!((stdout(&output) + &stderr(&output)).contains("2Jb"), "{args:?}");
    }
    let message = stderr(&call(&["run", evil])?);
    assert!(message.contains("unexpected argument") && !message.contains(acts), "{message:?}");
    // JSON says the same, escaped.
    let cases: Value = serde_json::from_slice(&call(&["statetest", &named, "--json"])?.stdout)?;
    assert_eq!(cases[0]["name"], evil);
    Ok(())
}
