//! `block-stm sweep`: every cell, in every form.

use std::fs;

use serde_json::Value;

use crate::cli::{Scratch, TestResult, assert_refused, call, json, stderr, stdout};

const TINY: [&str; 11] = [
    "sweep",
    "--accounts",
    "2,50",
    "--blocks",
    "20,60",
    "--threads",
    "1,3",
    "--repeat",
    "1",
    "--seed",
    "9",
];

fn tiny<'a>(more: &[&'a str]) -> Vec<&'a str> {
    TINY.into_iter().chain(more.iter().copied()).collect()
}

fn list<'a>(value: &'a Value, name: &str) -> &'a Vec<Value> {
    value[name].as_array().unwrap_or_else(|| panic!("a list of {name}: {value}"))
}

fn keys(value: &Value) -> Vec<&str> {
    value.as_object().map(|object| object.keys().map(String::as_str).collect()).unwrap_or_default()
}

#[test]
fn every_vm_has_all_cells_and_they_agree() -> TestResult {
    for (vm, work) in [("diem", Some("0us")), ("aptos", Some("1us")), ("evm", None)] {
        let work: Vec<_> = work.into_iter().flat_map(|work| ["--work", work]).collect();
        let args = [&tiny(&["--vm", vm, "--json"])[..], &work].concat();
        let report = json(&args, 0)?;
        assert_eq!((&report["vm"], &report["ok"]), (&vm.into(), &true.into()), "{report}");
        assert_eq!(list(&report, "threads"), &[1, 3]);
        let cell = |series: &Value| (series["txns"].as_u64(), series["accounts"].as_u64());
        let series: Vec<_> = list(&report, "series").iter().map(cell).collect();
        let sizes = [(20, 2), (20, 50), (60, 2), (60, 50)];
        assert_eq!(series, sizes.map(|(txns, accounts)| (Some(txns), Some(accounts))));
        for series in list(&report, "series") {
            assert!(series["sequential_txns_per_second"].as_f64() > Some(0.0), "{series}");
            assert_eq!(list(series, "cells").len(), 2);
            for cell in list(series, "cells") {
                assert_eq!(cell["equal"], true);
                assert!(cell["txns_per_second"].as_f64() > Some(0.0), "{cell}");
                assert!(cell["executions_per_txn"].as_f64() >= Some(1.0), "{cell}");
            }
        }
    }
    Ok(())
}

#[test]
fn the_fields_of_the_json_are_these() -> TestResult {
    let report = json(&tiny(&["--work", "2us", "--json"]), 0)?;
    let all = "allocator command cores machine ok repeat seed series threads version vm work_ns";
    assert_eq!(keys(&report).join(" "), all);
    assert_eq!((&report["work_ns"], &report["seed"]), (&2_000.into(), &9.into()));
    let series = &report["series"][0];
    let all = "accounts cells equal sequential_ms sequential_samples_ms sequential_txns_per_second \
               txns";
    assert_eq!(keys(series).join(" "), all);
    let cell = &series["cells"][0];
    let all = "aborts command equal executions executions_per_txn parallel_ms parallel_samples_ms \
               speedup threads txns_per_second";
    assert_eq!(keys(cell).join(" "), all);
    // The command measures this cell alone.
    let command = cell["command"].as_str().expect("text");
    let args: Vec<_> = command.split(' ').skip(1).chain(["--json"]).collect();
    let again = json(&args, 0)?;
    assert_eq!((list(&again, "series").len(), list(&again, "threads").len()), (1, 1));
    assert_eq!(again["work_ns"], 2_000);
    Ok(())
}

#[test]
fn the_paper_says_how_long_a_payment_takes() -> TestResult {
    let args = ["sweep", "--accounts", "2", "--blocks", "20", "--threads", "1", "--repeat", "1"];
    for (vm, work_ns) in [("diem", 180_000), ("aptos", 100_000)] {
        let report = json(&[&args[..], &["--vm", vm, "--json"]].concat(), 0)?;
        assert_eq!(report["work_ns"], work_ns);
    }
    Ok(())
}

#[test]
fn the_table_stands_beside_csv_and_a_plot() -> TestResult {
    let scratch = Scratch::new()?;
    let (csv, svg) = (scratch.arg("cells.csv"), scratch.arg("plot.svg"));
    let output = call(&tiny(&["--vm", "aptos", "--work", "0us", "--csv", &csv, "--svg", &svg]))?;
    let text = stdout(&output);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    for part in [
        "aptos payments: 8 reads, 5 writes, 0us of work; seed 9",
        "allocator: ",
        "Blocks of 20 txns",
        "Blocks of 60 txns",
        "sequential",
        "exec/txn",
        "Receipts and state were the same in every execution.",
    ] {
        assert!(text.contains(part), "{part:?} is missing:\n{text}");
    }
    let csv = fs::read_to_string(csv)?;
    // A head, and for each block the sequential loop and two numbers of threads.
    assert_eq!(csv.lines().count(), 1 + 4 * 3);
    assert!(
        csv.lines().skip(1).all(|line| line.starts_with("aptos,0,") && line.ends_with(",true"))
    );
    let svg = fs::read_to_string(svg)?;
    assert!(svg.starts_with("<svg") && svg.contains("50 accounts"), "{svg}");
    Ok(())
}

#[test]
fn bad_usage_is_refused_before_any_work() -> TestResult {
    let cases: [(&[&str], &[&str]); 10] = [
        (&["--vm", "sui"], &["--vm", "sui", "diem"]),
        (&["--accounts", "1"], &["--accounts", "1"]),
        (&["--accounts", "2,x"], &["--accounts", "x"]),
        (&["--blocks", "0"], &["--blocks", "0"]),
        (&["--threads", "0"], &["--threads", "0"]),
        (&["--repeat", "0"], &["--repeat", "0"]),
        (&["--work", "5"], &["--work", "such as 50us"]),
        (&["--vm", "evm", "--work", "5us"], &["--work is for diem and aptos"]),
        (&["--json", "--csv", "-"], &["only one of --json, --csv and --svg"]),
        (&["--svg", "no/such/folder/plot.svg"], &["cannot write", "no/such/folder"]),
    ];
    for (args, words) in cases {
        assert_refused(&[&["sweep"], args].concat(), words)?;
    }
    Ok(())
}
