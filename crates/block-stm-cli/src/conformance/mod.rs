//! `block-stm statetest` and `block-stm blocktest`: official tests, file by file.

mod files;
mod json;
mod summary;

use std::{
    path::{Path, PathBuf},
    time::Instant,
};

use block_stm::{Config, Engine};
use block_stm_conformance::{
    CaseReport, Verdict, block_test::BlockTestFile, state_test::StateTestFile,
};
use block_stm_evm::import::{ImportError, json::read_file};

use rayon::prelude::*;

use self::summary::Summary;
use crate::{args::TestArgs, error::CliError, exit::Exit, output, progress, target::Target};

/// Runs the state tests at the paths.
///
/// # Errors
///
/// A path without tests, threads that can't be started, results that can't be written.
pub(crate) fn statetest(args: &TestArgs) -> Result<Exit, CliError> {
    conformance(args, |file, json, engine, wanted| {
        Ok(StateTestFile::parse(file, json)?.run(engine, wanted))
    })
}

/// Runs the blockchain tests at the paths.
///
/// # Errors
///
/// As [`statetest`].
pub(crate) fn blocktest(args: &TestArgs) -> Result<Exit, CliError> {
    conformance(args, |file, json, engine, wanted| {
        Ok(BlockTestFile::parse(file, json)?.run(engine, wanted))
    })
}

/// What a file came to.
type FileResult = Result<Vec<CaseReport>, ImportError>;

/// Runs a file's tests, those whose names are wanted.
type RunFile = fn(&Path, &[u8], &Engine, &dyn Fn(&str) -> bool) -> FileResult;

fn conformance(args: &TestArgs, run: RunFile) -> Result<Exit, CliError> {
    let json = args.json.as_deref().map(Target::open).transpose()?;
    let files = files::find(&args.paths)?;
    let start = Instant::now();
    let results = run_all(args, &files, run)?;
    let mut cases = Vec::new();
    let mut errors = Vec::new();
    for result in results {
        match result {
            Ok(reports) => cases.extend(reports),
            Err(error) => errors.push(error),
        }
    }
    let summary = Summary::of(&cases, files.len(), start.elapsed());
    if !matches!(json, Some(Target::Stdout)) {
        output::print_styled(&summary.text())?;
    }
    output::print_to_stderr(&summary::failures(&cases));
    errors.iter().for_each(output::error);
    if let Some(target) = json {
        target.write(&json::render(&cases))?;
    }
    let failed = cases.iter().any(|case| matches!(case.verdict, Verdict::Failed(_)));
    Ok(if failed {
        Exit::CheckFailed
    } else if !errors.is_empty() {
        Exit::BadInput
    } else {
        Exit::Success
    })
}

/// Runs all files on as many threads as there are jobs; a thread without a file helps others with theirs.
fn run_all(args: &TestArgs, files: &[PathBuf], run: RunFile) -> Result<Vec<FileResult>, CliError> {
    // Blocks of two transactions are executed speculatively, too: that is what is to be tested.
    let engine = Config::default().threads(args.threads).inline_below(0).build()?;
    let jobs = rayon::ThreadPoolBuilder::new().num_threads(args.jobs.get());
    let jobs = jobs.build().map_err(|source| CliError::Jobs { source })?;
    let wanted = |name: &str| args.run.as_ref().is_none_or(|regex| regex.is_match(name));
    let bar = progress::bar(files.len());
    let results = jobs.install(|| {
        let results = files.par_iter().map(|file| {
            bar.set_message(file.display().to_string());
            let result = read_file(file).and_then(|json| run(file, &json, &engine, &wanted));
            bar.inc(1);
            result
        });
        results.collect()
    });
    bar.finish_and_clear();
    Ok(results)
}
