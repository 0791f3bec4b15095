//! The command lines that documents show: their subcommands and options exist.

use std::collections::HashMap;
use std::process::Command;

use regex::Regex;

use crate::tree::{documents, file};

/// What `block-stm` prints with these arguments, which must be good ones.
fn printed(args: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_block-stm")).args(args).output();
    let output = output.expect("the binary runs");
    assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("it prints UTF-8")
}

/// The subcommands that `help` lists.
fn listed(help: &str) -> Vec<String> {
    let (_, rest) = help.split_once("Commands:\n").unwrap_or_default();
    let lines = rest.lines().take_while(|line| !line.trim().is_empty());
    let name = |line: &str| {
        let name = line.strip_prefix("  ")?.split(' ').next()?;
        (!name.is_empty()).then(|| name.to_owned())
    };
    lines.filter_map(name).collect()
}

/// The arguments of the command lines in a text, without comments.
fn command_lines(text: &str) -> Vec<Vec<String>> {
    let line = Regex::new(r"(?m)(?:cargo run --release -- |(?:^|`|\$ )block-stm )([^`\n#]+)");
    let line = line.expect("it is well-formed");
    let words = |found: regex::Captures<'_>| {
        found[1].split_whitespace().take_while(|word| *word != "\\").map(str::to_owned).collect()
    };
    line.captures_iter(text).map(words).collect()
}

#[test]
fn commands_that_documents_show_exist() {
    let top = listed(&printed(&["--help"]));
    assert!(top.len() > 8, "{top:?}");
    let mut helps = HashMap::new();
    let mut shown = 0;
    for document in documents() {
        for words in command_lines(&document.text) {
            let mut words = words.iter().map(String::as_str).peekable();
            let mut path = Vec::new();
            let mut commands = top.clone();
            while let Some(word) = words.next_if(|word| commands.iter().any(|name| name == word)) {
                path.push(word.to_owned());
                let args: Vec<_> = path.iter().map(String::as_str).chain(["--help"]).collect();
                let help = helps.entry(path.clone()).or_insert_with(|| printed(&args));
                commands = listed(help);
            }
            let line = words.clone().collect::<Vec<_>>().join(" ");
            let Some(help) = helps.get(&path) else {
                assert!(line.starts_with('-'), "{}: there is no command {line}", document.path);
                continue;
            };
            shown += 1;
            assert!(commands.is_empty(), "{}: {path:?} goes on with {line}", document.path);
            let is_option = |word: &&str| word.len() > 2 && word.starts_with("--");
            for option in words.filter(is_option) {
                let name = option.split(['=', '[', ']']).next().expect("a name");
                let exists = help
                    .split(|c: char| c.is_whitespace() || ",=[]".contains(c))
                    .any(|word| word == name);
                assert!(exists, "{}: {path:?} has no {name}", document.path);
            }
        }
    }
    assert!(shown > 20, "only {shown} command lines were found");
}

#[test]
fn the_readme_shows_every_command() {
    let readme = file("README.md").text;
    let shown: Vec<_> = command_lines(&readme).into_iter().map(|words| words[0].clone()).collect();
    // What is there for others of the project, or explains itself.
    let apart = ["help", "completions", "t8n-input"];
    for command in listed(&printed(&["--help"])) {
        let is_shown = shown.contains(&command) || apart.contains(&command.as_str());
        assert!(is_shown, "the README does not show {command}");
    }
}
