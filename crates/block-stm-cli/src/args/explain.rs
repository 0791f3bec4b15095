//! Options of `explain`.

use std::{num::NonZeroUsize, path::PathBuf};

use clap::Args;

use super::{
    CsvArgs, JsonArgs, WorkloadArgs,
    parsers::{repeat_parser, size_parser},
};
use crate::explain::LayoutFile;

pub(super) const EXPLAIN_EXAMPLES: &str = "\
A transaction waits for those whose writes it reads. The block takes at least as long as its most \
costly chain of such waits, on any number of workers. Balances that only change by payments, \
and fees, make no waits.

  lost         by how much its readers would start earlier without it, together;
               what one transaction passes on at several places is lost at each
  waited       transactions that read there what another one had written
  without it   the most that dependencies allow, with it and without it
  all above    the same without all places up to this row

Slots are named by --layout: a storage layout of solc, or an artefact of Foundry or Hardhat that \
has one. It is used for every contract with the artefact's code, or for the ADDRESS before it.

Examples:
  block-stm explain --workload amm --pools 1
  block-stm explain blocks/17034870
  block-stm explain blocks --json              which contracts hold these back
  block-stm explain blocks/17034870 --layout out/Pair.sol/Pair.json
  block-stm explain blocks/17034870 --labels labels.json --dot block.dot";

/// Files with names.
#[derive(Debug, Args)]
pub(crate) struct NameArgs {
    /// Names of accounts: a JSON object from address to name
    #[arg(long, value_name = "FILE")]
    pub(crate) labels: Vec<PathBuf>,
    /// Variables of a contract, as its compiler lists them
    #[arg(long, value_name = "[ADDRESS=]FILE")]
    pub(crate) layout: Vec<LayoutFile>,
    /// Names of methods: an ABI, or an artefact that has one
    #[arg(long, value_name = "FILE")]
    pub(crate) abi: Vec<PathBuf>,
}

impl NameArgs {
    /// All of these files.
    pub(crate) fn files(&self) -> impl Iterator<Item = &PathBuf> {
        let layouts = self.layout.iter().map(|layout| &layout.file);
        self.labels.iter().chain(&self.abi).chain(layouts)
    }
}

/// Options of `explain`.
#[derive(Debug, Args)]
pub(crate) struct ExplainArgs {
    /// Block folders, chain folders, or folders of these, instead of workloads
    #[arg(value_name = "PATH", conflicts_with_all = ["workload", "scenario"])]
    pub(crate) paths: Vec<PathBuf>,
    /// Which blocks.
    #[command(flatten)]
    pub(crate) blocks: WorkloadArgs,
    /// Names.
    #[command(flatten)]
    pub(crate) names: NameArgs,
    /// Rows of each table
    #[arg(long, value_name = "N", default_value_t = 10)]
    #[arg(value_parser = size_parser(1, 10_000))]
    pub(crate) top: usize,
    /// How often each transaction is timed; the shortest time counts
    #[arg(long, value_name = "N", default_value_t = NonZeroUsize::new(3).expect("not zero"))]
    #[arg(value_parser = repeat_parser())]
    pub(crate) repeat: NonZeroUsize,
    /// Write the dependencies of one block to FILE, for Graphviz; `-` in place of the text
    #[arg(long, value_name = "FILE")]
    pub(crate) dot: Option<PathBuf>,
    /// Where results go as JSON.
    #[command(flatten)]
    pub(crate) json: JsonArgs,
    /// Where they go as CSV.
    #[command(flatten)]
    pub(crate) csv: CsvArgs,
}
