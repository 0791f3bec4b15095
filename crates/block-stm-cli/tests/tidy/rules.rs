//! What the sources must not do.

use regex::Regex;

use crate::tree::{File, quoted, section, sources};
use crate::{lists, tree};

fn regex(pattern: &str) -> Regex {
    Regex::new(pattern).expect("the pattern is well-formed")
}

fn has_unsafe_code(file: &File) -> bool {
    let word = regex(r"\bunsafe\b");
    file.code().iter().any(|line| word.is_match(line))
}

/// Whether one of the lines up to `line` that are near, the line itself included, has one of the
/// words.
fn is_explained(lines: &[&str], line: usize, words: &[&str]) -> bool {
    const NEAR: usize = 8;
    let near = &lines[line.saturating_sub(NEAR)..=line];
    near.iter().any(|line| words.iter().any(|word| line.contains(word)))
}

#[test]
fn unsafe_code_is_where_the_architecture_says() {
    let architecture = tree::file("ARCHITECTURE.md");
    let table = section(&architecture.text, "Unsafe code");
    let listed = lists::rows(table).flat_map(|row| quoted(row[0]).collect::<Vec<_>>());
    let listed = listed.map(str::to_owned).collect();
    let found = sources().into_iter().filter(has_unsafe_code).map(|file| file.path);
    lists::assert_same("files with unsafe code", listed, found.collect());
}

#[test]
fn the_front_page_of_the_core_names_its_unsafe_modules() {
    let front = tree::file("crates/block-stm/src/lib.rs").text;
    let (_, rest) = front.split_once("Unsafe code is confined to").expect("the page says so");
    let sentence = rest.split("\n\n").next().expect("split gives at least one part");
    let named: Vec<_> = quoted(sentence).map(str::to_owned).collect();
    let prefix = "crates/block-stm/src/";
    let found: Vec<_> = sources()
        .into_iter()
        .filter(has_unsafe_code)
        .filter_map(|file| Some(file.path.strip_prefix(prefix)?.to_owned()))
        .filter(|path| !path.contains("models/"))
        .collect();
    let covers =
        |name: &String, path: &String| path == name || path.starts_with(&format!("{name}/"));
    for path in &found {
        assert!(named.iter().any(|name| covers(name, path)), "{path} is not named: {named:?}");
    }
    for name in &named {
        assert!(found.iter().any(|path| covers(name, path)), "{name} has no unsafe code");
    }
}

#[test]
fn crates_without_unsafe_code_forbid_it() {
    let sources = sources();
    let roots = regex(r"^(crates/[^/]+/src/(lib|main)\.rs|benches/lib\.rs)$");
    let roots: Vec<_> = sources.iter().filter(|file| roots.is_match(&file.path)).collect();
    assert!(roots.len() > 5, "{} crates were found", roots.len());
    for root in roots {
        let folder = root.path.rsplit_once('/').expect("a root lies in a folder").0;
        // The tests of the benches are a crate of their own.
        let inside = |file: &&File| file.path.starts_with(folder) && !file.path.contains("/tests/");
        let is_unsafe = sources.iter().filter(inside).any(has_unsafe_code);
        let forbids = root.text.contains("#![forbid(unsafe_code)]");
        assert_eq!(forbids, !is_unsafe, "{}", root.path);
    }
}

#[test]
fn unsafe_code_says_why_it_is_sound() {
    let word = regex(r"\bunsafe\b");
    let mut bare = Vec::new();
    for file in sources() {
        let lines: Vec<_> = file.text.lines().collect();
        for (number, code) in file.code().iter().enumerate() {
            if word.is_match(code) && !is_explained(&lines, number, &["SAFETY:", "# Safety"]) {
                bare.push(format!("{}:{}", file.path, number + 1));
            }
        }
    }
    assert!(bare.is_empty(), "unsafe code without its reason: {bare:#?}");
}

/// Production code: that of tests is read where they are, and the grounds of loom and shuttle are
/// no production.
fn production() -> impl Iterator<Item = File> {
    let apart = ["/tests/", "/models/", "sync/loom.rs", "sync/shuttle.rs", "fuzz/"];
    sources().into_iter().filter(move |file| !apart.iter().any(|part| file.path.contains(part)))
}

/// The file's code up to its tests, which come last.
pub(crate) fn before_tests(file: &File) -> Vec<String> {
    let is_for_tests = |line: &str| line.starts_with("#[cfg(") && line.contains("test");
    let attribute = file.text.lines().position(is_for_tests);
    let is_inline =
        |at: &usize| file.text.lines().nth(at + 1).is_some_and(|line| line.ends_with('{'));
    let mut code = file.code();
    code.truncate(attribute.filter(is_inline).unwrap_or(usize::MAX));
    code
}

#[test]
fn atomic_accesses_say_what_orders_them() {
    let word = regex(r"\bOrdering::(Relaxed|Acquire|Release|AcqRel|SeqCst)\b");
    let (mut accesses, mut bare) = (0, Vec::new());
    for file in production() {
        let lines: Vec<_> = file.text.lines().collect();
        for (number, code) in before_tests(&file).iter().enumerate() {
            if !word.is_match(code) {
                continue;
            }
            accesses += 1;
            // One line may speak for all that follow.
            let for_all = lines[..number].iter().filter(|line| line.contains("ORDERING:"));
            let mut for_all = for_all.filter(|line| {
                ["throughout", "below", "all "].iter().any(|all| line.contains(all))
            });
            if for_all.next().is_none() && !is_explained(&lines, number, &["ORDERING:"]) {
                bare.push(format!("{}:{}", file.path, number + 1));
            }
        }
    }
    assert!(accesses > 80, "only {accesses} accesses were found");
    assert!(bare.is_empty(), "atomic accesses without their reason: {bare:#?}");
}

#[test]
fn primitives_of_the_core_come_from_one_door() {
    let mut found = Vec::new();
    for file in production() {
        let Some(path) = file.path.strip_prefix("crates/block-stm/src/") else { continue };
        // Faults are let out in builds of their own.
        if path.starts_with("primitives/sync/") || path.ends_with("canary.rs") {
            continue;
        }
        let foreign =
            paths(&before_tests(&file).join("\n")).into_iter().filter(|p| orders_threads(p));
        found.extend(foreign.map(|name| format!("{path}: {name}")));
    }
    assert!(found.is_empty(), "primitives that do not come from sync/: {found:#?}");
}

/// Whether what a path names orders threads, outside of the core's own primitives.
fn orders_threads(path: &str) -> bool {
    let segments: Vec<_> = path.split("::").collect();
    match segments.as_slice() {
        // An `Arc` only counts.
        ["std" | "core" | "alloc", "sync", "Arc" | "Weak", ..] => false,
        ["std" | "core" | "alloc", "sync", ..] | ["parking_lot", ..] => true,
        ["std", "thread", function, ..] | ["thread", function, ..] => function.starts_with("park"),
        _ => false,
    }
}

/// The paths that code names, those of `use` with their groups resolved.
fn paths(code: &str) -> Vec<String> {
    let imports = regex(r"\buse\s+([^;]+);");
    let path = regex(r"\b[A-Za-z_]\w*(?:\s*::\s*[A-Za-z_]\w*)+");
    let mut paths = Vec::new();
    for import in imports.captures_iter(code) {
        resolve(&import[1].split_whitespace().collect::<Vec<_>>().join(" "), "", &mut paths);
    }
    let rest = imports.replace_all(code, "");
    paths.extend(path.find_iter(&rest).map(|path| path.as_str().replace(char::is_whitespace, "")));
    paths
}

/// Adds the paths of a `use` tree that stands below `prefix`.
fn resolve(tree: &str, prefix: &str, paths: &mut Vec<String>) {
    let tree = tree.trim().trim_start_matches("::");
    let Some((head, group)) = tree.split_once('{') else {
        let path = tree.split(" as ").next().expect("split gives at least one part").trim();
        if !path.is_empty() {
            paths.push(format!("{prefix}{path}").trim_end_matches("::self").to_owned());
        }
        return;
    };
    let (prefix, mut depth, mut start) = (format!("{prefix}{head}"), 0, 0);
    let group = group.trim_end().strip_suffix('}').expect("groups are closed");
    for (at, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                resolve(&group[start..at], &prefix, paths);
                start = at + 1;
            }
            _ => {}
        }
    }
    resolve(&group[start..], &prefix, paths);
}

#[test]
fn imports_are_resolved() {
    let code = "use std::{fmt, sync::{self, Arc, atomic::*}};\nuse parking_lot as p;\n\
                let x = std::\nsync::Mutex::new(thread::park);";
    let paths = paths(code);
    let mut wanted = vec!["std::fmt", "std::sync", "std::sync::Arc", "std::sync::atomic::*"];
    wanted.extend(["parking_lot", "std::sync::Mutex::new", "thread::park"]);
    assert_eq!(paths, wanted);
    let ordering: Vec<_> = paths.iter().filter(|path| orders_threads(path)).collect();
    let others: Vec<_> = paths.iter().filter(|path| !orders_threads(path)).collect();
    assert_eq!(ordering.len(), 5, "{ordering:?}");
    assert_eq!(others, ["std::fmt", "std::sync::Arc"]);
}
