//! Batches of transitions and of blocks: made, written, read and checked.

use std::{collections::BTreeMap, path::Path};

use block_stm_chain::{
    batch::{
        BATCH_FILE, Batch, BatchError, BlockInput, WITNESS_FILE, batch_of_block,
        batch_of_transition, check_files,
    },
    import::ImportError,
    t8n::{T8nFiles, T8nOptions, T8nSource},
};
use serde_json::{Value, json};

use crate::{
    fixtures,
    scene::{TestResult, each_block, engine},
};

/// Sender of the key 0x45a9..., funded; a contract that stores, deletes and asks for a block hash.
const KEY: &str = "0x45a915e4d060149eb4365960e6a7a45f334393093061116b197e3240065ff2d8";
const SENDER: &str = "0xa94f5374fce5edbc8e2a8697c15331677e6ebf0b";
const CONTRACT: &str = "0x00000000000000000000000000000000000c0de0";

/// `sstore(calldataload(0), calldataload(32))`, and `sstore(0xff, blockhash(1))`.
const CODE: &str = "0x60203560003555600140 60ff5500";

fn batch(txs: &Value, hashes: &Value, threads: usize) -> Result<Batch, Box<dyn std::error::Error>> {
    let mut storage = BTreeMap::new();
    for slot in 1..40 {
        storage.insert(format!("0x{slot:x}"), format!("0x{slot:x}"));
    }
    let alloc = json!({
        SENDER: { "balance": "0x5ffd4878be161d74" },
        CONTRACT: { "balance": "0x0", "code": CODE.replace(' ', ""), "storage": storage },
    });
    let env = json!({
        "currentCoinbase": "0x00000000000000000000000000000000000000cb",
        "currentGasLimit": "0x1c9c380", "currentNumber": "0x5", "currentTimestamp": "0x3e8",
        "currentRandom": "0x1", "currentBaseFee": "0x7", "withdrawals": [],
        "blockHashes": hashes,
    });
    let (alloc, env, txs) = (alloc.to_string(), env.to_string(), txs.to_string());
    let file = |name: &'static str, text: &'static str| T8nSource::File {
        name: Path::new(name),
        bytes: text.as_bytes(),
    };
    let files = T8nFiles {
        alloc: file("alloc.json", alloc.leak()),
        env: file("env.json", env.leak()),
        txs: file("txs.json", txs.leak()),
        blob_params: None,
        shared: None,
    };
    let options = T8nOptions { fork: "Shanghai", chain_id: 1, reward: None };
    Ok(batch_of_transition(&files, &options, &engine(threads)?)?)
}

fn call(nonce: u64, slot: u64, value: u64) -> Value {
    json!({
        "type": "0x0", "nonce": format!("0x{nonce:x}"), "gas": "0x186a0", "gasPrice": "0x10",
        "to": CONTRACT, "value": "0x0", "input": format!("0x{slot:064x}{value:064x}"),
        "secretKey": KEY,
    })
}

/// Those of a batch: slots that are set, changed, removed; one transaction that is invalid.
fn txs() -> Value {
    let mut txs: Vec<_> = (0..20).map(|n| call(n, n + 1, 0)).collect();
    txs.extend((20..25).map(|n| call(n, n + 100, n)));
    txs.push(call(99, 1, 1));
    txs.push(call(25, 30, 7));
    Value::Array(txs)
}

type Files = BTreeMap<&'static str, Vec<u8>>;

fn check(files: &Files) -> Result<usize, Box<BatchError>> {
    let read = |name: &str| match files.get(name) {
        Some(bytes) => Ok(bytes.clone()),
        None => {
            Err(ImportError::Io { file: name.into(), source: std::io::ErrorKind::NotFound.into() })
        }
    };
    let engine = engine(2).expect("threads");
    Ok(check_files(read, &engine).map_err(Box::new)?.outcome.txns)
}

#[test]
fn a_batch_is_checked_from_its_files_alone() -> TestResult {
    let hashes = json!({ "0x1": format!("0x{:064x}", 0x1234), "0x4": format!("0x{:064x}", 4) });
    let made = batch(&txs(), &hashes, 1)?;
    assert_eq!(made.outcome.txns, 26);
    assert_eq!(made.rejected.len(), 1);
    assert_eq!(made.rejected[0].0, 25);
    let files: Files = made.files().into_iter().collect();
    assert_eq!(check(&files)?, 26);
    for threads in [2, 4, 8] {
        let other: Files = batch(&txs(), &hashes, threads)?.files().into_iter().collect();
        assert_eq!(other, files);
    }
    let nodes = made.witness.state.len();
    assert!((8..70).contains(&nodes), "{nodes}");
    for name in files.keys() {
        let mut less = files.clone();
        less.remove(name);
        let error = check(&less).expect_err("a file is missing");
        assert!(error.is_unreadable() && error.to_string().starts_with(name), "{error}");
    }
    Ok(())
}

#[test]
fn a_wrong_claim_is_refused_with_its_place() -> TestResult {
    let hashes = json!({ "0x1": format!("0x{:064x}", 0x1234) });
    let files: Files = batch(&txs(), &hashes, 2)?.files().into_iter().collect();
    let refused = |name: &'static str, change: &dyn Fn(&mut Value)| {
        let mut wrong = files.clone();
        let mut json: Value = serde_json::from_slice(&wrong[name]).expect("JSON");
        change(&mut json);
        wrong.insert(name, json.to_string().into_bytes());
        check(&wrong).expect_err("a claim is wrong").to_string()
    };
    let root = json!(format!("0x{:064x}", 1));
    let error = refused(BATCH_FILE, &|json| json["preStateRoot"] = root.clone());
    assert!(error.contains("lacks the node") && error.contains("the root"), "{error}");
    let error = refused(BATCH_FILE, &|json| json["postStateRoot"] = root.clone());
    assert!(error.starts_with("batch.json: postStateRoot is 0x0000"), "{error}");
    let error = refused(BATCH_FILE, &|json| json["version"] = json!(2));
    assert!(error.contains("version: format version 2, this program reads 1"), "{error}");
    let error = refused(BATCH_FILE, &|json| json["transition"]["fork"] = json!("Nowhere"));
    assert!(error.contains("Nowhere"), "{error}");
    let error = refused(BATCH_FILE, &|json| {
        json["transition"]["env"]["blockHashes"] = json!({});
    });
    assert!(error.contains("lacks the hash of block 1"), "{error}");
    let error = refused("receipts.json", &|json| json[3]["status"] = json!("0x0"));
    assert_eq!(error, "receipts.json: [3].status is \"0x0\", not \"0x1\"");
    let error = refused("state-diff.json", &|json| json[CONTRACT] = Value::Null);
    assert!(error.starts_with("state-diff.json: 0x00000000000000000000000000000000000c0de0 is"));
    let error = refused("access-list.json", &|json| *json = json!([]));
    assert!(error.starts_with("access-list.json: [0] is missing"), "{error}");
    let error = refused("result.json", &|json| json["gasUsed"] = json!("0x1"));
    assert!(error.starts_with("result.json: gasUsed is \"0x1\""), "{error}");
    let error = refused(WITNESS_FILE, &|json| json["codes"] = json!([]));
    assert!(error.contains("lacks the code"), "{error}");
    let error = refused(WITNESS_FILE, &|json| json["state"][0] = json!("0xzz"));
    assert!(error.starts_with("witness.json: state[0]: "), "{error}");
    Ok(())
}

#[test]
fn a_block_of_a_chain_is_a_batch_too() -> TestResult {
    let test = "a_block_of_a_chain_is_a_batch_too";
    let Some(folder) = fixtures::folder(test, "chain") else { return Ok(()) };
    let genesis = std::fs::read(folder.join("genesis.json"))?;
    let (engine, mut checked) = (engine(2)?, 0);
    each_block(&folder, |chain, rlp, _| {
        let genesis_file = Path::new("genesis.json");
        let block = BlockInput { genesis_file, genesis: &genesis, rlp };
        let made = batch_of_block(chain, &block, &engine)?;
        let files: Files = made.files().into_iter().collect();
        assert_eq!(check(&files)?, made.outcome.txns);
        checked += 1;
        Ok(())
    })?;
    assert_eq!(checked, 54);
    Ok(())
}
