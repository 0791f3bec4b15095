//! Calls are executed on the state after the block that they name.

use alloy_consensus::Transaction as _;
use alloy_primitives::{Address, Bytes, U256};
use block_stm_evm::{
    PreState,
    revm::state::{AccountInfo, Bytecode},
};
use block_stm_rpc::Limits;
use block_stm_workloads::Workload;
use serde_json::json;

use crate::{
    served::{Client, Served, hex},
    truth::{AnyError, TestResult, Truth},
};

const ALICE: Address = Address::repeat_byte(0xa1);
/// Answers NUMBER, BASEFEE, CALLER and slot 1.
const ANSWERS: (u8, &str) = (0x71, "435f5248602052336040526001546060526080 5ff3");
/// Reverts with one word, 7.
const REVERTS: (u8, &str) = (0x72, "60075f5260205ffd");
/// Never ends.
const LOOPS: (u8, &str) = (0x73, "5b5f56");
/// Fails.
const INVALID: (u8, &str) = (0x74, "fe");

/// A chain of one block of payments, with contracts in its genesis.
fn chain() -> Result<Truth, AnyError> {
    Truth::made_with(Workload::Transfers, 2, |state: &mut PreState| {
        for (at, code) in [ANSWERS, REVERTS, LOOPS, INVALID] {
            let bytes = alloy_primitives::hex::decode(code.replace(' ', "")).expect("hex");
            let code = Some(Bytecode::new_raw(bytes.into()));
            let info = AccountInfo { nonce: 1, code, ..AccountInfo::default() };
            state.insert_account(Address::repeat_byte(at), info);
        }
        state.insert_storage(Address::repeat_byte(0x71), U256::ONE, U256::from(42));
    })
}

fn served(truth: &Truth) -> Result<(Served, Client), AnyError> {
    let served = Served::whole(truth, Limits::default())?;
    let client = served.client();
    Ok((served, client))
}

#[test]
fn a_call_sees_its_block() -> TestResult {
    let truth = chain()?;
    let (_served, client) = served(&truth)?;
    let call = json!({"from": ALICE, "to": Address::repeat_byte(ANSWERS.0)});
    for number in truth.start()..=truth.head() {
        let output = client.ask("eth_call", json!([call, hex(number)]))?;
        let output: Bytes = serde_json::from_value(output)?;
        let words: Vec<_> = output.chunks(32).map(U256::from_be_slice).collect();
        let alice = U256::from_be_slice(ALICE.as_slice());
        // A call that names no price pays none, and sees that.
        assert_eq!(words, [U256::from(number), U256::ZERO, alice, U256::from(42)]);
    }
    // Who pays must have the money.
    let rich = json!({"from": ALICE, "to": ALICE, "value": "0x1"});
    client.refused(("eth_call", json!([rich])), -32000, &["funds"])
}

#[test]
fn what_fails_is_told() -> TestResult {
    let truth = chain()?;
    let (_served, client) = served(&truth)?;
    let to = |at: u8| json!([{"to": Address::repeat_byte(at)}, "latest"]);
    let word = format!("{:064x}", 7);
    client.refused(("eth_call", to(REVERTS.0)), 3, &["execution reverted", &word])?;
    client.refused(("eth_estimateGas", to(REVERTS.0)), 3, &["execution reverted", &word])?;
    client.refused(("eth_call", to(INVALID.0)), -32000, &["execution failed"])?;
    client.refused(("eth_call", to(LOOPS.0)), -32000, &["OutOfGas"])?;
    let wrong = |more: serde_json::Value| json!([more, "latest"]);
    for (more, word) in [
        (json!({"to": ALICE, "chainId": "0x999"}), "another chain"),
        (json!({"to": ALICE, "gasPrice": "0x1", "maxFeePerGas": "0x1"}), "gasPrice"),
        (json!({"to": ALICE, "data": "0x01", "input": "0x02"}), "input"),
        (json!({"to": ALICE, "blobVersionedHashes": []}), "blobs"),
    ] {
        client.refused(("eth_call", wrong(more)), -32602, &[word])?;
    }
    let overrides = json!([{"to": ALICE}, "latest", {ALICE.to_string(): {"balance": "0x1"}}]);
    client.refused(("eth_call", overrides), -32602, &["overrides"])
}

#[test]
fn an_estimate_is_enough_and_the_least() -> TestResult {
    let truth = chain()?;
    let (_served, client) = served(&truth)?;
    let block = &truth.blocks[0];
    let txn = &block.decoded.body.transactions[0];
    let from = block.prepared.block.txns[0].caller;
    let payment = json!({"from": from, "to": txn.to(), "value": "0x1"});
    assert_eq!(client.ask("eth_estimateGas", json!([payment]))?, hex(21_000));
    let call = json!({"to": Address::repeat_byte(ANSWERS.0)});
    let gas = client.ask("eth_estimateGas", json!([call]))?;
    let gas: U256 = serde_json::from_value(gas)?;
    let with = |gas: U256| json!([{"to": Address::repeat_byte(ANSWERS.0), "gas": gas}]);
    client.ask("eth_call", with(gas))?;
    client.refused(("eth_call", with(gas - U256::ONE)), -32000, &[])
}

#[test]
fn a_call_ends_at_its_time() -> TestResult {
    let truth = chain()?;
    let work_time = std::time::Duration::from_millis(20);
    let limits = Limits { work_time, call_gas: u64::MAX, ..Limits::default() };
    let served = Served::whole(&truth, limits)?;
    let params = json!([{"to": Address::repeat_byte(LOOPS.0)}, "latest"]);
    let client = served.client();
    client.refused(("eth_call", params.clone()), -32005, &["more than 20 ms"])?;
    client.refused(("eth_estimateGas", params), -32005, &["more than 20 ms"])
}
