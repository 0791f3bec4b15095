//! `block-stm report`: one page that needs nothing else.

use std::fs;

use serde_json::{Value, json};

use crate::cli::{Scratch, TestResult, assert_refused, call, sample_block, stderr, stdout};

/// The data that the page's script draws.
fn data(page: &str) -> Result<Value, Box<dyn std::error::Error>> {
    let (_, rest) =
        page.split_once(r#"<script type="application/json" id="data">"#).ok_or("data")?;
    let (data, _) = rest.split_once("</script>").ok_or("an end")?;
    Ok(serde_json::from_str(data)?)
}

#[test]
fn a_page_has_all_that_is_known_and_asks_for_nothing() -> TestResult {
    let scratch = Scratch::new()?;
    for name in ["1", "2"] {
        scratch.sample_block(name)?;
    }
    // A name that would end the script, were it not for its escapes.
    let labels = scratch.arg("labels.txt");
    let accounts: Value = serde_json::from_slice(&fs::read(sample_block().join("prestate.json"))?)?;
    let names = accounts.as_object().ok_or("accounts")?.keys();
    let names: serde_json::Map<_, _> =
        names.map(|address| (address.clone(), json!(format!("</script>{address}")))).collect();
    fs::write(&labels, Value::Object(names).to_string())?;
    let (path, file) = (scratch.arg(""), scratch.arg("report.html"));
    let args = ["report", &path, "--threads", "1,2", "--repeat", "2", "--labels", &labels];
    let output = call(&[&args[..], &["--out", &file]].concat())?;
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert!(stdout(&output).starts_with("2 blocks in "), "{}", stdout(&output));
    let page = fs::read_to_string(&file)?;
    // The library fetches if it is asked to, and has words for it.
    let (before, library) = page.split_once("/*\nCopyright").ok_or("the library")?;
    let (_, after) = library.split_once("</script>").ok_or("its end")?;
    let own = format!("{before}{after}");
    for part in ["src=", "@import", "url(h", "<link", "fetch(\"", "{{"] {
        let found = own.match_indices(part).next();
        let around = found.map(|(at, _)| own[at..].chars().take(60).collect::<String>());
        assert!(around.is_none(), "{part}: {around:?}");
    }
    assert_eq!(page.matches("</script>").count(), 3, "nothing else ends a script");
    let data = data(&page)?;
    let reports = data["reports"].as_array().ok_or("reports")?;
    assert_eq!(reports.len(), 2);
    assert_eq!(reports[1]["rows"].as_array().map(Vec::len), Some(2));
    assert_eq!(reports[1]["rows"][0]["checks"]["equal"], true);
    assert!(reports[1]["rows"][0]["bounds"]["graph_speedup"].as_f64() >= Some(1.0));
    let detail = &data["details"][0];
    assert_eq!(detail["costs_ns"].as_array().map(Vec::len), Some(2), "{detail}");
    assert!(detail["workers"][0].as_array().is_some_and(|spans| !spans.is_empty()), "{detail}");
    assert!(data["command"].as_str().is_some_and(|text| text.starts_with("block-stm report ")));
    Ok(())
}

#[test]
fn a_page_shows_generated_blocks_too() -> TestResult {
    let scratch = Scratch::new()?;
    let (file, load) = (scratch.arg("report.html"), scratch.arg("load.yaml"));
    fs::write(
        &load,
        "txns: 20\nblocks: 2\nmix:\n  - { to: { account: sender }, value: 1 gwei }\n",
    )?;
    let args = ["report", "--scenario", &load, "--threads", "1,2", "--repeat", "1"];
    let output = call(&[&args[..], &["--out", &file]].concat())?;
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert!(stdout(&output).starts_with("2 blocks in "), "{}", stdout(&output));
    let scenario = data(&fs::read_to_string(&file)?)?;
    let names = |list: &Value, field: &str| {
        let mut names: Vec<_> = list.as_array().into_iter().flatten().collect();
        names.sort_by_key(|one| one[field].to_string());
        names.into_iter().map(|one| one[field].clone()).collect::<Vec<_>>()
    };
    assert_eq!(names(&scenario["reports"][1]["rows"], "name"), ["load 1", "load 2"]);
    assert_eq!(names(&scenario["details"], "block"), ["load 1", "load 2"]);
    let args = ["report", "--workload", "amm,chain", "--txns", "30", "--threads", "2"];
    let few = ["--repeat", "1", "--details", "1", "--out", &file];
    assert_eq!(call(&[&args[..], &few].concat())?.status.code(), Some(0));
    let workloads = data(&fs::read_to_string(&file)?)?;
    assert_eq!(names(&workloads["reports"][0]["rows"], "name"), ["amm", "chain"]);
    assert_eq!(workloads["details"].as_array().map(Vec::len), Some(1));
    Ok(())
}

#[test]
fn what_makes_no_page_is_refused() -> TestResult {
    let scratch = Scratch::new()?;
    let (path, file) = (sample_block().to_string_lossy().into_owned(), scratch.arg("r.html"));
    assert_refused(&["report", &path], &["--out"])?;
    assert_refused(&["report", &path, "--workload", "amm", "--out", &file], &["PATH"])?;
    assert_refused(&["report", "/no/such", "--out", &file], &["/no/such"])?;
    assert_refused(&["report", &path, "--out", &scratch.arg("none/r.html")], &["r.html"])?;
    let block = scratch.sample_block("b")?.join("block.json").to_string_lossy().into_owned();
    assert_refused(&["report", &scratch.arg("b"), "--out", &block], &["it is an input"])?;
    assert!(!scratch.path().join("r.html").exists());
    Ok(())
}
