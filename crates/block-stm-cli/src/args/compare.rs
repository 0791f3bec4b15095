//! Options of `compare`.

use std::path::PathBuf;

use clap::Args;

use super::{CsvArgs, JsonArgs};

pub(super) const COMPARE_EXAMPLES: &str = "\
Speed-ups are compared, not times: both sides of a run are executed in turn, so that what the \
machine does meanwhile touches both. A change is what is more than three standard errors of the \
medians, and one in a hundred. That takes --repeat 3 at the least, and 9 or more to see small ones.

Examples:
  block-stm run --repeat 15 --json-file before.json
  block-stm run --repeat 15 --json-file after.json
  block-stm compare before.json after.json --fail-on-loss";

/// Options of `compare`.
#[derive(Debug, Args)]
pub(crate) struct CompareArgs {
    /// Results of `run`, `replay`, `sweep` or `forecast`, as JSON
    #[arg(value_name = "BEFORE")]
    pub(crate) first: PathBuf,
    /// Results of the same command at another time
    #[arg(value_name = "AFTER")]
    pub(crate) second: PathBuf,
    /// End with exit code 1 if anything is slower beyond noise
    #[arg(long)]
    pub(crate) fail_on_loss: bool,
    /// Where results go as JSON.
    #[command(flatten)]
    pub(crate) json: JsonArgs,
    /// Where they go as CSV.
    #[command(flatten)]
    pub(crate) csv: CsvArgs,
}
