//! Blockchain tests: valid, invalid and branching blocks, and each way to spoil the expectations is
//! noticed.

use std::{fs, path::Path};

use alloy_primitives::{B256, U256};
use block_stm_chain::state_root;
use block_stm_conformance::{CaseReport, Verdict, block_test::BlockTestFile};
use serde_json::{Value, json};

use crate::sample::{engine, failures, genesis, invalid, london, rlp, shanghai, test, valid};

fn parse(sample: &Value) -> Result<BlockTestFile, String> {
    BlockTestFile::parse(Path::new("blocks.json"), sample.to_string().as_bytes())
        .map_err(|error| error.to_string())
}

fn run(sample: &Value) -> Vec<CaseReport> {
    parse(sample).expect("well formed").run(&engine(2), |_| true)
}

fn gwei(gwei: u64) -> U256 {
    U256::from(gwei) * U256::from(10_u64.pow(9))
}

/// Two valid blocks after each of which several are refused.
fn payments() -> Value {
    let genesis = genesis("Shanghai");
    let (first, one) = shanghai(&genesis, 1);
    let (second, two) = shanghai(&first, 2);
    let mut wrong_root = second.clone();
    wrong_root.state_root = B256::repeat_byte(7);
    let mut late = second.clone();
    late.timestamp = first.timestamp;
    let mut orphan = second.clone();
    orphan.parent_hash = B256::repeat_byte(9);
    let bad = |header, name| invalid(rlp(header, Vec::new(), Some(two.clone())), name);
    let blocks = [
        valid(&first, rlp(&first, Vec::new(), Some(one))),
        bad(&wrong_root, "BlockException.INVALID_STATE_ROOT"),
        bad(&late, "BlockException.INVALID_BLOCK_TIMESTAMP_OLDER_THAN_PARENT"),
        bad(&orphan, "UnknownParent"),
        invalid(rlp(&second, Vec::new(), None), "RLP_ExpectedAsList"),
        invalid("0xc0".to_owned(), "BlockException.RLP_STRUCTURES_ENCODING"),
        valid(&second, rlp(&second, Vec::new(), Some(two))),
    ];
    test("Shanghai", &blocks, second.hash_slow(), gwei(2))
}

/// A branch of two quick blocks outweighs one slow block, and is outweighed in turn by one with an
/// ommer after it.
///
/// Block 1 weighs 131,072 at least. Younger than 9 seconds it weighs 64 more, with an ommer another
/// 64.
fn branches() -> Value {
    let genesis = genesis("London");
    let slow = london(&genesis, 12, 131_072, 2_000, &[]);
    let quick = london(&genesis, 5, 131_136, 2_000, &[]);
    // It rewards its ommer's producer, too, which is the same: 2 + 2 + 1/16 + 7/8 * 2 ether.
    let ommers = vec![slow.clone()];
    let heavy = london(&quick, 5, 131_200, 5_812, &ommers);
    let mut heavy = heavy;
    let wei = U256::from(5_812_500) * U256::from(10_u64.pow(12));
    heavy.state_root = state_root(&crate::sample::state(wei));
    let on_slow = london(&slow, 12, 131_072, 4_000, &[]);
    let blocks = [
        valid(&slow, rlp(&slow, Vec::new(), None)),
        valid(&on_slow, rlp(&on_slow, Vec::new(), None)),
        valid(&quick, rlp(&quick, Vec::new(), None)),
        valid(&heavy, rlp(&heavy, ommers, None)),
    ];
    test("London", &blocks, heavy.hash_slow(), wei)
}

#[test]
fn valid_and_invalid_blocks_and_branches_pass_with_any_number_of_threads() -> Result<(), String> {
    for sample in [payments(), branches()] {
        for threads in [1, 2, 4, 8] {
            let cases = parse(&sample)?.run(&engine(threads), |_| true);
            assert_eq!(cases.len(), 1);
            assert_eq!(cases[0].verdict, Verdict::Passed, "{threads} threads");
        }
    }
    Ok(())
}

#[test]
fn the_committed_sample_is_this_one() -> Result<(), Box<dyn std::error::Error>> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/blocks.json");
    let text = serde_json::to_string_pretty(&payments())? + "\n";
    if std::env::var_os("BLOCK_STM_UPDATE_SAMPLE").is_some() {
        fs::write(&file, &text)?;
    }
    assert!(fs::read_to_string(&file)? == text, "run with BLOCK_STM_UPDATE_SAMPLE=1");
    Ok(())
}

#[test]
fn whatever_is_made_wrong_is_noticed() {
    let cases = [
        ("blocks/0/expectException", json!("UnknownParent"), "block 0: it is accepted"),
        ("blocks/0/blockHeader", json!({ "hash": B256::ZERO }), "block 0: its hash is"),
        ("blocks/1/expectException", json!(null), "block 1: it is refused: stateRoot is"),
        ("blocks/1/expectException", json!("InvalidGasUsed"), "block 1: it must be refused for"),
        ("blocks/2/expectException", json!("UnknownParent"), "not for this: the timestamp"),
        ("lastblockhash", json!(B256::ZERO), "the head is"),
        ("postState", json!({}), "exists, but must not"),
        ("postStateHash", json!(B256::ZERO), ""),
        ("pre", json!({ "0x00000000000000000000000000000000000000aa": {} }), "genesis block is"),
    ];
    for (path, value, message) in cases {
        let mut spoilt = payments();
        let pointer = format!("/payments/{path}");
        let (parent, field) = pointer.rsplit_once('/').expect("a path");
        spoilt.pointer_mut(parent).expect("there")[field] = value;
        let failures = failures(&run(&spoilt));
        if message.is_empty() {
            // The list of accounts says more than a hash beside it.
            assert!(failures.is_empty(), "{failures:?}");
            continue;
        }
        assert_eq!(failures.len(), 1, "{path}");
        assert!(failures[0].contains(message), "{path}: {failures:?}");
    }
}

#[test]
fn a_root_stands_in_for_the_state() {
    let mut by_root = payments();
    by_root["payments"]["postState"] = json!(null);
    by_root["payments"]["postStateHash"] = json!(state_root(&crate::sample::state(gwei(2))));
    assert!(failures(&run(&by_root)).is_empty());
    by_root["payments"]["postStateHash"] = json!(B256::ZERO);
    assert_eq!(failures(&run(&by_root)).len(), 1);
}

#[test]
fn what_is_malformed_is_named() {
    let cases = [
        (
            "config",
            json!({ "chainid": 1, "chainId": 2 }),
            "payments.config: chainid and chainId contradict each other",
        ),
        ("genesisRLP", json!("0xc1"), "payments.genesisRLP: "),
        ("blocks", json!([{ "rlp": 5 }]), "payments.blocks[0].rlp"),
        ("lastblockhash", json!("0x12"), "payments.lastblockhash"),
        ("postState", json!(null), "payments.postState: neither"),
    ];
    for (field, value, message) in cases {
        let mut malformed = payments();
        malformed["payments"][field] = value;
        let error = parse(&malformed).expect_err(field);
        assert!(error.starts_with("blocks.json: ") && error.contains(message), "{error}");
    }
}

#[test]
fn an_unknown_network_fails_alone() {
    let mut tests = payments();
    let mut unknown = tests["payments"].clone();
    unknown["network"] = json!("Cancoon");
    tests["unknown"] = unknown;
    let cases = run(&tests);
    assert_eq!(cases.len(), 2);
    assert_eq!(failures(&cases), ["the network \"Cancoon\" is unknown"]);
}

#[test]
fn an_unknown_exception_must_be_a_refusal_and_is_reported() {
    let with = |block: usize, exception: &str| {
        let mut tests = payments();
        tests["payments"]["blocks"][block]["expectException"] = json!(exception);
        run(&tests)
    };
    // The second block is refused, the first one is not.
    let cases = with(1, "BlockException.MOOD");
    assert_eq!(cases[0].verdict, Verdict::Passed);
    assert_eq!(cases[0].not_compared, ["BlockException.MOOD"]);
    let cases = with(1, "BlockException.MOOD|BlockException.INVALID_STATE_ROOT");
    assert!(cases[0].not_compared.is_empty());
    let failures = failures(&with(0, "BlockException.MOOD"));
    assert!(failures[0].contains("block 0: it is accepted"), "{failures:?}");
}

#[test]
fn what_is_not_run_is_skipped_by_name() {
    let mut sealed = payments();
    sealed["payments"]["sealEngine"] = json!("Ethash");
    assert!(matches!(run(&sealed)[0].verdict, Verdict::Skipped(_)));
}

/// The list of the first block's only account, which is withdrawn to.
fn list() -> Value {
    let Value::Object(accounts) = payments()["payments"]["postState"].clone() else {
        panic!("accounts by address");
    };
    let (address, _) = accounts.iter().next().expect("an account");
    json!([{
        "address": address,
        "storageChanges": [],
        "storageReads": [],
        "balanceChanges": [{ "blockAccessIndex": "0x1", "postBalance": gwei(1) }],
        "nonceChanges": [],
        "codeChanges": [],
    }])
}

#[test]
fn a_block_with_a_list_is_imported_with_it_too() {
    let with = |list: Value| {
        let mut test = payments();
        test["payments"]["blocks"][0]["blockAccessList"] = list;
        failures(&run(&test))
    };
    assert_eq!(with(list()), [""; 0]);
    let [missing] = &with(json!([]))[..] else { panic!("a list without the account") };
    assert!(
        missing.contains("with its access list") && missing.contains("not listed"),
        "{missing}"
    );
    let mut wrong = list();
    wrong[0]["balanceChanges"][0]["postBalance"] = json!("0x7");
    let [wrong] = &with(wrong)[..] else { panic!("a list with another balance") };
    assert!(wrong.contains("0x7 is listed, but it is 0x3b9aca00"), "{wrong}");
}

#[test]
fn a_list_must_be_refused_for_the_reason_that_the_test_names() {
    let mut test = payments();
    let block = &mut test["payments"]["blocks"][0];
    let rlp = block["rlp"].clone();
    *block = invalid(
        rlp.as_str().unwrap_or_default().to_owned(),
        "BlockException.INVALID_BAL_MISSING_ACCOUNT",
    );
    block["rlp_decoded"] = json!({ "blockAccessList": [] });
    // With the list it is refused as it must be, without it accepted.
    let [accepted] = &failures(&run(&test))[..] else { panic!("the header names no list") };
    assert!(accepted.contains("block 0: it is accepted"), "{accepted}");
    test["payments"]["blocks"][0]["expectException"] =
        json!("BlockException.INCORRECT_BLOCK_FORMAT");
    let [other] = &failures(&run(&test))[..] else { panic!("another reason") };
    assert!(other.contains("must be refused for BlockException.INCORRECT_BLOCK_FORMAT"), "{other}");
}
