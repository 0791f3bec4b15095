//! Files that are wrong: each is refused with the file and the place, and none makes a panic.

use std::{error::Error, fs, path::Path};

use alloy_consensus::{Block as RlpBlock, BlockBody, EthereumTxEnvelope, Header, TxEip4844};
use alloy_primitives::B256;
use block_stm_chain::import::{MemoryFiles, import_chain, import_chain_files, import_folder};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::{fixtures, sample};

/// One way to spoil a JSON file of the sample: which file, how, and what the error must contain.
type Case = (&'static str, fn(&mut Value), &'static [&'static str]);

type SignedTxn = EthereumTxEnvelope<TxEip4844>;

const HASH_OF_FIRST: &str = "txn 0 (0x";

fn cases() -> Vec<Case> {
    vec![
        (
            "block.json",
            |block| block["transactions"][1]["gas"] = json!(true),
            &["transactions[1].gas: invalid type: boolean `true`, expected a hexadecimal or"],
        ),
        (
            "block.json",
            |block| block["transactions"][1]["nonce"] = json!("0x10000000000000000"),
            &["transactions[1].nonce: 0x10000000000000000 exceeds 64 bits"],
        ),
        (
            "block.json",
            |block| block["gasLimit"] = json!("lots"),
            &["gasLimit: \"lots\" is not a number"],
        ),
        (
            "block.json",
            |block| block["transactions"][0]["value"] = json!("-1"),
            &["transactions[0].value: \"-1\" is not a number"],
        ),
        (
            "block.json",
            |block| block["transactions"] = json!([format!("0x{}", "11".repeat(32))]),
            &["transactions[0]: invalid type: string", "a full transaction object"],
        ),
        ("block.json", |block| remove(block, "stateRoot"), &["missing field `stateRoot`"]),
        (
            "block.json",
            |block| remove(&mut block["transactions"][0], "maxFeePerGas"),
            &["transactions[0].maxFeePerGas: missing"],
        ),
        (
            "block.json",
            |block| remove(&mut block["transactions"][1], "v"),
            &["transactions[1].v: missing"],
        ),
        (
            "block.json",
            |block| block["transactions"][0]["type"] = json!("0x7e"),
            &["transactions[0].type: the transaction type is unknown"],
        ),
        (
            "block.json",
            |block| block["transactions"][0]["hash"] = json!(format!("0x{}", "ab".repeat(32))),
            &["txn 0 (0xabab", "the hash of its content is 0x"],
        ),
        (
            "block.json",
            |block| {
                unclaim(block, 0);
                block["transactions"][0]["r"] = json!("0x0");
            },
            &[HASH_OF_FIRST, "the signature is invalid"],
        ),
        (
            "block.json",
            |block| {
                unclaim(block, 0);
                // The order of the curve, which is more than any s may be.
                block["transactions"][0]["s"] =
                    json!("0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141");
            },
            &[HASH_OF_FIRST, "the signature's s is too high"],
        ),
        (
            "block.json",
            |block| block["transactions"][0]["from"] = json!(format!("0x{}", "cd".repeat(20))),
            &[HASH_OF_FIRST, "it is signed by 0x", "not by 0xCdCDCd"],
        ),
        (
            "block.json",
            |block| {
                unclaim(block, 0);
                block["transactions"][0]["chainId"] = json!("0x5");
            },
            &[HASH_OF_FIRST, "it is signed for chain 5, not for 1"],
        ),
        (
            "block.json",
            |block| {
                unclaim(block, 1);
                block["transactions"][1]["v"] = json!("0x2d");
            },
            &["transactions[1].chainId: v is for another chain"],
        ),
        (
            "block.json",
            |block| block["number"] = json!("0x1"),
            &["hash: 0x", " is not the hash of the header, 0x"],
        ),
        (
            "block.json",
            |block| {
                remove(block, "hash");
                // Before Spurious Dragon no signature names a chain.
                block["number"] = json!("0x1");
                block["timestamp"] = json!("0x1");
            },
            // The first one is of a type that revm refuses so early.
            &["txn 1 (0x", "for chain 1, which is not possible before Spurious Dragon"],
        ),
        (
            "block.json",
            |block| {
                remove(block, "hash");
                remove(block, "baseFeePerGas");
            },
            &["baseFeePerGas: missing under SHANGHAI's rules"],
        ),
        (
            "block.json",
            |block| {
                remove(block, "hash");
                block["timestamp"] = json!(1_710_338_135);
            },
            &["excessBlobGas: missing under CANCUN's rules"],
        ),
        (
            "block.json",
            |block| {
                remove(block, "hash");
                block["timestamp"] = json!(1_710_338_135);
                block["excessBlobGas"] = json!("0xffffffffffffffff");
            },
            &["excessBlobGas: 18446744073709551615 makes a blob price beyond 128 bits"],
        ),
        (
            "block.json",
            |block| drop(block["transactions"].as_array_mut().map(Vec::pop)),
            &["transactionsRoot: the root of the transactions is 0x"],
        ),
        (
            "block.json",
            |block| block["withdrawals"][0]["amount"] = json!("0x6"),
            &["withdrawalsRoot: the root of the withdrawals is 0x"],
        ),
        (
            "block.json",
            |block| *block = json!({ "id": 1, "error": { "message": "busy" } }),
            &["error: the server answered {"],
        ),
        (
            "block.json",
            |block| {
                block["gasUsed"] = json!([]);
                *block = json!({ "jsonrpc": "2.0", "id": 1, "result": block });
            },
            &["result.gasUsed: invalid type: sequence"],
        ),
        ("prestate.json", |state| *state = json!({ "0x12": {} }), &["0x12: "]),
        (
            "prestate.json",
            |state| *first(state) = json!({ "balance": "1 ether" }),
            &[".balance: \"1 ether\" is not a number"],
        ),
        ("prestate.json", |state| *first(state) = json!({ "code": "0xzz" }), &[".code: "]),
        ("prestate.json", |state| *first(state) = json!({ "code": "0xef0100" }), &[".code: "]),
        (
            "prestate.json",
            |state| *first(state) = json!({ "storage": { "0x1": "0x1g" } }),
            &[".storage.", "\"0x1g\" is not a number"],
        ),
        (
            "blockhashes.json",
            |hashes| *hashes = json!({ "twelve": format!("0x{}", "11".repeat(32)) }),
            &["\"twelve\" is not a number"],
        ),
        ("blockhashes.json", |hashes| *hashes = json!({ "12": "0x11" }), &["12: "]),
        ("ommers.json", |ommers| *ommers = json!([{}]), &["[0]: missing field `parentHash`"]),
        (
            "chain.json",
            |chain| *chain = json!({ "config": { "homesteadBlock": 5, "eip150Block": 4 } }),
            &["config: eip150Block (4) comes before homesteadBlock (5)"],
        ),
        ("chain.json", |chain| *chain = json!({}), &["missing field `config`"]),
    ]
}

fn remove(object: &mut Value, field: &str) {
    let removed = object.as_object_mut().and_then(|object| object.remove(field));
    assert!(removed.is_some(), "{field} was not there");
}

/// Takes away what a transaction claims about itself, so that later checks are reached.
fn unclaim(block: &mut Value, index: usize) {
    remove(&mut block["transactions"][index], "hash");
}

/// The first account.
fn first(state: &mut Value) -> &mut Value {
    let accounts = state.as_object_mut().expect("an object");
    accounts.values_mut().next().expect("not empty")
}

/// Copies the sample to a scratch folder.
fn copy(name: &str) -> std::io::Result<std::path::PathBuf> {
    let folder = sample::scratch(name)?;
    for file in ["block.json", "prestate.json"] {
        fs::copy(sample::folder().join(file), folder.join(file))?;
    }
    Ok(folder)
}

fn refusal(folder: &Path) -> String {
    match import_folder(folder) {
        Ok(_) => "nothing was refused".to_owned(),
        Err(error) => error.to_string(),
    }
}

#[test]
fn every_wrong_file_is_refused_with_its_place() -> Result<(), Box<dyn Error>> {
    for (index, (file, spoil, expected)) in cases().into_iter().enumerate() {
        let folder = copy("malformed")?;
        let path = folder.join(file);
        let mut json = match fs::read_to_string(&path) {
            Ok(text) => serde_json::from_str(&text)?,
            Err(_) => Value::Null,
        };
        spoil(&mut json);
        fs::write(&path, json.to_string())?;
        let refusal = refusal(&folder);
        let named = refusal.starts_with(&*path.to_string_lossy());
        assert!(named, "case {index} doesn't name {file}: {refusal}");
        for part in expected {
            assert!(refusal.contains(part), "case {index} lacks {part:?}: {refusal}");
        }
    }
    Ok(())
}

#[test]
fn what_is_cut_off_empty_or_missing_is_refused() -> Result<(), Box<dyn Error>> {
    let folder = copy("cut-off")?;
    let file = folder.join("block.json");
    let whole = fs::read(&file)?;
    let place = whole.windows(6).position(|bytes| bytes == b"\"value").ok_or("no value")?;
    for (bytes, expected) in [
        (&whole[..place], "transactions[0]"),
        (&whole[..0], "EOF while parsing a value"),
        (b"[]", "block.json: "),
        (&[whole.as_slice(), b"}"].concat(), "trailing characters"),
    ] {
        fs::write(&file, bytes)?;
        let refusal = refusal(&folder);
        assert!(refusal.contains(expected), "{refusal}");
        assert!(refusal.contains("block.json"), "{refusal}");
    }
    fs::remove_file(&file)?;
    let refusal = refusal(&folder);
    assert!(refusal.contains("block.json: No such file"), "{refusal}");
    Ok(())
}

#[test]
fn a_spoilt_chain_is_refused_with_the_block() -> Result<(), Box<dyn Error>> {
    let folder = sample::scratch("spoilt-chain")?;
    let genesis = json!({ "config": { "chainId": 1 }, "alloc": {} });
    fs::write(folder.join("genesis.json"), genesis.to_string())?;
    let file = folder.join("chain.rlp");
    for bytes in [&b"\xc0"[..], b"\xff", b"\xfb\xff\xff\xff\xff", b"hello"] {
        fs::write(&file, bytes)?;
        let error = import_chain(&folder).expect_err("no block").to_string();
        let expected = "chain.rlp: block 0 of the file, at byte 0: ";
        assert!(error.contains(expected), "{error}");
    }
    Ok(())
}

#[test]
fn no_block_comes_after_the_last_number() {
    let block = |number, parent_hash| {
        let header = Header { number, parent_hash, ..Header::default() };
        RlpBlock::<SignedTxn>::new(header, BlockBody::default())
    };
    let last = block(u64::MAX, B256::ZERO);
    let next = block(0, last.header.hash_slow());
    let chain = [last, next].map(alloy_rlp::encode).concat();
    let genesis = br#"{"config": {"chainId": 1}, "alloc": {}}"#;
    let files = MemoryFiles::from([("genesis.json", genesis.as_slice()), ("chain.rlp", &chain)]);
    let error = import_chain_files(&files).expect_err("no child").to_string();
    assert!(error.starts_with("chain.rlp: block 0, at byte 5"), "{error}");
    assert!(error.ends_with("it is not the child of the block before it"), "{error}");
}

#[test]
fn a_chain_with_a_block_left_out_is_refused() -> Result<(), Box<dyn Error>> {
    let Some(chain) = fixtures::folder("a_chain_with_a_block_left_out_is_refused", "chain") else {
        return Ok(());
    };
    let folder = sample::scratch("gap")?;
    fs::copy(chain.join("genesis.json"), folder.join("genesis.json"))?;
    let bytes = fs::read(chain.join("chain.rlp"))?;
    let mut rest = bytes.as_slice();
    let mut ends = Vec::new();
    while !rest.is_empty() {
        alloy_rlp::Header::decode_bytes(&mut rest, true)?;
        ends.push(bytes.len() - rest.len());
    }
    let gap = [&bytes[..ends[3]], &bytes[ends[4]..]].concat();
    fs::write(folder.join("chain.rlp"), gap)?;
    let error = import_chain(&folder).expect_err("block 5 is missing").to_string();
    let expected = format!("block 6, at byte {}: it is not the child", ends[3]);
    assert!(error.contains(&expected), "{error}");
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 128,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    /// One changed byte is refused or changes nothing that is executed: everything in the file is
    /// under a hash. More of them must at least not make a panic.
    #[test]
    fn corrupted_bytes_never_panic(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let folder = copy("corrupted")?;
        let file = folder.join("block.json");
        let mut bytes = fs::read(&file)?;
        for (place, byte) in &changes {
            let place = place.index(bytes.len());
            bytes[place] = *byte;
        }
        fs::write(&file, bytes)?;
        let imported = import_folder(&folder);
        if let (1, Ok(imported)) = (changes.len(), imported) {
            let original = import_folder(&sample::folder());
            let original = original.map_err(|error| TestCaseError::fail(error.to_string()))?;
            prop_assert_eq!(imported.block.txns, original.block.txns);
            prop_assert_eq!(imported.block.env, original.block.env);
            prop_assert_eq!(imported.block.withdrawals, original.block.withdrawals);
            prop_assert_eq!(imported.header, original.header);
        }
    }
}
