//! Options of `scenario`.

use std::path::PathBuf;

use block_stm_workloads::{Params, Workload};
use clap::{
    Args, Subcommand,
    builder::{PossibleValue, PossibleValuesParser, TypedValueParser},
};

use super::{
    CsvArgs, JsonArgs, WorkloadArgs,
    parsers::{number_parser, size_parser},
    run::parse_zipf,
};

pub(super) const SCENARIO_EXAMPLES: &str = "\
A scenario is a file in JSON or YAML: contracts by their artefacts, accounts, and a mix of calls \
with drawn arguments. The book has a chapter on its form. `run`, `explain`, `timeline`, \
`forecast`, `report`, `sweep` and `t8n-input` take one with --scenario.

Examples:
  block-stm scenario show erc20 > load.json    a workload, to be changed
  block-stm scenario check load.json           what it makes, and what reverts
  block-stm run --scenario load.json --threads 1,2,4";

/// Options of `scenario`.
#[derive(Debug, Args)]
pub(crate) struct ScenarioArgs {
    /// What to do with one.
    #[command(subcommand)]
    pub(crate) command: ScenarioCommand,
}

/// What to do with a scenario.
#[derive(Debug, Subcommand)]
pub(crate) enum ScenarioCommand {
    /// Print a workload as a scenario, which makes the same block
    Show(ScenarioShowArgs),
    /// Make the blocks of a scenario, execute them in order, and say what became of each call
    Check(ScenarioCheckArgs),
}

/// Options of `scenario show`.
#[derive(Debug, Args)]
pub(crate) struct ScenarioShowArgs {
    /// Which workload
    #[arg(value_name = "NAME", value_parser = workload_parser())]
    pub(crate) workload: Workload,
    /// Transactions in a block
    #[arg(long, value_name = "N", default_value_t = Params::default().txns)]
    #[arg(value_parser = size_parser(0, Params::TXNS_MAX))]
    pub(crate) txns: usize,
    /// Accounts that send and receive [default: twice the transactions]
    #[arg(long, value_name = "N", value_parser = size_parser(1, Params::ACCOUNTS_MAX))]
    pub(crate) accounts: Option<usize>,
    /// Tokens, pairs, lending pools, collections or markets
    #[arg(long, value_name = "N", default_value_t = Params::default().pools)]
    #[arg(value_parser = size_parser(1, Params::POOLS_MAX))]
    pub(crate) pools: usize,
    /// Skew of accounts and pools
    #[arg(long, value_name = "EXPONENT", default_value_t = Params::default().zipf)]
    #[arg(value_parser = parse_zipf)]
    pub(crate) zipf: f64,
    /// Seed of all random choices
    #[arg(long, value_name = "N", default_value_t = Params::default().seed)]
    #[arg(value_parser = number_parser(0, u64::MAX))]
    pub(crate) seed: u64,
}

/// Options of `scenario check`.
#[derive(Debug, Args)]
pub(crate) struct ScenarioCheckArgs {
    /// The scenario
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// The folder that the artefacts lie in or below [default: the scenario's]
    #[arg(long, value_name = "FOLDER")]
    pub(crate) scenario_root: Option<PathBuf>,
    /// Where results go as JSON.
    #[command(flatten)]
    pub(crate) json: JsonArgs,
    /// Where the rows go as CSV.
    #[command(flatten)]
    pub(crate) csv: CsvArgs,
}

impl ScenarioShowArgs {
    /// The parameters of the block.
    pub(crate) fn params(&self) -> Params {
        Params {
            txns: self.txns,
            accounts: self.accounts.unwrap_or((2 * self.txns).max(1)),
            pools: self.pools,
            zipf: self.zipf,
            seed: self.seed,
        }
    }
}

impl ScenarioCheckArgs {
    /// The same as options of `run`.
    pub(crate) fn load(&self) -> WorkloadArgs {
        WorkloadArgs::of_scenario(self.file.clone(), self.scenario_root.clone())
    }
}

fn workload_parser() -> impl TypedValueParser<Value = Workload> {
    let ones = Workload::ALL.map(|one| PossibleValue::new(one.name()).help(one.description()));
    PossibleValuesParser::new(ones).try_map(|name| name.parse::<Workload>())
}
