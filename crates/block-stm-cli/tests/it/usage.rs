//! Bad usage: exit code 2, and a message that names the culprit.

use std::fs;

use crate::cli::{Scratch, TestResult, assert_refused, call, stderr, stdout};

#[test]
fn options_out_of_their_range_are_refused_by_name() -> TestResult {
    let cases: [(&[&str], &[&str]); 27] = [
        (&["--threads", "0"], &["--threads", "0", "1..=1024"]),
        (&["--threads", "1025"], &["--threads", "1025"]),
        (&["--threads", "2,x"], &["--threads", "x"]),
        (&["--threads", "-3"], &["--threads", "-3 is not in 1..=1024"]),
        (&["--threads", "-1,2"], &["--threads", "-1 is not in 1..=1024"]),
        (&["--txns", "-1"], &["--txns", "-1 is not in 0..=1000000"]),
        (&["--zipf", "-inf"], &["--zipf", "-inf is not within 0 to 10"]),
        (&["--read-latency", "-1us"], &["--read-latency", "such as 50us"]),
        (&["--txns", "--pools", "4"], &["--txns", "a value is required"]),
        (&["--threads", ""], &["--threads"]),
        (&["--repeat", "0"], &["--repeat", "0"]),
        (&["--repeat", "99999999"], &["--repeat", "99999999"]),
        (&["--txns", "1000001"], &["--txns", "1000001"]),
        (&["--txns", "99999999999999999999"], &["--txns", "99999999999999999999"]),
        (&["--txns", "many"], &["--txns", "many"]),
        (&["--accounts", "0"], &["--accounts", "0"]),
        (&["--accounts", "10000001"], &["--accounts", "10000001"]),
        (&["--pools", "0"], &["--pools", "0"]),
        (&["--zipf", "NaN"], &["--zipf", "NaN", "not within 0 to 10"]),
        (&["--zipf", "inf"], &["--zipf", "inf"]),
        (&["--zipf", "10.5"], &["--zipf", "10.5"]),
        (&["--zipf", "much"], &["--zipf", "much", "not a number"]),
        (&["--seed", "-1"], &["--seed", "-1 is not in 0..="]),
        (&["--workload", "nfts"], &["--workload", "nfts", "transfers"]),
        (&["--read-latency", "50"], &["--read-latency", "50", "such as 50us"]),
        (&["--read-latency", "2s"], &["--read-latency", "more than 1s"]),
        (&["--no-such-option"], &["--no-such-option"]),
    ];
    for (args, words) in cases {
        assert_refused(&[&["run"], args].concat(), words)?;
    }
    Ok(())
}

#[test]
fn unknown_commands_and_missing_arguments_are_refused() -> TestResult {
    assert_refused(&["walk"], &["walk"])?;
    assert_refused(&["replay"], &["PATH"])?;
    assert_refused(&["blocktest", "--threads", "0", "x"], &["--threads", "0"])?;
    assert_refused(&["completions"], &["SHELL"])?;
    assert_refused(&["completions", "dos"], &["dos", "bash"])
}

#[test]
fn a_json_file_that_can_not_be_written_is_refused_before_any_work() -> TestResult {
    let scratch = Scratch::new()?;
    let missing = scratch.arg("no-such-folder/results.json");
    // The work would take hours.
    let long = ["run", "--txns", "1000000", "--repeat", "10000", "--json-file"];
    assert_refused(&[&long[..], &[missing.as_str()]].concat(), &["cannot write", &missing])?;
    let folder = scratch.arg("");
    assert_refused(&[&long[..], &[folder.as_str()]].concat(), &["cannot write", "directory"])?;
    fs::write(scratch.path().join("file"), "")?;
    let below_a_file = scratch.arg("file/results.json");
    assert_refused(&[&long[..], &[below_a_file.as_str()]].concat(), &["cannot write"])?;
    let guarded = scratch.path().join("guarded.json");
    fs::write(&guarded, "precious")?;
    let mut permissions = fs::metadata(&guarded)?.permissions();
    permissions.set_readonly(true);
    fs::set_permissions(&guarded, permissions)?;
    let guarded_arg = scratch.arg("guarded.json");
    assert_refused(&[&long[..], &[guarded_arg.as_str()]].concat(), &["cannot write"])?;
    assert_eq!(fs::read_to_string(guarded)?, "precious");
    Ok(())
}

#[test]
fn help_teaches_with_examples_and_exit_codes() -> TestResult {
    let help = call(&["--help"])?;
    assert_eq!(help.status.code(), Some(0));
    for part in ["Examples:", "block-stm replay", "Exit codes:", "completions"] {
        assert!(stdout(&help).contains(part), "{part}");
    }
    for command in ["run", "replay", "sweep"] {
        let help = stdout(&call(&[command, "--help"])?);
        for part in ["Examples:", "--threads", "--json", "--repeat"] {
            assert!(help.contains(part), "{command}: {part}");
        }
    }
    let misplaced = stderr(&call(&["--json", "statetest", "x.json"])?);
    assert!(misplaced.contains("tip: 'statetest --json' exists"), "{misplaced}");
    let version = stdout(&call(&["--version"])?);
    assert_eq!(version.trim(), concat!("block-stm ", env!("CARGO_PKG_VERSION")));
    Ok(())
}

#[test]
fn there_are_completions_for_every_shell() -> TestResult {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let output = call(&["completions", shell])?;
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        let script = stdout(&output);
        assert!(script.contains("replay") && script.contains("read-latency"), "{shell}");
    }
    Ok(())
}
