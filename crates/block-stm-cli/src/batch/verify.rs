//! `block-stm verify-batch`.

use std::time::Instant;

use block_stm::{Config, Engine};
use block_stm_chain::{
    batch::{BatchError, check_files},
    import::json::read_file,
};

use super::report::Report;
use crate::{
    args::VerifyBatchArgs,
    error::CliError,
    exit::Exit,
    files::{Files, JsonOutput},
    output,
};

/// Checks the folder of a batch.
///
/// # Errors
///
/// Files that can't be read, results that can't be written, threads that can't be started. A batch
/// that does not hold is a result.
pub(crate) fn verify_batch(args: &VerifyBatchArgs) -> Result<Exit, CliError> {
    let mut files = Files::new();
    files.searches(&args.folder);
    let json = JsonOutput::open(&args.json, &mut files)?;
    let engine = Engine::new(Config::default().threads(args.threads))?;
    let read = |name: &str| read_file(&args.folder.join(name));
    let start = Instant::now();
    let checked = match check_files(read, &engine) {
        Ok(checked) => checked,
        Err(BatchError::Import(error)) => return Err(error.into()),
        Err(error) => {
            let reason = format!("{}: {error}", args.folder.display());
            output::error(&reason);
            Report::failed(reason).write(&json)?;
            return Ok(Exit::CheckFailed);
        }
    };
    let before = checked.statement.pre_state_root.to_string();
    let report = Report::of(&checked.outcome, &checked.witness, (before, 0), start.elapsed());
    if !json.replaces_text() {
        let done = format!("{} holds; checked from the witness alone", args.folder.display());
        output::print_styled(&report.text(&done))?;
    }
    report.write(&json)?;
    Ok(Exit::Success)
}
