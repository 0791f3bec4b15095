//! The workspace's files, and Rust without its comments and strings.

use std::fs;
use std::path::{Path, PathBuf};

/// A text file of the workspace.
#[derive(Debug)]
pub(crate) struct File {
    /// From the workspace's root, with `/`.
    pub(crate) path: String,
    pub(crate) text: String,
}

impl File {
    /// The lines of the code, as long as the file's, with blanks in place of comments, strings and
    /// characters.
    pub(crate) fn code(&self) -> Vec<String> {
        code(&self.text).lines().map(str::to_owned).collect()
    }
}

/// The workspace's root.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// A file of the workspace by its path from the root.
pub(crate) fn file(path: &str) -> File {
    let text = fs::read_to_string(root().join(path));
    File { path: path.to_owned(), text: text.unwrap_or_else(|error| panic!("{path}: {error}")) }
}

/// All Rust files of the workspace.
pub(crate) fn sources() -> Vec<File> {
    let mut files = Vec::new();
    for folder in ["crates", "benches", "fuzz"] {
        collect(folder, ".rs", &mut files);
    }
    assert!(files.len() > 100, "only {} sources were found", files.len());
    files
}

/// All documents of the workspace.
pub(crate) fn documents() -> Vec<File> {
    let mut files = ["README.md", "ARCHITECTURE.md", "CHANGELOG.md"].map(file).into();
    for folder in ["crates", "docs", "fuzz"] {
        collect(folder, ".md", &mut files);
    }
    files
}

/// Adds the files under `folder` whose name has this end, in a fixed order. What builds and tools
/// leave behind is passed over.
fn collect(folder: &str, end: &str, files: &mut Vec<File>) {
    let entries = fs::read_dir(root().join(folder)).unwrap_or_else(|e| panic!("{folder}: {e}"));
    let mut names: Vec<_> = entries
        .map(|entry| entry.expect("it can be read"))
        .map(|entry| (entry.file_name().into_string().expect("a name in UTF-8"), entry.path()))
        .collect();
    names.sort();
    for (name, path) in names {
        let below = format!("{folder}/{name}");
        if path.is_dir() {
            let left_behind = ["target", "corpus", "artifacts", "node_modules"];
            if !name.starts_with('.') && !left_behind.contains(&name.as_str()) {
                collect(&below, end, files);
            }
        } else if name.ends_with(end) {
            files.push(file(&below));
        }
    }
}

/// The words in backticks.
pub(crate) fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

/// The part of a document under a heading of the second level.
pub(crate) fn section<'t>(text: &'t str, heading: &str) -> &'t str {
    let start = format!("\n## {heading}\n");
    let (_, rest) = text.split_once(&start).unwrap_or_else(|| panic!("no section {heading}"));
    rest.split("\n## ").next().expect("split gives at least one part")
}

/// Rust with blanks in place of comments, strings and characters.
fn code(text: &str) -> String {
    let mut rest = text;
    let mut out = String::with_capacity(text.len());
    while let Some(first) = rest.chars().next() {
        let length = skipped(rest, out.chars().next_back());
        let (token, after) = rest.split_at(length.unwrap_or(first.len_utf8()));
        match length {
            Some(_) => out.extend(token.chars().map(|c| if c == '\n' { c } else { ' ' })),
            None => out.push_str(token),
        }
        rest = after;
    }
    out
}

/// The length of the comment, string or character that `text` begins with, if it does.
fn skipped(text: &str, before: Option<char>) -> Option<usize> {
    if text.starts_with("//") {
        return Some(text.find('\n').unwrap_or(text.len()));
    }
    if text.starts_with("/*") {
        return Some(text.find("*/").map_or(text.len(), |end| end + 2));
    }
    let in_word = before.is_some_and(|c| c.is_alphanumeric() || c == '_');
    if let Some(raw) = text.strip_prefix('r').filter(|_| !in_word || before == Some('b')) {
        let hashes = raw.len() - raw.trim_start_matches('#').len();
        if raw[hashes..].starts_with('"') {
            let end = format!("\"{}", "#".repeat(hashes));
            let open = 1 + hashes + 1;
            return Some(text[open..].find(&end).map_or(text.len(), |at| open + at + end.len()));
        }
    }
    match text.chars().next()? {
        '"' => Some(1 + quoted_length(&text[1..], '"')),
        // A lifetime has no second quote where a character has it.
        '\'' if text[1..].starts_with('\\') => Some(1 + quoted_length(&text[1..], '\'')),
        '\'' => {
            let mut chars = text[1..].char_indices().skip(1);
            let (at, quote) = chars.next()?;
            (quote == '\'').then_some(1 + at + 1)
        }
        _ => None,
    }
}

/// How far it is to the end of a string that has begun.
fn quoted_length(text: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            c if c == quote => return at + 1,
            _ => {}
        }
    }
    text.len()
}

#[test]
fn only_code_is_left() {
    let text =
        "a(\"b // \\\" c\"); // unsafe\nlet d: &'e str = r#\"f \" g\"#; '\\''; 'h'; /* i\n */ j\n";
    let code = code(text);
    let words: Vec<_> = code.split_whitespace().collect();
    assert_eq!(words, ["a(", ");", "let", "d:", "&'e", "str", "=", ";", ";", ";", "j"]);
    assert_eq!(code.lines().count(), text.lines().count());
}
