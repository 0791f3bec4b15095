//! Options of `statetest` and `blocktest`.

use std::{num::NonZeroUsize, path::PathBuf};

use clap::Args;
use regex::Regex;

use super::{
    CsvArgs, JsonArgs, TestTraceArgs,
    parsers::{default_threads, threads_parser},
};

pub(super) const STATETEST_EXAMPLES: &str = "\
Each case, a transaction under a fork, is executed by the parallel engine, and must lead to the \
state root and the logs that the test names; a transaction that must be rejected must be, for the \
reason that the test names. All variants of a test are then joined into one block, which is \
executed in parallel and one after another; both must agree in everything.

JSON is a list of objects with name, pass, fork, stateRoot and error, as `evm statetest` of geth \
prints it, with the variant beside. A case that is skipped does not pass; the reason is there. \
docs/conformance.md says what else is as geth's, and what is not.

Without a PATH, names of files are read from standard input, one a line, up to an empty line. What \
each file came to is printed before the next name is read.

Examples:
  block-stm statetest GeneralStateTests
  block-stm statetest GeneralStateTests/stCreate2 --run '^create2' --threads 8
  block-stm statetest --json add.json
  block-stm statetest --json --dump add.json        with the state after each
  block-stm statetest --json --trace add.json 2> trace.jsonl
  find . -name '*.json' | block-stm statetest --json

Exit code 1 if a case failed or none was wanted, 2 if a file can't be read.";

pub(super) const BLOCKTEST_EXAMPLES: &str = "\
Each block is checked in full, as by `block-stm import`, and executed by the parallel engine. A \
block with an exception must be refused, for a reason of the class that the exception names; all \
others must be accepted. In the end the head and its state must be those that the test names. A \
block that comes with its access list is imported with the list, too.

JSON is a list of objects with name, pass, fork, stateRoot and error, as `evm blocktest` of geth \
prints it. A test that is skipped does not pass; the reason is there.

Without a PATH, names of files are read from standard input, one a line, up to an empty line. What \
each file came to is printed before the next name is read.

Examples:
  block-stm blocktest BlockchainTests
  block-stm blocktest BlockchainTests/InvalidBlocks --run '_London$' --threads 8
  block-stm blocktest --json uncles.json
  block-stm blocktest --json --trace uncles.json 2> trace.jsonl

Exit code 1 if a test failed or none was wanted, 2 if a file can't be read.";

/// Options of `statetest`.
#[derive(Debug, Args)]
pub(crate) struct StateTestArgs {
    /// Those that both have.
    #[command(flatten)]
    pub(crate) all: TestArgs,
    /// Add to each case in JSON what its transaction takes when executed again and again for 100 ms
    #[arg(long)]
    pub(crate) bench: bool,
}

/// Options of `statetest` and `blocktest`.
#[derive(Debug, Args)]
pub(crate) struct TestArgs {
    /// Files of tests, or folders, which are searched for .json files [default: those named on
    /// standard input]
    #[arg(value_name = "PATH")]
    pub(crate) paths: Vec<PathBuf>,
    /// Run only tests whose name matches
    #[arg(long, value_name = "REGEX")]
    pub(crate) run: Option<Regex>,
    /// Files at the same time [default: all cores; one with --trace or --bench]
    #[arg(long, value_name = "N", value_parser = threads_parser())]
    pub(crate) jobs: Option<NonZeroUsize>,
    /// Threads that execute a block, the job's own and helpers that the jobs share [default: all
    /// cores]
    #[arg(long, value_name = "N", hide_default_value = true, default_value_t = default_threads())]
    #[arg(value_parser = threads_parser())]
    pub(crate) threads: NonZeroUsize,
    /// End with exit code 0 also where no test was run
    #[arg(long)]
    pub(crate) allow_empty: bool,
    /// Add to each case in JSON the whole state at its end
    #[arg(long)]
    pub(crate) dump: bool,
    /// What is traced.
    #[command(flatten)]
    pub(crate) trace: TestTraceArgs,
    /// How much to log, as for geth's `evm`; nothing is logged
    #[arg(long, value_name = "N", hide = true)]
    pub(crate) verbosity: Option<i64>,
    /// Where results go as JSON.
    #[command(flatten)]
    pub(crate) json: JsonArgs,
    /// Where the cases go as CSV.
    #[command(flatten)]
    pub(crate) csv: CsvArgs,
}
