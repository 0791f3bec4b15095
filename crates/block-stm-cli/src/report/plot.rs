//! Reports as a plot: the speed-up over threads, a line for each workload or block.

use super::{Report, Row};
use crate::{
    plot::{Line, Panel, Plot, Point},
    units::{count, speedup},
};

/// More lines than this can't be told apart; their geometric mean is drawn.
const LINES: usize = 12;

/// The plot of reports with different numbers of threads.
pub(crate) fn of(reports: &[Report]) -> Plot {
    let mut numbers: Vec<usize> = reports.iter().map(|report| report.threads).collect();
    numbers.sort_unstable();
    numbers.dedup();
    let place = |threads: usize| numbers.iter().position(|number| *number == threads).unwrap_or(0);
    let most = reports.iter().map(|report| report.rows.len()).max().unwrap_or(0);
    let (lines, note) = match most {
        0..=LINES => (each(reports, place), "bars: middle half of turns"),
        _ => (vec![mean(reports, most, place)], "bars: middle half of blocks"),
    };
    let title = reports.first().map_or_else(String::new, |report| {
        let whole = report.title.rsplit_once("; ").map_or(report.title.as_str(), |(head, _)| head);
        whole.to_owned()
    });
    Plot {
        title,
        x_name: "threads",
        y_name: "speed-up over one thread in order",
        y_format: speedup,
        numbers,
        panels: vec![Panel { caption: String::new(), lines, ideal: Some(1.0) }],
        notes: vec!["dotted: ideal", note],
    }
}

/// A line for each row.
fn each(reports: &[Report], place: impl Fn(usize) -> usize) -> Vec<Line> {
    let mut lines: Vec<Line> = Vec::new();
    for report in reports {
        for row in &report.rows {
            let name = name(row);
            let known = lines.iter().position(|line| line.name == name);
            let line = known.unwrap_or_else(|| {
                lines.push(Line { name, ..Line::default() });
                lines.len() - 1
            });
            lines[line].points.push((place(report.threads), point(row)));
        }
    }
    for line in &mut lines {
        line.points.sort_unstable_by_key(|(place, _)| *place);
        line.points.dedup_by_key(|(place, _)| *place);
    }
    lines
}

/// One line of all rows.
fn mean(reports: &[Report], most: usize, place: impl Fn(usize) -> usize) -> Line {
    let points = reports.iter().filter(|report| !report.rows.is_empty()).map(|report| {
        let speedups: Vec<f64> = report.rows.iter().map(Row::speedup).collect();
        let logarithms: f64 = speedups.iter().map(|speedup| speedup.ln()).sum();
        let mean = (logarithms / speedups.len() as f64).exp();
        (place(report.threads), Point::new(mean, speedups))
    });
    let mut points: Vec<_> = points.collect();
    points.sort_unstable_by_key(|(place, _)| *place);
    Line { name: format!("geometric mean of {}", count(most, "row")), points, ..Line::default() }
}

fn name(row: &Row) -> String {
    match row.number {
        Some(number) if row.name != number.to_string() => format!("{} {number}", row.name),
        _ => row.name.clone(),
    }
}

/// The speed-up, and those of the turns.
fn point(row: &Row) -> Point {
    let turns = row.samples.sequential.iter().zip(&row.samples.parallel);
    let turns = turns.map(|(one, other)| one.as_secs_f64() / other.as_secs_f64().max(1e-9));
    Point::new(row.speedup(), turns)
}
