//! State tests: the sample passes, and each way to spoil it is noticed.

use std::path::Path;

use block_stm_conformance::{CaseReport, Verdict, state_test::StateTestFile};
use serde_json::{Value, json};

use crate::sample::{engine, failures};

fn sample() -> Value {
    serde_json::from_str(include_str!("../data/state.json")).expect("the sample is JSON")
}

fn parse(sample: &Value) -> Result<StateTestFile, String> {
    StateTestFile::parse(Path::new("state.json"), sample.to_string().as_bytes())
        .map_err(|error| error.to_string())
}

fn run(sample: &Value) -> Vec<CaseReport> {
    let file = parse(sample).expect("well formed");
    file.run(&engine(2), |_| true)
}

#[test]
fn the_sample_passes_with_any_number_of_threads() -> Result<(), String> {
    let file = parse(&sample())?;
    assert_eq!(file.names().collect::<Vec<_>>(), ["storeAndLog"]);
    let one = file.run(&engine(1), |_| true);
    let variants: Vec<_> = one.iter().filter_map(|case| case.variant.as_deref()).collect();
    let expected = ["d0g0v0", "d1g0v0", "d0g0v0", "d1g0v0", "d0g1v0", "joined", "joined"];
    assert_eq!(variants, expected);
    assert!(one.iter().all(|case| case.verdict == Verdict::Passed), "{one:?}");
    for threads in [2, 4, 8] {
        assert_eq!(file.run(&engine(threads), |_| true), one, "{threads} threads");
    }
    assert!(file.run(&engine(1), |name| name != "storeAndLog").is_empty());
    Ok(())
}

#[test]
fn whatever_is_made_wrong_is_noticed() {
    let shanghai = "/storeAndLog/post/Shanghai";
    let cases = [
        (format!("{shanghai}/1/hash"), json!(format!("0x{:064x}", 1)), "the state root is"),
        (format!("{shanghai}/1/logs"), json!(format!("0x{:064x}", 1)), "the hash of the logs is"),
        (format!("{shanghai}/1/expectException"), json!("TR_NoFunds"), "must be rejected"),
        (format!("{shanghai}/2/expectException"), json!(null), "it is rejected"),
        (format!("{shanghai}/2/expectException"), json!("TR_NoFunds"), "not for this"),
    ];
    for (pointer, value, message) in cases {
        let mut spoilt = sample();
        let (parent, field) = pointer.rsplit_once('/').expect("a path");
        spoilt.pointer_mut(parent).expect("there")[field] = value;
        let failures = failures(&run(&spoilt));
        assert_eq!(failures.len(), 1, "{pointer}: {failures:?}");
        assert!(failures[0].contains(message), "{pointer}: {failures:?}");
    }
}

#[test]
fn what_is_malformed_is_named() {
    let cases = [
        ("/storeAndLog/env/currentNumber", json!("many"), "storeAndLog.env.currentNumber"),
        ("/storeAndLog/transaction/to", json!("0x12"), "storeAndLog.transaction.to"),
        (
            "/storeAndLog/post/Shanghai/1/indexes/data",
            json!(2),
            "storeAndLog.post.Shanghai[1].indexes.data: the transaction has no such variant",
        ),
    ];
    for (pointer, value, message) in cases {
        let mut malformed = sample();
        *malformed.pointer_mut(pointer).expect("there") = value;
        let error = parse(&malformed).expect_err(pointer);
        assert!(error.starts_with("state.json: ") && error.contains(message), "{error}");
    }
    let mut two_chains = sample();
    two_chains["storeAndLog"]["config"] = json!({ "chainid": "0x01", "chainId": "0x02" });
    let error = parse(&two_chains).expect_err("two chains");
    assert!(error.contains("config: chainid and chainId contradict"), "{error}");
    two_chains["storeAndLog"]["config"] = json!({ "chainid": "0x01", "chainId": "0x1", "more": 7 });
    assert!(parse(&two_chains).is_ok());
}

/// What a rejected transaction leaves of the sample's state since Shanghai, and of logs.
fn untouched(exception: Option<&str>) -> Value {
    json!([{
        "hash": "0x675eddfd56225372988fa840e382c256970c9acf0fc002d2aaa5c209a048c416",
        "logs": "0x1dcc4de8dec75d7aab85b567b6ccd41ad312451b948a7413f0a142fd40d49347",
        "indexes": { "data": 0, "gas": 0, "value": 0 },
        "expectException": exception,
    }])
}

/// The sample with a transaction that is not executed under `fork`, for `exception`.
fn rejected(fork: &str, exception: &str, spoil: impl FnOnce(&mut Value)) -> Value {
    let mut test = sample();
    test["storeAndLog"]["post"] = json!({ fork: untouched(Some(exception)) });
    spoil(&mut test["storeAndLog"]["transaction"]);
    test
}

#[test]
fn drafts_that_never_went_live_are_skipped_with_a_reason() {
    let mut draft = sample();
    draft["storeAndLog"]["_info"]["generatedTestHash"] = json!("aa");
    draft["storeAndLog"]["post"]["Prague"] = untouched(None);
    let cases = run(&draft);
    let skipped = |case: &&CaseReport| matches!(case.verdict, Verdict::Skipped(_));
    assert_eq!(cases.iter().filter(skipped).count(), 1);
    assert!(cases.iter().find(skipped).is_some_and(|case| case.fork == "Prague"));
    // Whatever a test is called.
    let named = json!({ "dynamicAccountOverwriteEmpty": sample()["storeAndLog"] });
    assert!(run(&named).iter().all(|case| case.verdict == Verdict::Passed));
}

#[test]
fn an_unknown_exception_must_be_a_refusal_and_is_reported() {
    let shanghai = |exception: &str, place: usize| {
        let mut unknown = sample();
        unknown["storeAndLog"]["post"]["Shanghai"][place]["expectException"] = json!(exception);
        run(&unknown)
    };
    let cases = shanghai("TransactionException.MOOD", 2);
    assert!(cases.iter().all(|case| case.verdict == Verdict::Passed), "{cases:?}");
    let not_compared: Vec<_> = cases.iter().flat_map(|case| &case.not_compared).collect();
    assert_eq!(not_compared, ["TransactionException.MOOD"]);
    // The reason is one of the known ones, or may be the unknown one.
    let cases = shanghai("TR_Mood|TransactionException.INTRINSIC_GAS_TOO_LOW", 2);
    assert!(cases.iter().all(|case| case.not_compared.is_empty()), "{cases:?}");
    let cases = shanghai("TR_Mood|TR_NoFunds", 2);
    assert!(cases.iter().any(|case| case.not_compared == ["TR_Mood|TR_NoFunds"]), "{cases:?}");
    let failures = failures(&shanghai("TR_Mood", 1));
    assert_eq!(failures, ["it is executed, but must be rejected: TR_Mood"]);
}

#[test]
fn an_unknown_fork_fails_alone() {
    let mut unknown = sample();
    unknown["storeAndLog"]["post"]["Cancoon"] = untouched(None);
    let cases = run(&unknown);
    assert_eq!(failures(&cases), ["the network \"Cancoon\" is unknown"]);
    assert_eq!(cases.len(), run(&sample()).len() + 1);
}

/// The transaction with a fee cap in place of its gas price.
fn dynamic_fee(txn: &mut Value) {
    let price = txn.as_object_mut().expect("an object").remove("gasPrice");
    txn["maxFeePerGas"] = price.expect("the sample has one");
    txn["maxPriorityFeePerGas"] = json!("0x00");
}

/// A set-code transaction with one authorization, whose fields `spoil` changes.
fn set_code(txn: &mut Value, spoil: impl FnOnce(&mut Value)) {
    dynamic_fee(txn);
    let mut authorization = json!({
        "chainId": "0x00",
        "address": "0x00000000000000000000000000000000000000cc",
        "nonce": "0x00",
        "v": "0x00",
        "yParity": "0x0",
        "r": "0x01",
        "s": "0x01",
        "signer": "0x00000000000000000000000000000000000000dd",
    });
    spoil(&mut authorization);
    txn["authorizationList"] = json!([authorization]);
}

#[test]
fn an_authorization_may_name_its_parity_twice_but_not_two_of_them() {
    let test = |spoil: fn(&mut Value)| {
        // It has less gas than it costs, which does not depend on the signature.
        rejected("Prague", "TransactionException.INTRINSIC_GAS_TOO_LOW", |txn| {
            txn["gasLimit"][0] = json!("0x5208");
            set_code(txn, spoil);
        })
    };
    let without = |name: &'static str| {
        move |authorization: &mut Value| {
            authorization.as_object_mut().expect("an object").remove(name);
        }
    };
    let good = [test(|_| ()), {
        let mut test = test(|_| ());
        let list = &mut test["storeAndLog"]["transaction"]["authorizationList"][0];
        without("v")(list);
        test
    }];
    for test in good {
        assert_eq!(failures(&run(&test)), [""; 0]);
    }
    let only_v = test(|authorization| {
        authorization.as_object_mut().expect("an object").remove("yParity");
    });
    assert_eq!(failures(&run(&only_v)), [""; 0]);
    let message = "transaction.authorizationList[0]: yParity and v are missing, or contradict";
    let two = parse(&test(|authorization| authorization["v"] = json!("0x01")));
    let none = parse(&test(|authorization| {
        let fields = authorization.as_object_mut().expect("an object");
        fields.retain(|name, _| name != "v" && name != "yParity");
    }));
    for error in [two, none] {
        let error = error.expect_err("no parity");
        assert!(error.contains(message), "{error}");
    }
}

#[test]
fn a_number_that_is_too_large_for_its_field_makes_an_invalid_transaction() {
    let large = |bits: usize| format!("0x1{}", "0".repeat(bits / 4));
    type Spoil = fn(&mut Value, String);
    let cases: [(usize, &str, Spoil); 7] = [
        (256, "VALUE_OVERFLOW", |txn, number| txn["value"][0] = json!(number)),
        (256, "VALUE_OVERFLOW", |txn, number| {
            txn["value"][0] = json!(format!("0x:bigint {number}"))
        }),
        (256, "GASPRICE_OVERFLOW", |txn, number| txn["gasPrice"] = json!(number)),
        (128, "GASLIMIT_PRICE_PRODUCT_OVERFLOW", |txn, number| txn["gasPrice"] = json!(number)),
        (64, "GASLIMIT_OVERFLOW", |txn, number| txn["gasLimit"][0] = json!(number)),
        (64, "NONCE_OVERFLOW", |txn, number| txn["nonce"] = json!(number)),
        (256, "TYPE_4_INVALID_AUTHORIZATION_FORMAT", |txn, number| {
            set_code(txn, |authorization| authorization["chainId"] = json!(number));
        }),
    ];
    for (bits, exception, spoil) in cases {
        let exception = format!("TransactionException.{exception}");
        let test = rejected("Prague", &exception, |txn| spoil(txn, large(bits)));
        let cases = run(&test);
        assert_eq!(cases.len(), 1, "nothing is joined");
        assert_eq!(failures(&cases), [""; 0], "{exception}");
        let other = rejected("Prague", "TR_NonceTooLow", |txn| spoil(txn, large(bits)));
        let [failure] = &failures(&run(&other))[..] else { panic!("{exception}: another reason") };
        assert!(failure.contains("too large for its field"), "{failure}");
        let mut valid = rejected("Prague", "", |txn| spoil(txn, large(bits)));
        valid["storeAndLog"]["post"]["Prague"] = untouched(None);
        assert!(failures(&run(&valid))[0].starts_with("it is rejected: a number"), "{exception}");
    }
}

#[test]
fn a_cost_beyond_256_bits_is_a_lack_of_funds_and_an_overflow() {
    for exception in ["INSUFFICIENT_ACCOUNT_FUNDS", "GASLIMIT_PRICE_PRODUCT_OVERFLOW"] {
        let exception = format!("TransactionException.{exception}");
        let test = rejected("Shanghai", &exception, |txn| {
            txn["value"][0] = json!(format!("0x{}", "f".repeat(64)));
        });
        assert_eq!(failures(&run(&test)), [""; 0], "{exception}");
    }
}

#[test]
fn a_set_code_transaction_without_a_destination_is_refused() {
    let test = |fork, exception: &str| {
        rejected(fork, &format!("TransactionException.{exception}"), |txn| {
            txn["to"] = json!("");
            set_code(txn, |_| ());
        })
    };
    for fork in ["Prague", "Osaka", "BPO1", "BPO2", "Amsterdam"] {
        let test = test(fork, "TYPE_4_TX_CONTRACT_CREATION");
        assert_eq!(failures(&run(&test)), [""; 0], "{fork}");
    }
    assert_eq!(failures(&run(&test("Cancun", "TYPE_4_TX_PRE_FORK"))), [""; 0]);
}

/// The blob limits are those of the fork, or of the test.
#[test]
fn forks_of_blob_parameters_alone_have_their_own_limits() {
    let blobs = |fork: &str, target: Option<u64>| {
        let mut test =
            rejected(fork, "TransactionException.INSUFFICIENT_MAX_FEE_PER_BLOB_GAS", |txn| {
                dynamic_fee(txn);
                txn["maxFeePerBlobGas"] = json!("0x06");
                txn["blobVersionedHashes"] = json!([format!("0x01{}", "0".repeat(62))]);
            });
        // e^2, rounded down, is 7, with the update fraction of Osaka.
        test["storeAndLog"]["env"]["currentExcessBlobGas"] = json!(2 * 5_007_716_u64);
        if let Some(fraction) = target {
            let limits = json!({ "target": 6, "max": 9, "baseFeeUpdateFraction": fraction });
            test["storeAndLog"]["config"] = json!({ "blobSchedule": { fork: limits } });
        }
        failures(&run(&test)).is_empty()
    };
    assert!(blobs("Osaka", None), "the price is 7");
    assert!(!blobs("BPO1", None), "the price is 3");
    assert!(!blobs("BPO2", None), "the price is 2");
    assert!(blobs("BPO2", Some(5_007_716)), "the price is 7, as the test says");
}

/// Tests of a file that start from one state are joined, whatever they are called.
#[test]
fn tests_that_start_from_one_state_are_joined() {
    let one = sample()["storeAndLog"].clone();
    let mut other = one.clone();
    other["pre"]["0x00000000000000000000000000000000000000cc"]["storage"] = json!({});
    let joined = |tests: Value| {
        let cases = run(&tests);
        let joined = cases.iter().filter(|case| case.variant.as_deref() == Some("joined"));
        joined.count()
    };
    assert_eq!(joined(json!({ "a": one, "b": one })), 2, "one for each fork");
    assert_eq!(joined(json!({ "a": one, "b": other })), 4, "one for each fork and state");
}
