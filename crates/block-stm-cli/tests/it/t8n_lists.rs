//! `block-stm t8n` with block access lists (EIP-7928).
//!
//! Each valid block of the official tests with lists becomes an input, and what comes out must be
//! what its header says, the list included.

use std::{fs, path::PathBuf};

use alloy_primitives::{Bytes, hex, keccak256};
use alloy_rlp::Header;
use serde_json::{Map, Value, json};

use crate::{
    cli::{Scratch, TestResult, call, stderr, stdout},
    fixtures,
    t8n::{everything, t8n_of},
};

/// What the tests are filled with: the rules before Amsterdam, and lists.
const FORK: &str = "BPO2+7928";
/// Fields of the result, and what the header calls them.
const FIELDS: [(&str, &str); 11] = [
    ("stateRoot", "stateRoot"),
    ("txRoot", "transactionsTrie"),
    ("receiptsRoot", "receiptTrie"),
    ("logsBloom", "bloom"),
    ("gasUsed", "gasUsed"),
    ("currentBaseFee", "baseFeePerGas"),
    ("withdrawalsRoot", "withdrawalsRoot"),
    ("currentExcessBlobGas", "excessBlobGas"),
    ("blobGasUsed", "blobGasUsed"),
    ("requestsHash", "requestsHash"),
    ("blockAccessListHash", "blockAccessListHash"),
];

#[test]
fn official_blocks_with_lists_come_out_as_their_headers_say() -> TestResult {
    let test = "official_blocks_with_lists_come_out_as_their_headers_say";
    let Some(folder) = fixtures::folder(test, "bal-tests") else { return Ok(()) };
    let mut others = ["2", "4", "8"].into_iter().cycle();
    let mut blocks = 0;
    for file in files(folder)? {
        let tests: Map<String, Value> = serde_json::from_slice(&fs::read(&file)?)?;
        for (name, test) in &tests {
            let run = run(test, &mut others);
            blocks += run.map_err(|error| format!("{name}: {error}"))?;
        }
    }
    println!("{blocks} blocks");
    assert!(blocks > 200, "{blocks} blocks");
    Ok(())
}

/// Makes the transition of each valid block on the state that the one before it left, with one
/// thread and with the next number of `others`; how many blocks there are.
fn run(
    test: &Value,
    others: &mut impl Iterator<Item = &'static str>,
) -> Result<usize, Box<dyn std::error::Error>> {
    let mut alloc = test["pre"].clone();
    let mut parent = &test["genesisBlockHeader"];
    let mut hashes = Map::new();
    let valid = test["blocks"].as_array().into_iter().flatten();
    let valid: Vec<&Value> = valid.filter(|block| block.get("expectException").is_none()).collect();
    for block in &valid {
        let header = &block["blockHeader"];
        let number = text(header, "number");
        hashes.insert(text(parent, "number"), parent["hash"].clone());
        let env = env(block, parent, &hashes);
        let input = json!({ "alloc": alloc, "env": env, "txs": txns(block)? });
        let output = transition(&input, "1")?;
        let threads = others.next().unwrap_or_default();
        assert_eq!(transition(&input, threads)?, output, "block {number}, {threads} threads");
        let result = &output["result"];
        assert_eq!(result["rejected"], Value::Null, "block {number}");
        for (field, claim) in FIELDS {
            let (found, claimed) = (quantity(result, field), quantity(header, claim));
            assert_eq!(found, claimed, "block {number}: {field}");
        }
        let list: Bytes = serde_json::from_value(result["blockAccessList"].clone())?;
        assert_eq!(json!(keccak256(list)), header["blockAccessListHash"], "block {number}");
        alloc = output["alloc"].clone();
        parent = header;
    }
    Ok(valid.len())
}

#[test]
fn a_result_has_its_list_in_a_form_that_bal_reads() -> TestResult {
    let lists = ["1", "4"].map(|threads| -> Result<Value, Box<dyn std::error::Error>> {
        let args = ["--state.fork=Shanghai+7928", "--state.reward=-1", "--threads", threads];
        let outputs = ["--output.alloc=", "--output.result=stdout"];
        let made = t8n_of(&everything(), &[&args[..], &outputs].concat())?;
        assert!(made.status.success(), "{}", stderr(&made));
        let output: Value = serde_json::from_slice(&made.stdout)?;
        Ok(output["result"]["blockAccessList"].clone())
    });
    let [one, four] = lists;
    let list = one?;
    assert_eq!(list, four?);
    let scratch = Scratch::new()?;
    let (with, none) = (scratch.arg("list.hex"), scratch.arg("none.json"));
    fs::write(&with, list.as_str().unwrap_or_default())?;
    fs::write(&none, "[]")?;
    let compared = call(&["bal", "diff", &with, &none])?;
    assert_eq!(compared.status.code(), Some(1), "{}", stderr(&compared));
    // The counter is called by the second and the third transaction that are not rejected.
    let counted = "0c0De0 slot 0x0 at index 3: A 0x2b";
    assert!(stdout(&compared).contains(counted), "{}", stdout(&compared));
    Ok(())
}

fn transition(input: &Value, threads: &str) -> Result<Value, Box<dyn std::error::Error>> {
    let outputs = ["--output.alloc=stdout", "--output.result=stdout"];
    let rules = ["--state.fork", FORK, "--state.reward=-1", "--threads", threads];
    let made = t8n_of(input, &[&outputs[..], &rules].concat())?;
    if !made.status.success() {
        return Err(stderr(&made).into());
    }
    Ok(serde_json::from_slice(&made.stdout)?)
}

/// What a block is made from: base fee and excess blob gas have to be found out.
fn env(block: &Value, parent: &Value, hashes: &Map<String, Value>) -> Value {
    let header = &block["blockHeader"];
    json!({
        "currentCoinbase": header["coinbase"], "currentGasLimit": header["gasLimit"],
        "currentNumber": header["number"], "currentTimestamp": header["timestamp"],
        "currentRandom": header["mixHash"],
        "parentBeaconBlockRoot": header["parentBeaconBlockRoot"],
        "parentBaseFee": parent["baseFeePerGas"], "parentGasUsed": parent["gasUsed"],
        "parentGasLimit": parent["gasLimit"], "parentExcessBlobGas": parent["excessBlobGas"],
        "parentBlobGasUsed": parent["blobGasUsed"], "blockHashes": hashes,
        "withdrawals": block["withdrawals"],
    })
}

/// The second item of the block's RLP: the list of its transactions.
fn txns(block: &Value) -> Result<Value, Box<dyn std::error::Error>> {
    let bytes = hex::decode(text(block, "rlp"))?;
    let mut items = Header::decode_bytes(&mut &*bytes, true)?;
    Header::decode_bytes(&mut items, true)?;
    let start = items;
    Header::decode_bytes(&mut items, true)?;
    Ok(json!(hex::encode_prefixed(&start[..start.len() - items.len()])))
}

fn text(object: &Value, field: &str) -> String {
    object[field].as_str().unwrap_or_default().to_owned()
}

/// A field without leading zeroes, which some write and some don't; null if it is not there.
fn quantity(object: &Value, field: &str) -> Value {
    match object[field].as_str().and_then(|text| text.strip_prefix("0x")) {
        Some(digits) => json!(digits.trim_start_matches('0')),
        None => object[field].clone(),
    }
}

fn files(folder: PathBuf) -> std::io::Result<Vec<PathBuf>> {
    let (mut folders, mut files) = (vec![folder], Vec::new());
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            if path.is_dir() { folders.push(path) } else { files.push(path) }
        }
    }
    files.sort();
    Ok(files)
}
