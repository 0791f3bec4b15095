//! `block-stm t8n-input`: workloads as the input of a state transition tool, this one or another.

use std::{fs, io, path::Path};

use block_stm_evm::t8n::{T8nInput, T8nInputError};
use block_stm_workloads::Workload;
use serde::Serialize;

use crate::{args::T8nInputArgs, error::CliError, exit::Exit, output, t8n::write_json};

/// Writes `alloc.json`, `env.json` and `txs.json` for each workload.
///
/// # Errors
///
/// Parameters out of their range, files that can't be written.
pub(crate) fn t8n_input(args: &T8nInputArgs) -> Result<Exit, CliError> {
    args.blocks.params().validate()?;
    let workloads = args.blocks.workloads();
    for workload in &workloads {
        let folder = match workloads.len() {
            1 => args.folder.clone(),
            _ => args.folder.join(workload.name()),
        };
        write(args, *workload, &folder)?;
        let again = format!("block-stm t8n --state.fork Osaka, in {}", folder.display());
        output::note(&format!("{workload}: for {again}"));
    }
    Ok(Exit::Success)
}

fn write(args: &T8nInputArgs, workload: Workload, folder: &Path) -> Result<(), CliError> {
    let generated = workload.generate_with_keys(&args.blocks.params())?;
    let input = T8nInput::new(&generated.block, &generated.pre_state, &generated.secret_keys);
    let failed = |error: T8nInputError| CliError::Workload {
        name: workload.name(),
        message: error.to_string(),
    };
    let input = input.map_err(failed)?;
    fs::create_dir_all(folder).map_err(|source| not_written(folder, source))?;
    save(folder, "alloc.json", &input.alloc)?;
    save(folder, "env.json", &input.env)?;
    save(folder, "txs.json", &input.txs)
}

fn save(folder: &Path, name: &str, value: &impl Serialize) -> Result<(), CliError> {
    let path = folder.join(name);
    write_json(&path, value).map_err(|source| not_written(&path, source))
}

fn not_written(path: &Path, source: io::Error) -> CliError {
    CliError::Write { target: path.display().to_string(), source }
}
