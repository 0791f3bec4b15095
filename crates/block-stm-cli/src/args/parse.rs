//! From the words of the command line to options.

use std::ffi::OsString;

use clap::Parser;

use super::Cli;
use crate::{escape::escaped, output};

/// The options that the process was started with, or a way out: help, the version, or a message and
/// exit code 2.
pub(crate) fn parse() -> Cli {
    let words = with_negative_values(std::env::args_os());
    let are_shown_as_they_are = words
        .iter()
        .all(|word| matches!(escaped(&word.to_string_lossy()), std::borrow::Cow::Borrowed(_)));
    Cli::try_parse_from(words).unwrap_or_else(|error| {
        if are_shown_as_they_are {
            error.exit();
        }
        // The message quotes the words. Its lines end as ever.
        let text = error.render().to_string();
        for line in text.lines() {
            output::print_to_stderr(&format!("{}\n", escaped(line)));
        }
        std::process::exit(error.exit_code())
    })
}

/// The words, with each negative number bound to the option before it by `=`: it is then refused as
/// a number that is out of its range, and not as an option that does not exist.
fn with_negative_values(words: impl Iterator<Item = OsString>) -> Vec<OsString> {
    let mut bound: Vec<OsString> = Vec::new();
    let mut only_values = false;
    for word in words {
        only_values |= word == "--";
        match bound.last_mut() {
            Some(option) if !only_values && is_negative(&word) && takes_next(option) => {
                option.push("=");
                option.push(word);
            }
            _ => bound.push(word),
        }
    }
    bound
}

/// Whether `word` starts as a negative number does.
fn is_negative(word: &OsString) -> bool {
    let word = word.to_string_lossy();
    let number = word.strip_prefix('-').unwrap_or_default();
    number.starts_with(|c: char| c.is_ascii_digit() || c == '.')
        || ["inf", "infinity", "nan"].iter().any(|name| number.eq_ignore_ascii_case(name))
}

/// Whether `word` is a long option without a value.
fn takes_next(word: &OsString) -> bool {
    let word = word.to_string_lossy();
    word.len() > 2 && word.starts_with("--") && !word.contains('=')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn negative_numbers_belong_to_the_option_before() {
        let bound = |words: &[&str]| with_negative_values(words.iter().map(OsString::from));
        assert_eq!(bound(&["--txns", "-1", "x"]), ["--txns=-1", "x"]);
        assert_eq!(
            bound(&["--threads", "-1,2", "--zipf", "-inf"]),
            ["--threads=-1,2", "--zipf=-inf"]
        );
        for words in [&["-1"][..], &["--", "--x", "-1"], &["--a=b", "-1"], &["--txns", "--pools"]] {
            assert_eq!(bound(words), words);
        }
    }
}
