//! Options that commands with results share: where these go as JSON, as CSV and as a plot.

use std::path::PathBuf;

use clap::Args;

/// Where results go as JSON.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct JsonArgs {
    /// Print the results as JSON, in place of the text
    #[arg(long)]
    pub(crate) json: bool,
    /// Write the results as JSON to FILE, beside the text
    #[arg(long, value_name = "FILE")]
    pub(crate) json_file: Option<PathBuf>,
}

/// Where the rows of tables go as CSV.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct CsvArgs {
    /// Write the rows as CSV to FILE, beside the text
    #[arg(long, value_name = "FILE")]
    pub(crate) csv: Option<PathBuf>,
}

/// Where a plot goes.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct SvgArgs {
    /// Draw the speed-up over threads as SVG to FILE, beside the text
    #[arg(long, value_name = "FILE")]
    pub(crate) svg: Option<PathBuf>,
}
