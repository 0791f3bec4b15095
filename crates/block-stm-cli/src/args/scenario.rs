//! Options of `scenario`.

use std::path::PathBuf;

use block_stm_workloads::Workload;
use clap::{Args, Subcommand};

use super::{
    CsvArgs, JsonArgs, WorkloadArgs,
    shape::{ShapeArgs, workload_parser},
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
    /// What shapes the blocks.
    #[command(flatten)]
    pub(crate) shape: ShapeArgs,
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

impl ScenarioCheckArgs {
    /// The same as options of `run`.
    pub(crate) fn load(&self) -> WorkloadArgs {
        WorkloadArgs::of_scenario(self.file.clone(), self.scenario_root.clone())
    }
}
