//! `block-stm batch`.

use std::{
    io,
    path::Path,
    time::{Duration, Instant},
};

use block_stm::{Config, Engine};
use block_stm_chain::{
    Chain, Genesis,
    batch::{Batch, BatchMakeError, BlockInput, batch_of_block, batch_of_transition},
    import::{block_number, json::read_file},
    rlp_blocks,
    t8n::{T8nError, T8nFiles, T8nOptions, T8nSource},
};

use super::report::Report;
use crate::{
    args::BatchArgs,
    error::CliError,
    exit::Exit,
    files::{Files, FolderDraft, JsonOutput},
    output, progress,
    units::count,
};

/// Makes a batch, and writes its folder.
///
/// # Errors
///
/// Files that can't be read or written, threads that can't be started. A batch that can't be
/// executed is a result.
pub(crate) fn batch(args: &BatchArgs) -> Result<Exit, CliError> {
    let mut files = Files::new();
    let inputs = match (&args.genesis, &args.chain) {
        (Some(genesis), Some(chain)) => vec![genesis, chain],
        _ => vec![&args.alloc, &args.env, &args.txs],
    };
    inputs.iter().for_each(|path| files.reads(path));
    let json = JsonOutput::open(&args.json, &mut files)?;
    let draft = draft(&args.out)?;
    let engine = Engine::new(Config::default().threads(args.threads))?;
    let made = match (&args.genesis, &args.chain) {
        (Some(genesis), Some(chain)) => of_chain(args, (genesis, chain), &engine)?,
        _ => of_transition(args, &engine)?,
    };
    let (batch, elapsed) = match made {
        Ok(made) => made,
        Err(reason) => {
            output::error(&reason);
            Report::failed(reason).write(&json)?;
            return Ok(Exit::CheckFailed);
        }
    };
    let not_written = |source| CliError::not_written(&args.out, source);
    for (name, bytes) in batch.files() {
        draft.write(name, &bytes).map_err(not_written)?;
    }
    draft.publish().map_err(not_written)?;
    for (place, reason) in &batch.rejected {
        output::note(&format!("txn {place} is left out: {reason}"));
    }
    let before = batch.statement.pre_state_root.to_string();
    let told = (before, batch.rejected.len());
    let report = Report::of(&batch.outcome, &batch.witness, told, elapsed);
    if !json.replaces_text() {
        let done = format!("{} written", args.out.display());
        output::print_styled(&report.text(&done))?;
    }
    report.write(&json)?;
    Ok(Exit::Success)
}

/// A draft of the folder, which is not there yet.
fn draft(out: &Path) -> Result<FolderDraft, CliError> {
    let failed = |source| CliError::not_written(out, source);
    if out.symlink_metadata().is_ok() {
        let message = "it is there already; name a new folder";
        return Err(failed(io::Error::new(io::ErrorKind::AlreadyExists, message)));
    }
    FolderDraft::create(out).map_err(failed)
}

/// A batch with the time that it took, or why there is none.
type Made = Result<(Batch, Duration), String>;

/// Input that can't be read is an error, all else a result.
fn sorted(made: Result<Batch, BatchMakeError>, start: Instant) -> Result<Made, CliError> {
    match made {
        Ok(batch) => Ok(Ok((batch, start.elapsed()))),
        Err(BatchMakeError::Import(error)) => Err(error.into()),
        Err(BatchMakeError::Transition(
            error @ (T8nError::Json(_) | T8nError::Rlp { .. } | T8nError::Config(_)),
        )) => Err(CliError::Transition(Box::new(error))),
        Err(error) => Ok(Err(error.to_string())),
    }
}

fn of_transition(args: &BatchArgs, engine: &Engine) -> Result<Made, CliError> {
    let [alloc, env, txs] = [&args.alloc, &args.env, &args.txs].map(|path| read_file(path));
    let (alloc, env, txs) = (alloc?, env?, txs?);
    let files = T8nFiles {
        alloc: T8nSource::File { name: &args.alloc, bytes: &alloc },
        env: T8nSource::File { name: &args.env, bytes: &env },
        txs: T8nSource::File { name: &args.txs, bytes: &txs },
        blob_params: None,
        shared: None,
    };
    let options = T8nOptions {
        fork: &args.fork,
        chain_id: args.chain_id,
        reward: u64::try_from(args.reward).ok(),
    };
    let start = Instant::now();
    sorted(batch_of_transition(&files, &options, engine), start)
}

fn of_chain(
    args: &BatchArgs,
    (genesis_file, chain_file): (&Path, &Path),
    engine: &Engine,
) -> Result<Made, CliError> {
    let genesis = read_file(genesis_file)?;
    let mut chain = Chain::new(Genesis::parse(genesis_file, &genesis)?);
    let bytes = read_file(chain_file)?;
    let malformed = |offset: usize, message: String| CliError::Malformed {
        place: format!("{}: byte {offset}", chain_file.display()),
        message,
    };
    let mut blocks = Vec::new();
    for (offset, block) in rlp_blocks(&bytes) {
        blocks.push(block.map_err(|error| malformed(offset, error.to_string()))?);
    }
    let wanted = match args.block {
        Some(number) => blocks.iter().position(|rlp| block_number(rlp) == Some(number)),
        None => blocks.len().checked_sub(1),
    };
    let Some(wanted) = wanted else {
        let found = count(blocks.len(), "block");
        let message = match args.block {
            Some(number) => format!("block {number} is not among its {found}"),
            None => "it has no block".to_owned(),
        };
        return Err(malformed(0, message));
    };
    let bar = progress::bar(wanted);
    for rlp in &blocks[..wanted] {
        if let Err(error) = chain.import(rlp, engine) {
            bar.finish_and_clear();
            let number = block_number(rlp).unwrap_or_default();
            return Ok(Err(format!("{}: block {number}: {error}", chain_file.display())));
        }
        bar.inc(1);
    }
    bar.finish_and_clear();
    let start = Instant::now();
    let block = BlockInput { genesis_file, genesis: &genesis, rlp: blocks[wanted] };
    sorted(batch_of_block(&mut chain, &block, engine), start)
}
