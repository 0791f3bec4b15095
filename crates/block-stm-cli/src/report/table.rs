//! Reports as tables for people.

use std::fmt::Write;

use anstream::adapter::strip_str;
use anstyle::{AnsiColor, Style};
use comfy_table::{Cell, Color, Table};

use super::{Report, Row, executions_per_txn, per_second, summary::sentences};
use crate::{
    allocator,
    check::{Check, Outcome},
    escape::escaped,
    list_times::ListTimes,
    tables::{self, bold},
    units::{grouped, si, speedup, time},
};

const BOLD: Style = Style::new().bold();
const BAD: Style = AnsiColor::Red.on_default().bold();

/// Title, table and summary, with escape codes: the stream takes them out where they don't belong.
pub(crate) fn render(report: &Report) -> String {
    let mut text = String::new();
    let mut line = |line: String| {
        text.push_str(line.trim_end());
        text.push('\n');
    };
    line(format!("{BOLD}{}{BOLD:#}", report.title));
    let runs = grouped(report.repeat as u64);
    line(format!(
        "Times are medians of {runs}, rates are those of the parallel side; allocator: {}.",
        allocator::name()
    ));
    line(format!("Machine: {}.", escaped(&report.machine.in_words())));
    line(String::new());
    tables::render(&table(report)).lines().map(str::to_owned).for_each(&mut line);
    line(String::new());
    sentences(report).into_iter().for_each(line);
    text
}

/// Which columns there are beside those that always are.
#[derive(Clone, Copy)]
struct Shown {
    bounds: bool,
    lists: bool,
}

/// Columns that a narrow terminal does without, the first ones first.
const EXPENDABLE: [&str; 9] =
    ["gas/s", "aborts", "exec/txn", "gas", "txns/s", "sequential", "parallel", "with list", "txns"];

/// The table, with as many columns as the terminal has room for; with all of them elsewhere.
fn table(report: &Report) -> Table {
    fitting(report, Table::new().width().map(usize::from))
}

/// The table with as many columns as fit.
pub(super) fn fitting(report: &Report, width: Option<usize>) -> Table {
    let fits = |table: &Table| {
        let length = |line: String| strip_str(&line).to_string().trim_end().chars().count();
        width.is_none_or(|width| table.lines().map(length).max() <= Some(width))
    };
    let tables = (0..EXPENDABLE.len()).map(|number| table_without(report, &EXPENDABLE[..number]));
    let fitting = tables.into_iter().find(fits);
    fitting.unwrap_or_else(|| table_without(report, &EXPENDABLE))
}

fn table_without(report: &Report, left_out: &[&str]) -> Table {
    let shown = Shown {
        bounds: report.rows.iter().any(|row| row.bounds.is_some()),
        lists: report.rows.iter().any(|row| row.lists.is_some()),
    };
    let header = header(report.kind.noun(), shown);
    let kept = |cells: Vec<Cell>| -> Vec<Cell> {
        let cells = cells.into_iter().zip(&header);
        cells.filter(|(_, name)| !left_out.contains(name)).map(|(cell, _)| cell).collect()
    };
    let names: Vec<_> = header.iter().filter(|name| !left_out.contains(name)).copied().collect();
    let mut table = tables::table(&names, &[0, names.len() - 1]);
    for row in &report.rows {
        table.add_row(kept(cells(row, shown)));
    }
    if report.rows.len() > 1 {
        let total = kept(total(report, shown));
        table.add_row(total.into_iter().map(bold));
    }
    table
}

fn header(noun: &'static str, shown: Shown) -> Vec<&'static str> {
    let mut header = vec![noun, "txns", "gas", "sequential", "parallel", "speed-up"];
    if shown.lists {
        header.extend(["with list", "speed-up"]);
    }
    if shown.bounds {
        header.extend(["hw bound", "graph bound"]);
    }
    header.extend(["txns/s", "gas/s", "exec/txn", "aborts", "checks"]);
    header
}

/// The time with access lists and what it brings, empty where it was not measured.
fn with_list(times: Option<ListTimes>, factor: Option<f64>) -> [Cell; 2] {
    let factor = factor.map(|factor| Cell::new(speedup(factor)).fg(speed_colour(factor)));
    let taken = times.map_or_else(String::new, |times| time(times.used));
    [Cell::new(taken), factor.unwrap_or_else(|| Cell::new(""))]
}

/// Both bounds, empty where they were not measured.
fn bounds(hardware: Option<f64>, graph: Option<f64>) -> [Cell; 2] {
    [hardware, graph].map(|bound| Cell::new(bound.map_or_else(String::new, speedup)))
}

fn cells(row: &Row, shown: Shown) -> Vec<Cell> {
    let factor = row.speedup();
    let mut cells = vec![
        Cell::new(row.label()),
        Cell::new(grouped(row.txns as u64)),
        Cell::new(gas(row.gas_used)),
        Cell::new(time(row.sequential)),
        Cell::new(time(row.parallel)),
        Cell::new(speedup(factor)).fg(speed_colour(factor)),
    ];
    if shown.lists {
        cells.extend(with_list(row.lists, row.list_speedup()));
    }
    if shown.bounds {
        cells.extend(bounds(row.hardware_bound(), row.bounds.map(|bounds| bounds.graph)));
    }
    cells.extend([
        Cell::new(si(per_second(row.txns as u64, row.parallel))),
        Cell::new(si(per_second(row.gas_used, row.parallel))),
        Cell::new(format!("{:.2}", executions_per_txn(row.executions, row.txns))),
        Cell::new(grouped(row.aborts)),
        checks(row),
    ]);
    cells
}

fn total(report: &Report, shown: Shown) -> Vec<Cell> {
    let totals = report.totals();
    let checks = match totals.failed {
        0 => Cell::new("ok").fg(Color::Green),
        failed => Cell::new(format!("{failed} FAILED")).fg(Color::Red),
    };
    let mut cells = vec![
        Cell::new("total"),
        Cell::new(grouped(totals.txns as u64)),
        Cell::new(gas(totals.gas_used)),
        Cell::new(time(totals.sequential)),
        Cell::new(time(totals.parallel)),
        Cell::new(speedup(totals.speedup)).fg(speed_colour(totals.speedup)),
    ];
    if shown.lists {
        cells.extend(with_list(totals.lists, totals.list_speedup()));
    }
    if shown.bounds {
        cells.extend(bounds(totals.hardware_bound, None));
    }
    cells.extend([
        Cell::new(si(per_second(totals.txns as u64, totals.parallel))),
        Cell::new(si(per_second(totals.gas_used, totals.parallel))),
        Cell::new(format!("{:.2}", executions_per_txn(totals.executions, totals.txns))),
        Cell::new(grouped(totals.aborts)),
        checks,
    ]);
    cells
}

fn gas(gas: u64) -> String {
    if gas < 1_000 { grouped(gas) } else { si(gas as f64) }
}

fn speed_colour(factor: f64) -> Color {
    match factor {
        factor if factor >= 1.05 => Color::Green,
        factor if factor > 0.95 => Color::Reset,
        _ => Color::Red,
    }
}

fn checks(row: &Row) -> Cell {
    let failed: Vec<_> =
        row.checks.iter().filter(|check| check.fails()).map(|check| check.name).collect();
    if !failed.is_empty() {
        return Cell::new(format!("FAILED: {}", failed.join(", "))).fg(Color::Red);
    }
    let mark = if row.unchecked().next().is_some() { "ok*" } else { "ok" };
    Cell::new(mark).fg(Color::Green)
}

/// Every failed check of a report: where, what, and how to see it again. Empty if there is none.
pub(crate) fn failures(report: &Report) -> String {
    let mut text = String::new();
    for row in &report.rows {
        for check in &row.checks {
            failure(&mut text, report, row, check);
        }
    }
    text
}

fn failure(text: &mut String, report: &Report, row: &Row, check: &Check) {
    let Outcome::Fails(difference) = &check.outcome else {
        return;
    };
    let (noun, label, name) = (report.kind.noun(), row.label(), check.name);
    let lines = [
        format!("{BAD}check failed{BAD:#}: {noun} {label}: {name}: {}", escaped(&difference.place)),
        format!("  expected  {}", escaped(&difference.expected)),
        format!("  found     {}", escaped(&difference.found)),
        format!("  repeat    {}", row.command),
    ];
    for line in lines {
        // Writing to a string can't fail.
        let _ = writeln!(text, "{line}");
    }
}
