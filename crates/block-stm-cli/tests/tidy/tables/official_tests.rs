//! The counts of official tests, from what `scripts/numbers official-tests` wrote.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::{head, row};
use crate::tree::file;

const SOURCE: &str = "docs/data/official-tests.json";

/// The cases of one run.
#[derive(Deserialize)]
struct Run {
    name: String,
    forks: BTreeMap<String, Tally>,
}

/// Cases by what became of them.
#[derive(Clone, Copy, Default, Deserialize)]
struct Tally {
    passed: usize,
    failed: usize,
    skipped: usize,
}

impl Tally {
    fn row(self, name: &str) -> String {
        let run = self.passed + self.failed;
        let numbers = [run, self.passed, self.failed, self.skipped].map(grouped);
        row([name.to_owned()].into_iter().chain(numbers))
    }
}

/// A number with a comma before every three digits.
fn grouped(number: usize) -> String {
    let digits = number.to_string();
    let mut grouped = String::new();
    for (at, digit) in digits.char_indices() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

pub(super) fn tables() -> impl Iterator<Item = (String, Vec<String>)> {
    let runs: Vec<Run> =
        serde_json::from_str(&file(SOURCE).text).expect("the file is a list of runs");
    runs.into_iter().map(|run| {
        let mut lines = head(&["fork", "run", "passed", "failed", "skipped"]);
        let mut total = Tally::default();
        for (fork, tally) in run.forks {
            lines.push(tally.row(&fork));
            total.passed += tally.passed;
            total.failed += tally.failed;
            total.skipped += tally.skipped;
        }
        lines.push(total.row("total"));
        (format!("official tests, {}", run.name), lines)
    })
}
