//! `block-stm timeline`.

use std::fs;

use serde_json::Value;

use crate::cli::{
    Scratch, TestResult, assert_refused, call, command, json, sample_block, stderr, stdout,
};

#[test]
fn a_trace_tells_every_execution_and_every_commit() -> TestResult {
    let scratch = Scratch::new()?;
    let file = scratch.arg("trace.json");
    let args = ["timeline", "--workload", "amm", "--txns", "200", "--pools", "2"];
    let more = ["--threads", "3", "--repeat", "2", "--out", &file, "--json"];
    let summary = json(&[&args[..], &more].concat(), 0)?;
    assert_eq!((&summary["txns"], &summary["threads"]), (&200.into(), &3.into()), "{summary}");
    assert_eq!(summary["cut"], false);
    let trace: Value = serde_json::from_slice(&fs::read(&file)?)?;
    let events = trace["traceEvents"].as_array().ok_or("a list")?;
    let spans: Vec<_> = events.iter().filter(|event| event["ph"] == "X").collect();
    let of = |kind: &'static str| spans.iter().filter(move |span| span["cat"] == kind);
    assert_eq!(of("execute").count() as u64, summary["executions"].as_u64().ok_or("a number")?);
    let mut commits: Vec<_> = of("commit").collect();
    let start = |span: &&&Value| span["ts"].as_f64().unwrap_or(-1.0);
    commits.sort_by(|a, b| start(a).total_cmp(&start(b)));
    let order: Vec<_> = commits.iter().filter_map(|span| span["args"]["txn"].as_u64()).collect();
    assert!(order.is_sorted_by(|one, next| one < next), "{order:?}");
    // What the judge executes alone is final at once, without a span of its own.
    let heads = events.iter().filter(|event| event["name"] == "head");
    let heads: Vec<_> = heads.filter_map(|event| event["args"]["value"].as_u64()).collect();
    assert!(heads.is_sorted() && heads.last() == Some(&200), "{heads:?}");
    // No two spans of one worker overlap: viewers would draw nonsense.
    for worker in 1..=3 {
        let mut mine: Vec<_> = spans.iter().filter(|span| span["tid"] == worker).collect();
        mine.sort_by(|a, b| start(a).total_cmp(&start(b)));
        for pair in mine.windows(2) {
            let end = start(&pair[0]) + pair[0]["dur"].as_f64().unwrap_or(0.0);
            assert!(end <= start(&pair[1]) + 0.002, "{} {}", pair[0], pair[1]);
        }
    }
    let wasted = of("execute").filter(|span| span["args"]["fate"] != "stood").count() as u64;
    assert_eq!(Some(wasted), summary["aborts"].as_u64(), "every abort has its reason");
    Ok(())
}

#[test]
fn a_table_tells_what_observing_costs() -> TestResult {
    let (scratch, block) = (Scratch::new()?, sample_block().to_string_lossy().into_owned());
    let file = scratch.arg("trace.json");
    let csv = scratch.arg("workers.csv");
    let args = ["timeline", &block, "--threads", "2", "--repeat", "1", "--out", &file];
    let output = call(&[&args[..], &["--csv", &csv]].concat())?;
    let rows = fs::read_to_string(&csv)?;
    assert!(rows.starts_with("block,threads,commit_ms,execute_ms,"), "{rows}");
    assert!((2..=3).contains(&rows.lines().count()), "a row for each worker that came: {rows}");
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let text = stdout(&output);
    for part in ["block 17100000: 2 txns", "worker  execute", "Observed it takes ", "perfetto"] {
        assert!(text.contains(part), "{part}: {text}");
    }
    let mut lines = text.lines().filter(|line| !line.contains(&file));
    assert!(lines.all(|line| line.chars().count() <= 80), "{text}");
    Ok(())
}

/// Ctrl-C: the trace is that of the turns so far, and the exit code that of an interrupt.
#[cfg(unix)]
#[test]
fn an_interrupt_leaves_a_whole_trace() -> TestResult {
    use std::process::Stdio;
    let scratch = Scratch::new()?;
    let file = scratch.arg("trace.json");
    let args = ["timeline", "--workload", "amm", "--txns", "500", "--repeat", "10000"];
    // On a busy machine it may take a while until there is a turn.
    for seconds in [1, 3, 9, 27] {
        let mut child = command(&[&args[..], &["--out", &file]].concat())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        std::thread::sleep(std::time::Duration::from_secs(seconds));
        if !crate::cli::interrupt(&mut child)? {
            return Ok(());
        }
        let output = child.wait_with_output()?;
        if output.status.code().is_none() {
            continue;
        }
        assert_eq!(output.status.code(), Some(130), "{}", stderr(&output));
        assert!(stdout(&output).contains("Observed it takes "), "{}", stdout(&output));
        let trace: Value = serde_json::from_slice(&fs::read(&file)?)?;
        assert!(trace["traceEvents"].as_array().is_some_and(|events| !events.is_empty()));
        return Ok(());
    }
    Err("it was never interrupted in order".into())
}

#[test]
fn a_trace_is_bounded_and_says_so() -> TestResult {
    let scratch = Scratch::new()?;
    let file = scratch.arg("trace.json");
    let args = ["timeline", "--workload", "transfers", "--txns", "1000", "--threads", "2"];
    let more = ["--repeat", "1", "--max-steps", "1000", "--out", &file, "--json"];
    let summary = json(&[&args[..], &more].concat(), 0)?;
    assert_eq!(summary["cut"], true);
    let trace: Value = serde_json::from_slice(&fs::read(&file)?)?;
    assert!(trace["traceEvents"].as_array().is_some_and(|events| events.len() < 5_000));
    Ok(())
}

/// A chain of several blocks: each command knows them by their numbers.
#[test]
fn blocks_of_a_chain_have_their_numbers() -> TestResult {
    let scratch = Scratch::new()?;
    let chain = sample_block().join("../devnet").to_string_lossy().into_owned();
    let file = scratch.arg("t.json");
    let timeline = ["timeline", &chain, "--repeat", "1", "--out", &file, "--json"];
    let third = json(&[&timeline[..], &["--block", "3"]].concat(), 0)?;
    assert_eq!(third["block"], "block 3");
    fs::remove_file(&file)?;
    assert_refused(&timeline, &["of one block", "--block"])?;
    assert_refused(&[&timeline[..], &["--block", "999"]].concat(), &["no block with the number"])?;
    assert!(!scratch.path().join("t.json").exists());
    let numbers: Vec<u64> = (1..=12).collect();
    let explained = json(&["explain", &chain, "--repeat", "1", "--json"], 0)?;
    let titles: Vec<_> = numbers.iter().map(|number| format!("block {number}")).collect();
    let blocks = explained["blocks"].as_array().ok_or("blocks")?;
    let named: Vec<_> = blocks.iter().filter_map(|block| block["block"].as_str()).collect();
    assert_eq!(named, titles);
    let args = ["forecast", &chain, "--workers", "2", "--repeat", "1", "--json"];
    let forecast = json(&args, 0)?;
    let blocks = forecast[0]["blocks"].as_array().ok_or("blocks")?;
    let told: Vec<_> = blocks.iter().filter_map(|block| block[0]["number"].as_u64()).collect();
    assert_eq!(told, numbers);
    Ok(())
}

#[test]
fn what_is_not_one_block_is_refused() -> TestResult {
    let scratch = Scratch::new()?;
    let (file, block) = (scratch.arg("t.json"), sample_block().to_string_lossy().into_owned());
    assert_refused(&["timeline", "--out", &file], &["one block"])?;
    assert_refused(
        &["timeline", &block, "--block", "7", "--out", &file],
        &["no block with the number"],
    )?;
    assert_refused(&["timeline", &block], &["--out"])?;
    assert_refused(&["timeline", &block, "--out", "-", "--json"], &["standard output"])?;
    assert_refused(&["timeline", &block, "--out", &scratch.arg("none/t.json")], &["t.json"])?;
    assert!(!scratch.path().join("t.json").exists());
    Ok(())
}
