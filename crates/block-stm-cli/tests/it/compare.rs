//! `block-stm compare`.

use std::fs;

use serde_json::{Value, json};

use crate::cli::{Scratch, TestResult, assert_refused, call, json, stderr, stdout};

/// Results of one workload with such times of its turns.
fn results(sequential: [f64; 5], parallel: [f64; 5]) -> Value {
    json!({
        "version": "1", "allocator": "mimalloc", "threads": 2,
        "workloads": [{
            "name": "amm", "speedup": sequential[2] / parallel[2],
            "sequential_samples_ms": sequential, "parallel_samples_ms": parallel,
        }],
    })
}

#[test]
fn results_of_a_run_can_be_compared_with_themselves() -> TestResult {
    let scratch = Scratch::new()?;
    let file = scratch.arg("run.json");
    let run = ["run", "--workload", "transfers,erc20", "--txns", "30", "--threads", "1,2"];
    let output = call(&[&run[..], &["--repeat", "3", "--json-file", &file]].concat())?;
    assert_eq!(output.status.code(), Some(0));
    assert!(stdout(&output).contains("\nMachine: "), "{}", stdout(&output));
    let written: Value = serde_json::from_slice(&fs::read(&file)?)?;
    let row = &written[1]["workloads"][0];
    assert_eq!(row["sequential_samples_ms"].as_array().map(Vec::len), Some(3));
    assert!(written[0]["machine"]["cores"].as_u64() >= Some(1), "{written}");

    let compared = json(&["compare", &file, &file, "--fail-on-loss", "--json"], 0)?;
    assert_eq!(compared["rows"].as_array().map(Vec::len), Some(4));
    assert_eq!(compared["mean_change"], 1.0);
    let rows = compared["rows"].as_array().into_iter().flatten();
    assert!(rows.clone().all(|row| row["verdict"] == "same"), "{compared}");
    Ok(())
}

#[test]
fn sweeps_and_forecasts_can_be_compared_too() -> TestResult {
    let scratch = Scratch::new()?;
    let (sweep, forecast) = (scratch.arg("sweep.json"), scratch.arg("forecast.json"));
    let (csv, rows) = (scratch.arg("compared.csv"), scratch.arg("forecast.csv"));
    let args = ["sweep", "--vm", "diem", "--work", "0us", "--blocks", "20", "--accounts", "2,10"];
    let more = ["--threads", "1,2", "--repeat", "3", "--json-file", &sweep];
    assert_eq!(call(&[&args[..], &more].concat())?.status.code(), Some(0));
    let compared = json(&["compare", &sweep, &sweep, "--json", "--csv", &csv], 0)?;
    assert_eq!(compared["rows"].as_array().map(Vec::len), Some(4), "{compared}");
    assert_eq!(compared["rows"][0]["name"], "diem: 20 txns of 10 accounts");
    assert_eq!(compared["rows"][0]["verdict"], "same");
    let lines = fs::read_to_string(&csv)?;
    let header = "name,threads,noise,speedup_after,speedup_before,verdict";
    assert_eq!((lines.lines().next(), lines.lines().count()), (Some(header), 5), "{lines}");

    let args = ["forecast", "--workload", "transfers", "--txns", "20", "--workers", "1,4"];
    let more = ["--repeat", "1", "--json-file", &forecast, "--csv", &rows];
    assert_eq!(call(&[&args[..], &more].concat())?.status.code(), Some(0));
    let compared = json(&["compare", &forecast, &forecast, "--json"], 0)?;
    assert_eq!(compared["rows"][1]["threads"], 4, "{compared}");
    assert_eq!(compared["rows"][1]["verdict"], "unknown", "a forecast has no turns");
    assert_eq!(fs::read_to_string(&rows)?.lines().count(), 3);
    let written: Value = serde_json::from_slice(&fs::read(&forecast)?)?;
    let command = written[0]["command"].as_str().ok_or("a command")?;
    assert!(command.starts_with("block-stm forecast --workload transfers "), "{command}");
    assert!(written[0]["machine"]["cores"].as_u64() >= Some(1), "{written}");
    let nothing = call(&["compare", &sweep, &forecast])?;
    assert_eq!(nothing.status.code(), Some(1));
    assert!(stderr(&nothing).contains("nothing in common"), "{}", stderr(&nothing));
    Ok(())
}

#[test]
fn runs_with_other_threads_are_compared_where_both_have_them() -> TestResult {
    let scratch = Scratch::new()?;
    let (few, many) = (scratch.arg("few.json"), scratch.arg("many.json"));
    let run = ["run", "--workload", "transfers", "--txns", "20", "--repeat", "3", "--json-file"];
    for (file, threads) in [(&few, "1,2"), (&many, "2,3")] {
        let output = call(&[&run[..], &[file, "--threads", threads]].concat())?;
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    }
    let compared = json(&["compare", &few, &many, "--json"], 0)?;
    let threads = |list: &str| {
        let list = compared[list].as_array().into_iter().flatten();
        list.map(|row| row["threads"].as_u64().unwrap_or_default()).collect::<Vec<_>>()
    };
    let all = ["rows", "only_in_first", "only_in_second"].map(threads);
    assert_eq!(all, [vec![2], vec![1], vec![3]]);
    let text = stdout(&call(&["compare", &few, &many])?);
    for part in ["Only in the first file: transfers (1).", "second file: transfers (3)."] {
        assert!(text.contains(part), "{part}: {text}");
    }
    Ok(())
}

#[test]
fn a_loss_is_told_and_fails_where_that_is_asked_for() -> TestResult {
    let scratch = Scratch::new()?;
    let (before, after) = (scratch.arg("before.json"), scratch.arg("after.json"));
    fs::write(&before, results([10.0, 10.1, 10.0, 9.9, 10.0], [5.0; 5]).to_string())?;
    fs::write(&after, results([10.0, 10.1, 10.0, 9.9, 10.0], [7.0; 5]).to_string())?;
    let output = call(&["compare", &before, &after])?;
    let text = stdout(&output);
    assert_eq!(output.status.code(), Some(0));
    for part in ["amm", "2.00x", "1.43x", "-28.6 %", "SLOWER", "1 slower"] {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert_eq!(call(&["compare", &before, &after, "--fail-on-loss"])?.status.code(), Some(1));
    assert_eq!(call(&["compare", &after, &before, "--fail-on-loss"])?.status.code(), Some(0));
    Ok(())
}

#[test]
fn what_can_not_be_compared_is_refused() -> TestResult {
    let scratch = Scratch::new()?;
    let file = |name: &str, content: Value| -> Result<String, std::io::Error> {
        fs::write(scratch.path().join(name), content.to_string())?;
        Ok(scratch.arg(name))
    };
    let good = file("good.json", results([1.0; 5], [1.0; 5]))?;
    let mut others = results([1.0; 5], [1.0; 5]);
    others["threads"] = json!(4);
    let others = file("others.json", others)?;
    let nothing = call(&["compare", &good, &others])?;
    assert_eq!(nothing.status.code(), Some(1));
    assert!(stdout(&nothing).starts_with("Only in the first file: "), "{}", stdout(&nothing));
    assert!(stderr(&nothing).contains("nothing in common"), "{}", stderr(&nothing));
    let sweep = file("sweep.json", json!([{"vm": "aptos"}]))?;
    assert_refused(&["compare", &good, &sweep], &["sweep.json"])?;
    assert_refused(&["compare", &good, &good, "--json-file", &good], &["cannot write"])?;
    assert_refused(&["compare", &good, &scratch.arg("none.json")], &["none.json"])
}
