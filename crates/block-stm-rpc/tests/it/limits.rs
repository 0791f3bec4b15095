//! Each limit is hit, and says which one it is.

use std::{
    io::{Read, Write},
    net::TcpStream,
    sync::Arc,
    time::{Duration, Instant},
};

use alloy_primitives::{Address, B256};
use block_stm_rpc::Limits;
use block_stm_store::Options;
use block_stm_workloads::Workload;
use serde_json::{Value, json};

use crate::{
    served::{Served, hex},
    truth::{TestResult, Truth},
};

#[test]
fn bytes_and_batches_are_bounded() -> TestResult {
    let truth = Truth::made(Workload::Erc20, 1)?;
    let limits =
        Limits { request_bytes: 2_000, answer_bytes: 20_000, batch: 3, ..Limits::default() };
    let served = Served::whole(&truth, limits)?;
    let client = served.client();
    let (status, text) = client.post(&" ".repeat(2_001))?;
    assert!(status == 413 || text.contains("error"), "{status}: {text}");
    let one = json!({"jsonrpc": "2.0", "id": 1, "method": "eth_chainId", "params": []});
    let (_, text) = client.post(&json!(vec![one.clone(); 4]).to_string())?;
    assert!(text.contains("batch") && text.contains('3'), "{text}");
    let (_, text) = client.post(&json!(vec![one; 3]).to_string())?;
    assert_eq!(serde_json::from_str::<Value>(&text)?.as_array().map(Vec::len), Some(3));
    let full = ("eth_getBlockByNumber", json!([hex(truth.head()), true]));
    client.refused(full, -32005, &["more than 20000 bytes"])?;
    let tracer = json!([hex(truth.head()), {}]);
    client.refused(("debug_traceBlockByNumber", tracer), -32005, &["more than 20000 bytes"])?;
    let logs = json!([{"fromBlock": "earliest"}]);
    client.refused(("eth_getLogs", logs), -32005, &["more than 20000 bytes"])?;
    // All answers of a batch together.
    let hashes = json!({
        "jsonrpc": "2.0", "id": 1, "method": "eth_getBlockReceipts", "params": [hex(truth.start())]
    });
    let (_, text) = client.post(&json!([hashes]).to_string())?;
    assert!(text.len() < 20_000, "{text}");
    Ok(())
}

#[test]
fn logs_proofs_and_traces_are_bounded() -> TestResult {
    let truth = Truth::made(Workload::Erc20, 4)?;
    let limits = Limits {
        log_blocks: 3,
        logs: 50,
        log_terms: 2,
        proof_slots: 2,
        trace_steps: 10,
        ..Limits::default()
    };
    let served = Served::whole(&truth, limits)?;
    let client = served.client();
    let logs = |filter: Value| ("eth_getLogs", json!([filter]));
    let all = json!({"fromBlock": "earliest", "toBlock": "latest"});
    client.refused(logs(all), -32005, &["more than 3"])?;
    let three = json!({"fromBlock": hex(truth.head() - 2)});
    client.refused(logs(three), -32005, &["more than 50 logs"])?;
    let one = client.ask("eth_getLogs", json!([{}]))?;
    assert_eq!(
        one.as_array().map(Vec::len),
        Some(truth.blocks[3].result.receipts.iter().map(|receipt| receipt.logs.len()).sum())
    );
    let terms: Vec<_> = (1..4).map(Address::repeat_byte).collect();
    client.refused(logs(json!({"address": terms})), -32005, &["3 addresses", "at most 2"])?;
    let huge = json!({"fromBlock": "0x0", "toBlock": hex(u64::MAX)});
    client.refused(logs(huge), -32005, &["more than 3"])?;
    let reversed = json!({"fromBlock": hex(truth.head()), "toBlock": hex(truth.head() - 1)});
    client.refused(logs(reversed), -32602, &["are none"])?;
    client.refused(logs(json!({"blockHash": B256::ZERO})), -32001, &["unknown block"])?;
    let proof = json!([Address::ZERO, ["0x1", "0x2", "0x3"], "latest"]);
    client.refused(("eth_getProof", proof), -32005, &["3 slots", "at most 2"])?;
    let trace = |options: Value| ("debug_traceBlockByNumber", json!(["latest", options]));
    client.refused(trace(json!({})), -32005, &["more than 10 steps"])?;
    // Who asks for fewer gets them.
    let cut = client.ask(trace(json!({})).0, trace(json!({"limit": 5})).1)?;
    assert_eq!(cut[0]["result"]["structLogs"].as_array().map(Vec::len), Some(5));
    client.refused(trace(json!({"tracer": "jsTracer"})), -32602, &["jsTracer"])?;
    let genesis = json!([hex(truth.start()), {}]);
    client.refused(("debug_traceBlockByNumber", genesis), -32602, &["genesis"])
}

#[test]
fn a_state_that_is_not_kept_is_an_error() -> TestResult {
    let truth = Truth::made(Workload::Transfers, 12)?;
    let options = Options::default().recent_blocks(2).flush_blocks(2);
    let mut served = Served::with_options(&truth, Limits::default(), options)?;
    served.import(&truth, &block_stm_pipeline::Unwatched)?;
    let client = served.client();
    let old = json!([Address::ZERO, hex(truth.start() + 1)]);
    for method in ["eth_getBalance", "eth_getTransactionCount", "eth_getCode"] {
        client.refused((method, old.clone()), 4444, &["not kept", "oldest"])?;
    }
    let call = json!([{"to": Address::ZERO}, hex(truth.start() + 1)]);
    client.refused(("eth_call", call), 4444, &["not kept"])?;
    let trace = json!([hex(truth.start() + 2), {}]);
    client.refused(("debug_traceBlockByNumber", trace), 4444, &["not kept"])?;
    let above = json!([Address::ZERO, hex(truth.head() + 1)]);
    client.refused(("eth_getBalance", above), -32001, &["unknown block"])?;
    // Blocks are there all the same.
    client.ask("eth_getBlockByNumber", json!([hex(truth.start() + 1), true]))?;
    Ok(())
}

#[test]
fn what_is_not_in_form_is_refused() -> TestResult {
    let truth = Truth::made(Workload::Transfers, 1)?;
    let served = Served::whole(&truth, Limits::default())?;
    let client = served.client();
    let refused =
        |method: &str, params: Value, code: i64| client.refused((method, params), code, &[]);
    refused("eth_getBalance", json!([]), -32602)?;
    refused("eth_getBalance", json!(["0x12"]), -32602)?;
    refused("eth_getBalance", json!([Address::ZERO, "newest"]), -32602)?;
    refused("eth_getBalance", json!([Address::ZERO, "latest", 1]), -32602)?;
    refused("eth_getBlockByNumber", json!(["latest", "yes"]), -32602)?;
    refused("eth_getBlockByHash", json!([B256::ZERO, false, 1]), -32602)?;
    refused("eth_chainId", json!([1]), -32602)?;
    refused("eth_sendRawTransaction", json!(["0x00"]), -32601)?;
    refused("eth_subscribe", json!(["newHeads"]), -32601)?;
    for body in ["", "{", "[]", "null", "\u{0}", "{\"jsonrpc\":\"2.0\"}", &"[".repeat(100_000)] {
        let (status, text) = client.post(body)?;
        let is_refused = status >= 400 || text.contains("\"error\"");
        assert!(is_refused, "{:?}: {status}: {text}", &body[..body.len().min(40)]);
    }
    client.ask("eth_chainId", json!([]))?;
    Ok(())
}

/// What a raw connection gets back until it is closed.
fn raw(stream: &mut TcpStream, request: &str) -> std::io::Result<String> {
    stream.set_read_timeout(Some(Duration::from_secs(20)))?;
    stream.write_all(request.as_bytes())?;
    let mut text = String::new();
    match stream.read_to_string(&mut text) {
        Err(error) if error.kind() != std::io::ErrorKind::ConnectionReset => Err(error),
        _ => Ok(text),
    }
}

#[test]
fn slow_and_idle_connections_end() -> TestResult {
    let truth = Truth::made(Workload::Transfers, 1)?;
    let short = Duration::from_secs(1);
    let limits =
        Limits { idle_time: short, request_time: short, connections: 4, ..Limits::default() };
    let served = Served::whole(&truth, limits)?;
    let connect = || TcpStream::connect(served.server.addr());
    let start = Instant::now();
    let head = "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n";
    // Nothing, half a head, and a body that does not come.
    raw(&mut connect()?, "")?;
    raw(&mut connect()?, "POST / HTTP/1.1\r\nHost: loc")?;
    let text = raw(&mut connect()?, &format!("{head}Content-Length: 100\r\n\r\n{{"))?;
    assert!(text.starts_with("HTTP/1.1 408"), "{text}");
    assert!(start.elapsed() < Duration::from_secs(15), "{:?}", start.elapsed());
    // No more than four at a time; those above are closed at once.
    let idle = (0..4).map(|_| connect()).collect::<Result<Vec<_>, _>>()?;
    std::thread::sleep(Duration::from_millis(100));
    let begun = Instant::now();
    assert_eq!(raw(&mut connect()?, "").unwrap_or_default(), "");
    assert!(begun.elapsed() < short / 2, "{:?}", begun.elapsed());
    drop(idle);
    Ok(())
}

#[test]
fn names_of_other_hosts_are_refused() -> TestResult {
    let truth = Truth::made(Workload::Transfers, 1)?;
    let served = Served::whole(&truth, Limits::default())?;
    let body = r#"{"jsonrpc":"2.0","id":1,"method":"eth_chainId"}"#;
    let ask = |host: &str| {
        let length = body.len();
        let request = format!(
            "POST / HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\n\
             Content-Length: {length}\r\nConnection: close\r\n\r\n{body}"
        );
        raw(&mut TcpStream::connect(served.server.addr())?, &request)
    };
    assert!(ask("evil.example")?.starts_with("HTTP/1.1 403"), "{}", ask("evil.example")?);
    assert!(ask("localhost:8545")?.starts_with("HTTP/1.1 200"), "{}", ask("localhost:8545")?);
    Ok(())
}

#[test]
fn who_waits_too_long_for_others_is_told() -> TestResult {
    let truth = Truth::made(Workload::Transfers, 1)?;
    let limits = Limits {
        heavy: 1,
        work_time: Duration::from_secs(3),
        request_time: Duration::from_secs(5),
        call_gas: u64::MAX,
        ..Limits::default()
    };
    let served = Arc::new(Served::whole(&truth, limits)?);
    // A creation whose code never ends.
    let call = json!([{"data": "0x5b5f56"}, "latest"]);
    let busy = std::thread::spawn({
        let (client, call) = (served.client(), call.clone());
        move || client.refused(("eth_call", call), -32005, &["more than 3000 ms"])
    });
    std::thread::sleep(Duration::from_millis(300));
    served.client().refused(("eth_call", call), -32005, &["busy"])?;
    // Light requests do not wait for heavy ones.
    served.client().ask("eth_blockNumber", json!([]))?;
    busy.join().map_err(|_| "it panicked")?
}
