//! Findings as tables.

use std::{fmt::Write, time::Duration};

use anstyle::Style;

use super::findings::{Brake, Burdened, Findings};
use crate::{
    escape::shown,
    tables,
    units::{count, grouped, speedup, time},
};

const BOLD: Style = Style::new().bold();

/// Rows of the critical path: the first and the last ones.
const PATH_ENDS: usize = 8;

/// The longest name in a table of 80 columns, beside the columns of what a location costs, and
/// beside those of a call.
const LONGEST_LOCATION: usize = 32;
const LONGEST_CALL: usize = 38;

fn nanos(nanos: u64) -> String {
    time(Duration::from_nanos(nanos))
}

/// A name that fits, with its middle left out if need be.
fn fitting(name: &str, longest: usize) -> String {
    let name = shown(name);
    let length = name.chars().count();
    if length <= longest {
        return name;
    }
    let half = (longest - 1) / 2;
    let head: String = name.chars().take(longest - 1 - half).collect();
    let tail: String = name.chars().skip(length - half).collect();
    format!("{head}…{tail}")
}

/// A table of which the columns at the places `text` are text, and the others numbers.
fn table<const N: usize>(header: [&str; N], rows: Vec<[String; N]>, text: &[usize]) -> String {
    let mut table = tables::table(&header, text);
    table.add_rows(rows);
    tables::render(&table)
}

/// All that is known of one block.
pub(super) fn one(findings: &Findings) -> String {
    let mut text = String::new();
    let mut add = |part: &str| text.push_str(part);
    add(&format!(
        "{BOLD}{}{BOLD:#}: {} take {} one after another,\n\
         the longest chain of dependencies {}.\n\n",
        shown(&findings.block),
        count(findings.txns, "txn"),
        nanos(findings.total_ns),
        nanos(findings.critical_ns),
    ));
    add("The most that dependencies allow:\n");
    add(&table(
        ["workers", "2", "4", "8", "16", "32", "64", "any"],
        vec![std::array::from_fn(|column| match column {
            0 => "speed-up".to_owned(),
            column => findings
                .speedup
                .get(column - 1)
                .map_or_else(String::new, |bound| speedup(bound.speedup)),
        })],
        &[0],
    ));
    if findings.locations.is_empty() {
        add("\nNo transaction reads what another one wrote.\n");
    } else {
        add(&format!("\n{BOLD}Where transactions wait for each other{BOLD:#}\n"));
        add(&burdened("location", findings.unbounded(), &findings.locations));
        add(&format!("\n{BOLD}By contract{BOLD:#}\n"));
        add(&burdened("contract", findings.unbounded(), &findings.contracts));
        add(&path(findings));
    }
    add(&format!("\n{BOLD}By what is called{BOLD:#}\n"));
    let calls = findings.calls.iter().map(|group| {
        [
            fitting(&group.call, LONGEST_CALL),
            grouped(group.txns as u64),
            nanos(group.cost_ns),
            grouped(group.dependent as u64),
            grouped(group.critical as u64),
        ]
    });
    add(&table(["call", "txns", "time", "dependent", "critical"], calls.collect(), &[0]));
    text
}

fn burdened(noun: &str, with: f64, all: &[Burdened]) -> String {
    let row = |one: &Burdened| {
        let change = |without: f64| format!("{} → {}", speedup(with), speedup(without));
        [
            fitting(&one.name, LONGEST_LOCATION),
            nanos(one.lost_ns),
            grouped(one.readers as u64),
            change(one.speedup_without),
            speedup(one.speedup_without_all_so_far),
        ]
    };
    let header = [noun, "lost", "waited", "without it", "all above"];
    table(header, all.iter().map(row).collect(), &[0])
}

fn path(findings: &Findings) -> String {
    let path = &findings.critical_path;
    let mut text = format!("\n{BOLD}The longest chain{BOLD:#}: {}\n", count(path.len(), "txn"));
    let left_out = path.len().saturating_sub(2 * PATH_ENDS);
    let mut rows = Vec::new();
    for (place, passing) in path.iter().enumerate() {
        if left_out > 0 && (PATH_ENDS..PATH_ENDS + left_out).contains(&place) {
            if place == PATH_ENDS {
                rows.push([
                    "…".to_owned(),
                    format!("{left_out} more"),
                    String::new(),
                    String::new(),
                ]);
            }
            continue;
        }
        let passes_on = match passing.passes_on.as_slice() {
            [] => String::new(),
            [one] => short(one),
            [one, others @ ..] => format!("{} + {}", short(one), others.len()),
        };
        rows.push([
            passing.txn.to_string(),
            short(&passing.call),
            nanos(passing.cost_ns),
            passes_on,
        ]);
    }
    text.push_str(&table(["txn", "calls", "time", "and passes on"], rows, &[0, 1, 2, 3]));
    text
}

/// A name for a table with two of them.
fn short(name: &str) -> String {
    let name = shown(name);
    match name.char_indices().nth(28) {
        None => name,
        Some((end, _)) => format!("{}…", &name[..end]),
    }
}

/// The contract without which most would be allowed.
fn top(findings: &Findings) -> Option<&Burdened> {
    let all = findings.contracts.iter();
    all.reduce(|best, one| if one.speedup_without > best.speedup_without { one } else { best })
}

/// Many blocks, a row each, and which contracts hold them back.
pub(super) fn many(all: &[Findings], brakes: &[Brake]) -> String {
    let mut text = String::new();
    let rows = all.iter().map(|findings| {
        [
            fitting(&findings.block, LONGEST_LOCATION),
            grouped(findings.txns as u64),
            nanos(findings.total_ns),
            speedup(findings.unbounded()),
            top(findings).map_or_else(String::new, |top| speedup(top.speedup_without)),
            top(findings).map_or_else(String::new, |top| short(&top.name)),
        ]
    });
    let header = ["block", "txns", "time", "allowed", "without", "the contract"];
    text.push_str(&table(header, rows.collect(), &[0, 5]));
    let total: u64 = all.iter().map(|findings| findings.total_ns).sum();
    let critical: u64 = all.iter().map(|findings| findings.critical_ns).sum();
    let _ = writeln!(
        text,
        "\n{}: {} one after another, {} along the chains.\nDependencies allow {}.",
        count(all.len(), "block"),
        nanos(total),
        nanos(critical),
        speedup(total.max(1) as f64 / critical.max(1) as f64),
    );
    let _ = writeln!(text, "\n{BOLD}The contracts that hold them back{BOLD:#}");
    let rows = brakes.iter().map(|brake| {
        [
            fitting(&brake.name, LONGEST_CALL),
            grouped(brake.blocks as u64),
            nanos(brake.lost_ns),
            grouped(brake.readers as u64),
        ]
    });
    text.push_str(&table(["contract", "blocks", "lost", "waited"], rows.collect(), &[0]));
    text
}
