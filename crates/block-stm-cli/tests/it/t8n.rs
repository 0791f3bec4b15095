//! `block-stm t8n` and `block-stm t8n-input`.
//!
//! The input lies in `tests/t8n`: two senders, a contract that counts and logs its calls, six
//! transactions of which two are invalid. What must come out was computed by the executable
//! specification (ethereum-execution 2.20.0).

// LENGTH: every option of the command, each in a test of its own, on one set of inputs.

use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
    process::{Output, Stdio},
};

use serde_json::{Value, json};

use crate::cli::{Scratch, TestResult, assert_refused, call, command, edit, stderr, stdout};

const GOLDEN: [(&str, &str); 6] = [
    ("stateRoot", "0xdd7302ed98c839c883d1557d5b73b57fea99348513dc5ce6b0356d51426c3bde"),
    ("txRoot", "0x232abaaa7070f70cb74149f2a55d5711cfd832e6f586c79ef05002c506a4407f"),
    ("receiptsRoot", "0xa433cc315fad32820e043a3ee7a907e7e1eddc2acb02a031d990134523c44950"),
    ("logsHash", "0x18923b85f80466c2d1caf21008e1dd07bf2c4bc77b183e2738e7671aab930890"),
    ("withdrawalsRoot", "0x111647eabe157f8645e2b6595f49ab1c7629d1cce7c691fb420025c56db442a5"),
    ("gasUsed", "0x1fd68"),
];
const FORK: [&str; 4] = ["--state.fork", "Shanghai", "--state.reward", "-1"];

fn input() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/t8n")
}

fn input_json(name: &str) -> Value {
    let bytes = fs::read(input().join(name)).expect("committed");
    serde_json::from_slice(&bytes).expect("JSON")
}

/// A call of `t8n` in `folder`.
fn t8n_in(folder: &Path, args: &[&str]) -> std::io::Result<Output> {
    command(&[&["t8n"], args].concat()).current_dir(folder).output()
}

/// A call of `t8n` with all inputs on standard input.
pub(crate) fn t8n_of(stdin: &Value, args: &[&str]) -> std::io::Result<Output> {
    let inputs = ["t8n", "--input.alloc=stdin", "--input.env=stdin", "--input.txs=stdin"];
    let mut process = command(&[&inputs, args].concat())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    // Dropped at the end of the line, so that the process sees an end.
    process.stdin.take().expect("a pipe").write_all(stdin.to_string().as_bytes())?;
    process.wait_with_output()
}

fn zeroes() -> Value {
    json!(format!("0x{}", "00".repeat(32)))
}

pub(crate) fn everything() -> Value {
    let [alloc, env, txs] = ["alloc.json", "env.json", "txs.json"].map(input_json);
    json!({ "alloc": alloc, "env": env, "txs": txs })
}

const TO_STDOUT: [&str; 3] =
    ["--output.alloc=stdout", "--output.result=stdout", "--output.body=stdout"];

fn assert_golden(result: &Value) {
    for (field, expected) in GOLDEN {
        assert_eq!(result[field], expected, "{field}");
    }
}

fn rejected(result: &Value) -> Vec<(u64, String)> {
    let list = result["rejected"].as_array().into_iter().flatten();
    let reason = |one: &Value| one["error"].as_str().expect("a reason").to_owned();
    list.map(|one| (one["index"].as_u64().expect("a place"), reason(one))).collect()
}

#[test]
fn files_become_files_and_any_number_of_threads_says_what_the_specification_says() -> TestResult {
    for threads in ["1", "2", "4", "8"] {
        let scratch = Scratch::new()?;
        let folder = scratch.arg("new/folder");
        let output =
            ["--output.basedir", &folder, "--output.body", "body.rlp", "--threads", threads];
        let made = t8n_in(&input(), &[&FORK[..], &output].concat())?;
        assert_eq!((made.status.code(), stderr(&made)), (Some(0), String::new()));
        assert_eq!(stdout(&made), "");
        let read = |name: &str| -> Result<Value, Box<dyn std::error::Error>> {
            Ok(serde_json::from_slice(&fs::read(Path::new(&folder).join(name))?)?)
        };
        let (result, alloc, body) = (read("result.json")?, read("alloc.json")?, read("body.rlp")?);
        assert_golden(&result);
        let reasons = rejected(&result);
        assert_eq!(reasons.len(), 2, "{reasons:?}");
        assert!(reasons[0].0 == 1 && reasons[0].1.starts_with("nonce too high: "), "{reasons:?}");
        assert!(
            reasons[1].0 == 5 && reasons[1].1.starts_with("insufficient funds for gas"),
            "{reasons:?}"
        );
        assert_eq!(result["currentDifficulty"], Value::Null);
        assert_eq!(result["currentBaseFee"], "0x7");
        let receipts = result["receipts"].as_array().expect("a list");
        assert_eq!(receipts.len(), 4);
        assert_eq!(receipts[2]["logs"][0]["logIndex"], "0x1");
        assert_eq!(receipts[3]["contractAddress"], "0x865a3c7824f32ce33e688249bebe405a96cb2219");
        let counter = &alloc["0x00000000000000000000000000000000000c0de0"];
        assert_eq!(
            counter["storage"][format!("0x{}", "00".repeat(32))],
            format!("0x{}2b", "00".repeat(31))
        );
        assert_eq!(alloc["0x00000000000000000000000000000000000a11ce"]["balance"], "0xb2d05e00");
        assert!(body.as_str().is_some_and(|rlp| rlp.starts_with("0xf9")), "{body}");
    }
    Ok(())
}

#[test]
fn standard_streams_carry_one_object_each() -> TestResult {
    let made = t8n_of(&everything(), &[&FORK[..], &TO_STDOUT].concat())?;
    assert_eq!(made.status.code(), Some(0), "{}", stderr(&made));
    let output: Value = serde_json::from_slice(&made.stdout)?;
    let keys: Vec<_> = output.as_object().expect("an object").keys().collect();
    assert_eq!(keys, ["alloc", "body", "result"]);
    assert_golden(&output["result"]);
    assert_eq!(stderr(&made), "");

    let split = ["--output.alloc=", "--output.result=stderr", "--output.body=stdout"];
    let made = t8n_of(&everything(), &[&FORK[..], &split].concat())?;
    let errors: Value = serde_json::from_str(&stderr(&made))?;
    assert_golden(&errors["result"]);
    assert_eq!(errors["alloc"], Value::Null);
    let printed: Value = serde_json::from_slice(&made.stdout)?;
    assert_eq!(printed, json!({ "body": output["body"] }));
    Ok(())
}

#[test]
fn the_body_is_an_input_again_in_a_file_or_as_a_field() -> TestResult {
    let made = t8n_of(&everything(), &[&FORK[..], &TO_STDOUT].concat())?;
    let output: Value = serde_json::from_slice(&made.stdout)?;
    let scratch = Scratch::new()?;
    fs::write(scratch.path().join("signed.rlp"), output["body"].to_string())?;
    let signed = scratch.arg("signed.rlp");
    let from_file = t8n_in(&input(), &[&FORK[..], &TO_STDOUT, &["--input.txs", &signed]].concat())?;
    let mut fields = everything();
    fields.as_object_mut().expect("an object").remove("txs");
    fields["txsRlp"] = output["body"].clone();
    let from_field = t8n_of(&fields, &[&FORK[..], &TO_STDOUT].concat())?;
    for made in [from_file, from_field] {
        let again: Value = serde_json::from_slice(&made.stdout)?;
        assert_golden(&again["result"]);
        assert_eq!(rejected(&again["result"]), []);
        assert_eq!(again["body"], output["body"]);
        assert_eq!(again["alloc"], output["alloc"]);
    }
    Ok(())
}

#[test]
fn what_can_not_be_a_transaction_of_the_block_is_rejected_by_its_place() -> TestResult {
    let mut input = everything();
    // An empty string, an unknown type, half a transfer, and one for another chain.
    input["txs"] = json!("0xc7".to_owned() + "80" + "8205c0" + "8202c0");
    let made = t8n_of(&input, &[&FORK[..], &TO_STDOUT].concat())?;
    assert_eq!(made.status.code(), Some(0), "{}", stderr(&made));
    let output: Value = serde_json::from_slice(&made.stdout)?;
    let reasons = rejected(&output["result"]);
    assert_eq!(reasons.iter().map(|one| one.0).collect::<Vec<_>>(), [0, 1, 2], "{reasons:?}");
    assert!(reasons.iter().all(|one| one.1.starts_with("can't be decoded: ")), "{reasons:?}");

    let mut input = everything();
    input["txs"][0]["chainId"] = json!("0x2");
    input["txs"][2]["type"] = json!("0x3");
    input["txs"][2]["blobVersionedHashes"] = json!([]);
    input["txs"][2]["maxFeePerBlobGas"] = json!("0x1");
    let made = t8n_of(&input, &[&FORK[..], &TO_STDOUT].concat())?;
    let output: Value = serde_json::from_slice(&made.stdout)?;
    let reasons = rejected(&output["result"]);
    assert_eq!(reasons[0], (0, "invalid chain id for signer: have 2 want 1".to_owned()));
    assert!(
        reasons.iter().any(|one| one.0 == 2 && one.1.starts_with("transaction type not supported"))
    );
    Ok(())
}

#[test]
fn a_number_too_large_rejects_its_transaction_alone() -> TestResult {
    let right = t8n_of(&everything(), &[&FORK[..], &TO_STDOUT].concat())?;
    let right: Value = serde_json::from_slice(&right.stdout)?;
    for (field, number, bits) in [
        ("gasPrice", "0x1".to_owned() + &"0".repeat(32), 128),
        ("value", "0x1".to_owned() + &"0".repeat(64), 256),
        ("nonce", "18446744073709551616".to_owned(), 64),
    ] {
        let mut input = everything();
        let mut large = input["txs"][0].clone();
        large[field] = json!(number);
        let place = input["txs"].as_array().map_or(0, Vec::len);
        input["txs"].as_array_mut().expect("transactions").push(large);
        let made = t8n_of(&input, &[&FORK[..], &TO_STDOUT].concat())?;
        assert_eq!(made.status.code(), Some(0), "{}", stderr(&made));
        let mut output: Value = serde_json::from_slice(&made.stdout)?;
        let reasons = rejected(&output["result"]);
        assert_eq!(reasons.last(), Some(&(place as u64, format!("{field} exceeds {bits} bits"))));
        output["result"]["rejected"] = right["result"]["rejected"].clone();
        assert_eq!(output, right);

        // The other transactions are read as ever, and so is what is wrong with them.
        input["txs"][1]["to"] = json!("0x12");
        let made = t8n_of(&input, &[&FORK[..], &TO_STDOUT].concat())?;
        assert_ne!(made.status.code(), Some(0));
        assert!(stderr(&made).contains("[1]"), "{}", stderr(&made));
    }
    Ok(())
}

#[test]
fn rewards_go_to_the_producer_and_its_ommers_and_a_reward_of_nothing_creates_an_account()
-> TestResult {
    let mut input = json!({ "alloc": {}, "env": input_json("env.json"), "txs": null });
    input["env"]["ommers"] =
        json!([{ "delta": 1, "address": "0x00000000000000000000000000000000000a11ce" }]);
    input["env"]["currentDifficulty"] = json!("0x20000");
    let balances = |fork: &str, reward: &str| -> Result<Value, Box<dyn std::error::Error>> {
        let made = t8n_of(
            &input,
            &[&["--state.fork", fork, "--state.reward", reward], &TO_STDOUT[..]].concat(),
        )?;
        let output: Value = serde_json::from_slice(&made.stdout)?;
        let [miner, ommer] = ["c01bba5e", "000a11ce"].map(|end| {
            output["alloc"][format!("0x00000000000000000000000000000000{end}")]["balance"].clone()
        });
        Ok(json!([miner, ommer]))
    };
    assert_eq!(balances("Berlin", "64")?, json!(["0x42", "0x38"]));
    assert_eq!(balances("Berlin", "0")?, json!([null, null]));
    assert_eq!(balances("Frontier", "0")?, json!(["0x0", "0x0"]));
    assert_eq!(balances("Frontier", "-1")?, json!([null, null]));
    Ok(())
}

#[test]
fn each_failure_has_the_exit_code_of_geth_and_names_the_place() -> TestResult {
    type Change = fn(&Path) -> TestResult;
    let nothing: Change = |_| Ok(());
    let cases: [(i32, &[&str], Change, &[&str]); 17] = [
        (3, &["--state.fork", "Cancoon"], nothing, &["Cancoon", "Frontier"]),
        (3, &["--state.fork", "London+3855"], nothing, &["London+3855"]),
        (3, &["--state.fork", "Berlin"], nothing, &["parentDifficulty", "missing"]),
        (3, &["--state.fork", "Cancun"], nothing, &["parentBeaconBlockRoot", "missing"]),
        (
            3,
            &["--state.fork", "Amsterdam"],
            |folder| edit(&folder.join("env.json"), |env| env["parentBeaconBlockRoot"] = zeroes()),
            &["slotNumber", "missing"],
        ),
        (
            2,
            &["--state.fork", "Shanghai+7928"],
            |folder| edit(&folder.join("env.json"), |env| env["currentGasLimit"] = json!("0x64")),
            &["access list", "gas limit"],
        ),
        (
            3,
            &[],
            |folder| edit(&folder.join("env.json"), |env| env["withdrawals"] = Value::Null),
            &["withdrawals"],
        ),
        (
            4,
            &[],
            |folder| {
                edit(&folder.join("alloc.json"), |alloc| {
                    // BLOCKHASH of block 14.
                    alloc["0x00000000000000000000000000000000000c0de0"]["code"] =
                        json!("0x600e4000");
                })
            },
            &["block 14", "blockHashes"],
        ),
        (
            10,
            &[],
            |folder| edit(&folder.join("txs.json"), |txs| txs[2]["gas"] = json!("lots")),
            &["txs.json", "[2].gas", "lots"],
        ),
        (
            10,
            &[],
            |folder| edit(&folder.join("txs.json"), |txs| txs[3]["secretKey"] = Value::Null),
            &["txs.json", "[3].secretKey"],
        ),
        (
            10,
            &[],
            |folder| edit(&folder.join("alloc.json"), |alloc| *alloc = json!({ "0x1": {} })),
            &["alloc.json"],
        ),
        (
            10,
            &[],
            |folder| edit(&folder.join("env.json"), |env| env["currentGasLimit"] = json!([])),
            &["env.json", "currentGasLimit"],
        ),
        (11, &["--input.txs", "none.json"], nothing, &["none.json", "No such file"]),
        (11, &["--output.result", "no/such/folder.json"], nothing, &["folder.json"]),
        (11, &["--output.basedir", "txs.json"], nothing, &["txs.json"]),
        (
            12,
            &[],
            |folder| Ok(fs::write(folder.join("txs.json"), "\"0x00\"")?),
            &["txs.json", "list"],
        ),
        (12, &[], |folder| Ok(fs::write(folder.join("txs.json"), "\"0xc18000\"")?), &["byte 2"]),
    ];
    for (code, args, change, words) in cases {
        let scratch = Scratch::new()?;
        for name in ["alloc.json", "env.json", "txs.json"] {
            fs::copy(input().join(name), scratch.path().join(name))?;
        }
        change(scratch.path())?;
        let fork = if args.contains(&"--state.fork") { &[][..] } else { &FORK[..2] };
        let made = t8n_in(scratch.path(), &[args, fork].concat())?;
        let message = stderr(&made);
        assert_eq!(made.status.code(), Some(code), "{args:?}: {message}");
        for word in words {
            assert!(message.contains(word), "{args:?}: {word} is missing: {message}");
        }
        assert!(!message.contains("panicked"), "{message}");
    }
    Ok(())
}

#[test]
fn executed_transactions_are_traced_and_opcodes_counted() -> TestResult {
    let scratch = Scratch::new()?;
    let folder = scratch.arg("out");
    let traced =
        ["--output.basedir", &folder, "--trace", "--trace.nostack", "--opcode.count", "ops.json"];
    let made = t8n_in(&input(), &[&FORK[..], &traced].concat())?;
    assert_eq!(made.status.code(), Some(0), "{}", stderr(&made));
    let files =
        fs::read_dir(&folder)?.map(|file| Ok(file?.file_name().to_string_lossy().into_owned()));
    let mut files: Vec<String> = files.collect::<std::io::Result<_>>()?;
    files.sort();
    let starts: Vec<&str> = files.iter().map(|name| &name[..7]).collect();
    assert_eq!(
        starts,
        ["alloc.j", "ops.jso", "result.", "trace-0", "trace-1", "trace-2", "trace-3"]
    );
    let trace = fs::read_to_string(Path::new(&folder).join(&files[4]))?;
    let lines: Vec<Value> = trace.lines().map(serde_json::from_str).collect::<Result<_, _>>()?;
    // What the specification writes, too, but for the stack.
    assert_eq!(
        lines[1],
        json!({
            "pc": 2, "op": 84, "gas": "0x13495", "gasCost": "0x834", "memSize": 0, "depth": 1,
            "refund": 0, "opName": "SLOAD",
        })
    );
    assert_eq!(lines.last(), Some(&json!({ "output": "", "gasUsed": "0x1797" })));
    assert_eq!(fs::read_to_string(Path::new(&folder).join(&files[3]))?.lines().count(), 1);
    let counts: Value = serde_json::from_slice(&fs::read(Path::new(&folder).join("ops.json"))?)?;
    assert_eq!((&counts["LOG1"], &counts["PUSH1"]), (&json!(2), &json!(19)));
    let failed =
        t8n_in(&input(), &[&FORK[..], &["--trace", "--output.basedir", "alloc.json"]].concat())?;
    assert_eq!(failed.status.code(), Some(11));
    Ok(())
}

#[test]
fn a_block_that_can_not_be_executed_ends_in_exit_code_2() -> TestResult {
    let mut input = everything();
    input["env"]["parentBeaconBlockRoot"] = zeroes();
    // Prague calls contracts that are not there.
    let made = t8n_of(&input, &["--state.fork", "Prague"])?;
    assert_eq!(made.status.code(), Some(2));
    assert!(stderr(&made).contains("withdrawal requests"), "{}", stderr(&made));
    assert_refused(&["t8n", "--state.reward", "-2"], &["--state.reward"])?;
    assert_refused(&["t8n", "--threads", "0"], &["--threads"])?;
    assert_refused(&["t8n", "--trace.everything"], &["--trace.everything"])
}

#[test]
fn blob_limits_come_from_the_fork_or_from_a_file() -> TestResult {
    let mut input = everything();
    input["env"]["parentBeaconBlockRoot"] = zeroes();
    input["env"]["parentBlobGasUsed"] = json!("0xc0000");
    input["env"]["parentExcessBlobGas"] = json!("0x0");
    input["blobParams"] =
        json!({ "target": "0x1", "max": "0x2", "baseFeeUpdateFraction": "0x10000" });
    let excess = |args: &[&str]| -> Result<Value, Box<dyn std::error::Error>> {
        let made = t8n_of(&input, &[&["--state.fork", "Cancun"], &TO_STDOUT[..], args].concat())?;
        let output: Value = serde_json::from_slice(&made.stdout)?;
        Ok(output["result"]["currentExcessBlobGas"].clone())
    };
    assert_eq!(excess(&[])?, "0x60000");
    assert_eq!(excess(&["--input.blobParams", "stdin"])?, "0xa0000");
    Ok(())
}

#[test]
fn test_fillers_recognise_it_as_an_evm_with_a_t8n() -> TestResult {
    let version = call(&["-v"])?;
    assert!(stdout(&version).starts_with("evm version "), "{}", stdout(&version));
    assert_eq!((version.status.code(), stderr(&version)), (Some(0), String::new()));
    let help = stdout(&call(&["t8n", "--help"])?);
    for word in [
        "Frontier",
        "ConstantinopleFix",
        "Paris",
        "BPO2",
        "Amsterdam",
        "--input.alloc",
        "Exit codes",
    ] {
        assert!(help.contains(word), "{word}");
    }
    Ok(())
}

#[test]
fn a_workload_becomes_an_input_whose_transactions_all_count() -> TestResult {
    let scratch = Scratch::new()?;
    let folder = scratch.arg("in");
    let shape = ["--txns", "30", "--accounts", "10", "--zipf", "1"];
    let written = call(&[&["t8n-input", &folder, "--workload", "amm"], &shape[..]].concat())?;
    assert_eq!(written.status.code(), Some(0), "{}", stderr(&written));
    let args = ["--state.reward=-1", "--output.alloc=", "--output.result=stdout"];
    for (fork, has_list) in [("Osaka", false), ("Amsterdam", true)] {
        let made = t8n_in(Path::new(&folder), &[&["--state.fork", fork], &args[..]].concat())?;
        let output: Value = serde_json::from_slice(&made.stdout)?;
        let result = &output["result"];
        assert_eq!(rejected(result), [], "{fork}");
        assert_eq!(result["receipts"].as_array().map(Vec::len), Some(30), "{fork}");
        assert_eq!(result["blockAccessList"].is_string(), has_list, "{fork}");
    }

    let several = call(&[&["t8n-input", &folder, "--workload", "amm,chain"], &shape[..]].concat())?;
    assert_eq!(several.status.code(), Some(0), "{}", stderr(&several));
    assert!(Path::new(&folder).join("chain/txs.json").is_file());
    fs::write(scratch.path().join("file"), "")?;
    assert_refused(
        &[&["t8n-input", &scratch.arg("file/in")], &shape[..]].concat(),
        &["cannot write"],
    )?;
    // Two of the files are one.
    #[cfg(unix)]
    {
        fs::create_dir(scratch.path().join("linked"))?;
        std::os::unix::fs::symlink("env.json", scratch.path().join("linked/txs.json"))?;
        let linked = scratch.arg("linked");
        let args = [&["t8n-input", &linked, "--workload", "amm"], &shape[..]].concat();
        assert_refused(&args, &["cannot write", "another output"])?;
    }
    Ok(())
}

#[test]
fn calls_are_framed_and_their_ends_told() -> TestResult {
    let scratch = Scratch::new()?;
    for name in ["alloc.json", "env.json", "txs.json"] {
        fs::copy(input().join(name), scratch.path().join(name))?;
    }
    // A contract that calls the identity (with 4 bytes of memory) and delegates to it.
    edit(&scratch.path().join("alloc.json"), |alloc| {
        alloc["0x00000000000000000000000000000000000c0de0"]["code"] =
            json!("0x6000600060046000600060045af1600060006000600060045af400");
    })?;
    let args = ["--trace", "--trace.callframes", "--trace.memory", "--verbosity", "5"];
    let made = t8n_in(scratch.path(), &[&FORK[..], &args].concat())?;
    assert_eq!(made.status.code(), Some(0), "{}", stderr(&made));
    let mut files: Vec<_> = fs::read_dir(scratch.path())?
        .map(|file| Ok(file?.path()))
        .collect::<std::io::Result<_>>()?;
    files.sort();
    let traced = |path: &&PathBuf| path.to_string_lossy().contains("/trace-1-");
    let trace = fs::read_to_string(files.iter().find(traced).expect("a trace"))?;
    let lines: Vec<Value> = trace.lines().map(serde_json::from_str).collect::<Result<_, _>>()?;
    let frames: Vec<_> = lines.iter().filter(|line| line["type"].is_string()).collect();
    let types: Vec<_> = frames.iter().map(|frame| &frame["type"]).collect();
    assert_eq!(types, ["CALL", "CALL", "DELEGATECALL"]);
    let contract = "0x00000000000000000000000000000000000c0de0";
    assert_eq!((&frames[0]["to"], &frames[1]["from"]), (&json!(contract), &json!(contract)));
    assert_eq!(
        (&frames[1]["to"], &frames[2]["from"]),
        (&json!(format!("0x{:040x}", 4)), &json!(contract))
    );
    assert_eq!(frames[1]["input"], "0x00000000");
    let ends: Vec<_> = lines.iter().filter(|line| line["output"].is_string()).collect();
    assert_eq!(ends.len(), 3, "each frame has an end");
    let before = fs::read_dir(scratch.path())?.count();
    let made =
        t8n_in(scratch.path(), &[&FORK[..], &["--trace=false", "--output.alloc="]].concat())?;
    assert_eq!(made.status.code(), Some(0), "{}", stderr(&made));
    assert_eq!(fs::read_dir(scratch.path())?.count(), before, "no trace is wanted");
    Ok(())
}

#[test]
fn an_absolute_output_lies_below_the_folder_as_with_geth() -> TestResult {
    let scratch = Scratch::new()?;
    let (folder, alone) = (scratch.arg("out"), scratch.arg("alone.json"));
    fs::create_dir_all(scratch.path().join("out/deep"))?;
    let below =
        ["--output.basedir", &folder, "--output.result", "/deep/result.json", "--output.alloc="];
    let made = t8n_in(&input(), &[&FORK[..], &below].concat())?;
    assert_eq!(made.status.code(), Some(0), "{}", stderr(&made));
    assert!(scratch.path().join("out/deep/result.json").is_file());
    let made =
        t8n_in(&input(), &[&FORK[..], &["--output.result", &alone, "--output.alloc="]].concat())?;
    assert_eq!(made.status.code(), Some(0), "{}", stderr(&made));
    assert_golden(&serde_json::from_slice(&fs::read(&alone)?)?);
    Ok(())
}
