//! Every deliberate fault, with what must notice it: read off the faults' comments and the tests
//! that let them out.

use std::collections::{BTreeMap, BTreeSet};

use regex::Regex;

use super::{head, row};
use crate::tree::{File, sources};

/// Where the faults are, each with a comment of one sentence.
const FAULTS: &str = "pub enum Canary {";

fn regex(pattern: &str) -> Regex {
    Regex::new(pattern).expect("the pattern is well-formed")
}

pub(super) fn table() -> Vec<String> {
    let sources = sources();
    let core = |file: &&File| file.path.starts_with("crates/block-stm/src/");
    let source = sources.iter().filter(core).find(|file| file.text.contains(FAULTS));
    let source = source.expect("the faults");
    let calls = |file: &File| file.code().iter().any(|line| line.contains("let_out("));
    let lets_out = |file: &&File| file.path != source.path && calls(file);
    let mut caught: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for file in sources.iter().filter(lets_out) {
        for (fault, by) in pairs(file) {
            caught.entry(fault).or_default().insert(by);
        }
    }
    let mut lines = head(&["fault", "caught by"]);
    for (fault, words) in faults(source) {
        let by = caught.remove(&fault).unwrap_or_else(|| panic!("{fault} is let out by no test"));
        let by: Vec<_> = by.into_iter().collect();
        lines.push(row([format!("`{fault}`: {words}"), by.join("; ")]));
    }
    assert!(caught.is_empty(), "these are no faults: {caught:?}");
    lines
}

/// The faults in their order, each with its comment as a part of a sentence.
fn faults(source: &File) -> Vec<(String, String)> {
    let (_, rest) = source.text.split_once(FAULTS).expect("the faults");
    let body = rest.split("\n}").next().expect("split gives at least one part");
    let fault = regex(r"(?m)^    /// ([^\n]+(?:\n    /// [^\n]+)*)\n    ([A-Z]\w+),$");
    let faults: Vec<_> = fault
        .captures_iter(body)
        .map(|found| {
            let words = found[1].replace("\n    /// ", " ");
            let (first, rest) = words.split_at(1);
            let words = format!("{}{}", first.to_lowercase(), rest.trim_end_matches('.'));
            (found[2].to_owned(), words)
        })
        .collect();
    let variants = regex(r"(?m)^    [A-Z]\w+,$").find_iter(body).count();
    assert!(variants > 0 && variants == faults.len(), "{variants} faults, {}", faults.len());
    faults
}

/// Which faults a file lets out, and what must notice each: pairs in a list, or the arms of a
/// `match`.
fn pairs(file: &File) -> Vec<(String, String)> {
    let code = file.code().join("\n");
    let pair = regex(r"\(\s*Canary::(\w+),\s*([a-z][\w:]*),?\s*\)");
    let arm =
        regex(r"(Canary::\w+(?:\s*\|\s*Canary::\w+)*)\s*=>\s*\{?\s*(&\[[\w, ]*\]|[a-z][\w:]+)");
    let name = regex(r"Canary::(\w+)");
    let mut pairs = Vec::new();
    for found in pair.captures_iter(&code) {
        pairs.push((found[1].to_owned(), test(file, &found[2])));
    }
    for found in arm.captures_iter(&code) {
        let by = match found[2].strip_prefix("&[") {
            Some(instruments) => instruments_of(instruments),
            None => test(file, &found[2]),
        };
        pairs.extend(name.captures_iter(&found[1]).map(|name| (name[1].to_owned(), by.clone())));
    }
    assert!(!pairs.is_empty(), "{} lets out faults that can't be read off", file.path);
    pairs
}

/// `EveryOrder, Threads]` as words.
fn instruments_of(variants: &str) -> String {
    let capital = regex("([a-z])([A-Z])");
    capital.replace_all(variants.trim_end_matches(']'), "$1 $2").to_lowercase()
}

/// A test by the path that `file` has to it.
fn test(file: &File, path: &str) -> String {
    let (module, name) = path.rsplit_once("::").unwrap_or(("", path));
    let folders: Vec<_> = file.path.split('/').collect();
    if folders.contains(&"schedules") {
        return "shuttle".to_owned();
    }
    if folders.contains(&"models") {
        return format!("loom, `{module}`");
    }
    let file = match module {
        "" => file.path.trim_start_matches("crates/block-stm/src/").to_owned(),
        module => format!("{module}.rs"),
    };
    format!("`{file}`, `{name}`")
}
