//! How long lines and files are.

use crate::tree::{File, documents, sources};

/// The most characters of a line.
const COLUMNS: usize = 100;

/// The most lines of a source that gives no reason for more.
const LINES: usize = 500;

/// Whether a line may be longer: the row of a table can't be wrapped, nor can a link.
fn is_row_or_link(line: &str) -> bool {
    let line = line.trim_start().trim_start_matches(['/', '!']).trim_start();
    line.starts_with('|') || (line.contains("://") && !line.contains(' '))
}

fn long_lines(file: &File) -> Vec<String> {
    let lines = file.text.lines().enumerate();
    let long = lines.filter(|(_, line)| line.chars().count() > COLUMNS && !is_row_or_link(line));
    long.map(|(number, _)| format!("{}:{}", file.path, number + 1)).collect()
}

/// Whether the comments above the code give the reason why the file is long.
fn gives_reason(file: &File) -> bool {
    let head = file.text.lines().take_while(|line| line.is_empty() || line.starts_with("//"));
    head.filter_map(|line| line.strip_prefix("// LENGTH: ")).any(|reason| !reason.is_empty())
}

fn too_long(file: &File) -> Option<String> {
    let lines = file.text.lines().count();
    (lines > LINES && !gives_reason(file)).then(|| format!("{}: {lines} lines", file.path))
}

#[test]
fn lines_and_files_are_no_longer_than_they_should() {
    let lines = sources().iter().chain(&documents()).flat_map(long_lines).collect::<Vec<_>>();
    let files = sources().iter().filter_map(too_long).collect::<Vec<_>>();
    let found = [lines, files].concat();
    assert!(found.is_empty(), "lines over {COLUMNS} columns, files over {LINES} lines: {found:#?}");
}

#[test]
fn a_reason_stands_in_the_head() {
    let long = |head: &str| File {
        path: "long.rs".to_owned(),
        text: format!("{head}{}", "fn f() {}\n".repeat(LINES)),
    };
    assert_eq!(too_long(&long("")), None);
    assert!(too_long(&long("//! Words.\n")).is_some());
    assert!(too_long(&long("// LENGTH: \n")).is_some());
    assert_eq!(too_long(&long("//! Words.\n\n// LENGTH: one table.\n")), None);
    assert!(too_long(&long("fn g() {}\n// LENGTH: too late.\n")).is_some());
}
