//! `block-stm fetch`, from nodes in this process.

mod server;

use std::{fs, process::Output, time::Duration};

use block_stm_chain::import::import_folder;
use block_stm_evm::{InvalidTxn, ReceiptStatus, execute_sequential};
use serde_json::{Value, json};

use self::server::{Reply, Server};
use crate::cli::{Scratch, TestResult, call, command, json, sample_block, stderr, stdout};

const NUMBER: u64 = 17_100_000;

/// What a good node has: the sample block, and the state before it.
#[derive(Clone)]
struct Chain {
    block: Value,
    pre_state: Value,
    receipts: Value,
}

impl Chain {
    fn sample() -> Result<Self, Box<dyn std::error::Error>> {
        let read = |name: &str| -> Result<Value, Box<dyn std::error::Error>> {
            Ok(serde_json::from_slice(&fs::read(sample_block().join(name))?)?)
        };
        let imported = import_folder(&sample_block())?;
        let result = execute_sequential(&imported.block, &imported.pre_state, InvalidTxn::Reject)?;
        let block = read("block.json")?;
        let receipts = result.receipts.iter().enumerate().map(|(place, receipt)| {
            let success = matches!(receipt.status, ReceiptStatus::Success(true));
            json!({
                "transactionHash": block["transactions"][place]["hash"],
                "cumulativeGasUsed": format!("{:#x}", receipt.cumulative_gas_used),
                "status": if success { "0x1" } else { "0x0" },
                "logs": receipt.logs.iter().map(|_| json!({})).collect::<Vec<_>>(),
            })
        });
        let receipts = receipts.collect();
        Ok(Self { pre_state: read("prestate.json")?, receipts, block })
    }

    fn account(&self, address: &Value) -> &Value {
        let address = address.as_str().unwrap_or_default().to_lowercase();
        let accounts = self.pre_state.as_object().into_iter().flatten();
        let mut accounts = accounts.filter(|(key, _)| key.to_lowercase() == address);
        accounts.next().map_or(&Value::Null, |(_, account)| account)
    }

    /// The right answer.
    fn answer(&self, method: &str, params: &Value) -> Reply {
        let or = |value: &Value, default: &str| match value {
            Value::Null => json!(default),
            value => value.clone(),
        };
        let account = self.account(&params[0]);
        Reply::Result(match method {
            "eth_chainId" => json!("0x1"),
            "eth_blockNumber" => json!(format!("{NUMBER:#x}")),
            "eth_getBlockByNumber" if params[0] == format!("{NUMBER:#x}") => self.block.clone(),
            "eth_getBlockByNumber" => Value::Null,
            "debug_traceBlockByHash" => {
                json!([{ "result": self.pre_state }, { "result": self.pre_state }])
            }
            "eth_getBlockReceipts" => self.receipts.clone(),
            "eth_getBalance" => or(&account["balance"], "0x0"),
            "eth_getTransactionCount" => or(&account["nonce"], "0x0"),
            "eth_getCode" => or(&account["code"], "0x"),
            "eth_getStorageAt" => {
                let digits =
                    |text: &str| text.trim_start_matches("0x").trim_start_matches('0').to_owned();
                let wanted = digits(params[1].as_str().unwrap_or_default());
                let slots = account["storage"].as_object().into_iter().flatten();
                let mut values = slots.filter(|(slot, _)| digits(slot) == wanted);
                values.next().map_or(json!("0x0"), |(_, value)| value.clone())
            }
            _ => return Reply::Error(-32601, "the method does not exist/is not available"),
        })
    }
}

/// The options of every fetch in these tests.
const FAST: [&str; 4] = ["--backoff", "1ms", "--threads", "2"];

fn fetch(url: &str, out: &str, more: &[&str]) -> std::io::Result<Output> {
    call(&[&["fetch", "--rpc", url, "--out", out][..], &FAST, more].concat())
}

/// A node on which `wrong` has a say before the right answer.
fn node(
    wrong: impl Fn(usize, &str, &Value) -> Option<Reply> + Send + Sync + 'static,
) -> Result<Server, Box<dyn std::error::Error>> {
    let chain = Chain::sample()?;
    Ok(Server::new(move |before, method, params| {
        wrong(before, method, params).unwrap_or_else(|| chain.answer(method, params))
    })?)
}

fn entries(folder: &std::path::Path) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut names: Vec<_> =
        entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

#[test]
fn a_block_is_fetched_once_and_can_be_replayed() -> TestResult {
    let (scratch, node) = (Scratch::new()?, node(|_, _, _| None)?);
    let out = scratch.arg("blocks");
    let output = fetch(&node.url(), &out, &["latest"])?;
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let text = stdout(&output);
    for part in
        ["  17100000       2 ", " tracer  ok", "1 block fetched; ", "requests to http://127"]
    {
        assert!(text.contains(part), "{part}: {text}");
    }
    let folder = scratch.path().join("blocks").join(NUMBER.to_string());
    assert_eq!(entries(&folder), ["block.json", "prestate.json", "receipts.json"]);
    assert_eq!(entries(&scratch.path().join("blocks")), [NUMBER.to_string()]);
    let report = json(&["replay", &out, "--repeat", "1", "--json"], 0)?;
    assert_eq!(report["blocks"][0]["number"], NUMBER);

    let again = fetch(&node.url(), &out, &["17100000", "--json"])?;
    let again: Value = serde_json::from_slice(&again.stdout)?;
    assert_eq!((&again["were_there"], &again["fetched"]), (&json!(1), &json!(0)), "{again}");
    assert_eq!(node.calls("debug_traceBlockByHash"), 1, "what is there is not asked for");
    Ok(())
}

#[test]
fn without_a_tracer_the_execution_tells_what_is_read() -> TestResult {
    let scratch = Scratch::new()?;
    let untraced = node(|_, method, _| {
        let gone = ["debug_traceBlockByHash", "eth_getBlockReceipts"].contains(&method);
        gone.then_some(Reply::Error(-32601, "the method debug_x does not exist"))
    })?;
    let by = |source: &str, url: &str, name: &str| {
        fetch(url, &scratch.arg(name), &["latest", "--pre-state", source])
    };
    let output = by("auto", &untraced.url(), "a")?;
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let notes = stderr(&output);
    assert!(notes.contains("no prestate tracer") && notes.contains("eth_getBlockReceipts"));
    assert!(stdout(&output).contains(" execution  ok"), "{}", stdout(&output));
    assert_eq!(by("tracer", &node(|_, _, _| None)?.url(), "b")?.status.code(), Some(0));
    // Whoever tells it, it is the same state.
    let read = |name: &str| {
        fs::read(scratch.path().join(name).join(NUMBER.to_string()).join("prestate.json"))
    };
    assert_eq!(read("a")?, read("b")?);
    let refused = by("tracer", &untraced.url(), "c")?;
    assert_eq!(refused.status.code(), Some(2));
    assert!(stderr(&refused).contains("the node does not have it"), "{}", stderr(&refused));
    Ok(())
}

/// A tracer that leaves out what it should tell is seen through, and not needed.
#[test]
fn traces_that_lie_are_not_believed() -> TestResult {
    let chain = Chain::sample()?;
    let mut wrong = chain.pre_state.clone();
    for account in wrong.as_object_mut().into_iter().flatten().map(|(_, account)| account) {
        account["nonce"] = json!("0x77");
    }
    let node = node(move |_, method, _| {
        let traces = json!([{ "result": wrong }, { "result": wrong }]);
        (method == "debug_traceBlockByHash").then_some(Reply::Result(traces))
    })?;
    let scratch = Scratch::new()?;
    let output = fetch(&node.url(), &scratch.arg("a"), &["latest"])?;
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert!(stdout(&output).contains(" execution  ok"), "{}", stdout(&output));
    let output = fetch(&node.url(), &scratch.arg("b"), &["latest", "--pre-state", "tracer"])?;
    assert_ne!(output.status.code(), Some(0));
    assert_eq!(entries(&scratch.path().join("b")), Vec::<String>::new());
    Ok(())
}

#[test]
fn failures_that_pass_are_waited_for() -> TestResult {
    let failures = || {
        [
            Reply::Status("429 Too Many Requests", "retry-after: 0\r\n", "slow down".to_owned()),
            Reply::Status("503 Service Unavailable", "", String::new()),
            Reply::Error(-32005, "rate limit"),
            Reply::Half,
            Reply::Text("<html>bad gateway</html>"),
            Reply::Stray,
        ]
    };
    let node = node(move |before, _, _| failures().get(before).cloned())?;
    let scratch = Scratch::new()?;
    let output = fetch(&node.url(), &scratch.arg("out"), &["latest", "--retries", "6", "-v"])?;
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert_eq!(node.calls("eth_chainId"), 7);
    let told = stderr(&output);
    let again: Vec<_> =
        told.lines().filter(|line| line.contains("eth_chainId is asked again")).collect();
    assert_eq!(again.len(), 6, "{told}");
    assert!(again[0].contains("eth_chainId is asked again: ") && again[0].contains("HTTP 429"));
    for part in ["answers for chain", "is read: 2 txns", "the tracer told", "is written to"] {
        assert!(told.contains(part), "{part}: {told}");
    }
    let again = fetch(&node.url(), &scratch.arg("out"), &["latest", "-v"])?;
    assert!(stderr(&again).contains("is there already"), "{}", stderr(&again));
    Ok(())
}

#[test]
fn a_node_that_never_gets_better_is_given_up_with_one_line() -> TestResult {
    let scratch = Scratch::new()?;
    let cases: [(Reply, &str); 9] = [
        (Reply::Status("500 Oh", "", String::new()), "HTTP 500, 2 times"),
        (Reply::Half, "broke off"),
        (Reply::Text("{"), "not JSON-RPC"),
        (Reply::Stray, "to another request"),
        (Reply::Silence, "no answer within 1 s, 2 times"),
        (Reply::Status("403 No", "", "<html>".to_owned()), "is the key right?"),
        (Reply::Status("302 There", "location: /x\r\n", String::new()), "not followed"),
        (Reply::Error(-32000, "boom"), "boom (-32000)"),
        (Reply::Endless, "is not read"),
    ];
    for (reply, words) in cases {
        let node = node(move |_, _, _| Some(reply.clone()))?;
        let out = scratch.arg("out");
        let output = fetch(&node.url(), &out, &["latest", "--retries", "1", "--timeout", "1"])?;
        let message = stderr(&output);
        assert_eq!(output.status.code(), Some(2), "{words}: {message}");
        let lines = message.lines().filter(|line| line.starts_with("error: ")).count();
        assert!(message.contains(words) && lines == 1, "{words}: {message}");
        assert_eq!(stdout(&output), "", "{words}");
    }
    assert!(!scratch.path().join("out").exists(), "nothing was fetched");
    Ok(())
}

#[test]
fn answers_that_lie_are_not_written() -> TestResult {
    let scratch = Scratch::new()?;
    let chain = Chain::sample()?;
    let block = |change: fn(&mut Value)| {
        let mut block = chain.block.clone();
        change(&mut block);
        Reply::Result(block)
    };
    let receipts = {
        let mut receipts = chain.receipts.clone();
        receipts[1]["cumulativeGasUsed"] = json!("0x1");
        Reply::Result(receipts)
    };
    let cases: [(&str, Reply, &str, i32); 7] = [
        ("eth_getBlockByNumber", block(|block| block["number"] = json!("0x7")), "is block 7", 2),
        ("eth_getBlockByNumber", block(|block| block["gasUsed"] = json!("0x7")), "hash", 2),
        ("eth_getBlockByNumber", block(|block| block["transactions"] = json!([])), "root", 2),
        ("eth_getBlockByNumber", Reply::Result(json!({"number": 1})), "missing field", 2),
        ("eth_getBlockByNumber", Reply::Result(Value::Null), "no such block", 2),
        ("eth_getBlockReceipts", receipts, "receipt of txn 1", 1),
        ("eth_getBlockReceipts", Reply::Result(json!([])), "0 receipts", 1),
    ];
    for (method, reply, words, code) in cases {
        let node = node(move |_, asked, _| (asked == method).then(|| reply.clone()))?;
        let output = fetch(&node.url(), &scratch.arg("out"), &["latest"])?;
        let message = stderr(&output);
        assert_eq!(output.status.code(), Some(code), "{words}: {message}");
        assert!(message.contains(words), "{words}: {message}");
        assert_eq!(entries(&scratch.path().join("out")), Vec::<String>::new(), "{words}");
    }
    Ok(())
}

/// Wherever the key is, and whatever echoes it.
#[test]
fn no_part_of_the_url_but_the_host_is_ever_shown() -> TestResult {
    const KEY: &str = "0123456789abcdef0123";
    let scratch = Scratch::new()?;
    let echo = node(|_, method, _| match method {
        "eth_chainId" => None,
        _ => Some(Reply::Error(-32000, "the key 0123456789abcdef0123 has no credit")),
    })?;
    let dead = Server::new(|_, _, _| Reply::Half)?;
    for server in [&echo, &dead] {
        let at = server.url();
        let with_user = at.replace("http://", &format!("http://me:{KEY}@"));
        for url in [format!("{at}/v3/{KEY}"), format!("{at}/?key={KEY}"), with_user] {
            let file = scratch.arg("result.json");
            for told in ["--retries=1", "-vvv"] {
                let more = ["latest", "--retries", "1", "--json-file", &file, told];
                let more = if told == "-vvv" { &more[..] } else { &more[..5] };
                let output = fetch(&url, &scratch.arg("out"), more)?;
                assert_ne!(output.status.code(), Some(0));
                let file = fs::read_to_string(&file).unwrap_or_default();
                let all = [stdout(&output), stderr(&output), file];
                assert!(all.iter().all(|text| !text.contains(KEY)), "{url}: {all:?}");
                assert_eq!(all[1].contains("TRACE"), told == "-vvv", "{}", all[1]);
            }
        }
    }
    for url in [format!("ws://node/{KEY}"), KEY.to_owned(), format!("http:/{KEY}")] {
        let output = fetch(&url, &scratch.arg("out"), &["latest"])?;
        assert_eq!(output.status.code(), Some(2));
        assert!(!stderr(&output).contains(KEY), "{}", stderr(&output));
    }
    let help = call(&["fetch", "--help"]);
    let help = command(&["fetch", "--help"]).env("BLOCK_STM_RPC", KEY).output().or(help)?;
    assert!(!stdout(&help).contains(KEY) && stdout(&help).contains("BLOCK_STM_RPC"));
    Ok(())
}

#[test]
fn what_is_in_the_way_is_not_replaced() -> TestResult {
    let (scratch, node) = (Scratch::new()?, node(|_, _, _| None)?);
    let folder = scratch.path().join("out").join(NUMBER.to_string());
    fs::create_dir_all(&folder)?;
    fs::write(folder.join("mine"), "kept")?;
    let output = fetch(&node.url(), &scratch.arg("out"), &["latest"])?;
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("is in the way"), "{}", stderr(&output));
    assert_eq!(fs::read_to_string(folder.join("mine"))?, "kept");
    // A file where the folders would be is seen before the node is asked.
    let asked = node.calls("eth_chainId");
    let file = fetch(&node.url(), &scratch.arg(&format!("out/{NUMBER}/mine")), &["latest"])?;
    assert_eq!(file.status.code(), Some(2));
    assert!(stderr(&file).contains("not a directory"), "{}", stderr(&file));
    assert_eq!(node.calls("eth_chainId"), asked);
    Ok(())
}

#[test]
fn a_range_that_the_node_does_not_have_ends_soon() -> TestResult {
    let (scratch, node) = (Scratch::new()?, node(|_, _, _| None)?);
    let output = fetch(&node.url(), &scratch.arg("out"), &["5..100000", "--jobs", "2"])?;
    assert_eq!(output.status.code(), Some(2));
    let message = stderr(&output);
    assert!(message.contains("gave up after 3 failed blocks"), "{message}");
    assert!(node.calls("eth_getBlockByNumber") < 10);
    let beyond = fetch(&node.url(), &scratch.arg("out"), &["99999999..latest"])?;
    assert!(stderr(&beyond).contains("there is no block 99999999 yet"), "{}", stderr(&beyond));
    Ok(())
}

/// Ctrl-C: what was done is told, and the exit code is that of an interrupt.
#[cfg(unix)]
#[test]
fn following_ends_in_order_when_it_is_interrupted() -> TestResult {
    use std::process::Stdio;
    let (scratch, node) = (Scratch::new()?, node(|_, _, _| None)?);
    let (url, out, file) = (node.url(), scratch.arg("out"), scratch.arg("result.json"));
    let args = ["fetch", "--rpc", &url, "--out", &out, "--follow", "--poll", "10ms"];
    let mut child = command(&[&args[..], &["--json-file", &file]].concat())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    for _ in 0..600 {
        if node.calls("eth_blockNumber") > 5 {
            break;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    if !crate::cli::interrupt(&mut child)? {
        return Ok(());
    }
    let output = child.wait_with_output()?;
    assert_eq!(output.status.code(), Some(130), "{}", stderr(&output));
    assert!(stdout(&output).contains("1 block fetched"), "{}", stdout(&output));
    assert!(stdout(&output).contains("speed-up"), "{}", stdout(&output));
    let written: Value = serde_json::from_slice(&fs::read(&file)?)?;
    assert_eq!(written["fetched"], 1);
    Ok(())
}
