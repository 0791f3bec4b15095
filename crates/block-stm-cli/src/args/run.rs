//! Options of `run`, and those that it shares with `replay`.

use std::{num::NonZeroUsize, path::PathBuf, time::Duration};

use block_stm_workloads::{Overrides, Params, Workload};
use clap::{
    Args,
    builder::{PossibleValue, PossibleValuesParser, TypedValueParser},
};

use super::{
    CsvArgs, JsonArgs, SvgArgs,
    parsers::{Latency, REPEAT_MAX, default_threads, number_parser, size_parser, threads_parser},
};
pub(super) const RUN_EXAMPLES: &str = "\
Each block is executed by the plain sequential revm loop and by the parallel engine in turn, first \
untimed and then --repeat times; times are medians. After every execution, receipts and state \
are compared: a difference ends in exit code 1.

Examples:
  block-stm run
  block-stm run --workload mixed --txns 50000 --zipf 1.1
  block-stm run --workload transfers,chain --threads 1,2,4 --svg plot.svg
  block-stm run --workload amm,mixed --threads 8 --bounds
  block-stm run --workload erc20 --txns 1000 --threads 16 --read-latency 50us
  block-stm run --scenario load.yaml           see `block-stm scenario --help`";

/// What blocks are generated.
#[derive(Debug, Args)]
pub(crate) struct WorkloadArgs {
    /// Workloads to run, separated by commas
    #[arg(long, value_name = "NAME", default_value = "all", value_delimiter = ',')]
    #[arg(value_parser = workload_parser())]
    pub(crate) workload: Vec<WorkloadChoice>,
    /// Blocks that a file describes, in JSON or YAML, instead of workloads
    #[arg(long, value_name = "FILE", conflicts_with = "workload")]
    pub(crate) scenario: Option<PathBuf>,
    /// The folder that the scenario's artefacts lie in or below [default: the scenario's]
    #[arg(long, value_name = "FOLDER", requires = "scenario")]
    pub(crate) scenario_root: Option<PathBuf>,
    /// Transactions in a block [default: 10000, or what the scenario says]
    #[arg(long, value_name = "N", value_parser = size_parser(0, Params::TXNS_MAX))]
    pub(crate) txns: Option<usize>,
    /// Accounts that send and receive [default: twice the transactions, or what the scenario says]
    #[arg(long, value_name = "N", value_parser = size_parser(1, Params::ACCOUNTS_MAX))]
    pub(crate) accounts: Option<usize>,
    /// Tokens, pairs, lending pools, collections or markets: the fewer, the more conflicts
    #[arg(long, value_name = "N", default_value_t = Params::default().pools)]
    #[arg(value_parser = size_parser(1, Params::POOLS_MAX), conflicts_with = "scenario")]
    pub(crate) pools: usize,
    /// Skew of accounts and pools, the exponent of a Zipf law: 0 is uniform, 1 is like real life
    #[arg(long, value_name = "EXPONENT", default_value_t = Params::default().zipf)]
    #[arg(value_parser = parse_zipf, conflicts_with = "scenario")]
    pub(crate) zipf: f64,
    /// Seed of all random choices [default: 0, or what the scenario says]
    ///
    /// The same seed gives the same blocks on every machine.
    #[arg(long, value_name = "N", value_parser = number_parser(0, u64::MAX))]
    pub(crate) seed: Option<u64>,
}

impl WorkloadArgs {
    /// Those of a scenario, with nothing changed.
    pub(crate) fn of_scenario(file: PathBuf, root: Option<PathBuf>) -> Self {
        let Params { pools, zipf, .. } = Params::default();
        Self {
            workload: Vec::new(),
            scenario: Some(file),
            scenario_root: root,
            txns: None,
            accounts: None,
            pools,
            zipf,
            seed: None,
        }
    }

    /// The parameters of the blocks.
    pub(crate) fn params(&self) -> Params {
        let usual = Params::default();
        let txns = self.txns.unwrap_or(usual.txns);
        Params {
            txns,
            accounts: self.accounts.unwrap_or((2 * txns).max(1)),
            pools: self.pools,
            zipf: self.zipf,
            seed: self.seed.unwrap_or(usual.seed),
        }
    }

    /// What takes the place of what a scenario says.
    pub(crate) fn overrides(&self) -> Overrides {
        Overrides { txns: self.txns, blocks: None, accounts: self.accounts, seed: self.seed }
    }

    /// The chosen workloads, each once, in the order in which they are documented.
    pub(crate) fn workloads(&self) -> Vec<Workload> {
        let chosen = |workload: &Workload| {
            self.workload.iter().any(|choice| match choice {
                WorkloadChoice::All => true,
                WorkloadChoice::One(one) => one == workload,
            })
        };
        Workload::ALL.into_iter().filter(chosen).collect()
    }
}

/// Options of `run`.
#[derive(Debug, Args)]
pub(crate) struct RunArgs {
    /// Which blocks.
    #[command(flatten)]
    pub(crate) blocks: WorkloadArgs,
    /// How and where to.
    #[command(flatten)]
    pub(crate) common: CommonArgs,
}

/// Options that `run` and `replay` share.
#[derive(Debug, Args)]
pub(crate) struct CommonArgs {
    /// Threads of the parallel side [default: all cores]; several numbers make one table each
    #[arg(long, value_name = "N[,N...]", value_delimiter = ',', hide_default_value = true)]
    #[arg(default_values_t = [default_threads()])]
    #[arg(value_parser = threads_parser())]
    pub(crate) threads: Vec<NonZeroUsize>,
    /// How often each block is timed, on both sides
    #[arg(long, value_name = "N", default_value_t = 3)]
    #[arg(value_parser = size_parser(1, REPEAT_MAX))]
    pub(crate) repeat: usize,
    /// Time that each read of the state takes, for both sides, such as 50us or 1ms
    ///
    /// From 50us on the reader sleeps, so that more threads than cores pay off, and a read takes
    /// some 60us longer than asked for on Linux. Below 50us it spins.
    #[arg(long, value_name = "TIME", default_value = "0us")]
    pub(crate) read_latency: Latency,
    /// Measure also bounds of the speed-up: threads without coordination, and the dependencies
    ///
    /// The hardware bound is the speed-up of threads that each execute a share of the transactions
    /// on the state before the block; the results are wrong. The graph bound is what all
    /// transactions take over what the most costly chain of dependencies takes, at most the number
    /// of threads.
    #[arg(long)]
    pub(crate) bounds: bool,
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

impl CommonArgs {
    /// What a read takes, for a title; empty if nothing is added.
    pub(crate) fn latency_in_words(&self) -> String {
        match self.read_latency {
            Latency(Duration::ZERO) => String::new(),
            latency => format!(", {latency} a read"),
        }
    }
}

pub(super) fn parse_zipf(text: &str) -> Result<f64, String> {
    let zipf: f64 = text.parse().map_err(|_| "not a number".to_owned())?;
    let params = Params { zipf, ..Params::default() };
    params.validate().map_err(|error| error.to_string())?;
    Ok(zipf)
}

/// One word of `--workload`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WorkloadChoice {
    /// Every workload.
    All,
    /// This one.
    One(Workload),
}

fn workload_parser() -> impl TypedValueParser<Value = WorkloadChoice> {
    let all = PossibleValue::new("all").help("every workload");
    let ones = Workload::ALL.map(|one| PossibleValue::new(one.name()).help(one.description()));
    let names = PossibleValuesParser::new(std::iter::once(all).chain(ones));
    names.try_map(|name| match name.as_str() {
        "all" => Ok(WorkloadChoice::All),
        name => name.parse().map(WorkloadChoice::One),
    })
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::args::{Cli, Command};

    fn run_args(args: &[&str]) -> Result<RunArgs, clap::Error> {
        let words = ["block-stm", "run"].iter().chain(args);
        match Cli::try_parse_from(words)?.command {
            Some(Command::Run(args)) => Ok(args),
            other => panic!("run was asked for, not {other:?}"),
        }
    }

    #[test]
    fn accounts_follow_the_transactions_unless_given() -> Result<(), clap::Error> {
        assert_eq!(run_args(&["--txns", "70"])?.blocks.params().accounts, 140);
        assert_eq!(run_args(&["--txns", "0"])?.blocks.params().accounts, 1);
        let given = run_args(&["--txns", "70", "--accounts", "9"])?;
        assert_eq!(given.blocks.params().accounts, 9);
        Ok(())
    }

    #[test]
    fn workloads_are_chosen_by_name_and_each_runs_once() -> Result<(), clap::Error> {
        let some = run_args(&["--workload", "nft,amm", "--workload", "nft"])?;
        assert_eq!(some.blocks.workloads(), [Workload::Amm, Workload::Nft]);
        assert_eq!(run_args(&["--workload", "nft,all"])?.blocks.workloads(), Workload::ALL);
        Ok(())
    }
}
