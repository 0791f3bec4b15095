//! `block-stm db`: stores of chains.

use std::fs;

use alloy_primitives::{Address, B256, KECCAK256_EMPTY, U256, keccak256};
use block_stm_store::{Account, AccountUpdate, FullBlock, Options, Store, disk::Folder};
use serde_json::{Value, json};

use crate::cli::{Scratch, TestResult, assert_refused, call, json, stderr, stdout};

const CODE: [u8; 3] = [0x60, 0x00, 0x50];

/// A folder with a store of 20 blocks, in small files, and what its newest state is as JSON.
fn store() -> Result<(Scratch, String, Value), Box<dyn std::error::Error>> {
    let scratch = Scratch::new()?;
    let folder = scratch.arg("store");
    let code_hash = keccak256(CODE);
    let genesis = FullBlock {
        hash: B256::repeat_byte(0xaa),
        codes: vec![CODE.to_vec().into()],
        ..FullBlock::default()
    };
    let options = Options::default().segment_bytes(2000);
    let store = Store::open_or_create(Folder::create(&folder)?, genesis, options)?;
    for number in 1..=20_u64 {
        let update = |byte: u8, code_hash, slots| AccountUpdate {
            address: Address::with_last_byte(byte),
            after: Some(Account { nonce: number, balance: U256::from(number * 100), code_hash }),
            storage_wiped: false,
            slots,
        };
        let slots = vec![(U256::from(1), U256::from(number)), (U256::from(2), U256::ZERO)];
        let updates = [update(1, KECCAK256_EMPTY, vec![]), update(2, code_hash, slots)];
        let changes = store.snapshot()?.changes(updates)?;
        store.append(FullBlock {
            number,
            parent: store.head().1,
            hash: B256::with_last_byte(number as u8),
            header: vec![1; 500].into(),
            receipts: vec![2; 300].into(),
            txns: vec![keccak256(number.to_le_bytes())],
            changes,
            ..FullBlock::default()
        })?;
        store.sync()?;
    }
    store.close()?;
    let word = |number: u64| format!("{:#066x}", U256::from(number));
    let state = json!({
        (format!("{:#x}", Address::with_last_byte(1))): { "nonce": "0x14", "balance": "0x7d0" },
        (format!("{:#x}", Address::with_last_byte(2))): {
            "nonce": "0x14", "balance": "0x7d0", "code": "0x600050",
            "storage": { (word(1)): word(20) },
        },
    });
    Ok((scratch, folder, state))
}

#[test]
fn a_whole_store_is_told_so() -> TestResult {
    let (_scratch, store, _) = store()?;
    let checked = json(&["db", "check", &store, "--json"], 0)?;
    assert_eq!((&checked["ok"], &checked["number"]), (&json!(true), &json!(20)));
    assert_eq!(checked["log_blocks"], 21);
    // Two accounts and a slot in each block.
    assert_eq!(checked["changes"], 60);
    let output = call(&["db", "check", &store])?;
    let text = stdout(&output);
    assert!(text.starts_with("Whole up to block 20 0x"), "{text}");
    assert!(text.lines().all(|line| line.chars().count() <= 87), "{text}");
    Ok(())
}

#[test]
fn damage_is_a_failed_check_with_its_place() -> TestResult {
    let (scratch, store, _) = store()?;
    let log = scratch.path().join("store/log-0000000001");
    let mut bytes = fs::read(&log)?;
    bytes[200] ^= 1;
    fs::write(&log, bytes)?;
    let checked = json(&["db", "check", &store, "--json"], 1)?;
    assert_eq!(checked["ok"], false);
    let wanted = format!("{}: byte 128: ", log.display());
    assert!(checked["error"].as_str().is_some_and(|it| it.starts_with(&wanted)), "{checked}");
    for command in ["stats", "compact", "export"] {
        assert_refused(&["db", command, &store], &[&wanted])?;
    }
    fs::remove_file(&log)?;
    let output = call(&["db", "check", &store])?;
    assert_eq!((output.status.code(), stdout(&output)), (Some(1), String::new()));
    let message = stderr(&output);
    assert!(message.contains("the file log-0000000001 of the store is missing"), "{message}");
    assert_eq!(message.lines().count(), 1, "{message}");
    Ok(())
}

#[test]
fn stats_tell_tables_and_files() -> TestResult {
    let (scratch, store, _) = store()?;
    let csv = scratch.arg("rows.csv");
    let stats = json(&["db", "stats", &store, "--json", "--csv", &csv], 0)?;
    assert_eq!((&stats["number"], &stats["flat"]), (&json!(20), &json!(20)));
    assert_eq!(stats["oldest_rewind"], 0);
    let rows = stats["tables"].as_array().ok_or("a list")?;
    let of = |name: &str| rows.iter().find(|row| row["name"] == name).map(|row| &row["rows"]);
    for (name, wanted) in [("log", 21), ("accounts", 2), ("slots", 1), ("codes", 1), ("txns", 20)] {
        assert_eq!(of(name), Some(&json!(wanted)), "{name}: {stats}");
    }
    let lines = fs::read_to_string(&csv)?;
    assert_eq!(lines.lines().next(), Some("name,bytes,rows"), "{lines}");
    assert_eq!(lines.lines().count(), 1 + rows.len());
    let text = stdout(&call(&["db", "stats", &store])?);
    assert!(text.contains("\naccounts") && text.contains("\nHead: block 20 0x"), "{text}");
    let table = text.lines().take(rows.len() + 2);
    assert!(table.clone().all(|line| line.chars().count() <= 80), "{text}");
    Ok(())
}

#[test]
fn compacting_forgets_what_is_old() -> TestResult {
    let (_scratch, store, state) = store()?;
    let keep = ["--keep-changes", "5", "--keep-blocks", "10", "--keep-receipts", "3"];
    let done = json(&[&["db", "compact", &store, "--json"], &keep[..]].concat(), 0)?;
    assert_eq!((&done["blocks"], &done["receipts"]), (&json!(11), &json!(18)));
    assert!(done["log_files"].as_u64() > Some(3), "{done}");
    assert!(done["bytes_after"].as_u64() < done["bytes_before"].as_u64(), "{done}");
    let oldest = done["oldest_rewind"].as_u64().ok_or("a number")?;
    assert!(oldest > 8 && oldest <= 15, "{done}");
    assert_eq!(json(&["db", "check", &store, "--json"], 0)?["number"], 20);
    assert_eq!(json(&["db", "export", &store], 0)?, state);
    let text = stdout(&call(&["db", "compact", &store])?);
    assert!(text.contains(": 0 files of the log, 0 blocks"), "{text}");
    Ok(())
}

#[test]
fn a_state_is_exported_whole() -> TestResult {
    let (scratch, store, state) = store()?;
    assert_eq!(json(&["db", "export", &store], 0)?, state);
    let out = scratch.arg("state.jsonl");
    let output = call(&["db", "export", &store, "--format", "lines", "--out", &out])?;
    assert_eq!((output.status.code(), stdout(&output)), (Some(0), String::new()));
    let lines = fs::read_to_string(&out)?;
    let lines: Vec<Value> = lines.lines().map(serde_json::from_str).collect::<Result<_, _>>()?;
    assert_eq!(lines[0]["number"], "0x14");
    let mut found = json!({});
    for line in &lines[1..] {
        let mut account = line.clone();
        let address = account.as_object_mut().and_then(|it| it.remove("address"));
        found[address.as_ref().and_then(Value::as_str).ok_or("an address")?] = account;
    }
    assert_eq!(found, state);
    // As the state before a chain, too.
    let genesis = json!({ "config": { "chainId": 1 }, "alloc": state, "gasLimit": "0x989680" });
    let file = scratch.path().join("genesis.json");
    fs::write(&file, genesis.to_string())?;
    let empty = scratch.path().join("empty.rlp");
    fs::write(&empty, [])?;
    let (file, empty) = (scratch.arg("genesis.json"), scratch.arg("empty.rlp"));
    json(&["import", "--genesis", &file, &empty, "--allow-empty", "--json"], 0)?;
    Ok(())
}

#[test]
fn what_is_no_store_or_no_output_is_refused() -> TestResult {
    let (scratch, store, _) = store()?;
    let (missing, empty) = (scratch.arg("missing"), scratch.arg("empty"));
    fs::create_dir(&empty)?;
    for command in ["check", "stats", "compact", "export"] {
        assert_refused(&["db", command, &missing], &[&missing, "no store here"])?;
        assert_refused(&["db", command, &empty], &[&empty, "no store here"])?;
        assert_refused(&["db", command], &["STORE"])?;
        assert_eq!(fs::read_dir(&empty)?.count(), 0);
    }
    assert_refused(&["db"], &["check", "export"])?;
    let inside = scratch.arg("store/flat.redb");
    assert_refused(&["db", "export", &store, "--out", &inside], &["it is an input"])?;
    assert_refused(&["db", "stats", &store, "--json-file", &inside], &["it is an input"])?;
    assert_refused(&["db", "export", &store, "--out", "/no/such/file"], &["/no/such/file"])?;
    let held = Store::open(Folder::new(&store), Options::default())?;
    assert_refused(&["db", "check", &store], &[&store, "is in use by another process"])?;
    drop(held);
    assert_eq!(json(&["db", "check", &store, "--json"], 0)?["ok"], true);
    let version = scratch.path().join("store/STORE");
    let mut bytes = fs::read(&version)?;
    bytes[8] = 2;
    fs::write(&version, bytes)?;
    let output = call(&["db", "check", &store])?;
    // Its check is wrong, then: damage.
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    Ok(())
}
