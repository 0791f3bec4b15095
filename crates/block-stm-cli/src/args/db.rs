//! Options of `db`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use super::{CsvArgs, JsonArgs, parsers::number_parser};

pub(super) const DB_EXAMPLES: &str = "\
A store is a folder with a log of blocks, the state after them, and their index. To open it is to \
mend it: what a crash left unfinished is cut, and blocks that the state lacks are replayed. A \
store that another process has open is refused.

What was reported durable and is damaged or missing is never mended: the message says the file and \
the byte, and `check` ends in exit code 1, the others in 2.

Examples:
  block-stm db stats store
  block-stm db check store
  block-stm db compact store --keep-changes 1000
  block-stm db export store --out alloc.json";

/// Options of `db`.
#[derive(Debug, Args)]
pub(crate) struct DbArgs {
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: DbCommand,
}

/// What to do with a store.
#[derive(Debug, Subcommand)]
pub(crate) enum DbCommand {
    /// Read all of it, and say whether all is whole and agrees
    Check(DbCheckArgs),
    /// Say what it holds
    Stats(DbStatsArgs),
    /// Forget what is old, and give room back to the disk
    Compact(DbCompactArgs),
    /// Write the state after its newest block as JSON
    Export(DbExportArgs),
}

/// Options of `db check`.
#[derive(Debug, Args)]
pub(crate) struct DbCheckArgs {
    /// The store's folder
    #[arg(value_name = "STORE")]
    pub(crate) store: PathBuf,
    /// Where results go as JSON.
    #[command(flatten)]
    pub(crate) json: JsonArgs,
}

/// Options of `db stats`.
#[derive(Debug, Args)]
pub(crate) struct DbStatsArgs {
    /// The store's folder
    #[arg(value_name = "STORE")]
    pub(crate) store: PathBuf,
    /// Where results go as JSON.
    #[command(flatten)]
    pub(crate) json: JsonArgs,
    /// Where the rows go as CSV.
    #[command(flatten)]
    pub(crate) csv: CsvArgs,
}

/// Options of `db compact`.
#[derive(Debug, Args)]
pub(crate) struct DbCompactArgs {
    /// The store's folder
    #[arg(value_name = "STORE")]
    pub(crate) store: PathBuf,
    /// Keep what the newest N blocks changed, to take them back, and up to one file of the log more
    #[arg(long, value_name = "N", default_value_t = 1024)]
    #[arg(value_parser = number_parser(0, u64::MAX))]
    pub(crate) keep_changes: u64,
    /// Keep the newest N blocks, and the index by their hashes [default: all]
    #[arg(long, value_name = "N", value_parser = number_parser(1, u64::MAX))]
    pub(crate) keep_blocks: Option<u64>,
    /// Keep the receipts of the newest N blocks [default: all]
    #[arg(long, value_name = "N", value_parser = number_parser(1, u64::MAX))]
    pub(crate) keep_receipts: Option<u64>,
    /// Where results go as JSON.
    #[command(flatten)]
    pub(crate) json: JsonArgs,
}

/// Options of `db export`.
#[derive(Debug, Args)]
pub(crate) struct DbExportArgs {
    /// The store's folder
    #[arg(value_name = "STORE")]
    pub(crate) store: PathBuf,
    /// Where to write, `-` for standard output
    #[arg(long, value_name = "FILE", default_value = "-")]
    pub(crate) out: PathBuf,
    /// In which form
    #[arg(long, value_name = "FORMAT", default_value = "alloc")]
    pub(crate) format: StateFormat,
}

/// The form of a state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum StateFormat {
    /// One object, as `alloc` of geth's genesis files; an account on each line
    Alloc,
    /// The block on the first line, then an object for each account on a line of its own
    Lines,
}
