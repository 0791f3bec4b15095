//! Scenarios: `--scenario`, and `block-stm scenario`.

use std::{fs, io, path::Path, process::Output};

use crate::cli::{TestResult, json, stderr, stdout};

const TOKEN: &str = "{
  \"txns\": 40, \"accounts\": {\"count\": 30, \"zipf\": 0.5}, \"blocks\": 3,
  \"contracts\": {\"token\": {\"artifact\": \"built-in:Token\", \"count\": 2}},
  \"mix\": [{
    \"name\": \"pay\",
    \"draw\": {
      \"payer\": {\"account\": \"sender\"}, \"token\": {\"contract\": \"TOKEN\"}},
    \"from\": \"$payer\", \"to\": \"$token\", \"call\": \"transfer\",
    \"args\": [{\"account\": {\"other than\": \"$payer\"}}, {\"uniform\": [1, 9]}],
    \"needs\": [{\"in\": \"$token\", \"slot\": \"balanceOf[$payer]\", \"value\": 1000}]
  }, {\"weight\": 1, \"to\": {\"contract\": \"TOKEN\"}, \"call\": \"mint\", \"args\": [
    \"0x00000000000000000000000000000000000000aa\", 5]}]
}";

/// A scenario of two kinds of calls in three blocks; one kind reverts.
fn load() -> String {
    // A draw may not have the name of a contract.
    TOKEN.replace("TOKEN", "coin").replace("\"token\": {\"artifact", "\"coin\": {\"artifact")
}

/// What the command said, which ends with this exit code.
fn ends(args: &[&str], code: i32) -> io::Result<Output> {
    let output = crate::cli::call(args)?;
    assert_eq!(output.status.code(), Some(code), "{args:?}: {}", stderr(&output));
    Ok(output)
}

fn written(folder: &Path, text: &str) -> io::Result<String> {
    let file = folder.join("load.json");
    fs::write(&file, text)?;
    Ok(file.to_string_lossy().into_owned())
}

#[test]
fn a_workload_that_is_shown_and_run_is_the_same_block() -> TestResult {
    let folder = tempfile::tempdir()?;
    let size = ["--txns", "80", "--pools", "3", "--zipf", "1.0", "--seed", "4"];
    for workload in ["erc20", "mixed", "chain"] {
        let args = ["run", "--workload", workload, "--repeat", "1", "--json"];
        let built_in = json(&[&args[..], &size].concat(), 0)?;
        let shown = ends(&[&["scenario", "show", workload][..], &size].concat(), 0)?;
        let file = written(folder.path(), &stdout(&shown))?;
        let again = json(&["run", "--scenario", &file, "--repeat", "1", "--json"], 0)?;
        for field in ["state_digest", "txns", "gas_used"] {
            let of = |report: &serde_json::Value| report["workloads"][0][field].clone();
            assert_eq!(of(&again), of(&built_in), "{workload}: {field}");
        }
        assert_eq!(again["workloads"][0]["name"], "load");
        let command = again["workloads"][0]["command"].as_str().expect("a command");
        assert!(command.starts_with("block-stm run --scenario "), "{command}");
    }
    Ok(())
}

#[test]
fn blocks_in_a_row_are_blocks_everywhere() -> TestResult {
    let folder = tempfile::tempdir()?;
    let file = written(folder.path(), &load())?;
    let report = json(&["run", "--scenario", &file, "--repeat", "1", "--json"], 0)?;
    let names: Vec<_> = report["workloads"].as_array().expect("rows").iter().collect();
    let names: Vec<_> = names.iter().map(|row| row["name"].as_str().expect("text")).collect();
    assert_eq!(names, ["load 1", "load 2", "load 3"]);
    let explained = json(&["explain", "--scenario", &file, "--json"], 0)?;
    assert_eq!(explained["blocks"].as_array().map(Vec::len), Some(3));
    let args = ["forecast", "--scenario", &file, "--workers", "1,2", "--repeat", "1", "--json"];
    assert_eq!(json(&args, 0)?.as_array().map(Vec::len), Some(3));
    let out = folder.path().join("trace.json");
    let out = out.to_string_lossy();
    let timeline = ["timeline", "--scenario", &file, "--out", &out, "--repeat", "1"];
    let several = ends(&timeline, 2)?;
    assert!(stderr(&several).contains("timeline is of one block"), "{}", stderr(&several));
    let second = json(&[&timeline[..], &["--block", "2", "--json"]].concat(), 0)?;
    assert_eq!(second["block"], "load 2");
    let none = ends(&[&timeline[..], &["--block", "4"]].concat(), 2)?;
    assert!(stderr(&none).contains("no block with the number"), "{}", stderr(&none));
    written(folder.path(), &load().replace("\"blocks\": 3", "\"blocks\": 1"))?;
    ends(&["timeline", "--scenario", &file, "--out", &out], 0)?;
    let input = folder.path().join("in");
    ends(&["t8n-input", "--scenario", &file, "--txns", "5", &input.to_string_lossy()], 0)?;
    let txns = fs::read_to_string(input.join("txs.json"))?;
    let txns: serde_json::Value = serde_json::from_str(&txns)?;
    assert_eq!(txns.as_array().map(Vec::len), Some(5));
    Ok(())
}

#[test]
fn check_says_what_became_of_each_kind_of_call() -> TestResult {
    let folder = tempfile::tempdir()?;
    let file = written(folder.path(), &load())?;
    let checked = json(&["scenario", "check", &file, "--json"], 0)?;
    let entries = checked["entries"].as_array().expect("a list");
    let number = |entry: usize, field: &str| entries[entry][field].as_u64().expect("a number");
    assert_eq!(number(0, "txns") + number(1, "txns"), 120);
    assert_eq!(number(0, "succeeded"), number(0, "txns"));
    // None of the accounts is the owner, who alone may mint.
    assert_eq!(number(1, "reverted"), number(1, "txns"));
    let text = stdout(&ends(&["scenario", "check", &file], 0)?);
    assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
    assert!(text.contains("coin") && text.contains("pay") && text.contains("mint"), "{text}");
    Ok(())
}

#[test]
fn artefacts_lie_beside_the_scenario_or_where_it_is_said() -> TestResult {
    let folder = tempfile::tempdir()?;
    let inner = folder.path().join("loads");
    fs::create_dir(&inner)?;
    fs::write(folder.path().join("nothing.hex"), "00")?;
    let text = |path: &str| {
        format!(
            "{{\"txns\": 3, \"contracts\": {{\"a\": {{\"artifact\": \"{path}\"}}}}, \
             \"mix\": [{{\"to\": \"$a\"}}]}}"
        )
    };
    let file = written(&inner, &text("../nothing.hex"))?;
    let place = "contracts.a.artifact: ../nothing.hex: it lies outside of";
    let refused = stderr(&ends(&["scenario", "check", &file], 2)?);
    assert!(refused.contains(place) && refused.lines().count() == 1, "{refused}");
    let root = folder.path().to_string_lossy();
    ends(&["scenario", "check", &file, "--scenario-root", &root], 0)?;
    ends(&["run", "--scenario", &file, "--scenario-root", &root, "--repeat", "1"], 0)?;
    #[cfg(unix)]
    {
        std::os::unix::fs::symlink("../nothing.hex", inner.join("link.hex"))?;
        written(&inner, &text("link.hex"))?;
        assert!(stderr(&ends(&["scenario", "check", &file], 2)?).contains("lies outside of"));
    }
    let absolute = folder.path().join("nothing.hex");
    written(&inner, &text(&absolute.to_string_lossy()))?;
    assert!(stderr(&ends(&["scenario", "check", &file], 2)?).contains("lies outside of"));
    Ok(())
}

#[test]
fn a_sweep_goes_over_the_accounts_and_sizes_of_a_scenario() -> TestResult {
    let folder = tempfile::tempdir()?;
    let file = written(folder.path(), &load())?;
    let sweep = ["sweep", "--scenario", &file, "--threads", "1,2", "--repeat", "1"];
    let own = json(&[&sweep[..], &["--json"]].concat(), 0)?;
    assert_eq!(
        (&own["scenario"], &own["vm"], &own["ok"]),
        (&"load".into(), &"evm".into(), &true.into())
    );
    let sizes = |report: &serde_json::Value| {
        let series = report["series"].as_array().expect("series").iter();
        series.map(|one| (one["txns"].as_u64(), one["accounts"].as_u64())).collect::<Vec<_>>()
    };
    assert_eq!(sizes(&own), [(Some(40), Some(30))]);
    let csv = folder.path().join("cells.csv");
    let csv = csv.to_string_lossy();
    let more = ["--accounts", "4,50", "--blocks", "10,20", "--seed", "7"];
    let swept = json(&[&sweep[..], &more[..], &["--json"]].concat(), 0)?;
    let all = [(10, 4), (10, 50), (20, 4), (20, 50)].map(|(t, a)| (Some(t), Some(a)));
    assert_eq!(sizes(&swept), all);
    assert_eq!(swept["seed"], 7);
    // Three blocks in a row: all of their transactions count.
    let cell = &swept["series"][0]["cells"][0];
    assert!(cell["executions"].as_u64() >= Some(30), "{cell}");
    let command = cell["command"].as_str().ok_or("a command")?;
    let args: Vec<_> = command.split(' ').skip(1).chain(["--json"]).collect();
    assert_eq!(sizes(&json(&args, 0)?), [(Some(10), Some(4))], "{command}");
    let text = stdout(&ends(&[&sweep[..], &more[..], &["--csv", &csv]].concat(), 0)?);
    assert!(text.contains("scenario load; seed 7"), "{text}");
    let cells = fs::read_to_string(&*csv)?;
    assert!(cells.starts_with("scenario,vm,work_ns,txns,") && cells.contains("\nload,evm,,10,4,"));
    for (args, word) in
        [(&["--vm", "evm"][..], "cannot be used with"), (&["--work", "5us"], "cannot be used with")]
    {
        let said = stderr(&ends(&[&sweep[..], args].concat(), 2)?);
        assert!(said.contains(word), "{said}");
    }
    let stdin = stderr(&ends(&["sweep", "--scenario", "-"], 2)?);
    assert!(stdin.contains("give a file"), "{stdin}");
    Ok(())
}

#[test]
fn what_is_wrong_is_one_line_with_file_and_place() -> TestResult {
    let folder = tempfile::tempdir()?;
    let cases = [
        (load().replace("\"transfer\"", "\"burn\""), "mix[0].call: the contract has no function"),
        (load().replace("{\"uniform\": [1, 9]}", "\"$payer\""), "mix[0].args[1]: an address is no"),
        (load().replace("\"weight\": 1", "\"weigth\": 1"), "mix[1].weigth: unknown field"),
        (load().replace("40,", "40,,"), "at line 2 column"),
        (load().replace("\"blocks\": 3", "\"blocks\": 300000"), "txns: more than 1000000"),
        (load().replace("\"value\": 1000", "\"value\": 1e3"), "is no whole number"),
        (String::new(), "EOF while parsing"),
    ];
    for (text, wanted) in cases {
        let file = written(folder.path(), &text)?;
        for command in
            [&["run", "--scenario"][..], &["explain", "--scenario"], &["scenario", "check"]]
        {
            let output = ends(&[command, &[&file]].concat(), 2)?;
            let said = stderr(&output);
            assert!(said.contains(&format!("{file}: ")) && said.contains(wanted), "{said}");
            assert_eq!(said.lines().count(), 1, "{said}");
            assert!(output.stdout.is_empty());
        }
    }
    let missing = stderr(&ends(&["run", "--scenario", "no.yaml"], 2)?);
    assert!(missing.starts_with("error: no.yaml: No such file"), "{missing}");
    let both = stderr(&ends(&["run", "--scenario", "a", "--workload", "amm"], 2)?);
    assert!(both.contains("cannot be used with"), "{both}");
    let skew = stderr(&ends(&["run", "--scenario", "a", "--zipf", "1"], 2)?);
    assert!(skew.contains("cannot be used with"), "{skew}");
    Ok(())
}

#[test]
fn yaml_is_read_from_files_and_from_standard_input() -> TestResult {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("pay.yaml");
    fs::write(&file, "# Payments\ntxns: 20\nmix:\n  - {to: {account: sender}, value: 1 gwei}\n")?;
    let file = file.to_string_lossy();
    let report = json(&["run", "--scenario", &file, "--repeat", "1", "--json"], 0)?;
    assert_eq!(report["workloads"][0]["name"], "pay");
    let over = ["run", "--scenario", &file, "--txns", "7", "--repeat", "1", "--json"];
    assert_eq!(json(&over, 0)?["workloads"][0]["txns"], 7);
    fs::write(&*file, "txns: 20\nmix: [\n")?;
    let said = stderr(&ends(&["run", "--scenario", &file], 2)?);
    assert!(said.contains("line ") && said.lines().count() == 1, "{said}");
    // No words of the parser's own.
    let deep: String = (0..100).map(|depth| format!("{}- mix:\n", "  ".repeat(depth))).collect();
    fs::write(&*file, format!("txns: 1\nmix:\n{deep}"))?;
    let said = stderr(&ends(&["run", "--scenario", &file], 2)?);
    assert!(said.contains(": nested too deeply at line ") && !said.contains("Depth"), "{said}");
    Ok(())
}

#[test]
fn the_books_example_runs() -> TestResult {
    let folder = tempfile::tempdir()?;
    let book = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/scenario.md");
    let book = fs::read_to_string(book)?;
    let example = book.split("```yaml\n").nth(1).and_then(|rest| rest.split("```").next());
    let file = folder.path().join("load.yaml");
    fs::write(&file, example.ok_or("the chapter has an example")?)?;
    let out = folder.path().join("out/Counter.sol");
    fs::create_dir_all(&out)?;
    // Adds 1 to slot 0, whatever is called.
    let counter = serde_json::json!({
        "abi": [{ "type": "function", "name": "increment", "inputs": [], "outputs": [],
                  "stateMutability": "nonpayable" }],
        "bytecode": { "object": "0x6008600a5f3960085ff35f546001015f5500" },
        "deployedBytecode": { "object": "0x5f546001015f5500" },
    });
    fs::write(out.join("Counter.json"), counter.to_string())?;
    let file = file.to_string_lossy();
    let checked = json(&["scenario", "check", &file, "--json"], 0)?;
    assert_eq!((&checked["blocks"], &checked["txns"]), (&3.into(), &2_000.into()));
    let entries = checked["entries"].as_array().ok_or("a list")?;
    assert_eq!(entries.len(), 2);
    for entry in entries {
        assert!(entry["txns"].as_u64() > Some(500), "{entry}");
        assert_eq!(entry["succeeded"], entry["txns"], "{entry}");
    }
    Ok(())
}
