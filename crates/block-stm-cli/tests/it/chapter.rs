//! The book's chapter on explaining: its sources are those of the artefacts beside this test, and
//! its commands say what it says.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use alloy_primitives::keccak256;
use serde_json::Value;

use crate::cli::{Scratch, TestResult, command, stderr, stdout};

fn chapter() -> String {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/explain.md");
    fs::read_to_string(file).expect("the book is beside the crates")
}

/// The parts of the chapter in this language.
fn parts<'a>(chapter: &'a str, language: &str) -> Vec<&'a str> {
    let opening = format!("```{language}\n");
    chapter.split(&opening).skip(1).filter_map(|rest| Some(rest.split_once("```")?.0)).collect()
}

fn artifact(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/data/shop/{name}.json"))
}

#[test]
fn the_counter_and_its_cure_are_as_the_chapter_says() -> TestResult {
    let (scratch, chapter) = (Scratch::new()?, chapter());
    let sources: BTreeMap<_, _> = parts(&chapter, "solidity")
        .into_iter()
        .filter_map(|source| {
            let name = source.split_once("contract ")?.1.split(' ').next()?;
            Some((name, source))
        })
        .collect();
    assert_eq!(sources.keys().copied().collect::<Vec<_>>(), ["ShardedShop", "Shop"]);
    for (name, source) in sources {
        let json: Value = serde_json::from_slice(&fs::read(artifact(name))?)?;
        let hash = json["metadata"]["sources"][format!("src/{name}.sol")]["keccak256"].as_str();
        let found = keccak256(source).to_string();
        assert_eq!(hash, Some(found.as_str()), "{name}: the artefact is of another source");
        let folder = scratch.path().join(format!("out/{name}.sol"));
        fs::create_dir_all(&folder)?;
        fs::copy(artifact(name), folder.join(format!("{name}.json")))?;
    }
    let scenarios = parts(&chapter, "yaml");
    for (name, scenario) in ["shop.yaml", "sharded.yaml"].into_iter().zip(&scenarios) {
        fs::write(scratch.path().join(name), scenario)?;
    }
    let commands: Vec<_> = parts(&chapter, "console")
        .into_iter()
        .flat_map(str::lines)
        .filter_map(|line| line.strip_prefix("$ block-stm "))
        .filter(|line| line.contains("shop.yaml") || line.contains("sharded.yaml"))
        .collect();
    assert_eq!(commands.len(), 4, "{commands:?}");
    let mut said = Vec::new();
    for line in commands {
        let args: Vec<_> = line.split(' ').collect();
        let output = command(&args).current_dir(scratch.path()).output()?;
        assert_eq!(output.status.code(), Some(0), "{line}: {}", stderr(&output));
        said.push(stdout(&output));
    }
    // Words in a row, whatever the columns' widths.
    let rows = |text: &str| -> Vec<String> {
        text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect()
    };
    let [checked, counted, cured, forecast] = said.as_slice() else {
        return Err("four commands".into());
    };
    assert!(rows(checked).contains(&"buy() 400 400 0 0 48,554".to_owned()), "{checked}");
    let shown: Vec<_> = parts(&chapter, "text").into_iter().flat_map(rows).collect();
    let has = |row: &str| rows(counted).iter().any(|line| line == row);
    assert!(shown.len() == 5 && has(&shown[0]) && has(&shown[1]) && has(&shown[3]), "{counted}");
    let top = rows(counted).into_iter().find(|line| line.starts_with("Shop.count "));
    let top = top.ok_or("the counter is named")?;
    assert!(shown[4].starts_with("Shop.count ") && top.contains(" 399 1.00x → "), "{top}");
    assert!(counted.contains("The longest chain: 400 txns"), "{counted}");
    assert!(cured.contains("ShardedShop.bought[0x"), "{cured}");
    assert!(cured.contains("The longest chain: 2 txns"), "{cured}");
    assert!(forecast.contains("sharded: 400 txns, simulated"), "{forecast}");
    Ok(())
}
