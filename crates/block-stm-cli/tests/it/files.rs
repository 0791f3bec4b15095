//! Files: no output is an input, and each is written whole or not at all.

use std::{fs, path::Path};

use serde_json::Value;

use crate::{
    cli::{
        Scratch, TestResult, assert_refused, call, command, edit, json, sample_block, stderr,
        stdout,
    },
    conformance::sample,
};

/// A folder with all kinds of inputs.
fn inputs() -> Result<Scratch, Box<dyn std::error::Error>> {
    let scratch = Scratch::new()?;
    for name in ["a.json", "b.json"] {
        fs::copy(sample("state.json"), scratch.path().join(name))?;
    }
    scratch.sample_block("block")?;
    let list = call(&["bal", "build", &scratch.arg("block"), "--out", &scratch.arg("list.json")])?;
    assert_eq!(list.status.code(), Some(0), "{}", stderr(&list));
    fs::create_dir(scratch.path().join("tests"))?;
    fs::copy(sample("state.json"), scratch.path().join("tests/state.json"))?;
    let t8n = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/t8n");
    for name in ["alloc.json", "env.json", "txs.json"] {
        fs::copy(t8n.join(name), scratch.path().join(name))?;
    }
    Ok(scratch)
}

/// All files below `folder` with their contents.
fn contents(folder: &Path) -> std::io::Result<Vec<(String, Vec<u8>)>> {
    let mut all = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            let path = entry.path();
            if entry.file_type()?.is_dir() {
                folders.push(path);
            } else if path.is_file() {
                all.push((path.to_string_lossy().into_owned(), fs::read(&path)?));
            }
        }
    }
    all.sort();
    Ok(all)
}

#[test]
fn json_is_a_switch_and_takes_no_file() -> TestResult {
    let scratch = inputs()?;
    let before = contents(scratch.path())?;
    let cases = json(&["statetest", "--json", &scratch.arg("a.json"), &scratch.arg("b.json")], 0)?;
    assert_eq!(cases.as_array().map(Vec::len), Some(14));
    assert_eq!(contents(scratch.path())?, before);
    Ok(())
}

#[test]
fn an_output_that_is_an_input_is_refused_before_any_work() -> TestResult {
    let scratch = inputs()?;
    #[cfg(unix)]
    {
        std::os::unix::fs::symlink("a.json", scratch.path().join("link.json"))?;
        std::os::unix::fs::symlink(".", scratch.path().join("here"))?;
        fs::hard_link(scratch.path().join("b.json"), scratch.path().join("second.json"))?;
    }
    let before = contents(scratch.path())?;
    let cases: &[&[&str]] = &[
        &["statetest", "a.json", "--json-file", "a.json"],
        &["statetest", "a.json", "--json-file", "./tests/../a.json"],
        &["statetest", "b.json", "a.json", "--json-file=a.json"],
        &["statetest", "tests", "--json-file", "tests/state.json"],
        &["statetest", "tests", "--json-file", "tests/new.json"],
        &["blocktest", ".", "--json-file", "tests/new.json"],
        &["replay", "block", "--json-file", "block/block.json"],
        &["replay", "block", "--json-file", "block/prestate.json"],
        // Not there, but it would be read.
        &["replay", ".", "--json-file", "block/blockhashes.json"],
        &["forecast", "block", "--json-file", "block/block.json"],
        &["bal", "build", "block", "--out", "block/block.json"],
        &["bal", "verify", "block", "--list", "list.json", "--json-file", "list.json"],
        &["bal", "diff", "list.json", "a.json", "--json-file", "a.json"],
        &["import", "--genesis", "a.json", "b.json", "--json-file", "a.json"],
        &["import", "--genesis", "a.json", "b.json", "--json-file", "b.json"],
        &["sweep", "--csv", "out", "--svg", "./out"],
        &["sweep", "--json-file", "out", "--csv", "tests/../out"],
    ];
    let links: &[&[&str]] = &[
        &["statetest", "link.json", "--json-file", "a.json"],
        &["statetest", "a.json", "--json-file", "link.json"],
        &["statetest", "here/a.json", "--json-file", "a.json"],
        &["statetest", "b.json", "--json-file", "second.json"],
        &["replay", "here/block", "--json-file", "block/block.json"],
        &["statetest", "tests", "--json-file", "here/tests/new.json"],
    ];
    for args in cases.iter().chain(links.iter().filter(|_| cfg!(unix))) {
        let output = command(args).current_dir(scratch.path()).output()?;
        assert_eq!(output.status.code(), Some(2), "{args:?}: {}", stderr(&output));
        let message = stderr(&output);
        assert!(message.contains("cannot write ") && message.contains(": "), "{args:?}: {message}");
        assert!(message.contains("input") || message.contains("another output"), "{message}");
        assert_eq!(stdout(&output), "", "{args:?}");
        assert!(contents(scratch.path())? == before, "{args:?} changes a file");
    }
    // What the shell would append to an input.
    for args in [
        &["statetest", "a.json"][..],
        &["bal", "build", "block"],
        &["t8n", "--output.result", "stdout"],
    ] {
        let input = match args[0] {
            "bal" => "block/prestate.json",
            "t8n" => "env.json",
            _ => "a.json",
        };
        let stdout = fs::OpenOptions::new().append(true).open(scratch.path().join(input))?;
        let output = command(args).current_dir(scratch.path()).stdout(stdout).output()?;
        assert!(matches!(output.status.code(), Some(2 | 11)), "{args:?}: {}", stderr(&output));
        assert!(contents(scratch.path())? == before, "{args:?} changes a file");
    }
    // Beside the inputs there is room.
    let beside: [&[&str]; 2] = [
        &["replay", "block", "--repeat", "1", "--json-file", "block/results.json"],
        &["bal", "build", "block", "--out", "block/list.rlp"],
    ];
    for args in beside {
        let output = command(args).current_dir(scratch.path()).output()?;
        assert_eq!(output.status.code(), Some(0), "{args:?}: {}", stderr(&output));
    }
    Ok(())
}

const T8N: [&str; 3] = ["t8n", "--state.fork", "Shanghai"];

#[test]
fn a_transition_replaces_the_state_and_no_other_input() -> TestResult {
    let scratch = inputs()?;
    let before = contents(scratch.path())?;
    let cases: [&[&str]; 6] = [
        &["--output.result", "env.json"],
        &["--output.result", "alloc.json"],
        &["--output.body", "./txs.json"],
        &["--output.alloc", "txs.json"],
        &["--output.alloc", "x.json", "--output.result", "x.json"],
        &["--output.alloc", "", "--opcode.count", "alloc.json"],
    ];
    for args in cases {
        let output = command(&[&T8N, args].concat()).current_dir(scratch.path()).output()?;
        assert_eq!(output.status.code(), Some(11), "{args:?}: {}", stderr(&output));
        assert!(contents(scratch.path())? == before, "{args:?} changes a file");
    }
    // geth's defaults.
    let output = command(&T8N).current_dir(scratch.path()).output()?;
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let changed: Vec<_> =
        contents(scratch.path())?.into_iter().filter(|file| !before.contains(file)).collect();
    let names: Vec<_> =
        changed.iter().map(|(path, _)| path.rsplit('/').next().unwrap_or_default()).collect();
    assert_eq!(names, ["alloc.json", "result.json"]);
    for (_, bytes) in changed {
        serde_json::from_slice::<Value>(&bytes)?;
    }
    Ok(())
}

/// Where one of several outputs can't be written, none is.
#[test]
fn outputs_appear_together_or_not_at_all() -> TestResult {
    let scratch = inputs()?;
    let before = contents(scratch.path())?;
    let full = Path::new("/dev/full");
    if full.exists() {
        let cases: [(&[&str], i32); 3] = [
            (&["t8n", "--state.fork", "Shanghai", "--trace", "--output.result", "stdout"], 11),
            (
                &[
                    "sweep",
                    "--blocks",
                    "20",
                    "--accounts",
                    "2",
                    "--work",
                    "0us",
                    "--repeat",
                    "1",
                    "--csv",
                    "out.csv",
                    "--svg",
                    "-",
                ],
                2,
            ),
            (&["bal", "build", "block"], 2),
        ];
        for (args, code) in cases {
            let stdout = fs::OpenOptions::new().write(true).open(full)?;
            let output = command(args).current_dir(scratch.path()).stdout(stdout).output()?;
            assert_eq!(output.status.code(), Some(code), "{args:?}: {}", stderr(&output));
            assert!(stderr(&output).contains("standard output"), "{}", stderr(&output));
            assert!(contents(scratch.path())? == before, "{args:?} leaves a file");
        }
        let args = ["t8n", "--state.fork", "Shanghai", "--output.result", "stderr"];
        let stream = fs::OpenOptions::new().write(true).open(full)?;
        let output = command(&args).current_dir(scratch.path()).stderr(stream).output()?;
        assert_eq!(output.status.code(), Some(11));
        assert!(contents(scratch.path())? == before, "{args:?} leaves a file");
    }
    Ok(())
}

/// A disk that is full for files of more than a few blocks.
#[cfg(unix)]
#[test]
fn a_file_that_finds_no_room_leaves_all_as_it_was() -> TestResult {
    let scratch = inputs()?;
    let before = contents(scratch.path())?;
    let binary = env!("CARGO_BIN_EXE_block-stm");
    let cases = [
        ("t8n --state.fork Shanghai --trace --trace.memory", "11"),
        ("t8n --state.fork Shanghai --output.basedir .", "11"),
        ("t8n-input in --workload amm --txns 100", "2"),
        ("statetest a.json b.json --json-file out.json", "2"),
        ("bal build block --out list.json", "2"),
    ];
    for (args, code) in cases {
        let script = format!("ulimit -f 1; {binary} {args}; echo $?");
        let output = std::process::Command::new("bash")
            .args(["-c", &script])
            .current_dir(scratch.path())
            .output()?;
        let text = stdout(&output);
        assert_eq!(text.lines().last(), Some(code), "{args}: {text} {}", stderr(&output));
        assert!(stderr(&output).contains("File too large"), "{args}: {}", stderr(&output));
        assert!(contents(scratch.path())? == before, "{args} changes a file");
    }
    Ok(())
}

#[cfg(unix)]
#[test]
fn an_interrupt_leaves_all_as_it_was() -> TestResult {
    use std::{process::Stdio, thread, time::Duration};
    let scratch = inputs()?;
    // An endless loop of a contract: the trace grows until the gas is used up, long after the
    // signal.
    edit(&scratch.path().join("alloc.json"), |alloc| {
        alloc["0x00000000000000000000000000000000000c0de0"]["code"] = "0x5b600056".into();
        alloc["0x00000000000000000000000000000000000a11ce"]["balance"] =
            "0xffffffffffffffff".into();
    })?;
    edit(&scratch.path().join("env.json"), |env| env["currentGasLimit"] = "0xfffffffff".into())?;
    edit(&scratch.path().join("txs.json"), |txs| {
        for txn in txs.as_array_mut().expect("a list") {
            txn["gas"] = "0x7ffffffff".into();
        }
    })?;
    let before = contents(scratch.path())?;
    for (signal, number) in [("INT", 2), ("TERM", 15), ("HUP", 1)] {
        if crate::cli::is_ignored(signal, number) {
            continue;
        }
        let mut child = command(&[&T8N[..], &["--trace"]].concat())
            .current_dir(scratch.path())
            .stderr(Stdio::null())
            .spawn()?;
        let id = child.id().to_string();
        let is_writing = || -> std::io::Result<bool> {
            let mut entries = fs::read_dir(scratch.path())?;
            Ok(entries.any(|entry| {
                entry.is_ok_and(|entry| {
                    entry.file_name().to_string_lossy().starts_with(".block-stm-")
                        && entry.metadata().is_ok_and(|metadata| metadata.len() > 0)
                })
            }))
        };
        let mut patience = 0;
        while !is_writing()? {
            assert!(child.try_wait()?.is_none() && patience < 3_000, "no trace is being written");
            patience += 1;
            thread::sleep(Duration::from_millis(10));
        }
        let kill = std::process::Command::new("kill").args(["-s", signal, &id]).status()?;
        assert!(kill.success());
        assert_eq!(child.wait()?.code(), None, "a signal ends the process");
        assert!(contents(scratch.path())? == before, "SIG{signal} leaves a file");
    }
    Ok(())
}

#[test]
fn a_file_keeps_its_permissions_and_a_new_one_has_those_of_new_files() -> TestResult {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let scratch = Scratch::new()?;
        let block = sample_block().to_string_lossy().into_owned();
        let (new, plain) = (scratch.arg("list.json"), scratch.arg("plain"));
        fs::write(&plain, "")?;
        let mode = |path: &str| Ok::<_, std::io::Error>(fs::metadata(path)?.permissions().mode());
        call(&["bal", "build", &block, "--out", &new])?;
        assert_eq!(mode(&new)?, mode(&plain)?);
        fs::set_permissions(&new, fs::Permissions::from_mode(0o640))?;
        call(&["bal", "build", &block, "--out", &new])?;
        assert_eq!(mode(&new)? & 0o777, 0o640);
    }
    Ok(())
}

#[test]
fn a_list_whose_block_fails_is_not_written() -> TestResult {
    let scratch = Scratch::new()?;
    let block = scratch.sample_block("block")?;
    edit(&block.join("block.json"), |block| {
        block["gasUsed"] = "0x1".into();
        block.as_object_mut().expect("a block").remove("hash");
    })?;
    let (folder, list) = (scratch.arg("block"), scratch.arg("list.json"));
    let output = call(&["bal", "build", &folder, "--out", &list])?;
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    assert!(stderr(&output).contains("gasUsed"), "{}", stderr(&output));
    assert!(!Path::new(&list).exists());
    let output = call(&["bal", "build", &folder])?;
    assert_eq!((output.status.code(), stdout(&output)), (Some(1), String::new()));
    Ok(())
}

#[test]
fn a_file_that_is_too_large_is_refused_before_it_is_read() -> TestResult {
    let scratch = Scratch::new()?;
    let large = scratch.arg("large.json");
    // Nothing of it is on the disk.
    fs::File::create(&large)?.set_len(1 << 40)?;
    let part = "bytes are more than the 1073741824";
    assert_refused(&["statetest", &large, "--json-file", &large], &["large.json", "an input"])?;
    let output = call(&["statetest", &large])?;
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains(part), "{}", stderr(&output));
    assert_refused(&["import", "--genesis", &large, &large], &["large.json", part])?;
    let output =
        call(&["t8n", "--input.alloc", &large, "--input.env", &large, "--output.alloc", ""])?;
    assert_eq!(output.status.code(), Some(11), "{}", stderr(&output));
    assert!(stderr(&output).contains(part), "{}", stderr(&output));
    Ok(())
}
