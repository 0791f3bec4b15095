//! The README's numbers, from what `scripts/numbers speed` wrote.

use serde::Deserialize;

use super::{head, row};
use crate::tree::file;

const SOURCE: &str = "docs/data/speed.json";

/// What one command measured.
#[derive(Deserialize)]
struct Run {
    command: String,
    /// How many blocks, and what they are.
    blocks: usize,
    kind: String,
    /// The sequential time of all blocks over the parallel one.
    speedup: f64,
    geometric_mean: f64,
    best: f64,
    worst: f64,
}

pub(super) fn table() -> Vec<String> {
    let runs: Vec<Run> =
        serde_json::from_str(&file(SOURCE).text).expect("the file is a list of runs");
    let columns = ["command", "blocks", "speed-up over all", "geometric mean", "best", "worst"];
    let mut lines = head(&columns);
    lines.extend(runs.iter().map(|run| {
        let mut cells = vec![format!("`{}`", run.command), format!("{} {}", run.blocks, run.kind)];
        let speedups = [run.speedup, run.geometric_mean, run.best, run.worst];
        cells.extend(speedups.map(|speedup| format!("{speedup:.2}x")));
        row(cells)
    }));
    lines
}
