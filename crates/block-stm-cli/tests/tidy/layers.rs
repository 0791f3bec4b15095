//! The layers of the core: imports go down, and never round in a circle.

use std::collections::{BTreeMap, BTreeSet};

use regex::Regex;

use crate::tree::{File, file, quoted, section, sources};
use crate::{lists, rules};

/// Where the core's sources lie.
const CORE: &str = "crates/block-stm/src/";
/// The most layers that a stranger is asked to keep apart.
const MOST_LAYERS: usize = 9;

/// The files of the core by their modules, `judge::ledger` say; the crate's root is the empty name.
struct Core {
    modules: BTreeMap<String, File>,
}

/// What a file imports: each module with the path that led to it.
type Imports = BTreeMap<String, String>;

impl Core {
    fn read() -> Self {
        let modules = sources().into_iter().filter_map(|file| {
            let name = file.path.strip_prefix(CORE)?.strip_suffix(".rs")?.replace('/', "::");
            let name = name.strip_suffix("::mod").unwrap_or(&name);
            Some((if name == "lib" { String::new() } else { name.to_owned() }, file))
        });
        let core = Self { modules: modules.collect() };
        assert!(core.modules.len() > 50, "{} files of the core were found", core.modules.len());
        core
    }

    /// The module that `path` leads into from `here`, if it is one of the core's.
    fn module(&self, here: &str, path: &[&str]) -> Option<String> {
        let mut base: Vec<_> = here.split("::").filter(|name| !name.is_empty()).collect();
        let mut rest = path;
        match path.first()? {
            &"crate" => (base, rest) = (Vec::new(), &path[1..]),
            &"self" => rest = &path[1..],
            &"super" => {
                while let Some((&"super", after)) = rest.split_first() {
                    base.pop();
                    rest = after;
                }
            }
            first => {
                let child = base.iter().chain([first]).copied().collect::<Vec<_>>().join("::");
                if !self.modules.contains_key(&child) {
                    return None;
                }
            }
        }
        (0..=rest.len()).rev().find_map(|taken| {
            let name = [&base[..], &rest[..taken]].concat().join("::");
            self.modules.contains_key(&name).then_some(name)
        })
    }

    fn imports(&self, here: &str) -> Imports {
        let code = rules::before_tests(&self.modules[here]).join("\n");
        let uses = Regex::new(r"(?s)\buse\s+([^;]+);").expect("it is well-formed");
        let inline = Regex::new(r"\b(?:crate|super)(?:::\w+)+").expect("it is well-formed");
        let mut paths: Vec<String> = Vec::new();
        uses.captures_iter(&code).for_each(|found| flatten("", &found[1], &mut paths));
        let body = uses.replace_all(&code, "");
        paths.extend(inline.find_iter(&body).map(|path| path.as_str().to_owned()));
        let module = |path: String| {
            let names: Vec<_> = path.split("::").collect();
            Some((self.module(here, &names)?, path))
        };
        paths.into_iter().filter_map(module).filter(|(module, _)| module != here).collect()
    }
}

/// The single paths of a tree of imports.
fn flatten(prefix: &str, tree: &str, paths: &mut Vec<String>) {
    let tree = tree.trim();
    let Some((path, group)) = tree.split_once('{') else {
        let path = tree.split(" as ").next().unwrap_or_default().trim();
        if !path.is_empty() {
            paths.push(format!("{prefix}{path}"));
        }
        return;
    };
    let group = group.strip_suffix('}').expect("the group is closed");
    let (mut depth, mut start) = (0, 0);
    for (at, c) in group.char_indices().chain([(group.len(), ',')]) {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                flatten(&format!("{prefix}{}", path.trim()), &group[start..at], paths);
                start = at + 1;
            }
            _ => {}
        }
    }
}

/// The folders of the layers, from the top, as the architecture lists them.
fn layers() -> Vec<String> {
    let architecture = file("ARCHITECTURE.md");
    let table = section(&architecture.text, "Layers of the core");
    let folder =
        |row: Vec<&str>| quoted(row[0]).next().expect("a folder").trim_matches('/').to_owned();
    lists::rows(table).map(folder).collect()
}

/// Reachable from `from` over at least one import.
fn reaches<'g>(graph: &'g BTreeMap<String, Imports>, from: &'g str) -> BTreeSet<&'g str> {
    let mut found = BTreeSet::new();
    let mut open = vec![from];
    while let Some(module) = open.pop() {
        open.extend(graph[module].keys().map(String::as_str).filter(|next| found.insert(*next)));
    }
    found
}

fn graph() -> BTreeMap<String, Imports> {
    let core = Core::read();
    core.modules.keys().map(|here| (here.clone(), core.imports(here))).collect()
}

#[test]
fn no_file_of_the_core_imports_itself_in_a_circle() {
    let graph = graph();
    let edges: usize = graph.values().map(BTreeMap::len).sum();
    assert!(edges > 150, "only {edges} imports were found");
    // The models of loom, and all else that is built for tests alone, may share what their folder
    // has.
    let production = graph.keys().filter(|module| !module.starts_with("proofs::models"));
    let circles: Vec<_> =
        production.filter(|module| reaches(&graph, module).contains(module.as_str())).collect();
    assert!(circles.is_empty(), "in a circle of imports: {circles:#?}");
}

#[test]
fn imports_of_the_core_go_down() {
    let layers = layers();
    assert!((7..=MOST_LAYERS).contains(&layers.len()), "{} layers: {layers:?}", layers.len());
    let level = |module: &str| {
        let folder = module.split("::").next().unwrap_or_default();
        layers.iter().position(|layer| layer == folder)
    };
    let mut upwards = Vec::new();
    for (module, imports) in graph() {
        // The crate's root stands above all; what is built for tests alone stands beside.
        let is_apart = ["", "proofs::threads", "proofs::fuzzing"].contains(&module.as_str())
            || module.starts_with("proofs::models");
        if is_apart {
            continue;
        }
        let here = level(&module).unwrap_or_else(|| panic!("{module} lies in no layer"));
        for (imported, path) in imports {
            if level(&imported).is_none_or(|there| there < here) {
                upwards.push(format!("{module} imports {path}"));
            }
        }
    }
    assert!(upwards.is_empty(), "imports that go up: {upwards:#?}");
}

#[test]
fn types_with_more_than_one_user_are_in_the_glossary() {
    let core = Core::read();
    let production: Vec<_> = core
        .modules
        .iter()
        .filter(|(module, _)| !module.starts_with("proofs"))
        .map(|(module, file)| (module, rules::before_tests(file).join("\n")))
        .collect();
    let definition = Regex::new(r"(?m)^pub(?:\([a-z]+\))? (?:struct|enum|trait) (\w+)");
    let definition = definition.expect("it is well-formed");
    let text = file("docs/glossary.md").text;
    let glossary: BTreeSet<_> = quoted(&text).collect();
    let (mut types, mut missing) = (0, Vec::new());
    for (module, code) in &production {
        for found in definition.captures_iter(code) {
            let name = Regex::new(&format!(r"\b{}\b", &found[1])).expect("a name");
            let uses = |(other, code): &&(&String, String)| other != module && name.is_match(code);
            // The crate's root hands names out, and uses none.
            let mut users = production.iter().filter(|(other, _)| !other.is_empty()).filter(uses);
            if users.next().is_some() {
                types += 1;
                if !glossary.contains(&found[1]) {
                    missing.push(format!("{module}: {}", &found[1]));
                }
            }
        }
    }
    assert!(types > 50, "only {types} types were found");
    assert!(missing.is_empty(), "not in the glossary: {missing:#?}");
}

#[test]
fn types_in_the_glossary_are_in_the_core() {
    let core = Core::read();
    let definition = Regex::new(r"\b(?:struct|enum|trait|type)\s+(\w+)").expect("well-formed");
    let code: Vec<_> = core.modules.values().map(|file| file.code().join("\n")).collect();
    let defined = code.iter().flat_map(|code| definition.captures_iter(code));
    let defined: BTreeSet<_> = defined.map(|found| found[1].to_owned()).collect();
    let text = file("docs/glossary.md").text;
    let is_type = |name: &&str| {
        name.starts_with(char::is_uppercase) && name.chars().all(char::is_alphanumeric)
    };
    let named: BTreeSet<_> = quoted(&text).filter(is_type).collect();
    assert!(named.len() > 80, "only {} types are named", named.len());
    let missing: Vec<_> = named.into_iter().filter(|name| !defined.contains(*name)).collect();
    assert!(missing.is_empty(), "in the glossary, and not in the core: {missing:#?}");
}

#[test]
fn trees_of_imports_are_taken_apart() {
    let mut paths = Vec::new();
    flatten("", "crate::a::{self, b::{C, D as E},\n f}", &mut paths);
    assert_eq!(paths, ["crate::a::self", "crate::a::b::C", "crate::a::b::D", "crate::a::f"]);
}
