//! Eight clients with good, bad, huge and slow requests, while blocks are imported.

use std::{
    io::{Read, Write},
    net::TcpStream,
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    thread,
    time::Duration,
};

use alloy_primitives::B256;
use block_stm_pipeline::{BoxError, Stage, Watch};
use block_stm_rpc::Limits;
use block_stm_workloads::Workload;
use serde_json::{Value, json};

use crate::{
    proofs::verify,
    served::{Client, Served, hex},
    truth::{AnyError, TestResult, Truth},
};

const BLOCKS: usize = 60;

/// Lets the clients ask between the blocks.
struct Slow;

impl Watch for Slow {
    fn begins(&self, stage: Stage, _number: u64) -> Result<(), BoxError> {
        if stage == Stage::Prepare {
            thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }
}

/// What came of the requests.
#[derive(Default)]
struct Seen {
    right: AtomicUsize,
    refused: AtomicUsize,
    proofs: AtomicUsize,
}

fn count(counter: &AtomicUsize) {
    counter.fetch_add(1, Ordering::Relaxed);
}

#[test]
fn no_answer_is_wrong_or_torn_while_blocks_are_imported() -> TestResult {
    let truth = Truth::made(Workload::Mixed, BLOCKS)?;
    let limits = Limits {
        answer_bytes: 1 << 20,
        request_bytes: 100_000,
        idle_time: Duration::from_secs(2),
        ..Limits::default()
    };
    let mut served = Served::new(&truth, limits)?;
    let before = resident();
    let (is_over, seen) = (AtomicBool::new(false), Seen::default());
    let client = served.client();
    let outcome = thread::scope(|scope| {
        let clients: Vec<_> = (0..8)
            .map(|place| {
                let (client, truth, is_over, seen) = (client.clone(), &truth, &is_over, &seen);
                scope.spawn(move || hammer(place, &client, truth, (is_over, seen)))
            })
            .collect();
        let outcome = served.import(&truth, &Slow);
        is_over.store(true, Ordering::Relaxed);
        for client in clients {
            client.join().map_err(|_| "a client panicked")??;
        }
        outcome
    })?;
    assert_eq!(outcome.blocks, BLOCKS as u64);
    assert_eq!(client.ask("eth_blockNumber", json!([]))?, hex(truth.head()));
    let of = |counter: &AtomicUsize| counter.load(Ordering::Relaxed);
    let counts = (of(&seen.right), of(&seen.refused), of(&seen.proofs));
    assert!(counts.0 > 200 && counts.1 > 20 && counts.2 > 5, "{counts:?}");
    if let (Some(before), Some(after)) = (before, resident()) {
        let grown = after.saturating_sub(before);
        assert!(grown < 512 << 20, "{grown} bytes more");
    }
    Ok(())
}

/// The memory of this process, where the system tells it.
fn resident() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/self/statm").ok()?;
    Some(text.split_whitespace().nth(1)?.parse::<u64>().ok()? * 4096)
}

/// One client, until the import is over.
fn hammer(
    place: usize,
    client: &Client,
    truth: &Truth,
    (is_over, seen): (&AtomicBool, &Seen),
) -> TestResult {
    let mut newest = truth.start();
    let mut turn = place;
    while !is_over.load(Ordering::Relaxed) {
        turn += 1;
        match (place, turn % 8) {
            (0..5, 0) => refused(client, seen)?,
            (0..5, 1) => proof(client, truth, seen)?,
            (0..5, 2) => old_state(client, truth, turn, seen)?,
            (0..5, 3) => logs(client, truth, seen)?,
            (0..5, 4) => trace(client, truth, seen)?,
            (0..5, _) => newest = block(client, truth, newest, seen)?,
            (5, _) => bad(client, seen)?,
            (6, _) => huge(client, seen)?,
            _ => slow(client)?,
        }
    }
    Ok(())
}

/// The newest block is whole, and never older than one that was seen.
fn block(client: &Client, truth: &Truth, newest: u64, seen: &Seen) -> Result<u64, AnyError> {
    let block = client.ask("eth_getBlockByNumber", json!(["latest", false]))?;
    let digits = block["number"].as_str().ok_or("no number")?.trim_start_matches("0x");
    let number = u64::from_str_radix(digits, 16)?;
    assert!((newest..=truth.head()).contains(&number), "{number} after {newest}");
    assert_eq!(block["hash"], json!(truth.hash(number)), "block {number}");
    let wanted = truth.block(number).map(|block| block.prepared.txns.clone());
    assert_eq!(block["transactions"], json!(wanted.unwrap_or_default()), "block {number}");
    count(&seen.right);
    Ok(number)
}

/// Balances at a block are those at that block, or an error.
fn old_state(client: &Client, truth: &Truth, turn: usize, seen: &Seen) -> TestResult {
    let number = truth.start() + turn as u64 % (BLOCKS as u64 + 2);
    let Some(state) = truth.state(number) else { return Ok(()) };
    let accounts = state.accounts().count();
    let (address, account) = state.accounts().nth(turn % accounts).ok_or("no account")?;
    let answer = client.answer("eth_getBalance", json!([address, hex(number)]))?;
    match answer["error"]["code"].as_i64() {
        None => assert_eq!(answer["result"], json!(account.info.balance), "block {number}"),
        // It is not there yet, or not kept any more.
        Some(code) => assert!([-32001, 4444].contains(&code), "{answer}"),
    }
    count(&seen.right);
    Ok(())
}

/// A proof is of one of the blocks, whole.
fn proof(client: &Client, truth: &Truth, seen: &Seen) -> TestResult {
    let (address, account) = truth.genesis.state.accounts().next().ok_or("no account")?;
    let slots: Vec<_> = account.storage.keys().take(3).collect();
    let answer = client.answer("eth_getProof", json!([address, slots, "latest"]))?;
    let Some(result) = answer.get("result") else {
        return Err(format!("no proof: {answer}").into());
    };
    let first = result["accountProof"][0].as_str().ok_or("no node")?;
    let root = alloy_primitives::keccak256(alloy_primitives::hex::decode(first)?);
    let numbers = truth.start()..=truth.head();
    let number = numbers
        .into_iter()
        .find(|number| truth.header(*number).is_some_and(|header| header.state_root == root));
    let number = number.ok_or("no block has this root")?;
    let proof = verify(result.clone(), root)?;
    let state = truth.state(number).ok_or("no state")?;
    let balance = state.account(address).map(|account| account.info.balance);
    assert_eq!(Some(proof.balance), balance, "block {number}");
    count(&seen.proofs);
    Ok(())
}

/// The logs of the newest block are all of that block.
fn logs(client: &Client, truth: &Truth, seen: &Seen) -> TestResult {
    let logs = client.ask("eth_getLogs", json!([{}]))?;
    let logs = logs.as_array().ok_or("no list")?;
    let Some(first) = logs.first() else { return Ok(()) };
    assert!(logs.iter().all(|log| log["blockHash"] == first["blockHash"]), "{logs:?}");
    let hash: B256 = serde_json::from_value(first["blockHash"].clone())?;
    let block = truth.blocks.iter().find(|block| block.prepared.hash == hash);
    let receipts = &block.ok_or("no such block")?.result.receipts;
    let wanted = receipts.iter().map(|receipt| receipt.logs.len()).sum::<usize>();
    assert_eq!(logs.len(), wanted);
    count(&seen.right);
    Ok(())
}

/// Traces of the newest block are all of that block.
fn trace(client: &Client, truth: &Truth, seen: &Seen) -> TestResult {
    let params = json!(["latest", {"tracer": "callTracer"}]);
    let answer = client.answer("debug_traceBlockByNumber", params)?;
    match answer["error"]["code"].as_i64() {
        None => {
            let traces = answer["result"].as_array().ok_or("no list")?;
            let hashes: Vec<_> = traces.iter().map(|trace| trace["txHash"].clone()).collect();
            let is_of = |block: &crate::truth::Block| json!(block.prepared.txns) == json!(hashes);
            assert!(truth.blocks.iter().any(is_of), "{hashes:?}");
        }
        // The genesis block has none; the server may be busy.
        Some(code) => assert!([-32602, -32005].contains(&code), "{answer}"),
    }
    count(&seen.right);
    Ok(())
}

/// A question that has no answer.
fn refused(client: &Client, seen: &Seen) -> TestResult {
    client.refused(("eth_getBalance", json!(["0x1"])), -32602, &[])?;
    count(&seen.refused);
    Ok(())
}

/// A body that is no request.
fn bad(client: &Client, seen: &Seen) -> TestResult {
    for body in ["{", "\u{1}", "[1,2]", r#"{"jsonrpc":"2.0","id":1,"method":"no"}"#] {
        let (status, text) = client.post(body)?;
        assert!(status >= 400 || text.contains("\"error\""), "{body}: {text}");
        count(&seen.refused);
    }
    Ok(())
}

/// A request that is too large, and one whose answer is.
fn huge(client: &Client, seen: &Seen) -> TestResult {
    // The server need not read it to the end, so the connection may break.
    if let Ok((status, text)) = client.post(&" ".repeat(1 << 20)) {
        assert!(status >= 400 || text.contains("\"error\""), "{status}: {text}");
    }
    let one = json!({
        "jsonrpc": "2.0", "id": 1, "method": "eth_getBlockByNumber", "params": ["latest", true]
    });
    let (_, text) = client.post(&Value::from(vec![one; 90]).to_string())?;
    assert!(text.len() < 3 << 20, "{} bytes", text.len());
    count(&seen.refused);
    Ok(())
}

/// A request that comes byte by byte and is never whole, and an answer that is not read.
fn slow(client: &Client) -> TestResult {
    let mut stream = TcpStream::connect(client.addr)?;
    stream.set_read_timeout(Some(Duration::from_millis(50)))?;
    for byte in b"POST / HTTP/1.1\r\nContent-Length: 20\r\n\r\n{\"a" {
        if stream.write_all(&[*byte]).is_err() {
            break;
        }
        thread::sleep(Duration::from_millis(2));
    }
    let _ = stream.read(&mut [0; 16]);
    Ok(())
}
