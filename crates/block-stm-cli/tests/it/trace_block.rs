//! `block-stm trace-block`.

use std::{fs, io::Read, path::Path, process::Stdio};

use serde_json::{Value, json};

use crate::{
    cli::{
        Scratch, TestResult, assert_refused, call, command, edit, json, sample_block, stderr,
        stdout,
    },
    fixtures,
};

const TRACERS: [&str; 5] =
    ["callTracer", "prestateTracer", "4byteTracer", "flatCallTracer", "structLogger"];

fn sample() -> String {
    sample_block().to_string_lossy().into_owned()
}

/// A chain of twelve blocks.
fn devnet() -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../block-stm-chain/tests/data/devnet");
    folder.to_string_lossy().into_owned()
}

fn traced(args: &[&str]) -> Result<String, Box<dyn std::error::Error>> {
    let output = call(&[&["trace-block"], args].concat())?;
    assert!(output.status.success(), "{args:?}: {}", stderr(&output));
    assert_eq!(stderr(&output), "", "{args:?}");
    Ok(String::from_utf8(output.stdout)?)
}

#[test]
fn traces_name_the_transactions_and_are_the_same_under_any_number_of_threads() -> TestResult {
    let block: Value = serde_json::from_slice(&fs::read(sample_block().join("block.json"))?)?;
    let hash = |n: usize| block["transactions"][n]["hash"].clone();
    for tracer in TRACERS {
        let one = traced(&[&sample(), "--tracer", tracer, "--threads", "1"])?;
        assert!(one.starts_with(r#"[{"txHash":"0x"#) && one.ends_with("}]\n"), "{one}");
        let traces: Value = serde_json::from_str(&one)?;
        assert_eq!(traces.as_array().map(Vec::len), Some(2));
        assert_eq!((&traces[0]["txHash"], &traces[1]["txHash"]), (&hash(0), &hash(1)));
        assert!(traces[0].get("result").is_some_and(|result| !result.is_null()));
        for threads in ["2", "4", "8"] {
            let other = traced(&[&sample(), "--tracer", tracer, "--threads", threads])?;
            assert_eq!(other, one, "{tracer}, {threads} threads");
        }
    }
    let flat: Value = serde_json::from_str(&traced(&[&sample(), "--tracer", "flatCallTracer"])?)?;
    assert_eq!(flat[1]["result"][0]["blockHash"], block["hash"]);
    Ok(())
}

#[test]
fn each_block_of_a_chain_has_a_line() -> TestResult {
    let scratch = Scratch::new()?;
    let file = scratch.arg("traces.json");
    let printed = traced(&[&devnet(), "--tracer", "callTracer", "--threads", "2"])?;
    assert_eq!(traced(&[&devnet(), "--tracer", "callTracer", "--out", &file])?, "");
    assert_eq!(fs::read_to_string(&file)?, printed);
    let lines: Vec<Value> = printed.lines().map(serde_json::from_str).collect::<Result<_, _>>()?;
    assert_eq!(lines.len(), 12);
    assert!(lines.iter().all(Value::is_array));
    let left: Vec<_> = fs::read_dir(scratch.path())?.collect::<Result<_, _>>()?;
    assert_eq!(left.len(), 1, "no temporary file is left: {left:?}");
    Ok(())
}

#[test]
fn options_change_the_traces() -> TestResult {
    let with = |config: &str| traced(&[&sample(), "--tracer-config", config]);
    let (all, few) = (with("{}")?, with(r#"{"limit": 2, "disableStack": true}"#)?);
    assert_ne!(all, few);
    let steps = |text: &str| -> Result<Vec<Value>, serde_json::Error> {
        let traces: Value = serde_json::from_str(text)?;
        let lists = traces.as_array().into_iter().flatten();
        Ok(lists.flat_map(|t| t["result"]["structLogs"].as_array().cloned()).flatten().collect())
    };
    assert!(steps(&few)?.iter().all(|step| step.get("stack").is_none()));
    let diff = traced(&[
        &sample(),
        "--tracer",
        "prestateTracer",
        "--tracer-config",
        r#"{"diffMode":true}"#,
    ])?;
    let diff: Value = serde_json::from_str(&diff)?;
    assert!(diff[0]["result"]["pre"].is_object() && diff[0]["result"]["post"].is_object());
    Ok(())
}

/// What the prestate tracer says is what a block folder takes as the state before the block.
#[test]
fn a_block_can_be_replayed_from_its_own_traces() -> TestResult {
    let scratch = Scratch::new()?;
    let folder = scratch.sample_block("block")?;
    let file = folder.join("prestate.json").to_string_lossy().into_owned();
    let traces = scratch.arg("traces.json");
    traced(&[&sample(), "--tracer", "prestateTracer", "--out", &traces])?;
    fs::rename(&traces, &file)?;
    let report = json(&["replay", &scratch.arg("block"), "--repeat", "1", "--json"], 0)?;
    assert_eq!(report["ok"], true, "{report}");
    Ok(())
}

#[test]
fn a_comparison_has_a_table_and_results_that_compare_reads() -> TestResult {
    let scratch = Scratch::new()?;
    let (file, csv) = (scratch.arg("results.json"), scratch.arg("results.csv"));
    let chain = devnet();
    let args = ["trace-block", &chain, "--tracer", "callTracer", "--threads", "2", "--compare"];
    let written = ["--repeat", "2", "--json-file", &file, "--csv", &csv];
    let output = call(&[&args[..], &written].concat())?;
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let text = stdout(&output);
    assert!(text.starts_with("callTracer of 12 blocks; 2 threads\n"), "{text}");
    assert!(text.contains("in order") && text.contains("in parallel"), "{text}");
    assert_eq!(text.matches("same").count(), 12, "{text}");
    assert!(text.lines().all(|line| line.chars().count() <= 80 || line.starts_with("Machine")));
    let report: Value = serde_json::from_slice(&fs::read(&file)?)?;
    assert_eq!((&report["ok"], &report["tracer"]), (&json!(true), &json!("callTracer")));
    let block = &report["blocks"][0];
    assert_eq!(block["sequential_samples_ms"].as_array().map(Vec::len), Some(2));
    assert_eq!(block["parallel_samples_ms"].as_array().map(Vec::len), Some(2));
    assert_eq!(block["first_difference"], Value::Null);
    assert_eq!(fs::read_to_string(&csv)?.lines().count(), 13);
    let compared = call(&["compare", &file, &file])?;
    assert_eq!(compared.status.code(), Some(0), "{}", stderr(&compared));
    let printed = json(&[&args[..], &["--repeat", "1", "--json"]].concat(), 0)?;
    assert_eq!(printed["blocks"].as_array().map(Vec::len), Some(12));
    // Traces beside the comparison are those without it.
    let (traces, alone) = (scratch.arg("traces.json"), scratch.arg("alone.json"));
    let out = ["--repeat", "1", "--out", &traces];
    assert_eq!(call(&[&args[..], &out].concat())?.status.code(), Some(0));
    traced(&[&chain, "--tracer", "callTracer", "--out", &alone])?;
    assert_eq!(fs::read(traces)?, fs::read(alone)?);
    Ok(())
}

#[test]
fn bad_options_are_refused_by_name() -> TestResult {
    let block = sample();
    let cases: [(&[&str], &[&str]); 9] = [
        (&["--tracer", "calltracer"], &["unknown tracer \"calltracer\"", "callTracer"]),
        (&["--tracer", "muxTracer"], &["unknown tracer \"muxTracer\""]),
        (&["--tracer-config", "{"], &["options of structLogger: not a JSON object"]),
        (&["--tracer-config", r#"{"deep":1}"#], &["unknown option \"deep\"", "limit"]),
        (&["--threads", "0"], &["--threads", "0 is not in 1..=1024"]),
        (&["--repeat", "3"], &["--compare"]),
        (&["--json"], &["are for --compare"]),
        (&["--compare", "--out", "-"], &["--out needs a file"]),
        (&["--compare", "--csv", "-"], &["--csv needs a file"]),
    ];
    for (args, words) in cases {
        assert_refused(&[&["trace-block", &block], args].concat(), words)?;
    }
    assert_refused(&["trace-block"], &["PATH"])?;
    assert_refused(&["trace-block", "/no/such/path"], &["/no/such/path"])?;
    Ok(())
}

#[test]
fn an_invalid_block_writes_nothing() -> TestResult {
    let scratch = Scratch::new()?;
    let folder = scratch.sample_block("block")?;
    let (path, out) = (scratch.arg("block"), scratch.arg("traces.json"));
    fs::write(&out, "old")?;
    // Its senders have nothing.
    edit(&folder.join("prestate.json"), |state| {
        for account in state.as_object_mut().expect("accounts").values_mut() {
            account["balance"] = json!("0x0");
        }
    })?;
    for more in [&[][..], &["--out", &out], &["--compare"]] {
        let words = ["block 17100000 can't be executed: txn 0"];
        assert_refused(
            &[&["trace-block", &path, "--tracer", "callTracer"], more].concat(),
            &words,
        )?;
    }
    assert_eq!(fs::read_to_string(&out)?, "old");
    // Another result than that of the header, which is known when all is traced.
    let folder = scratch.sample_block("other")?;
    edit(&folder.join("prestate.json"), |state| {
        for account in state.as_object_mut().expect("accounts").values_mut() {
            if let Some(code) = account.get_mut("code") {
                *code = json!("0xfe");
            }
        }
    })?;
    let output = call(&["trace-block", &scratch.arg("other"), "--out", &out])?;
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    assert!(stderr(&output).contains("block 17100000: "), "{}", stderr(&output));
    assert_eq!(fs::read_to_string(&out)?, "old");
    Ok(())
}

#[test]
fn outputs_are_no_inputs_and_can_be_written() -> TestResult {
    let scratch = Scratch::new()?;
    let folder = scratch.sample_block("block")?;
    let (path, input) = (scratch.arg("block"), folder.join("block.json"));
    let input = input.to_string_lossy();
    assert_refused(&["trace-block", &path, "--out", &input], &["cannot write", "it is an input"])?;
    let missing = scratch.arg("no-such-folder/traces.json");
    assert_refused(&["trace-block", &path, "--out", &missing], &["cannot write", &missing])
}

#[test]
fn a_reader_that_goes_away_is_no_error() -> TestResult {
    let chain = devnet();
    let mut child =
        command(&["trace-block", &chain, "--tracer-config", r#"{"enableMemory":true}"#])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
    let mut first = [0];
    child.stdout.take().expect("it is piped").read_exact(&mut first)?;
    let output = child.wait_with_output()?;
    assert_eq!(first, *b"[");
    assert_eq!((output.status.code(), stderr(&output)), (Some(0), String::new()));
    Ok(())
}

#[test]
fn real_blocks_are_traced_as_one_after_another() -> TestResult {
    let test = "real_blocks_are_traced_as_one_after_another";
    let Some(root) = fixtures::folder(test, "mainnet") else { return Ok(()) };
    for (block, tracer) in [("46147", "structLogger"), ("19426587", "prestateTracer")] {
        let folder = root.join(block).to_string_lossy().into_owned();
        let args = ["trace-block", &folder, "--tracer", tracer, "--threads", "4"];
        let report = json(&[&args[..], &["--compare", "--repeat", "1", "--json"]].concat(), 0)?;
        assert_eq!(report["ok"], true, "{report}");
    }
    Ok(())
}
