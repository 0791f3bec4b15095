//! Options of `t8n-input`.

use std::path::PathBuf;

use clap::Args;

use super::WorkloadArgs;

pub(super) const T8N_INPUT_EXAMPLES: &str = "\
The blocks are those of `run`, but from accounts whose keys are known, so that the transactions \
are signed. They are for the rules of Cancun and later, chain 1, and no block reward.

Examples:
  block-stm t8n-input --workload amm --txns 100 in
  cd in && block-stm t8n --state.fork Osaka --state.reward -1";

/// Options of `t8n-input`.
#[derive(Debug, Args)]
pub(crate) struct T8nInputArgs {
    /// Where to write; several workloads make one folder each within it
    #[arg(value_name = "FOLDER")]
    pub(crate) folder: PathBuf,
    /// Which blocks.
    #[command(flatten)]
    pub(crate) blocks: WorkloadArgs,
}
