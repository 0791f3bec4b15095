//! `block-stm batch` and `block-stm verify-batch`.

use std::{fs, path::Path};

use serde_json::{Value, json};

use crate::{
    cli::{Scratch, TestResult, assert_refused, call, edit, json, stderr, stdout},
    fixtures,
};

const FILES: [&str; 6] = [
    "access-list.json",
    "batch.json",
    "receipts.json",
    "result.json",
    "state-diff.json",
    "witness.json",
];

fn input(name: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/t8n");
    folder.join(name).to_string_lossy().into_owned()
}

/// `batch` on the input of the tests of `t8n`, to `out`.
fn batch(out: &str, more: &[&str]) -> Vec<String> {
    let [alloc, env, txs] = ["alloc.json", "env.json", "txs.json"].map(input);
    let words = ["batch", "--state.fork", "Shanghai", "--alloc", &alloc, "--env", &env, "--txs"];
    let words = words.into_iter().chain([&*txs, "--out", out]).chain(more.iter().copied());
    words.map(str::to_owned).collect()
}

fn words(args: &[String]) -> Vec<&str> {
    args.iter().map(String::as_str).collect()
}

#[test]
fn a_batch_is_written_as_a_folder_and_verified_from_it_alone() -> TestResult {
    let scratch = Scratch::new()?;
    let out = scratch.arg("batch");
    let made = json(&words(&batch(&out, &["--json", "--threads", "1"])), 0)?;
    assert_eq!(
        (&made["ok"], &made["txns"], &made["rejected"]),
        (&json!(true), &json!(4), &json!(2))
    );
    // What the executable specification computed for `t8n`.
    let root = "0xdd7302ed98c839c883d1557d5b73b57fea99348513dc5ce6b0356d51426c3bde";
    assert_eq!(made["post_state_root"], root);
    let mut names: Vec<_> = fs::read_dir(&out)?
        .map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()))
        .collect::<std::io::Result<_>>()?;
    names.sort();
    assert_eq!(names, FILES);
    for threads in ["1", "2", "4", "8"] {
        let checked = json(&["verify-batch", &out, "--threads", threads, "--json"], 0)?;
        for field in ["txns", "gas_used", "pre_state_root", "post_state_root", "witness"] {
            assert_eq!(checked[field], made[field], "{field}");
        }
        let other = scratch.arg(&format!("other-{threads}"));
        assert_eq!(call(&words(&batch(&other, &["--threads", threads])))?.status.code(), Some(0));
        for name in FILES {
            let [one, other] = [&out, &other].map(|folder| fs::read(Path::new(folder).join(name)));
            assert_eq!(one?, other?, "{name}");
        }
    }
    let output = call(&["verify-batch", &out])?;
    let text = stdout(&output);
    assert!(text.contains("checked from the witness alone") && text.contains(root), "{text}");
    assert!(text.contains("bytes/txn"), "{text}");
    let table = text.split("\n\n").nth(1).ok_or("a table")?;
    assert!(table.lines().all(|line| line.chars().count() <= 80), "{text}");
    Ok(())
}

#[test]
fn a_batch_that_does_not_hold_is_a_failed_check() -> TestResult {
    let scratch = Scratch::new()?;
    let out = scratch.arg("batch");
    assert_eq!(call(&words(&batch(&out, &[])))?.status.code(), Some(0));
    let spoil = |name: &str, change: &dyn Fn(&mut Value), word: &str| -> TestResult {
        let file = Path::new(&out).join(name);
        let before = fs::read(&file)?;
        edit(&file, |json| change(json))?;
        let failed = json(&["verify-batch", &out, "--json"], 1)?;
        assert_eq!(failed["ok"], false);
        assert!(failed["error"].as_str().is_some_and(|error| error.contains(word)), "{failed}");
        Ok(fs::write(file, before)?)
    };
    let drop_first = |json: &mut Value| drop(json["state"].as_array_mut().map(|all| all.remove(0)));
    spoil("witness.json", &drop_first, "the witness lacks the node 0x")?;
    spoil("witness.json", &|json| json["codes"] = json!([]), "lacks the code with the hash")?;
    spoil("receipts.json", &|json| json[0]["status"] = json!("0x7"), "receipts.json: [0].status")?;
    let root = json!(format!("0x{:064x}", 7));
    spoil("batch.json", &|json| json["postStateRoot"] = root.clone(), "postStateRoot is 0x")?;
    assert_eq!(call(&["verify-batch", &out])?.status.code(), Some(0));
    Ok(())
}

#[test]
fn what_cannot_be_read_or_written_is_told_and_nothing_is_left_behind() -> TestResult {
    let scratch = Scratch::new()?;
    let out = scratch.arg("batch");
    let nowhere = scratch.arg("nowhere/batch");
    assert_refused(&words(&batch(&nowhere, &[])), &["nowhere/batch"])?;
    fs::create_dir(&out)?;
    assert_refused(&words(&batch(&out, &[])), &["it is there already"])?;
    fs::remove_dir(&out)?;
    assert_refused(&words(&batch(&out, &["--state.chainid", "x"])), &["--state.chainid"])?;
    let mut unknown = batch(&out, &[]);
    unknown[2] = "Nowhere".to_owned();
    assert_refused(&words(&unknown), &["Nowhere"])?;
    assert_refused(&["batch", "--genesis", "g.json", "--out", &out], &["--chain"])?;
    assert_refused(&["verify-batch", &out], &["batch.json"])?;
    assert_eq!(fs::read_dir(scratch.path())?.count(), 0);

    assert_eq!(call(&words(&batch(&out, &[])))?.status.code(), Some(0));
    let witness = Path::new(&out).join("witness.json");
    fs::write(&witness, "{\"state\": [7]}")?;
    assert_refused(&["verify-batch", &out], &["witness.json: state[0]: "])?;
    fs::remove_file(&witness)?;
    assert_refused(&["verify-batch", &out], &["witness.json"])?;
    Ok(())
}

#[test]
fn a_block_of_a_chain_is_written_and_verified() -> TestResult {
    let test = "a_block_of_a_chain_is_written_and_verified";
    let Some(folder) = fixtures::folder(test, "chain") else { return Ok(()) };
    let scratch = Scratch::new()?;
    let file = |name: &str| folder.join(name).to_string_lossy().into_owned();
    let (genesis, chain) = (file("genesis.json"), file("chain.rlp"));
    for (out, block, txns) in
        [("last", None, None), ("one", Some("1"), None), ("all", Some("30"), Some(0))]
    {
        let out = scratch.arg(out);
        let mut args = vec!["batch", "--genesis", &genesis, "--chain", &chain, "--out", &out];
        args.extend(block.into_iter().flat_map(|number| ["--block", number]));
        let made = call(&args)?;
        assert_eq!(made.status.code(), Some(0), "{}", stderr(&made));
        let checked = json(&["verify-batch", &out, "--json"], 0)?;
        assert!(checked["txns"].as_u64() >= txns, "{checked}");
        assert!(checked["witness"]["headers"].as_u64() >= Some(1), "{checked}");
    }
    let out = scratch.arg("none");
    let args = ["batch", "--genesis", &genesis, "--chain", &chain, "--block", "99", "--out", &out];
    assert_refused(&args, &["block 99 is not among its 54 blocks"])?;
    assert!(!Path::new(&out).exists());
    Ok(())
}
