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
    let expected = ["d0g0v0", "d1g0v0", "joined", "d0g0v0", "d1g0v0", "d0g1v0", "joined"];
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
        (
            "/storeAndLog/post/Shanghai/2/expectException",
            json!("TR_Mood"),
            "storeAndLog.post.Shanghai[2].expectException: the exception \"TR_Mood\" is unknown",
        ),
    ];
    for (pointer, value, message) in cases {
        let mut malformed = sample();
        *malformed.pointer_mut(pointer).expect("there") = value;
        let error = parse(&malformed).expect_err(pointer);
        assert!(error.starts_with("state.json: ") && error.contains(message), "{error}");
    }
    let mut unknown = sample();
    unknown["storeAndLog"]["post"]["Cancoon"] = json!([]);
    let error = parse(&unknown).expect_err("no such fork");
    assert!(error.contains("post.Cancoon: unknown fork"), "{error}");
}

#[test]
fn what_is_not_run_is_skipped_with_a_reason() {
    let sample = json!({ "dynamicAccountOverwriteEmpty": sample()["storeAndLog"] });
    let cases = run(&sample);
    assert!(cases.len() > 2);
    assert!(cases.iter().all(|case| matches!(case.verdict, Verdict::Skipped(_))));
}
