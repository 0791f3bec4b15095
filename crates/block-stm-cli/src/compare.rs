//! `block-stm compare`: what changed between two runs, beyond noise.

mod noise;
mod results;
mod text;

use serde::Serialize;

use self::{
    noise::{Change, change},
    results::{Key, Results},
};
use crate::{
    args::CompareArgs,
    error::CliError,
    exit::Exit,
    files::{CsvOutput, Files, JsonOutput, rendered},
    output,
};

/// One workload or block in both runs.
#[derive(Clone, Debug, Serialize)]
struct Compared {
    #[serde(flatten)]
    key: Key,
    #[serde(flatten)]
    change: Change,
}

/// All that two runs have in common, and what they have not.
#[derive(Clone, Debug, Serialize)]
struct Comparison {
    rows: Vec<Compared>,
    /// Geometric mean of the second run's speed-ups over the first one's.
    mean_change: f64,
    only_in_first: Vec<Key>,
    only_in_second: Vec<Key>,
    /// In what the runs differ beside their times.
    differences: Vec<String>,
}

/// Compares two files of `run`, `replay`, `sweep` or `forecast`.
///
/// # Errors
///
/// A file that can't be read or has no results.
pub(crate) fn compare(args: &CompareArgs) -> Result<Exit, CliError> {
    let mut files = Files::new();
    files.reads(&args.first);
    files.reads(&args.second);
    let json = JsonOutput::open(&args.json, &mut files)?;
    let csv = CsvOutput::open(&args.csv, &mut files)?;
    let (first, second) = (Results::read(&args.first)?, Results::read(&args.second)?);
    let comparison = Comparison::new(&first, &second);
    if !json.replaces_text() {
        output::print_styled(&text::render(&comparison))?;
    }
    csv.write(|| comparison.rows.iter().map(|row| serde_json::json!(row)).collect())?;
    json.write(|| rendered(&comparison))?;
    if comparison.rows.is_empty() {
        output::error("nothing was compared: the two files have nothing in common");
        return Ok(Exit::CheckFailed);
    }
    let lost = comparison.rows.iter().any(|row| row.change.is_loss());
    Ok(if lost && args.fail_on_loss { Exit::CheckFailed } else { Exit::Success })
}

impl Comparison {
    fn new(first: &Results, second: &Results) -> Self {
        let missing = |of: &Results, other: &Results| -> Vec<Key> {
            of.rows.keys().filter(|key| !other.rows.contains_key(*key)).cloned().collect()
        };
        let rows: Vec<_> = first
            .rows
            .iter()
            .filter_map(|(key, before)| {
                let after = second.rows.get(key)?;
                Some(Compared { key: key.clone(), change: change(before, after) })
            })
            .collect();
        let logarithms = rows.iter().map(|row| row.change.ratio().ln()).sum::<f64>();
        Self {
            mean_change: (logarithms / rows.len().max(1) as f64).exp(),
            rows,
            only_in_first: missing(first, second),
            only_in_second: missing(second, first),
            differences: first.differences(second),
        }
    }
}
