//! A comparison as a table.

use std::fmt::Write;

use anstyle::Style;
use comfy_table::{Cell, Color};

use super::{Comparison, noise::Verdict, results::Key};
use crate::{escape::shown, tables, units::speedup};

const BOLD: Style = Style::new().bold();

fn label(key: &Key) -> String {
    match key.number {
        Some(number) if key.name != number.to_string() => {
            shown(format_args!("{} {number}", key.name))
        }
        _ => shown(&key.name),
    }
}

/// The table, and what stands below it.
pub(super) fn render(comparison: &Comparison) -> String {
    let header = ["", "threads", "before", "after", "change", "noise", "verdict"];
    let mut table = tables::table(&header, &[0, header.len() - 1]);
    for row in &comparison.rows {
        let change = &row.change;
        let (verdict, colour) = match change.verdict {
            Verdict::Faster => ("faster", Color::Green),
            Verdict::Slower => ("SLOWER", Color::Red),
            Verdict::Same => ("", Color::Reset),
            Verdict::Unknown => ("too few turns", Color::Reset),
        };
        table.add_row([
            Cell::new(label(&row.key)),
            Cell::new(row.key.threads),
            Cell::new(speedup(change.speedup_before)),
            Cell::new(speedup(change.speedup_after)),
            Cell::new(percent(change.ratio() - 1.0)),
            Cell::new(
                change.noise.map_or_else(String::new, |noise| format!("{:.1} %", 100.0 * noise)),
            ),
            Cell::new(verdict).fg(colour),
        ]);
    }
    let mut text = match comparison.rows.is_empty() {
        true => String::new(),
        false => tables::render(&table),
    };
    let count =
        |verdict| comparison.rows.iter().filter(|row| row.change.verdict == verdict).count();
    let means = !comparison.rows.is_empty();
    let _ = means.then(|| {
        writeln!(
            text,
            "\n{BOLD}{}{BOLD:#} in the geometric mean of the speed-ups; {} faster, {} slower, \
         {} the same.",
            percent(comparison.mean_change - 1.0),
            count(Verdict::Faster),
            count(Verdict::Slower),
            count(Verdict::Same),
        )
    });
    for (which, keys) in
        [("first", &comparison.only_in_first), ("second", &comparison.only_in_second)]
    {
        let names: Vec<_> =
            keys.iter().map(|key| format!("{} ({})", label(key), key.threads)).collect();
        if !names.is_empty() {
            let _ = writeln!(text, "Only in the {which} file: {}.", names.join(", "));
        }
    }
    for difference in &comparison.differences {
        let _ = writeln!(text, "The runs differ in their {}.", shown(difference));
    }
    text
}

fn percent(share: f64) -> String {
    format!("{:+.1} %", 100.0 * share)
}
