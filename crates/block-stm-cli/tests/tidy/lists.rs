//! Lists in the documents against what is there.

use std::collections::BTreeSet;
use std::fs;

use regex::Regex;

use crate::tree::{File, documents, file, quoted, root, section, sources};

/// Both have the same entries, whatever their order.
pub(crate) fn assert_same(what: &str, listed: Vec<String>, found: Vec<String>) {
    let listed: BTreeSet<_> = listed.into_iter().collect();
    let found: BTreeSet<_> = found.into_iter().collect();
    let missing: Vec<_> = found.difference(&listed).collect();
    let untrue: Vec<_> = listed.difference(&found).collect();
    assert!(
        missing.is_empty() && untrue.is_empty(),
        "{what}: not listed: {missing:#?}; listed without being there: {untrue:#?}"
    );
}

/// The rows of a table: the cells of each.
pub(crate) fn rows(text: &str) -> impl Iterator<Item = Vec<&str>> {
    let rows = text.lines().filter(|line| line.starts_with("| `"));
    rows.map(|row| row.trim_matches('|').split('|').map(str::trim).collect())
}

/// The workspace's own crates that a manifest depends on, without development.
fn dependencies(manifest: &File) -> Vec<String> {
    let (_, rest) = manifest.text.split_once("\n[dependencies]\n").unwrap_or_default();
    let body = rest.split("\n[").next().unwrap_or_default();
    let names = body.lines().filter_map(|line| line.split(['.', ' ']).next());
    names.filter(|name| name.starts_with("block-stm")).map(str::to_owned).collect()
}

#[test]
fn the_code_map_is_that_of_the_workspace() {
    let architecture = file("ARCHITECTURE.md");
    let rows: Vec<_> = rows(section(&architecture.text, "Code map")).collect();
    let folder = |row: &Vec<&str>| quoted(row[0]).next().expect("a folder").to_owned();
    let crates = fs::read_dir(root().join("crates")).expect("the crates' folder");
    let names = crates.map(|entry| entry.expect("it can be read").file_name());
    let found = names.map(|name| format!("crates/{}", name.to_string_lossy()));
    let found = found.chain(["benches".to_owned(), "fuzz".to_owned()]).collect();
    assert_same("crates", rows.iter().map(folder).collect(), found);
    for row in &rows {
        let full = |name: &str| match name {
            "core" => "block-stm".to_owned(),
            name => format!("block-stm-{name}"),
        };
        let listed = row.last().expect("a cell").split(", ");
        let listed = listed.filter(|name| *name != "nothing of ours").map(full).collect();
        let manifest = file(&format!("{}/Cargo.toml", folder(row)));
        assert_same(&format!("dependencies of {}", row[0]), listed, dependencies(&manifest));
    }
}

#[test]
fn fuzz_targets_are_listed_and_built() {
    let readme = file("fuzz/README.md");
    let table = rows(&readme.text).flat_map(|row| quoted(row[0]).collect::<Vec<_>>());
    let table: Vec<_> = table.map(str::to_owned).collect();
    let manifest = file("fuzz/Cargo.toml");
    let name = Regex::new("name = \"([a-z0-9_]+)\"\npath").expect("it is well-formed");
    let built = name.captures_iter(&manifest.text).map(|found| found[1].to_owned()).collect();
    let target = |file: File| {
        let name = file.path.strip_prefix("fuzz/fuzz_targets/")?;
        Some(name.strip_suffix(".rs")?.to_owned())
    };
    let found: Vec<_> = sources().into_iter().filter_map(target).collect();
    assert_same("fuzz targets in the table", table, found.clone());
    assert_same("fuzz targets in the manifest", built, found);
}

#[test]
fn recipes_that_documents_name_exist() {
    let justfile = file("justfile").text;
    let recipe = Regex::new(r"(?m)^([a-z][a-z0-9-]*)[^:\n]*:( |$)").expect("it is well-formed");
    let recipes: BTreeSet<_> =
        recipe.captures_iter(&justfile).map(|found| found[1].to_owned()).collect();
    assert!(recipes.len() > 10, "{recipes:?}");
    let named = Regex::new(r"(?m)(?:`|^)just ([a-z][a-z0-9-]*)").expect("it is well-formed");
    for document in documents() {
        for found in named.captures_iter(&document.text) {
            assert!(recipes.contains(&found[1]), "{}: just {}", document.path, &found[1]);
        }
    }
}
