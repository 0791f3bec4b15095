//! Options of `forecast`.

use std::{num::NonZeroUsize, path::PathBuf};

use clap::Args;

use super::{
    CsvArgs, JsonArgs, SvgArgs, WorkloadArgs,
    parsers::{Latency, repeat_parser, threads_parser},
};

pub(super) const FORECAST_EXAMPLES: &str = "\
The engine executes each block on virtual workers, each with a core of its own, step by step on \
one thread. First the steps are measured, then each is charged its median. The bound is what no \
schedule of these executions can beat: all of them shared evenly by the workers, or the most \
costly chain of dependencies. Where there are enough cores, the real time stands beside.

A forecast knows nothing of the caches and the memory that cores share or have for themselves:
trust it where transactions take 10 us and more.

Examples:
  block-stm forecast --workload amm --pools 4
  block-stm forecast blocks --workers 2,8,32 --json
  block-stm forecast --workload amm,mixed --svg plot.svg
  block-stm forecast --workload erc20 --workers 16,128 --read-latency 50us";

/// Options of `forecast`.
#[derive(Debug, Args)]
pub(crate) struct ForecastArgs {
    /// Block folders, chain folders, or folders of these, instead of workloads
    #[arg(value_name = "PATH", conflicts_with_all = ["workload", "scenario"])]
    pub(crate) paths: Vec<PathBuf>,
    /// Which blocks.
    #[command(flatten)]
    pub(crate) blocks: WorkloadArgs,
    /// Numbers of virtual workers
    #[arg(
        long,
        value_name = "N[,N...]",
        value_delimiter = ',',
        default_value = "1,2,4,8,16,32,64"
    )]
    #[arg(value_parser = threads_parser())]
    pub(crate) workers: Vec<NonZeroUsize>,
    /// Virtual time that each first read of the state takes, such as 50us or 1ms
    #[arg(long, value_name = "TIME", default_value = "0us")]
    pub(crate) read_latency: Latency,
    /// How often each block is measured
    #[arg(long, value_name = "N", default_value_t = NonZeroUsize::new(5).expect("not zero"))]
    #[arg(value_parser = repeat_parser())]
    pub(crate) repeat: NonZeroUsize,
    /// Where results go as JSON.
    #[command(flatten)]
    pub(crate) json: JsonArgs,
    /// Where they go as CSV.
    #[command(flatten)]
    pub(crate) csv: CsvArgs,
    /// Where they are drawn.
    #[command(flatten)]
    pub(crate) svg: SvgArgs,
}
