//! What each published crate brings along.

use std::fs;

use crate::tree::{file, root};

/// The folders of the crates that are published.
fn packages() -> Vec<String> {
    let entries = fs::read_dir(root().join("crates")).expect("the crates' folder");
    let names = entries.map(|entry| entry.expect("it can be read").file_name());
    let names = names.map(|name| name.into_string().expect("a name in UTF-8"));
    names.map(|name| format!("crates/{name}")).collect()
}

#[test]
fn each_crate_brings_readme_licences_and_metadata() {
    let packages = packages();
    assert!(packages.len() > 5, "{packages:?}");
    for package in packages {
        for licence in ["LICENSE-MIT", "LICENSE-APACHE"] {
            let copy = file(&format!("{package}/{licence}")).text;
            assert_eq!(copy, file(licence).text, "{package}/{licence}");
        }
        let name = package.trim_start_matches("crates/");
        let readme = file(&format!("{package}/README.md")).text;
        assert!(readme.starts_with(&format!("# {name}\n")), "{package}/README.md");
        assert!(readme.contains("```"), "{package}/README.md shows no example or command");
        let manifest = file(&format!("{package}/Cargo.toml")).text;
        let keys = ["description = ", "categories = [", "keywords", "license", "repository"];
        for key in keys.iter().chain(&["edition", "rust-version", "version"]) {
            let has = manifest.lines().any(|line| line.starts_with(key));
            assert!(has, "{package}/Cargo.toml has no {key}");
        }
    }
}
