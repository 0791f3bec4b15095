//! `block-stm t8n-input`: workloads as the input of a state transition tool, this one or another.

use std::{fs, path::Path};

use block_stm_chain::t8n::{T8nInput, T8nInputError};
use serde::Serialize;

use crate::{
    args::T8nInputArgs,
    error::CliError,
    exit::Exit,
    files::{Draft, Files, publish, sync},
    load::Load,
    output,
    t8n::draft_json,
};

/// Writes `alloc.json`, `env.json` and `txs.json` for each workload.
///
/// # Errors
///
/// Parameters out of their range, files that can't be written.
pub(crate) fn t8n_input(args: &T8nInputArgs) -> Result<Exit, CliError> {
    let mut files = Files::new();
    let loads = Load::all(&args.blocks, &mut files)?;
    let (mut drafts, mut notes) = (Vec::new(), Vec::new());
    for load in &loads {
        let folder = match loads.len() {
            1 => args.folder.clone(),
            _ => args.folder.join(load.name()),
        };
        drafts.extend(written(load, &folder, &mut files)?);
        let again = format!("block-stm t8n --state.fork Osaka, in {}", folder.display());
        notes.push(format!("{}: for {again}", load.name()));
    }
    sync(&drafts)?;
    publish(drafts)?;
    notes.iter().for_each(|text| output::note(text));
    Ok(Exit::Success)
}

/// Drafts of the three files.
fn written(load: &Load, folder: &Path, files: &mut Files) -> Result<[Draft; 3], CliError> {
    let (block, state, keys) = match load {
        Load::Workload(workload, params) => {
            let generated = workload.generate_with_keys(params)?;
            (generated.block, generated.pre_state, generated.secret_keys)
        }
        Load::Scenario(written) => {
            let mut series = written.series_with_keys()?;
            if series.blocks.len() > 1 {
                return Err(CliError::Usage("t8n-input is of one block: the scenario has several"));
            }
            (series.blocks.remove(0).block, series.genesis, series.secret_keys)
        }
    };
    let input = T8nInput::new(&block, &state, &keys);
    let failed = |error: T8nInputError| CliError::Workload {
        name: load.name().to_owned(),
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
