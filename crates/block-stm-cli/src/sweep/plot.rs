//! A sweep as a plot: throughput over threads, one panel for each size of blocks, one line for each
//! number of accounts.

use super::report::{Report, Series};
use crate::{
    plot::{Line, Panel, Plot, Point},
    units::{count, si},
};

/// The plot of all cells.
pub(super) fn of(report: &Report) -> Plot {
    let panels = report.series.chunk_by(|a, b| a.txns == b.txns);
    Plot {
        title: report.title(),
        x_name: "threads",
        y_name: "txns/s",
        y_format: si,
        numbers: report.threads.clone(),
        panels: panels.map(|group| panel(group, report.threads.len())).collect(),
        notes: vec!["dashed: sequential", "dotted: ideal", "bars: middle half of turns"],
    }
}

fn panel(group: &[Series], numbers: usize) -> Panel {
    let txns = group.first().map_or(0, |series| series.txns);
    let fastest = group.iter().map(Series::sequential_rate).fold(0.0, f64::max);
    Panel {
        caption: format!("blocks of {}", count(txns, "txn")),
        lines: group.iter().map(|series| line(series, numbers)).collect(),
        ideal: Some(fastest),
    }
}

fn line(series: &Series, numbers: usize) -> Line {
    let points = series.cells.iter().map(|cell| {
        let turns =
            cell.samples.iter().map(|time| series.all_txns as f64 / time.as_secs_f64().max(1e-9));
        Point::new(series.rate(cell), turns)
    });
    let sequential = series.sequential_rate();
    Line {
        name: count(series.accounts, "account"),
        points: points.enumerate().collect(),
        against: (0..numbers).map(|place| (place, sequential)).collect(),
        beside: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{plot::svg, sweep::report::tests::report};

    #[test]
    fn every_line_is_drawn_and_named_once() {
        let plot = of(&report(None));
        let points: usize =
            plot.panels.iter().flat_map(|panel| &panel.lines).map(|line| line.points.len()).sum();
        assert_eq!(points, 8);
        let svg = svg(&plot);
        for part in ["blocks of 1,000 txns", "blocks of 3,000 txns", "2 accounts", "10 accounts"] {
            assert_eq!(svg.matches(part).count(), 1, "{part}");
        }
        assert!(svg.contains("threads") && svg.contains("txns/s"));
        assert!(svg.contains("aptos payments"));
    }
}
