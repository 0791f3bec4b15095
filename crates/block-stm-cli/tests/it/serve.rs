//! `block-stm chain serve`: its beginning, its end, and what it refuses.

use std::{
    fs,
    io::{BufRead, BufReader},
    process::{Child, Command, Stdio},
};

use block_stm_store::{Options, Store, disk::Folder};
use serde_json::{Value, json};

use crate::{
    cli::{Scratch, TestResult, assert_refused, command, json as called},
    fixtures,
};

/// A genesis file of a small chain.
fn genesis(scratch: &Scratch, name: &str, chain: u64) -> std::io::Result<String> {
    let genesis = json!({
        "config": {"chainId": chain, "terminalTotalDifficulty": 0, "shanghaiTime": 0,
            "homesteadBlock": 0, "eip150Block": 0, "eip155Block": 0, "eip158Block": 0,
            "byzantiumBlock": 0, "constantinopleBlock": 0, "petersburgBlock": 0,
            "istanbulBlock": 0, "berlinBlock": 0, "londonBlock": 0, "mergeNetsplitBlock": 0},
        "gasLimit": "0x1c9c380", "difficulty": "0x0", "timestamp": "0x0",
        "alloc": {"0x00000000000000000000000000000000000000aa": {"balance": format!("{chain:#x}")}}
    });
    fs::write(scratch.path().join(name), genesis.to_string())?;
    Ok(scratch.arg(name))
}

/// A server at a free port, and its URL.
fn started(args: &[&str]) -> Result<(Child, String), Box<dyn std::error::Error>> {
    let mut child = command(args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    let stderr = child.stderr.take().ok_or("it is piped")?;
    for line in BufReader::new(stderr).lines() {
        if let Some((_, url)) = line?.split_once("listening on ") {
            return Ok((child, url.trim().to_owned()));
        }
    }
    Err("it does not listen".into())
}

fn ask(url: &str, method: &str) -> Result<Value, Box<dyn std::error::Error>> {
    let body = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": []}).to_string();
    let request = ureq::post(url).header("content-type", "application/json");
    let text = request.send(&body)?.body_mut().read_to_string()?;
    Ok(serde_json::from_str::<Value>(&text)?["result"].take())
}

/// Answers while it runs, keeps others out, and ends in order with an interrupt.
#[cfg(unix)]
#[test]
fn it_answers_until_an_interrupt() -> TestResult {
    let name = "it_answers_until_an_interrupt";
    let Some(folder) = fixtures::folder(name, "chain") else { return Ok(()) };
    let path = |name: &str| folder.join(name).to_string_lossy().into_owned();
    let (genesis, blocks) = (path("genesis.json"), path("chain.rlp"));
    let scratch = Scratch::new()?;
    let store = scratch.arg("store");
    let serve = ["chain", "serve", "--genesis", &genesis, "--store", &store];
    let args = [&serve[..], &[&blocks, "--listen", "127.0.0.1:0", "--json"]].concat();
    let (mut child, url) = started(&args)?;
    while ask(&url, "eth_blockNumber")? != "0x36" {}
    assert_refused(&serve, &["in use by another process"])?;
    let port = url.trim_start_matches("http://");
    let other = scratch.arg("other");
    let taken = ["chain", "serve", "--genesis", &genesis, "--store", &other, "--listen", port];
    assert_refused(&taken, &["can't listen on", port])?;
    if !crate::cli::interrupt(&mut child)? {
        return Ok(());
    }
    let output = child.wait_with_output()?;
    assert_eq!(output.status.code(), Some(130));
    let told: Value = serde_json::from_slice(&output.stdout)?;
    assert_eq!((&told["number"], &told["durable"]), (&json!(54), &json!(54)));
    assert_eq!(Store::open(Folder::new(&store), Options::default())?.head().0, 54);
    // What is there already is served as well.
    let again = [&serve[..], &["--listen", "127.0.0.1:0", "--once", "--json"]].concat();
    assert_eq!(called(&again, 0)?["number"], 54);
    Ok(())
}

#[test]
fn what_can_not_be_served_is_told_in_a_line() -> TestResult {
    let scratch = Scratch::new()?;
    let (one, other) = (genesis(&scratch, "one.json", 7)?, genesis(&scratch, "other.json", 8)?);
    let store = scratch.arg("store");
    fn serve<'a>(genesis: &'a str, store: &'a str, more: &[&'a str]) -> Vec<&'a str> {
        let args = ["chain", "serve", "--genesis", genesis, "--store", store, "--once"];
        [&args[..], &["--listen", "127.0.0.1:0"], more].concat()
    }
    assert_eq!(called(&serve(&one, &store, &["--json"]), 0)?["number"], 0);
    assert_refused(&serve(&other, &store, &[]), &["the store of another chain"])?;
    let none = scratch.arg("none.json");
    assert_refused(&serve(&none, &store, &[]), &["none.json"])?;
    assert_refused(&serve(&one, &store, &["--max-batch", "0"]), &["--max-batch", "1.."])?;
    assert_refused(&serve(&one, &store, &["--listen", "localhost"]), &["--listen"])?;
    // A damaged store says where.
    let log = scratch.path().join("store").join("log-0000000001");
    let mut bytes = fs::read(&log)?;
    let at = bytes.len() / 2;
    bytes[at] ^= 1;
    fs::write(&log, bytes)?;
    assert_refused(&serve(&one, &store, &[]), &["log-0000000001", "damaged"])
}

/// A folder that can't be written to.
#[cfg(unix)]
#[test]
fn a_read_only_folder_is_told() -> TestResult {
    let scratch = Scratch::new()?;
    let genesis = genesis(&scratch, "one.json", 7)?;
    let folder = scratch.path().join("store");
    fs::create_dir(&folder)?;
    Command::new("chmod").arg("a-w").arg(&folder).status()?;
    // Root may write all the same.
    if fs::write(folder.join("probe"), []).is_ok() {
        use std::io::Write;
        let _ = writeln!(std::io::stderr(), "SKIPPED a_read_only_folder_is_told: this is root");
        return Ok(());
    }
    let store = scratch.arg("store");
    let args = ["chain", "serve", "--genesis", &genesis, "--store", &store, "--once"];
    assert_refused(&args, &["store", "can't be written to"])
}
