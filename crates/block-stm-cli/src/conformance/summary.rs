//! How many cases ran, passed, failed and were skipped, and why.

use std::{
    collections::{BTreeMap, btree_map::Entry},
    fmt::Write,
    time::Duration,
};

use anstyle::{AnsiColor, Style};
use block_stm_conformance::{CaseReport, SkipReason, Verdict};
use comfy_table::{Cell, Color, Table};

use crate::{
    escape::escaped,
    tables::{self, bold},
    units::{count, grouped, time},
};

const BAD: Style = AnsiColor::Red.on_default().bold();

/// How many failures are told one by one.
const NAMED_FAILURES: usize = 100;

/// Cases by their verdict.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Tally {
    passed: usize,
    failed: usize,
    skipped: usize,
}

/// What all cases came to.
#[derive(Debug)]
pub(super) struct Summary {
    forks: BTreeMap<String, Tally>,
    total: Tally,
    skipped: BTreeMap<SkipReason, usize>,
    /// Exceptions whose names are unknown, with the cases that were refused for them.
    not_compared: BTreeMap<String, usize>,
    files: usize,
    elapsed: Duration,
}

impl Tally {
    fn add(&mut self, verdict: &Verdict) {
        let one = match verdict {
            Verdict::Passed => &mut self.passed,
            Verdict::Failed(_) => &mut self.failed,
            Verdict::Skipped(_) => &mut self.skipped,
        };
        *one += 1;
    }

    fn cells(self, name: &str) -> [Cell; 5] {
        let number = |number: usize| Cell::new(grouped(number as u64));
        let mark = |number: usize, colour| match number {
            0 => Cell::new("0"),
            _ => Cell::new(grouped(number as u64)).fg(colour),
        };
        [
            Cell::new(name),
            number(self.passed + self.failed),
            mark(self.passed, Color::Green),
            mark(self.failed, Color::Red),
            mark(self.skipped, Color::Yellow),
        ]
    }
}

impl Summary {
    /// The summary of `cases` from `files` files.
    pub(super) fn of(cases: &[CaseReport], files: usize, elapsed: Duration) -> Self {
        let mut summary = Self {
            forks: BTreeMap::new(),
            total: Tally::default(),
            skipped: BTreeMap::new(),
            not_compared: BTreeMap::new(),
            files,
            elapsed,
        };
        for case in cases {
            let fork = match summary.forks.entry(case.fork.clone()) {
                Entry::Occupied(known) => known.into_mut(),
                Entry::Vacant(new) => new.insert(Tally::default()),
            };
            fork.add(&case.verdict);
            summary.total.add(&case.verdict);
            for exception in &case.not_compared {
                *summary.not_compared.entry(exception.clone()).or_default() += 1;
            }
            if let Verdict::Skipped(reason) = case.verdict {
                *summary.skipped.entry(reason).or_default() += 1;
            }
        }
        summary
    }

    /// A table by fork, and a sentence for each reason to skip.
    pub(super) fn text(&self) -> String {
        let mut text = tables::render(&self.table());
        text.push('\n');
        for (reason, number) in &self.skipped {
            let cases = count(*number, "case");
            text.push_str(&format!("Skipped {cases}: {reason}.\n"));
        }
        for (exception, number) in &self.not_compared {
            let times = count(*number, "time");
            text.push_str(&format!(
                "Refused {times}, reason not compared: the exception {exception:?} is unknown.\n"
            ));
        }
        let run = count(self.total.passed + self.total.failed, "case");
        let (files, time) = (count(self.files, "file"), time(self.elapsed));
        let verdict = match self.total.failed {
            0 if self.total.passed == 0 => "no case was run".to_owned(),
            0 => "all passed".to_owned(),
            failed => format!("{BAD}{} FAILED{BAD:#}", grouped(failed as u64)),
        };
        let _ = writeln!(text, "{run} of {files} in {time}: {verdict}.");
        text
    }

    fn table(&self) -> Table {
        let mut table = tables::table(&["fork", "run", "passed", "failed", "skipped"], &[0]);
        for (fork, tally) in &self.forks {
            table.add_row(tally.cells(&escaped(fork)));
        }
        if self.forks.len() != 1 {
            let total = self.total.cells("total");
            table.add_row(total.map(bold));
        }
        table
    }
}

/// The cases that failed, with what is different; empty if there is none.
pub(super) fn failures(cases: &[CaseReport]) -> String {
    let mut text = String::new();
    let mut more = 0_usize;
    let mut named = 0_usize;
    for case in cases {
        let Verdict::Failed(difference) = &case.verdict else { continue };
        if named == NAMED_FAILURES {
            more += 1;
            continue;
        }
        named += 1;
        let variant = case.variant.as_deref().map(|variant| format!(" {variant}"));
        let variant = variant.unwrap_or_default();
        let _ = writeln!(
            text,
            "{BAD}FAILED{BAD:#} {}{variant} under {}: {}",
            escaped(&case.name),
            escaped(&case.fork),
            escaped(difference)
        );
    }
    if more > 0 {
        let _ = writeln!(text, "and {} more, which --json lists", grouped(more as u64));
    }
    text
}
