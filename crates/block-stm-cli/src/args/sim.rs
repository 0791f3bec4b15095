//! Options of `sim`.

use std::num::NonZeroUsize;

use clap::Args;

use super::{
    JsonArgs,
    parsers::{default_threads, number_parser, threads_parser},
};

pub(super) const SIM_EXAMPLES: &str = "\
A seed stands for a small block of a tiny language, made to conflict, and for a schedule: which of \
2 to 8 workers acts at each step, what is slow, what fails, when the block is cancelled. The \
workers run the engine's own code. Everything that a host can see is compared with sequential \
execution. A seed does the same each time, with the same version of block-stm.

A finding is shrunk to a small block, and printed with the steps that lead to it and the command \
that repeats it; the exit code is then 1.

Examples:
  block-stm sim
  block-stm sim --seed 123456 --seeds 1
  block-stm sim --minutes 60 --json";

/// Options of `sim`.
#[derive(Debug, Args)]
pub(crate) struct SimArgs {
    /// The first seed
    #[arg(long, value_name = "FIRST", default_value_t = 0)]
    #[arg(value_parser = number_parser(0, SEED_MAX))]
    pub(crate) seed: u64,
    /// How many seeds, one execution each
    #[arg(long, value_name = "N", default_value_t = 100_000, conflicts_with = "minutes")]
    #[arg(value_parser = number_parser(1, SEED_MAX))]
    pub(crate) seeds: u64,
    /// Go on for so long instead
    #[arg(long, value_name = "M")]
    #[arg(value_parser = number_parser(1, MINUTES_MAX))]
    pub(crate) minutes: Option<u64>,
    /// Seeds at the same time [default: all cores]
    #[arg(long, value_name = "N", hide_default_value = true, default_value_t = default_threads())]
    #[arg(value_parser = threads_parser())]
    pub(crate) jobs: NonZeroUsize,
    /// Where results go as JSON.
    #[command(flatten)]
    pub(crate) json: JsonArgs,
}

/// So that a first seed and a number of them always come to a last one.
const SEED_MAX: u64 = u64::MAX / 4;

/// A year.
const MINUTES_MAX: u64 = 366 * 24 * 60;
