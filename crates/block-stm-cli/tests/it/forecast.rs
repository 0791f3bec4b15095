//! `block-stm forecast`: virtual workers, beside real ones where there are cores.

use crate::cli::{Scratch, TestResult, assert_refused, call, json, sample_block, stderr, stdout};

#[test]
fn workloads_are_forecast_for_each_number_of_workers() -> TestResult {
    let args = ["--workload", "erc20", "--txns", "60", "--workers", "1,2,8", "--repeat", "1"];
    let output = call(&[&["forecast"], args.as_slice()].concat())?;
    let text = stdout(&output);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    for part in ["erc20: 60 txns, simulated on virtual workers", "of bound", "sim/real"] {
        assert!(text.contains(part), "{part}: {text}");
    }
    let found = json(&[&["forecast", "--json"], args.as_slice()].concat(), 0)?;
    let workers = found[0]["workers"].as_array().ok_or("an array")?;
    let numbers: Vec<_> = workers.iter().map(|line| line["workers"].as_u64()).collect();
    assert_eq!(numbers, [Some(1), Some(2), Some(8)]);
    // Times are the machine's, and it may be busy; what follows from the graph of conflicts is not.
    assert!(workers.iter().all(|line| line["simulated_ns"].as_u64() > Some(0)), "{found}");
    let bound = |place: usize| workers[place]["bound_speedup"].as_f64();
    assert_eq!(bound(0), Some(1.0));
    assert!(bound(2) > Some(1.0), "independent transfers can be shared: {found}");
    Ok(())
}

#[test]
fn real_blocks_are_forecast() -> TestResult {
    let block = sample_block();
    let path = block.to_string_lossy();
    let found = json(&["forecast", &path, "--workers", "2", "--repeat", "1", "--json"], 0)?;
    assert_eq!(found[0]["title"], "1 block");
    let alone = &found[0]["blocks"][0][0];
    assert!(alone["simulated_ns"].as_u64() > Some(0));
    assert_eq!(alone["number"], 17_100_000, "a block is known by its number");
    Ok(())
}

#[test]
fn slow_storage_is_virtual() -> TestResult {
    // Shorter blocks are executed on one thread, without the simulator.
    let args = ["forecast", "--workload", "transfers", "--txns", "400", "--workers", "8"];
    let run = |latency| {
        json(
            &[args.as_slice(), &["--repeat", "1", "--json", "--read-latency", latency]].concat(),
            0,
        )
    };
    let time = |found: serde_json::Value| found[0]["workers"][0]["simulated_ns"].as_u64();
    let (fast, slow) = (time(run("0us")?), time(run("100ms")?));
    assert!(slow > Some(100_000_000) && fast < slow, "{fast:?} {slow:?}");
    Ok(())
}

#[test]
fn bad_input_is_refused() -> TestResult {
    let scratch = Scratch::new()?;
    assert_refused(&["forecast", &scratch.arg("nothing")], &["nothing"])?;
    assert_refused(&["forecast", "--workers", "0"], &["--workers", "0"])?;
    assert_refused(&["forecast", "--repeat", "0"], &["--repeat", "0"])?;
    assert_refused(&["forecast", "somewhere", "--workload", "amm"], &["PATH", "--workload"])
}

#[test]
fn a_forecast_is_drawn_with_bound_and_ideal() -> TestResult {
    let scratch = Scratch::new()?;
    let svg = scratch.arg("plot.svg");
    let args = ["forecast", "--workload", "transfers,chain", "--txns", "40", "--workers", "1,2,8"];
    let output = call(&[&args[..], &["--repeat", "3", "--svg", &svg]].concat())?;
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let plot = std::fs::read_to_string(&svg)?;
    for part in ["transfers: 40 txns", "chain: 40 txns", "dotted: ideal", "dashed: bound"] {
        assert_eq!(plot.matches(part).count(), 1, "{part}");
    }
    assert_refused(&[&args[..], &["--svg", "-"]].concat(), &["--svg needs a file"])
}
