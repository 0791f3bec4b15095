//! `block-stm chain`: blocks through the pipeline, into a store.

use std::{
    collections::HashMap,
    fs,
    io::{BufRead, BufReader},
    process::{Child, Stdio},
    thread,
    time::Duration,
};

use alloy_primitives::B256;
use block_stm_chain::rlp_blocks;
use block_stm_store::{Options, Store, disk::Folder};
use serde_json::{Value, json};

use crate::{
    cli::{Scratch, TestResult, assert_refused, call, command, json, stderr, stdout},
    fixtures,
};

/// How often the killed process is killed; 20 times if nothing is said.
const KILLS: &str = "BLOCK_STM_CHAIN_KILLS";

const LOAD: [&str; 10] =
    ["chain", "run", "--workload", "mixed", "--blocks", "60", "--txns", "20", "--threads", "2"];

#[test]
fn a_run_tells_each_stage_and_compares() -> TestResult {
    let small = ["chain", "run", "--workload", "erc20", "--blocks", "4", "--txns", "50"];
    let run = json(&[&small[..], &["--compare", "--recover", "--json"]].concat(), 0)?;
    assert_eq!((&run["blocks"], &run["txns"], &run["ok"]), (&json!(4), &json!(200), &json!(true)));
    for number in ["txns_per_second", "bound_txns_per_second", "one_by_one_txns_per_second"] {
        assert!(run[number].as_f64() > Some(0.0), "{number}: {run}");
    }
    let stages = run["stages"].as_array().ok_or("a list")?;
    let names: Vec<_> = stages.iter().map(|stage| &stage["stage"]).collect();
    assert_eq!(names, ["prepare", "execute", "root", "log", "flat"]);
    assert!(stages[..4].iter().all(|stage| stage["blocks"] == 4), "{run}");
    // The same seed is the same chain, whatever the threads.
    let again = json(&[&small[..], &["--threads", "4", "--json"]].concat(), 0)?;
    assert_eq!(again["hash"], run["hash"]);
    let text = stdout(&call(&small)?);
    assert!(text.contains("\nLimit: ") && text.contains("\nBound: "), "{text}");
    assert!(text.lines().skip(1).take(8).all(|line| line.chars().count() <= 80), "{text}");
    assert_refused(&["chain", "run", "--workload", "nfts"], &["nfts"])?;
    assert_refused(&["chain", "run", "--seed", "-1"], &["'-1'", "--seed", "not in 0.."])?;
    assert_refused(&["chain", "run", "--blocks", "1000", "--txns", "5000"], &["1000000"])
}

#[test]
fn the_whole_chain_is_imported_and_gone_on_with() -> TestResult {
    let name = "the_whole_chain_is_imported_and_gone_on_with";
    let Some(folder) = fixtures::folder(name, "chain") else { return Ok(()) };
    let path = |name: &str| folder.join(name).to_string_lossy().into_owned();
    let (genesis, blocks) = (path("genesis.json"), path("chain.rlp"));
    let scratch = Scratch::new()?;
    let bytes = fs::read(&blocks)?;
    let half = rlp_blocks(&bytes).nth(20).ok_or("there are more blocks")?.0;
    fs::write(scratch.path().join("first.rlp"), &bytes[..half])?;
    let (first, store) = (scratch.arg("first.rlp"), scratch.arg("store"));
    let import = |file: &str, code| {
        let args = ["chain", "import", "--genesis", &genesis, "--store", &store, file, "--json"];
        json(&args, code)
    };
    let begun = import(&first, 0)?;
    assert_eq!((&begun["blocks"], &begun["durable"]), (&json!(20), &json!(20)));
    let done = import(&blocks, 0)?;
    assert_eq!((&done["resumed_at"], &done["blocks"]), (&json!(20), &json!(34)));
    // What was imported the other way has the same head and root.
    let other = json(&["import", "--genesis", &genesis, &blocks, "--json"], 0)?;
    for field in ["head", "number", "state_root"] {
        assert_eq!(done[field], other[field], "{field}");
    }
    assert_eq!(import(&blocks, 0)?["blocks"], 0);
    assert_eq!(json(&["db", "check", &store, "--json"], 0)?["number"], 54);
    // A block that is cut off is told with its place; what is before it stays.
    fs::write(scratch.path().join("cut.rlp"), &bytes[..half + 10])?;
    let (cut, fresh) = (scratch.arg("cut.rlp"), scratch.arg("fresh"));
    let args = ["chain", "import", "--genesis", &genesis, "--store", &fresh, &cut];
    let output = call(&args)?;
    assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
    let message = stderr(&output);
    assert!(message.contains(&format!("cut.rlp, at byte {half}: ")), "{message}");
    assert!(stdout(&output).contains("Head: block 20 "), "{}", stdout(&output));
    Ok(())
}

/// The blocks that a process tells to be durable.
fn durable(child: &mut Child) -> impl Iterator<Item = u64> + Send + use<> {
    let lines = BufReader::new(child.stderr.take().expect("it is piped")).lines();
    lines.map_while(Result::ok).filter_map(|line| {
        let (_, rest) = line.split_once("block ")?;
        rest.split_once(" is durable")?.0.parse::<u64>().ok()
    })
}

/// Ctrl-C: the blocks so far are durable and in the table, and the exit code is that of an
/// interrupt.
#[cfg(unix)]
#[test]
fn an_interrupted_run_keeps_what_was_done() -> TestResult {
    let scratch = Scratch::new()?;
    let store = scratch.arg("store");
    let load = ["chain", "run", "-v", "--blocks", "400", "--txns", "10", "--json"];
    let mut child = command(&[&load[..], &["--store", &store]].concat())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    let mut told = durable(&mut child);
    let first = told.next().ok_or("it ended before its first block")?;
    if !crate::cli::interrupt(&mut child)? {
        return Ok(());
    }
    let last = told.fold(first, u64::max);
    let output = child.wait_with_output()?;
    assert_eq!(output.status.code(), Some(130));
    let run: Value = serde_json::from_slice(&output.stdout)?;
    assert_eq!(run["number"], last);
    assert!(run["blocks"].as_u64() < Some(400), "{run}");
    let opened = Store::open(Folder::new(&store), Options::default())?;
    assert_eq!(opened.head().0, last);
    Ok(())
}

/// Starts a run on `store`, kills it `after` it told of its first durable block or of its end, and
/// returns the highest block that it told.
fn killed(store: &str, after: Duration) -> Result<u64, Box<dyn std::error::Error>> {
    let mut child = command(&[&["-v"], &LOAD[..], &["--store", store]].concat())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()?;
    let mut lines = durable(&mut child);
    let first = lines.next().unwrap_or_default();
    let rest = thread::spawn(move || lines.fold(first, u64::max));
    thread::sleep(after);
    child.kill()?;
    child.wait()?;
    rest.join().map_err(|_| "the reader panicked".into())
}

#[test]
fn what_a_killed_run_told_is_there_and_nothing_else() -> TestResult {
    let kills = std::env::var(KILLS).map_or(Ok(20), |kills| kills.parse::<u64>())?;
    let scratch = Scratch::new()?;
    let whole = scratch.arg("whole");
    let head = json(&[&LOAD[..], &["--store", &whole, "--json"]].concat(), 0)?;
    let last = head["number"].as_u64().ok_or("a number")?;
    let reference = Store::open(Folder::new(&whole), Options::default())?;
    let snapshot = reference.snapshot()?;
    let hashes = (last - 60..=last).map(|number| Ok((number, snapshot.block(number)?)));
    let hashes: HashMap<u64, B256> = hashes
        .map(|block| {
            block.map(|(number, block)| (number, block.map(|it| it.hash).unwrap_or_default()))
        })
        .collect::<Result<_, block_stm_store::StoreError>>()?;
    let (mut store, mut between, mut random) = (scratch.arg("store-0"), 0, 1_u64);
    for kill in 0..kills {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(kill);
        let told = killed(&store, Duration::from_micros((random >> 33) % 60_000))?;
        let opened = Store::open(Folder::new(&store), Options::default())?;
        let (number, hash) = opened.head();
        assert!(number >= told, "kill {kill}: {told} was told, {number} is there");
        assert_eq!(hashes.get(&number), Some(&hash), "kill {kill}: block {number}");
        opened.check()?;
        between += u64::from(number < last);
        drop(opened);
        if number == last {
            store = scratch.arg(&format!("store-{}", kill + 1));
        }
    }
    assert!(between > 0 || kills == 0, "no run was killed before its end");
    // The state has the root of its header, which is checked when a run goes on.
    let done = json(&[&LOAD[..], &["--store", &store, "--json"]].concat(), 0)?;
    assert_eq!(done["hash"], head["hash"]);
    Ok(())
}

#[test]
fn what_can_not_be_gone_on_with_is_refused() -> TestResult {
    let scratch = Scratch::new()?;
    let store = scratch.arg("store");
    let run = |more: &[&str]| {
        let args = ["chain", "run", "--workload", "transfers", "--txns", "20"];
        [&args[..], more].concat().into_iter().map(str::to_owned).collect::<Vec<_>>()
    };
    let args = run(&["--blocks", "2", "--store", &store]);
    let args: Vec<_> = args.iter().map(String::as_str).collect();
    assert_eq!(json(&[&args[..], &["--json"]].concat(), 0)?["durable"], 24_000_001);
    let other = run(&["--blocks", "3", "--store", &store]);
    let other: Vec<_> = other.iter().map(String::as_str).collect();
    assert_refused(&other, &["the store of another chain", "STORE"])?;
    fs::write(scratch.path().join("wrong.json"), "[]")?;
    let wrong = scratch.arg("wrong.json");
    assert_refused(
        &["chain", "import", "--genesis", &wrong, "--store", &store, &wrong],
        &["wrong.json"],
    )
}
