//! The form of the output: that of geth's `debug_traceBlockByNumber`.

use alloy_primitives::{B256, hex};
use block_stm_evm::revm::{bytecode::opcode as op, primitives::hardfork::SpecId};
use block_stm_trace::{TracedBlock, write_traces};
use serde_json::{Value, json};

use crate::{
    code::Code,
    same::{engines, tracer},
    scene::{block, call, contract, eoa, state, transfer},
};

/// A payment, and a call that reads and writes a slot.
fn written(name: &str, options: &str) -> (String, Value) {
    let state = state([Code::new().sload(1).push(1).ops(&[op::ADD]).sstore_top(1)]);
    let mut called = call(eoa(1), 0, contract(0), 0);
    called.data = hex!("01020304aabb").into();
    let block = block(SpecId::LONDON, [transfer(eoa(0), 0, eoa(1), 5), called]);
    let hashes = [B256::repeat_byte(0xa1), B256::repeat_byte(0xa2)];
    let traced = TracedBlock::new(&block).hash(B256::repeat_byte(0xb0)).txn_hashes(&hashes);
    let mut texts = engines().iter().map(|engine| {
        let mut out = Vec::new();
        let tracer = tracer(name, options);
        write_traces(engine, &traced, &state, &tracer, &mut out).expect("valid");
        String::from_utf8(out).expect("JSON is UTF-8")
    });
    let text = texts.next().expect("an engine");
    assert!(texts.all(|other| other == text), "{name}: {text}");
    let value = serde_json::from_str(&text).expect("it is JSON");
    (text, value)
}

#[test]
fn entries_have_the_hash_and_the_result_in_the_order_of_the_block() {
    let (text, value) = written("callTracer", "{}");
    let hash = format!("0x{}", "a1".repeat(32));
    assert!(text.starts_with(&format!(r#"[{{"txHash":"{hash}","result":{{"#)), "{text}");
    assert!(text.ends_with("}]") && !text.contains('\n'), "{text}");
    assert_eq!(value.as_array().map(Vec::len), Some(2));
    assert_eq!(value[1]["txHash"], format!("0x{}", "a2".repeat(32)));
    let result = &value[0]["result"];
    let payment = json!({
        "from": eoa(0).to_string().to_lowercase(),
        "to": eoa(1).to_string().to_lowercase(),
        "gas": "0x5208",
        "gasUsed": "0x5208",
        "input": "0x",
        "value": "0x5",
        "type": "CALL",
    });
    assert_eq!(result, &payment);
}

#[test]
fn each_tracer_has_geths_fields() {
    let (_, flat) = written("flatCallTracer", "{}");
    let frame = &flat[1]["result"][0];
    assert_eq!(frame["action"]["callType"], "call");
    assert_eq!(frame["blockHash"], format!("0x{}", "b0".repeat(32)));
    assert_eq!(frame["blockNumber"], 100);
    assert_eq!(frame["transactionHash"], format!("0x{}", "a2".repeat(32)));
    assert_eq!((&frame["transactionPosition"], &frame["type"]), (&json!(1), &json!("call")));

    let (_, selectors) = written("4byteTracer", "{}");
    assert_eq!(selectors[0]["result"], json!({}));
    assert_eq!(selectors[1]["result"], json!({"0x01020304-2": 1}));

    let (_, pre) = written("prestateTracer", r#"{"disableCode": true}"#);
    let contract = contract(0).to_string().to_lowercase();
    let slot = format!("0x{}", hex::encode(B256::with_last_byte(1)));
    let zero = format!("0x{}", "00".repeat(32));
    let account = &pre[1]["result"][&contract];
    assert_eq!(account["storage"], json!({ &slot: &zero }));
    assert_eq!(account.get("code"), None);
    // The first transaction has paid it five wei.
    let payee = &pre[1]["result"][eoa(1).to_string().to_lowercase()];
    assert_eq!(payee["balance"], "0xde0b6b3a7640005");

    let (_, diff) = written("prestateTracer", r#"{"diffMode": true}"#);
    let post = &diff[1]["result"]["post"][&contract];
    assert_eq!(post["storage"], json!({ &slot: &slot }));

    let (_, logs) = written("structLogger", "{}");
    let result = &logs[1]["result"];
    assert_eq!((&result["failed"], &result["returnValue"]), (&json!(false), &json!("0x")));
    let steps = result["structLogs"].as_array().expect("a list");
    let ops: Vec<_> = steps.iter().map(|step| step["op"].as_str().unwrap_or_default()).collect();
    assert_eq!(ops, ["PUSH1", "SLOAD", "PUSH1", "ADD", "PUSH1", "SSTORE", "STOP"]);
    assert_eq!(steps[5]["stack"], json!(["0x1", "0x1"]));
    assert_eq!(steps[0].get("memory"), None);
    assert_eq!(logs[0]["result"]["structLogs"], json!([]));
}

#[test]
fn options_of_struct_logs_are_honoured() {
    let (_, logs) = written(
        "structLogger",
        r#"{"disableStack": true, "disableStorage": true, "enableMemory": true, "limit": 3}"#,
    );
    let steps = logs[1]["result"]["structLogs"].as_array().expect("a list");
    assert_eq!(steps.len(), 3);
    for step in steps {
        assert_eq!((step.get("stack"), step.get("storage")), (None, None), "{step}");
        assert!(step.get("memory").is_some(), "{step}");
    }
}

#[test]
fn hashes_that_are_not_known_are_left_out() {
    let block = block(SpecId::LONDON, [transfer(eoa(0), 0, eoa(1), 5)]);
    let mut out = Vec::new();
    let (traced, tracer) = (TracedBlock::new(&block), tracer("4byteTracer", "{}"));
    write_traces(&engines()[0], &traced, &state([]), &tracer, &mut out).expect("valid");
    assert_eq!(String::from_utf8_lossy(&out), r#"[{"result":{}}]"#);
    let empty = crate::scene::block(SpecId::LONDON, []);
    out.clear();
    write_traces(&engines()[0], &TracedBlock::new(&empty), &state([]), &tracer, &mut out)
        .expect("valid");
    assert_eq!(String::from_utf8_lossy(&out), "[]");
}
