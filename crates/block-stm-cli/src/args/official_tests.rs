//! Options of `statetest` and `blocktest`.

use std::{num::NonZeroUsize, path::PathBuf};

use clap::Args;
use regex::Regex;

use super::parsers::{default_threads, threads_parser};

pub(super) const STATETEST_EXAMPLES: &str = "\
Each case, a transaction under a fork, is executed by the parallel engine, and must lead to the state
root and the logs that the test names; a transaction that must be rejected must be, for the reason
that the test names. All variants of a test are then joined into one block, which is executed in
parallel and one after another; both must agree in everything.

JSON is a list of objects with name, pass, fork, stateRoot and error, as `evm statetest` of geth
prints it, with the variant beside. A case that is skipped does not pass; the reason is there.

Examples:
  block-stm statetest GeneralStateTests
  block-stm statetest GeneralStateTests/stCreate2 --run 'create2collision.*' --threads 8
  block-stm statetest add.json --json -";

pub(super) const BLOCKTEST_EXAMPLES: &str = "\
Each block is checked in full, as by `block-stm import`, and executed by the parallel engine. A block
with an exception must be refused, for a reason of the class that the exception names; all others
must be accepted. In the end the head and its state must be those that the test names. A block that
comes with its access list is imported with the list, too.

JSON is a list of objects with name, pass, fork, stateRoot and error, as `evm blocktest` of geth
prints it. A test that is skipped does not pass; the reason is there.

Examples:
  block-stm blocktest BlockchainTests
  block-stm blocktest BlockchainTests/InvalidBlocks --run '_London$' --threads 8
  block-stm blocktest uncles.json --json -";

/// Options of `statetest` and `blocktest`.
#[derive(Debug, Args)]
pub(crate) struct TestArgs {
    /// Files of tests, or folders, which are searched for .json files
    #[arg(required = true, value_name = "PATH")]
    pub(crate) paths: Vec<PathBuf>,
    /// Run only tests whose name matches
    #[arg(long, value_name = "REGEX")]
    pub(crate) run: Option<Regex>,
    /// Files at the same time [default: all cores]
    #[arg(long, value_name = "N", hide_default_value = true, default_value_t = default_threads())]
    #[arg(value_parser = threads_parser())]
    pub(crate) jobs: NonZeroUsize,
    /// Threads that execute a block, the job's own and helpers that the jobs share [default: all cores]
    #[arg(long, value_name = "N", hide_default_value = true, default_value_t = default_threads())]
    #[arg(value_parser = threads_parser())]
    pub(crate) threads: NonZeroUsize,
    /// Write what became of each case as JSON, `-` for standard output in place of the table
    #[arg(long, value_name = "PATH")]
    pub(crate) json: Option<PathBuf>,
}
