//! Tables that grow with every run are made from what a command wrote, or from the sources.
//!
//! A document has such a table between two lines, `<!-- table: NAME -->` and `<!-- end of table
//! -->`. With `BLOCK_STM_WRITE_TABLES=1` (`just tables`) the test writes the tables instead of
//! comparing them.

mod canaries;
mod official_tests;
mod speed;

use std::env;
use std::fs;

use crate::lists::assert_same;
use crate::tree::{documents, root};

const BEGIN: &str = "<!-- table: ";
const END: &str = "<!-- end of table -->";

/// All tables: the name and the lines.
fn tables() -> Vec<(String, Vec<String>)> {
    let mut tables =
        vec![("speed".to_owned(), speed::table()), ("canaries".to_owned(), canaries::table())];
    tables.extend(official_tests::tables());
    tables
}

/// A row of these cells.
fn row<C: AsRef<str>>(cells: impl IntoIterator<Item = C>) -> String {
    let cells: Vec<_> = cells.into_iter().map(|cell| cell.as_ref().to_owned()).collect();
    format!("| {} |", cells.join(" | "))
}

/// The head of a table with these columns.
fn head(columns: &[&str]) -> Vec<String> {
    vec![row(columns), format!("|{}", "---|".repeat(columns.len()))]
}

/// A text with its tables made anew, and the names of those that it has.
fn filled(text: &str, tables: &[(String, Vec<String>)]) -> (String, Vec<String>) {
    let (mut out, mut names) = (String::new(), Vec::new());
    let mut lines = text.split_inclusive('\n');
    while let Some(line) = lines.next() {
        out.push_str(line);
        let Some(name) =
            line.strip_prefix(BEGIN).and_then(|rest| rest.trim_end().strip_suffix(" -->"))
        else {
            continue;
        };
        let (_, table) = tables.iter().find(|(known, _)| known == name).unwrap_or_else(|| {
            panic!("there is no table {name}");
        });
        names.push(name.to_owned());
        out.push_str(&table.join("\n"));
        out.push('\n');
        let end = lines.find(|line| line.trim_end() == END);
        out.push_str(end.unwrap_or_else(|| panic!("the table {name} has no end")));
    }
    (out, names)
}

#[test]
fn generated_tables_are_those_of_their_sources() {
    let tables = tables();
    let write = env::var_os("BLOCK_STM_WRITE_TABLES").is_some();
    let mut found = Vec::new();
    for document in documents() {
        let (text, names) = filled(&document.text, &tables);
        found.extend(names);
        if text == document.text {
            continue;
        }
        assert!(write, "{} has a table that is not its source's: `just tables`", document.path);
        fs::write(root().join(&document.path), text).expect("the document can be written");
    }
    assert_same("tables", found, tables.into_iter().map(|(name, _)| name).collect());
}

#[test]
fn only_what_lies_between_the_marks_is_made_anew() {
    let tables = [("t".to_owned(), head(&["a", "b"]))];
    let text = "x\n<!-- table: t -->\nold\n<!-- end of table -->\ny\n";
    let (new, names) = filled(text, &tables);
    let table = "| a | b |\n|---|---|\n";
    assert_eq!(new, format!("x\n<!-- table: t -->\n{table}<!-- end of table -->\ny\n"));
    assert_eq!(names, ["t"]);
}
