//! State transitions against the executable specification of Ethereum, an implementation that
//! shares nothing with this one.
//!
//! Blocks are workloads and random blocks of everything that is hard to get right. What the
//! specification makes of them must be what `block-stm t8n` makes of them, with any number of
//! threads: roots, receipts, requests, the whole state, and which transactions are rejected.

mod amsterdam;
mod code;
mod nasty;
mod spec;

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use alloy_primitives::U256;
use block_stm_workloads::Workload;
use serde_json::Value;

use self::{
    nasty::Input,
    spec::{FORKS, Spec},
};
use crate::cli::{Scratch, TestResult, call, stderr};

/// Fields of the result that the specification tells, too.
const FIELDS: [&str; 12] = [
    "stateRoot",
    "txRoot",
    "receiptsRoot",
    "logsHash",
    "logsBloom",
    "gasUsed",
    "withdrawalsRoot",
    "requestsHash",
    "requests",
    "currentBaseFee",
    "currentDifficulty",
    "currentExcessBlobGas",
];
/// Folders of results, and of an input without the transactions that are rejected.
const SPEC: &str = "spec";
const OURS: &str = "ours";
const ACCEPTED: &str = "accepted";
const THREADS: [&str; 4] = ["1", "2", "4", "8"];

/// Random blocks, one per fork in turn; `BLOCK_STM_SPEC_BLOCKS` says how many,
/// `BLOCK_STM_SPEC_SEED` which.
#[test]
fn random_blocks_come_out_as_the_specification_says() -> TestResult {
    let Some(mut spec) = Spec::start("random_blocks_come_out_as_the_specification_says") else {
        return Ok(());
    };
    let (first, blocks) = (number("BLOCK_STM_SPEC_SEED", 0)?, number("BLOCK_STM_SPEC_BLOCKS", 64)?);
    let (mut executed, mut rejected) = (0, 0);
    for seed in first..first + blocks {
        let fork = FORKS[(seed % FORKS.len() as u64) as usize];
        let input = nasty::block(fork, seed, 40);
        let scratch = Scratch::new()?;
        write_input(&input, scratch.path())?;
        let counts = compare(&mut spec, scratch.path(), fork, input.reward);
        let counts = counts.map_err(|error| keep(&scratch, fork, seed, &error.to_string()))?;
        executed += counts.0;
        rejected += counts.1;
    }
    println!(
        "{blocks} blocks from seed {first} on: {executed} transactions executed, \
         {rejected} rejected"
    );
    // A generator gone wrong would make the comparison worthless.
    assert!(executed >= 10 * blocks as usize, "{executed} of {blocks} blocks");
    assert!(rejected >= blocks as usize, "{rejected} in {blocks} blocks");
    Ok(())
}

/// Blocks in which every transaction delegates, among few accounts; a fourth as many as others, at
/// least one per fork.
#[test]
fn storms_of_delegations_come_out_as_the_specification_says() -> TestResult {
    let Some(mut spec) = Spec::start("storms_of_delegations_come_out_as_the_specification_says")
    else {
        return Ok(());
    };
    let forks = &FORKS[FORKS.iter().position(|fork| *fork == "Prague").expect("known")..];
    let (first, blocks) = (number("BLOCK_STM_SPEC_SEED", 0)?, number("BLOCK_STM_SPEC_BLOCKS", 64)?);
    let blocks = (blocks / 4).max(forks.len() as u64);
    let (mut executed, mut delegated) = (0, 0);
    for (seed, &fork) in (first..first + blocks).zip(forks.iter().cycle()) {
        let input = nasty::delegations(fork, seed, 40);
        let scratch = Scratch::new()?;
        write_input(&input, scratch.path())?;
        let counts = compare(&mut spec, scratch.path(), fork, input.reward);
        let counts = counts.map_err(|error| keep(&scratch, fork, seed, &error.to_string()))?;
        executed += counts.0;
        // The code of each delegation is that of its target's address: 23 bytes.
        let after = accounts(&read(scratch.path(), OURS, "alloc.json")?);
        let code = |account: &Value| account["code"].as_str().unwrap_or_default().to_owned();
        delegated += after.values().filter(|account| code(account).starts_with("0xef0100")).count();
    }
    println!("{blocks} blocks: {executed} transactions executed, {delegated} accounts delegate");
    assert!(executed >= 10 * blocks as usize, "{executed} of {blocks} blocks");
    assert!(delegated >= 2 * blocks as usize, "{delegated} in {blocks} blocks");
    Ok(())
}

/// Every workload's block under each fork that knows its contracts' opcodes.
#[test]
fn workloads_come_out_as_the_specification_says() -> TestResult {
    let Some(mut spec) = Spec::start("workloads_come_out_as_the_specification_says") else {
        return Ok(());
    };
    let seed = number("BLOCK_STM_SPEC_SEED", 0)?.to_string();
    let scratch = Scratch::new()?;
    let folder = scratch.arg("");
    let shape =
        ["--txns", "50", "--accounts", "20", "--pools", "2", "--zipf", "1", "--seed", &seed];
    let written = call(&[&["t8n-input", &folder], &shape[..]].concat())?;
    assert!(written.status.success(), "{}", stderr(&written));
    for workload in Workload::ALL {
        let folder = scratch.path().join(workload.name());
        for fork in ["Cancun", "Prague", "Osaka"] {
            let (executed, rejected) = compare(&mut spec, &folder, fork, -1)?;
            assert_eq!((executed, rejected), (50, 0), "{workload} {fork}");
        }
    }
    Ok(())
}

/// Opcode by opcode: place, gas, depth and stack, in a block of each fork.
#[test]
fn traces_are_those_of_the_specification() -> TestResult {
    let test = "traces_are_those_of_the_specification";
    // Once the specification has traced, it always does.
    let (Some(mut spec), Some(mut tracing)) = (Spec::start(test), Spec::start(test)) else {
        return Ok(());
    };
    let mut compared = 0;
    for (seed, fork) in (number("BLOCK_STM_SPEC_SEED", 0)?..).zip(FORKS) {
        let scratch = Scratch::new()?;
        let input = nasty::block(fork, seed, 20);
        write_input(&input, scratch.path())?;
        transition(&mut spec, scratch.path(), fork, input.reward)?;
        let folder = scratch.path().join(ACCEPTED);
        let args = |side| -> Result<Vec<String>, std::io::Error> {
            let mut args = arguments(&folder, fork, input.reward, &output(&folder, side)?);
            args.push("--trace".to_owned());
            Ok(args)
        };
        tracing.t8n(&args(SPEC)?)?;
        let ours = args(OURS)?;
        let made =
            call(&["t8n"].into_iter().chain(ours.iter().map(String::as_str)).collect::<Vec<_>>())?;
        assert!(made.status.success(), "{fork}, seed {seed}: {}", stderr(&made));
        for file in fs::read_dir(folder.join(OURS))? {
            let name = file?.file_name();
            if name.to_string_lossy().starts_with("trace-") {
                let [theirs, ours] = [SPEC, OURS].map(|side| steps(&folder.join(side).join(&name)));
                let (theirs, ours) = (theirs?, ours?);
                let apart = theirs.iter().zip(&ours).position(|(theirs, ours)| theirs != ours);
                let at = apart.map(|at| format!("{:?} and {:?}", theirs[at], ours[at]));
                assert_eq!(at, None, "{fork}, seed {seed}, {name:?}");
                assert_eq!(theirs.len(), ours.len(), "{fork}, seed {seed}, {name:?}");
                compared += ours.len();
            }
        }
    }
    println!("{compared} opcodes compared");
    assert!(compared > 1_000, "{compared} opcodes");
    Ok(())
}

/// What a trace says about each opcode that both sides say in the same way.
fn steps(file: &Path) -> Result<Vec<[Value; 5]>, Box<dyn std::error::Error>> {
    let mut steps = Vec::new();
    for line in fs::read_to_string(file)?.lines() {
        let line: Value = serde_json::from_str(line)?;
        if line.get("pc").is_some() {
            steps.push(["pc", "op", "gas", "depth", "stack"].map(|field| line[field].clone()));
        }
    }
    Ok(steps)
}

/// The canary: a state that differs in one wei is told apart.
#[test]
fn another_state_is_told_from_what_the_specification_says() -> TestResult {
    let Some(mut spec) = Spec::start("another_state_is_told_from_what_the_specification_says")
    else {
        return Ok(());
    };
    let scratch = Scratch::new()?;
    let mut input = nasty::block("Prague", 12, 10);
    write_input(&input, scratch.path())?;
    transition(&mut spec, scratch.path(), "Prague", -1)?;
    let account = input.alloc.as_object_mut().and_then(|alloc| alloc.values_mut().next_back());
    account.expect("an account")["balance"] = "0x3".into();
    write_input(&input, scratch.path())?;
    let error = same(scratch.path(), "Prague", -1, "2").expect_err("the states differ");
    assert!(error.to_string().contains("stateRoot"), "{error}");
    Ok(())
}

fn number(variable: &str, default: u64) -> Result<u64, Box<dyn std::error::Error>> {
    Ok(std::env::var(variable).map_or(Ok(default), |text| text.parse())?)
}

fn write_input(input: &Input, folder: &Path) -> TestResult {
    for (name, value) in [("alloc", &input.alloc), ("env", &input.env), ("txs", &input.txs)] {
        fs::write(folder.join(name).with_extension("json"), serde_json::to_vec(value)?)?;
    }
    Ok(())
}

/// Keeps the input of a block on which the two disagree, and says how to repeat it.
fn keep(scratch: &Scratch, fork: &str, seed: u64, error: &str) -> String {
    let folder = std::env::temp_dir().join(format!("block-stm-oracle-{fork}-{seed}"));
    let copied = fs::create_dir_all(&folder).and_then(|()| {
        ["alloc", "env", "txs"].into_iter().try_for_each(|name| {
            let file = Path::new(name).with_extension("json");
            fs::copy(scratch.path().join(&file), folder.join(&file)).map(|_| ())
        })
    });
    let kept = copied.map_or_else(|error| error.to_string(), |()| folder.display().to_string());
    format!("{fork}, seed {seed}: {error}; input: {kept}; again: just spec-oracle 1 {seed}")
}

/// Makes the transition both ways, ours with several numbers of threads; how many transactions were
/// executed and rejected.
fn compare(
    spec: &mut Spec,
    folder: &Path,
    fork: &str,
    reward: i64,
) -> Result<(usize, usize), Box<dyn std::error::Error>> {
    transition(spec, folder, fork, reward)?;
    let mut counts = (0, 0);
    for threads in THREADS {
        counts = same(folder, fork, reward, threads)?;
    }
    Ok(counts)
}

/// Lets the specification make the transition, and once more without the transactions that it
/// rejects.
///
/// Its roots of transactions and receipts leave a gap where one was rejected, which no block has.
fn transition(spec: &mut Spec, folder: &Path, fork: &str, reward: i64) -> TestResult {
    spec.t8n(&arguments(folder, fork, reward, &output(folder, SPEC)?))?;
    let places = rejected(&read(folder, SPEC, "result.json")?);
    let places: Vec<usize> = serde_json::from_value(places)?;
    let accepted = output(folder, ACCEPTED)?;
    for name in ["alloc.json", "env.json"] {
        fs::copy(folder.join(name), accepted.join(name))?;
    }
    let txs: Vec<Value> = serde_json::from_slice(&fs::read(folder.join("txs.json"))?)?;
    let txs = txs.into_iter().enumerate().filter(|(place, _)| !places.contains(place));
    let txs: Vec<Value> = txs.map(|(_, txn)| txn).collect();
    fs::write(accepted.join("txs.json"), serde_json::to_vec(&txs)?)?;
    spec.t8n(&arguments(&accepted, fork, reward, &output(&accepted, SPEC)?))?;
    let with = read(folder, SPEC, "result.json")?;
    let without = read(&accepted, SPEC, "result.json")?;
    assert_eq!(with["stateRoot"], without["stateRoot"], "rejected transactions do nothing");
    assert_eq!(rejected(&without), Value::Array(Vec::new()));
    Ok(())
}

/// Whether ours, with `threads`, says the same as the specification has said.
fn same(
    folder: &Path,
    fork: &str,
    reward: i64,
    threads: &str,
) -> Result<(usize, usize), Box<dyn std::error::Error>> {
    let ours = output(folder, OURS)?;
    let mut args = arguments(folder, fork, reward, &ours);
    args.extend(["--threads".to_owned(), threads.to_owned()]);
    let args: Vec<&str> = ["t8n"].into_iter().chain(args.iter().map(String::as_str)).collect();
    let made = call(&args)?;
    if !made.status.success() {
        return Err(format!("{}: {}", made.status, stderr(&made)).into());
    }
    let places = rejected(&read(folder, SPEC, "result.json")?);
    let theirs = read(&folder.join(ACCEPTED), SPEC, "result.json")?;
    let ours = read(folder, OURS, "result.json")?;
    if let Some(exception) = theirs.get("blockException") {
        return Err(format!("the specification finds the block invalid: {exception}").into());
    }
    let mut differences = Vec::new();
    let mut differ = |what: &str, theirs: &Value, ours: &Value| {
        if theirs != ours {
            differences.push(format!(
                "{what}: the specification has {theirs}, {threads} threads have {ours}"
            ));
        }
    };
    differ("rejected", &places, &rejected(&ours));
    for field in FIELDS {
        // Some that are zero or empty are not told.
        if !matches!(theirs.get(field), None | Some(Value::Null)) {
            differ(field, &theirs[field], &ours[field]);
        }
    }
    let gas = |result: &Value| {
        Value::from_iter(receipts(result).map(|one| one["cumulativeGasUsed"].clone()))
    };
    differ("receipts", &gas(&theirs), &gas(&ours));
    let (theirs_after, ours_after) = (
        accounts(&read(folder, SPEC, "alloc.json")?),
        accounts(&read(folder, OURS, "alloc.json")?),
    );
    for (address, account) in &theirs_after {
        differ(address, account, ours_after.get(address).unwrap_or(&Value::Null));
    }
    differ("accounts", &theirs_after.len().into(), &ours_after.len().into());
    if differences.is_empty() {
        let rejected = rejected(&ours).as_array().map_or(0, Vec::len);
        return Ok((receipts(&ours).count(), rejected));
    }
    differences.truncate(8);
    Err(differences.join("; ").into())
}

fn read(folder: &Path, side: &str, name: &str) -> Result<Value, Box<dyn std::error::Error>> {
    Ok(serde_json::from_slice(&fs::read(folder.join(side).join(name))?)?)
}

fn output(folder: &Path, side: &str) -> Result<PathBuf, std::io::Error> {
    let output = folder.join(side);
    fs::create_dir_all(&output)?;
    Ok(output)
}

fn arguments(folder: &Path, fork: &str, reward: i64, output: &Path) -> Vec<String> {
    let input = |name: &str| {
        format!("--input.{name}={}", folder.join(name).with_extension("json").display())
    };
    let fixed = [format!("--state.fork={fork}"), format!("--state.reward={reward}")];
    let mut args: Vec<String> = ["alloc", "env", "txs"].map(input).into();
    args.extend(fixed);
    args.push(format!("--output.basedir={}", output.display()));
    args
}

fn receipts(result: &Value) -> impl Iterator<Item = &Value> {
    result["receipts"].as_array().into_iter().flatten()
}

/// The places of the rejected transactions; the reasons have different words.
fn rejected(result: &Value) -> Value {
    let list = result.get("rejected").and_then(Value::as_array).into_iter().flatten();
    let mut places: Vec<u64> = list.filter_map(|one| one["index"].as_u64()).collect();
    places.sort_unstable();
    places.into()
}

/// Accounts with what is zero or empty left out, and numbers in one form.
fn accounts(alloc: &Value) -> BTreeMap<String, Value> {
    let plain = |number: &Value| {
        let number: U256 = number.as_str().and_then(|text| text.parse().ok()).expect("a number");
        Value::from(number.to_string())
    };
    let account = |(address, account): (&String, &Value)| {
        let mut fields = serde_json::Map::new();
        for name in ["balance", "nonce"] {
            let number = account.get(name).map_or_else(|| "0".into(), plain);
            fields.insert(name.to_owned(), number);
        }
        fields.insert("code".to_owned(), account.get("code").cloned().unwrap_or("0x".into()));
        let slots = account.get("storage").and_then(Value::as_object).into_iter().flatten();
        let slots: BTreeMap<String, Value> = slots
            .map(|(slot, value)| {
                (plain(&slot.as_str().into()).as_str().unwrap_or_default().to_owned(), plain(value))
            })
            .collect();
        let slots: BTreeMap<_, _> = slots.into_iter().filter(|(_, value)| value != "0").collect();
        fields.insert("storage".to_owned(), serde_json::to_value(slots).expect("plain values"));
        (address.to_lowercase(), Value::Object(fields))
    };
    alloc.as_object().into_iter().flatten().map(account).collect()
}
