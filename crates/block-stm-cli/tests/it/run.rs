//! `block-stm run`.

use serde_json::{Value, json};

use crate::cli::{Scratch, TestResult, call, command, json, stderr, stdout};

const SMALL: [&str; 5] = ["run", "--txns", "60", "--repeat", "2"];

fn small<'a>(more: &[&'a str]) -> Vec<&'a str> {
    SMALL.into_iter().chain(more.iter().copied()).collect()
}

fn rows(report: &Value) -> &Vec<Value> {
    report["workloads"].as_array().expect("a list of workloads")
}

#[test]
fn every_workload_has_a_row_of_json_and_all_checks_hold() -> TestResult {
    let report = json(&small(&["--threads", "2", "--json"]), 0)?;
    assert_eq!(report["threads"], 2);
    assert_eq!(report["ok"], true);
    assert!(report["allocator"].as_str().is_some_and(|name| !name.is_empty()), "{report}");
    let names: Vec<_> = rows(&report).iter().map(|row| row["name"].clone()).collect();
    let all = ["transfers", "erc20", "amm", "lending", "nft", "orders", "mixed", "chain"];
    assert_eq!(names, all);
    for row in rows(&report) {
        assert_eq!(row["txns"], 60, "{row}");
        assert_eq!(row["ok"], true, "{row}");
        assert_eq!(row["checks"], json!({ "equal": true }), "{row}");
        assert!(row["gas_used"].as_u64() >= Some(60 * 21_000), "{row}");
        for time in ["sequential_ms", "parallel_ms", "speedup"] {
            assert!(row[time].as_f64() > Some(0.0), "{time}: {row}");
        }
        let (executions, aborts) = (row["executions"].as_u64(), row["aborts"].as_u64());
        assert!(executions >= Some(60) && aborts.is_some(), "{row}");
        let digest = row["state_digest"].as_str().expect("a digest");
        assert!(digest.len() == 64 && digest.bytes().all(|b| b.is_ascii_hexdigit()), "{row}");
    }
    Ok(())
}

#[test]
fn the_allocators_setting_stands_beside_its_name() -> TestResult {
    let settings = [
        ("MIMALLOC_PURGE_DELAY", "7"),
        ("_RJEM_MALLOC_CONF", "narenas:2"),
        ("GLIBC_TUNABLES", "glibc.malloc.arena_max=2"),
    ];
    let args = small(&["--workload", "chain", "--json"]);
    let name = |settings: &[(&str, &str)]| -> Result<String, Box<dyn std::error::Error>> {
        let mut command = command(&args);
        for variable in ["MIMALLOC_PURGE_DELAY", "_RJEM_MALLOC_CONF", "GLIBC_TUNABLES"] {
            command.env_remove(variable);
        }
        let output = command.envs(settings.iter().copied()).output()?;
        let report: Value = serde_json::from_slice(&output.stdout)?;
        Ok(report["allocator"].as_str().ok_or("text")?.to_owned())
    };
    let plain = name(&[])?;
    assert!(["mimalloc", "jemalloc", "system"].contains(&plain.as_str()), "{plain}");
    let set = name(&settings)?;
    assert!(settings.iter().any(|(key, value)| set == format!("{plain}, {key}={value}")), "{set}");
    Ok(())
}

#[test]
fn several_numbers_of_threads_make_several_reports_with_the_same_digests() -> TestResult {
    let reports = json(&small(&["--threads", "1,2,4", "--json"]), 0)?;
    let reports = reports.as_array().expect("a list of reports");
    let threads: Vec<_> = reports.iter().map(|report| report["threads"].clone()).collect();
    assert_eq!(threads, [1, 2, 4]);
    let digests = |report| rows(report).iter().map(|row| row["state_digest"].clone());
    let first: Vec<_> = digests(&reports[0]).collect();
    for report in reports {
        assert!(digests(report).eq(first.iter().cloned()), "{report}");
    }
    let mut different = first.clone();
    different.sort_by_key(Value::to_string);
    different.dedup();
    assert_eq!(different.len(), first.len(), "each workload has a state of its own");
    Ok(())
}

#[test]
fn the_seed_and_the_shape_decide_the_block() -> TestResult {
    let digest = |more: &[&str]| -> Result<Value, Box<dyn std::error::Error>> {
        let report = json(&small(&[&["--workload", "amm", "--json"], more].concat()), 0)?;
        Ok(rows(&report)[0]["state_digest"].clone())
    };
    let first = digest(&[])?;
    assert_eq!(digest(&["--accounts", "120"])?, first, "twice the transactions is the default");
    for other in [["--seed", "1"], ["--accounts", "7"], ["--pools", "1"], ["--zipf", "1.1"]] {
        assert_ne!(digest(&other)?, first, "{other:?}");
    }
    Ok(())
}

#[test]
fn slow_reads_slow_both_sides() -> TestResult {
    let args = ["run", "--workload", "transfers", "--txns", "10", "--repeat", "1"];
    let slow = ["--read-latency", "1ms", "--threads", "1", "--json"];
    let report = json(&[&args[..], &slow].concat(), 0)?;
    let row = &rows(&report)[0];
    // Ten senders and ten receivers, each read once.
    assert!(row["sequential_ms"].as_f64() >= Some(20.0), "{row}");
    assert!(row["parallel_ms"].as_f64() >= Some(20.0), "{row}");
    Ok(())
}

#[test]
fn an_empty_block_is_fine() -> TestResult {
    let report = json(&["run", "--txns", "0", "--repeat", "1", "--json"], 0)?;
    assert!(rows(&report).iter().all(|row| row["gas_used"] == 0 && row["ok"] == true), "{report}");
    let output = call(&["run", "--txns", "0", "--repeat", "1"])?;
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert!(!stdout(&output).contains("NaN"));
    Ok(())
}

#[test]
fn the_table_is_for_people() -> TestResult {
    let args = ["--txns", "1500", "--repeat", "1", "--workload", "nft,chain", "--threads", "2"];
    let output = call(&[&["run"], &args[..]].concat())?;
    let text = stdout(&output);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    for part in [
        "Blocks of 1,500 txns: 3,000 accounts, 16 pools, zipf 0, seed 0; 2 threads",
        "workload",
        "allocator: ",
        "speed-up",
        "exec/txn",
        "\nnft ",
        "\nchain ",
        "\ntotal ",
        "On 2 threads the parallel side is faster in ",
        "Receipts and state were the same in every execution of 2 workloads.",
    ] {
        assert!(text.contains(part), "{part:?} is missing:\n{text}");
    }
    Ok(())
}

#[test]
fn bounds_stand_beside_the_speed_up_if_they_are_asked_for() -> TestResult {
    let args = ["--workload", "transfers,amm,chain", "--pools", "1", "--threads", "3"];
    let report = json(&small(&[&args[..], &["--bounds", "--json"]].concat()), 0)?;
    for row in rows(&report) {
        let bounds = row["bounds"].as_object().expect("an object");
        let names: Vec<_> = bounds.keys().map(String::as_str).collect();
        let all =
            "graph_speedup hardware_failed_txns hardware_gas_share hardware_ms hardware_speedup";
        assert_eq!(names.join(" "), all);
        assert!(row["bounds"]["hardware_speedup"].as_f64() > Some(0.0), "{row}");
        let graph = row["bounds"]["graph_speedup"].as_f64();
        assert!(graph >= Some(1.0) && graph <= Some(3.0), "{row}");
        assert_eq!(row["bounds"]["hardware_failed_txns"], 0, "{row}");
        assert!(
            row["command"].as_str().is_some_and(|command| command.ends_with(" --bounds")),
            "{row}"
        );
    }
    assert!(report["totals"]["hardware_speedup"].as_f64() > Some(0.0), "{report}");
    // Trades on one market, one after another.
    assert!(rows(&report)[1]["bounds"]["graph_speedup"].as_f64() < Some(2.0), "{report}");
    let output = call(&small(&[&args[..], &["--bounds"]].concat()))?;
    let text = stdout(&output);
    assert!(text.contains("hw bound") && text.contains("graph bound"), "{text}");
    let without = json(&small(&[&args[..], &["--json"]].concat()), 0)?;
    assert!(rows(&without).iter().all(|row| row.get("bounds").is_none()), "{without}");
    assert!(without["totals"].get("hardware_speedup").is_none(), "{without}");
    let output = call(&small(&args))?;
    assert!(!stdout(&output).contains("bound"), "{}", stdout(&output));
    Ok(())
}

#[test]
fn more_threads_than_cores_can_wait_for_slow_reads() -> TestResult {
    let args = ["run", "--workload", "transfers", "--txns", "400", "--repeat", "1", "--bounds"];
    let slow = ["--read-latency", "50us", "--threads", "16", "--json"];
    let report = json(&[&args[..], &slow].concat(), 0)?;
    let row = &rows(&report)[0];
    assert_eq!((&report["threads"], &report["ok"]), (&json!(16), &json!(true)));
    // One after another, 800 reads take 40 ms and more; beside each other, how long is the
    // machine's to say.
    assert!(row["sequential_ms"].as_f64() >= Some(40.0), "{row}");
    assert!(row["bounds"]["hardware_ms"].as_f64() > Some(2.5), "{row}");
    Ok(())
}

#[test]
fn speed_ups_are_drawn_over_threads_with_one_legend() -> TestResult {
    let scratch = Scratch::new()?;
    let svg = scratch.arg("plot.svg");
    let args = small(&["--workload", "amm,chain", "--threads", "1,2,4", "--svg", &svg]);
    let output = call(&args)?;
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let plot = std::fs::read_to_string(&svg)?;
    for part in ["amm", "chain", "threads", "speed-up", "dotted: ideal", "bars: middle half"] {
        let lines = plot.lines().filter(|line| line.starts_with(part)).count();
        assert_eq!(lines, 1, "{part}: {plot}");
    }
    assert!(stdout(&output).contains("speed-up"), "the table stands beside");
    Ok(())
}
