//! Options of `sweep`.

use std::{num::NonZeroUsize, path::PathBuf};

use block_stm_workloads::Params;
use clap::{Args, ValueEnum};

use super::{
    JsonArgs, WorkloadArgs,
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
With --scenario the blocks are those of a file; of several in a row, a cell has all.

Examples:
  block-stm sweep
  block-stm sweep --vm aptos --threads 1,2,4,8,16 --svg aptos.svg --csv a.csv
  block-stm sweep --vm diem --work 0us --accounts 2,10000 --blocks 10000
  block-stm sweep --scenario load.yaml --accounts 10,1000
  block-stm sweep --vm evm --json";

/// Options of `sweep`.
#[derive(Debug, Args)]
pub(crate) struct SweepArgs {
    /// What executes the payments
    #[arg(long, value_name = "NAME", default_value = "diem")]
    pub(crate) vm: SweepVm,
    /// Blocks that a file describes, in JSON or YAML, instead of payments
    #[arg(long, value_name = "FILE", conflicts_with_all = ["vm", "work"])]
    pub(crate) scenario: Option<PathBuf>,
    /// The folder that the scenario's artefacts lie in or below [default: the scenario's]
    #[arg(long, value_name = "FOLDER", requires = "scenario")]
    pub(crate) scenario_root: Option<PathBuf>,
    /// Numbers of accounts [default: 2,10,100,1000,10000, or what the scenario says]
    #[arg(long, value_name = "N[,N...]", value_delimiter = ',')]
    #[arg(value_parser = size_parser(2, Params::ACCOUNTS_MAX))]
    pub(crate) accounts: Vec<usize>,
    /// Numbers of transactions in a block [default: 1000,10000, or what the scenario says]
    #[arg(long, value_name = "N[,N...]", value_delimiter = ',')]
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
    /// Seed of all random choices [default: 0, or what the scenario says]
    #[arg(long, value_name = "N", value_parser = number_parser(0, u64::MAX))]
    pub(crate) seed: Option<u64>,
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

/// Numbers of accounts, and of transactions in a block, in the paper.
const ACCOUNTS: [usize; 5] = [2, 10, 100, 1_000, 10_000];
const BLOCKS: [usize; 2] = [1_000, 10_000];

impl SweepArgs {
    /// What executes the transactions.
    pub(crate) fn vm(&self) -> SweepVm {
        if self.scenario.is_some() { SweepVm::Evm } else { self.vm }
    }

    /// Numbers of accounts and of transactions in a block, each once and in order, where no
    /// scenario has its own.
    pub(crate) fn sizes(&self) -> (Vec<usize>, Vec<usize>) {
        let or =
            |given: &[usize], usual: &[usize]| sorted(if given.is_empty() { usual } else { given });
        (or(&self.accounts, &ACCOUNTS), or(&self.blocks, &BLOCKS))
    }

    /// The blocks of the scenario with so many accounts and transactions, or its own.
    pub(crate) fn load(
        &self,
        accounts: Option<usize>,
        txns: Option<usize>,
    ) -> Option<WorkloadArgs> {
        let root = self.scenario_root.clone();
        let own = WorkloadArgs::of_scenario(self.scenario.clone()?, root);
        Some(WorkloadArgs { accounts, txns, seed: self.seed, ..own })
    }
}

/// Each value once, in order.
pub(crate) fn sorted<T: Ord + Copy>(values: &[T]) -> Vec<T> {
    let mut values = values.to_vec();
    values.sort_unstable();
    values.dedup();
    values
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
