//! Options of `timeline`.

use std::{num::NonZeroUsize, path::PathBuf};

use clap::Args;

use super::{
    CsvArgs, JsonArgs, WorkloadArgs,
    parsers::{default_threads, number_parser, repeat_parser, size_parser, threads_parser},
};

pub(super) const TIMELINE_EXAMPLES: &str = "\
The file is a trace in Chrome's format, which https://ui.perfetto.dev and chrome://tracing show: a \
line for each worker, with what it did from when to when, and counters.

  execute N    an execution of transaction N, and what became of it
  publish N    its writes are made visible to the others
  validate N   a look whether what an execution read still holds
  judge N      the same at its turn to commit
  commit N     it becomes final
  idle         the worker looks for work in vain, or has left for a while
  sleep        the worker sleeps until there is work
  counters     the head (the lowest uncommitted transaction), the transactions
               that were started beyond it, and executions so far

The block is executed in turn without and with an observer, so that the table can tell what \
observing costs. The trace is that of the fastest observed execution.

Examples:
  block-stm timeline --workload amm --out trace.json
  block-stm timeline blocks/17034870 --threads 8 --out trace.json
  block-stm timeline chain --block 7 --out trace.json";

/// Options of `timeline`.
#[derive(Debug, Args)]
pub(crate) struct TimelineArgs {
    /// A block folder, or a folder of several with --block, instead of a workload
    #[arg(value_name = "PATH", conflicts_with_all = ["workload", "scenario"])]
    pub(crate) path: Option<PathBuf>,
    /// The file that the trace is written to
    #[arg(long, value_name = "FILE")]
    pub(crate) out: PathBuf,
    /// The number of the block, where there are several; those of a scenario count from 1
    #[arg(long, value_name = "N", value_parser = number_parser(0, u64::MAX))]
    pub(crate) block: Option<u64>,
    /// Which block, if there is no PATH.
    #[command(flatten)]
    pub(crate) blocks: WorkloadArgs,
    /// Workers [default: all cores]
    #[arg(long, value_name = "N", default_value_t = default_threads(), hide_default_value = true)]
    #[arg(value_parser = threads_parser())]
    pub(crate) threads: NonZeroUsize,
    /// How often the block is executed, without and with the observer each
    #[arg(long, value_name = "N", default_value_t = NonZeroUsize::new(9).expect("not zero"))]
    #[arg(value_parser = repeat_parser())]
    pub(crate) repeat: NonZeroUsize,
    /// The most steps that are kept of all workers together; the trace tells if there were more
    #[arg(long, value_name = "N", default_value_t = 1_000_000)]
    #[arg(value_parser = size_parser(1_000, 10_000_000))]
    pub(crate) max_steps: usize,
    /// Where the table goes as JSON.
    #[command(flatten)]
    pub(crate) json: JsonArgs,
    /// Where its rows go as CSV.
    #[command(flatten)]
    pub(crate) csv: CsvArgs,
}
