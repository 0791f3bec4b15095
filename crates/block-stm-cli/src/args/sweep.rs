//! Options of `sweep`.

use std::{num::NonZeroUsize, path::PathBuf};

use block_stm_workloads::Params;
use clap::{Args, ValueEnum};

use super::{
    JsonArgs,
    parsers::{Latency, REPEAT_MAX, default_threads, number_parser, size_parser, threads_parser},
};

pub(super) const SWEEP_EXAMPLES: &str = "\
Each cell is a block of payments between accounts that are drawn uniformly, executed by a plain \
sequential loop and by the engine in turn, first untimed and then --repeat times; times are \
medians. The fewer accounts, the more payments depend on each other. After every execution the \
result is compared: a difference ends in exit code 1.

`diem` and `aptos` are the payments of the paper (Gelashvili et al., PPoPP 2023), on the engine \
itself: 21 reads and 4 writes, 8 reads and 5 writes, all read and written as such, and work of as \
long as a payment takes there, computed and not waited for. `evm` is the transfers workload on revm.

Examples:
  block-stm sweep
  block-stm sweep --vm aptos --threads 1,2,4,8,16 --svg aptos.svg --csv a.csv
  block-stm sweep --vm diem --work 0us --accounts 2,10000 --blocks 10000
  block-stm sweep --vm evm --json";

/// Options of `sweep`.
#[derive(Debug, Args)]
pub(crate) struct SweepArgs {
    /// What executes the payments
    #[arg(long, value_name = "NAME", default_value = "diem")]
    pub(crate) vm: SweepVm,
    /// Numbers of accounts
    #[arg(long, value_name = "N[,N...]", value_delimiter = ',')]
    #[arg(default_value = "2,10,100,1000,10000")]
    #[arg(value_parser = size_parser(2, Params::ACCOUNTS_MAX))]
    pub(crate) accounts: Vec<usize>,
    /// Numbers of transactions in a block
    #[arg(long, value_name = "N[,N...]", value_delimiter = ',', default_value = "1000,10000")]
    #[arg(value_parser = size_parser(1, Params::TXNS_MAX))]
    pub(crate) blocks: Vec<usize>,
    /// Numbers of threads [default: 1, 2, 4 and so on up to all cores]
    #[arg(long, value_name = "N[,N...]", value_delimiter = ',', hide_default_value = true)]
    #[arg(default_values_t = sweep_threads(default_threads()), value_parser = threads_parser())]
    pub(crate) threads: Vec<NonZeroUsize>,
    /// Time on a core that executing a payment takes beside its reads and writes, not for evm
    /// [default: 180us for diem, 100us for aptos, as in the paper]
    #[arg(long, value_name = "TIME")]
    pub(crate) work: Option<Latency>,
    /// How often each cell is timed
    #[arg(long, value_name = "N", default_value_t = 3)]
    #[arg(value_parser = size_parser(1, REPEAT_MAX))]
    pub(crate) repeat: usize,
    /// Seed of all random choices
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = number_parser(0, u64::MAX))]
    pub(crate) seed: u64,
    /// Where results go as JSON.
    #[command(flatten)]
    pub(crate) json: JsonArgs,
    /// Write the cells as CSV, `-` for standard output, in place of the table
    #[arg(long, value_name = "FILE")]
    pub(crate) csv: Option<PathBuf>,
    /// Draw the throughput over threads as SVG, `-` for standard output, in place of the table
    #[arg(long, value_name = "FILE")]
    pub(crate) svg: Option<PathBuf>,
}

/// What executes the payments of a sweep.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum SweepVm {
    /// Diem's payments, on the engine itself
    Diem,
    /// Aptos's payments, on the engine itself
    Aptos,
    /// Ether transfers, on revm
    Evm,
}

/// The powers of two up to the number of cores, and that number.
fn sweep_threads(cores: NonZeroUsize) -> Vec<NonZeroUsize> {
    let powers = std::iter::successors(Some(NonZeroUsize::MIN), |n| n.checked_mul(TWO));
    let mut threads: Vec<_> = powers.take_while(|&n| n < cores).collect();
    threads.push(cores);
    threads
}

const TWO: NonZeroUsize = NonZeroUsize::new(2).expect("not zero");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sweep_goes_over_the_powers_of_two_and_all_cores() {
        let threads = |cores| {
            let cores = NonZeroUsize::new(cores).expect("some cores");
            sweep_threads(cores).into_iter().map(NonZeroUsize::get).collect::<Vec<_>>()
        };
        assert_eq!(threads(1), [1]);
        assert_eq!(threads(8), [1, 2, 4, 8]);
        assert_eq!(threads(12), [1, 2, 4, 8, 12]);
    }
}
