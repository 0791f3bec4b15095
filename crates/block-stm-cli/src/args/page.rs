//! Options of `report`.

use std::{num::NonZeroUsize, path::PathBuf};

use clap::Args;

use super::{
    CommonArgs, CsvArgs, JsonArgs, Latency, NameArgs, ReplayArgs, SvgArgs, WorkloadArgs,
    parsers::{default_threads, repeat_parser, size_parser, threads_parser},
};

pub(super) const REPORT_EXAMPLES: &str = "\
FILE is one page that needs nothing else, no network either. It has the table of all blocks, the \
speed-up over threads beside its bounds, the spread of the turns, and for some blocks what each \
worker did, who waits for whom, and where: the blocks that take longest, as many as --details says.

Examples:
  block-stm report blocks --out report.html
  block-stm report --workload amm,mixed --out report.html
  block-stm report --scenario load.yaml --out report.html
  block-stm report blocks --threads 1,2,4,8 --repeat 9 --out report.html
  block-stm report blocks/17034870 --layout out/Pair.json --out pair.html";

/// Options of `report`.
#[derive(Debug, Args)]
pub(crate) struct PageArgs {
    /// Block folders, chain folders, or folders of these, instead of workloads
    #[arg(value_name = "PATH", conflicts_with_all = ["workload", "scenario"])]
    pub(crate) paths: Vec<PathBuf>,
    /// Which blocks, if there is no PATH.
    #[command(flatten)]
    pub(crate) blocks: WorkloadArgs,
    /// The file that the page is written to
    #[arg(long, value_name = "FILE")]
    pub(crate) out: PathBuf,
    /// Threads of the parallel side [default: 1 and all cores]
    #[arg(long, value_name = "N[,N...]", value_delimiter = ',', hide_default_value = true)]
    #[arg(default_values_t = [NonZeroUsize::MIN, default_threads()])]
    #[arg(value_parser = threads_parser())]
    pub(crate) threads: Vec<NonZeroUsize>,
    /// How often each block is timed, on both sides
    #[arg(long, value_name = "N", default_value_t = NonZeroUsize::new(5).expect("not zero"))]
    #[arg(value_parser = repeat_parser())]
    pub(crate) repeat: NonZeroUsize,
    /// How many blocks are shown in detail
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = size_parser(0, 100))]
    pub(crate) details: usize,
    /// Names.
    #[command(flatten)]
    pub(crate) names: NameArgs,
}

impl PageArgs {
    /// The same as options of `replay`.
    pub(crate) fn replay(&self) -> ReplayArgs {
        ReplayArgs { paths: self.paths.clone(), bal: false, common: self.common() }
    }

    /// How blocks are measured.
    pub(crate) fn common(&self) -> CommonArgs {
        CommonArgs {
            threads: self.threads.clone(),
            repeat: self.repeat.get(),
            read_latency: Latency(std::time::Duration::ZERO),
            bounds: true,
            json: JsonArgs::default(),
            csv: CsvArgs::default(),
            svg: SvgArgs::default(),
        }
    }
}
