//! `block-stm t8n-input`: workloads as the input of a state transition tool, this one or another.

use std::{fs, path::Path};

use block_stm_chain::t8n::{T8nInput, T8nInputError};
use block_stm_workloads::Workload;
use serde::Serialize;

use crate::{
    args::T8nInputArgs,
    error::CliError,
    exit::Exit,
    files::{Draft, Files, publish, sync},
    output,
    t8n::draft_json,
};

/// Writes `alloc.json`, `env.json` and `txs.json` for each workload.
///
/// # Errors
///
/// Parameters out of their range, files that can't be written.
pub(crate) fn t8n_input(args: &T8nInputArgs) -> Result<Exit, CliError> {
    args.blocks.check()?;
    let mut files = Files::new();
    let workloads = args.blocks.workloads();
    let (mut drafts, mut notes) = (Vec::new(), Vec::new());
    for workload in &workloads {
        let folder = match workloads.len() {
            1 => args.folder.clone(),
            _ => args.folder.join(workload.name()),
        };
        drafts.extend(written(args, *workload, &folder, &mut files)?);
        let again = format!("block-stm t8n --state.fork Osaka, in {}", folder.display());
        notes.push(format!("{workload}: for {again}"));
    }
    sync(&drafts)?;
    publish(drafts)?;
    notes.iter().for_each(|text| output::note(text));
    Ok(Exit::Success)
}

/// Drafts of the three files.
fn written(
    args: &T8nInputArgs,
    workload: Workload,
    folder: &Path,
    files: &mut Files,
) -> Result<[Draft; 3], CliError> {
    let generated = workload.generate_with_keys(&args.blocks.params())?;
    let input = T8nInput::new(&generated.block, &generated.pre_state, &generated.secret_keys);
    let failed = |error: T8nInputError| CliError::Workload {
        name: workload.name(),
        message: error.to_string(),
    };
    let input = input.map_err(failed)?;
    fs::create_dir_all(folder).map_err(|source| CliError::not_written(folder, source))?;
    Ok([
        draft(&folder.join("alloc.json"), input.alloc(), files)?,
        draft(&folder.join("env.json"), input.env(), files)?,
        draft(&folder.join("txs.json"), input.txs(), files)?,
    ])
}

fn draft(path: &Path, value: &impl Serialize, files: &mut Files) -> Result<Draft, CliError> {
    files.writes(path)?;
    draft_json(path, value).map_err(|source| CliError::not_written(path, source))
}
