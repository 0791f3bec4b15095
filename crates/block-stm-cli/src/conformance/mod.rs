//! `block-stm statetest` and `block-stm blocktest`: official tests, file by file.

mod files;
mod json;
mod kind;
mod names;
mod summary;
mod trace;

use std::{
    path::{Path, PathBuf},
    sync::Mutex,
    time::{Duration, Instant},
};

use block_stm::{Config, Engine};
use block_stm_chain::import::{ImportError, json::read_file};
use block_stm_conformance::{
    CaseReport, TraceTo, Verdict, Watch, block_test::BlockTestFile, state_test::StateTestFile,
};
use rayon::{ThreadPool, prelude::*};

use self::{kind::Kind, summary::Summary, trace::TraceStream};
use crate::{
    args::{StateTestArgs, TestArgs, default_threads},
    error::CliError,
    escape::shown,
    exit::Exit,
    files::{CsvOutput, Files, JsonOutput},
    interrupt, output, progress,
    units::count,
};

/// Runs the state tests at the paths.
///
/// # Errors
///
/// A path without tests, threads that can't be started, results that can't be written.
pub(crate) fn statetest(args: &StateTestArgs) -> Result<Exit, CliError> {
    conformance(&args.all, args.bench, Kind::State, |file, json, engine, wanted, watch| {
        Ok(StateTestFile::parse(file, json)?.run_watched(engine, wanted, watch))
    })
}

/// Runs the blockchain tests at the paths.
///
/// # Errors
///
/// As [`statetest`].
pub(crate) fn blocktest(args: &TestArgs) -> Result<Exit, CliError> {
    conformance(args, false, Kind::Blockchain, |file, json, engine, wanted, watch| {
        Ok(BlockTestFile::parse(file, json)?.run_watched(engine, wanted, watch))
    })
}

/// What a file came to.
type FileResult = Result<Vec<CaseReport>, FileError>;

/// Why a file came to nothing.
enum FileError {
    Import(ImportError),
    /// Its tests are of this kind, which another command runs.
    Other(Kind),
}

/// Runs a file's tests, those whose names are wanted.
type RunFile = fn(
    &Path,
    &[u8],
    &Engine,
    &dyn Fn(&str) -> bool,
    &Watch<'_>,
) -> Result<Vec<CaseReport>, ImportError>;

fn conformance(args: &TestArgs, bench: bool, kind: Kind, run: RunFile) -> Result<Exit, CliError> {
    let mut all = Files::new();
    let files = files::find(&args.paths, &mut all)?;
    let json = JsonOutput::open(&args.json, &mut all)?;
    let csv = CsvOutput::open(&args.csv, &mut all)?;
    // Cases that are traced or timed come one after another.
    let one = args.trace.trace || bench;
    let jobs = args.jobs.map_or(if one { 1 } else { default_threads().get() }, |jobs| jobs.get());
    let jobs = rayon::ThreadPoolBuilder::new().num_threads(jobs).build();
    let trace = Mutex::new(TraceStream::default());
    let options = args.trace.options();
    let runner = Runner {
        args,
        run,
        kind,
        // Blocks of two transactions are executed speculatively, too: that is what is to be tested.
        engine: Engine::new(Config::default().threads(args.threads).inline_below(0))?,
        jobs: jobs.map_err(|source| CliError::Jobs { source })?,
        watch: Watch {
            state: args.dump,
            stats: bench,
            stateless: false,
            trace: options.map(|options| TraceTo { options, output: &trace }),
        },
    };
    let mut outcome = Outcome::default();
    let _patience = interrupt::Patience::new();
    if args.paths.is_empty() {
        for name in names::on_stdin() {
            let files = [name?];
            all.reads_late(&files[0])?;
            let results = runner.run_all(&files);
            outcome.add(Outcome::of(results, files.len()).shown(&json, args.trace.trace)?);
        }
        if outcome.files == 0 {
            return Err(CliError::Usage("no PATH is given, and no name on standard input"));
        }
    } else {
        outcome =
            Outcome::of(runner.run_all(&files), files.len()).shown(&json, args.trace.trace)?;
    }
    csv.write_json(|| json::render(&outcome.cases))?;
    json.write_files(|| json::render(&outcome.cases))?;
    drop(runner);
    if let Some(source) = trace.into_inner().ok().and_then(TraceStream::into_failure) {
        return Err(CliError::Write { target: "standard error".to_owned(), source });
    }
    Ok(outcome.exit(args.allow_empty))
}

/// What files came to.
#[derive(Default)]
struct Outcome {
    cases: Vec<CaseReport>,
    errors: Vec<ImportError>,
    /// How many files have tests of the other kind, and of which one.
    others: Option<(Kind, usize)>,
    files: usize,
    elapsed: Duration,
}

impl Outcome {
    fn of(results: (Vec<FileResult>, Duration), files: usize) -> Self {
        let mut outcome = Self { files, elapsed: results.1, ..Self::default() };
        for result in results.0 {
            match result {
                Ok(reports) => outcome.cases.extend(reports),
                Err(FileError::Import(error)) => outcome.errors.push(error),
                Err(FileError::Other(kind)) => {
                    let before = outcome.others.map_or(0, |(_, files)| files);
                    outcome.others = Some((kind, before + 1));
                }
            }
        }
        outcome
    }

    fn add(&mut self, mut other: Self) {
        self.cases.append(&mut other.cases);
        self.errors.append(&mut other.errors);
        self.others = match (self.others, other.others) {
            (Some((kind, one)), Some((_, two))) => Some((kind, one + two)),
            (one, two) => one.or(two),
        };
        self.files += other.files;
    }

    /// Prints the cases, as text or JSON, what failed and what can't be read.
    ///
    /// Where traces have standard error for themselves, JSON alone says what failed.
    fn shown(self, json: &JsonOutput, is_traced: bool) -> Result<Self, CliError> {
        if json.replaces_text() {
            output::print(&json::render(&self.cases))?;
        } else {
            let summary = Summary::of(&self.cases, self.files, self.elapsed);
            output::print_styled(&summary.text())?;
        }
        if !(is_traced && json.replaces_text()) {
            output::print_to_stderr(&summary::failures(&self.cases));
        }
        self.errors.iter().for_each(output::error);
        if let Some((kind, files)) = self.others {
            let files = count(files, "file");
            let (tests, command) = kind.words();
            output::error(format_args!("{files} with {tests} tests: use {command}"));
        }
        Ok(self)
    }

    fn exit(&self, allow_empty: bool) -> Exit {
        if self.cases.iter().any(|case| matches!(case.verdict, Verdict::Failed(_))) {
            Exit::CheckFailed
        } else if !self.errors.is_empty() || self.others.is_some() {
            Exit::BadInput
        } else if self.cases.is_empty() && !allow_empty {
            output::error("nothing was run: no test in these files is wanted (see --allow-empty)");
            Exit::CheckFailed
        } else {
            Exit::Success
        }
    }
}

/// What runs files.
struct Runner<'a> {
    args: &'a TestArgs,
    run: RunFile,
    /// What tests it takes.
    kind: Kind,
    engine: Engine,
    jobs: ThreadPool,
    watch: Watch<'a>,
}

impl Runner<'_> {
    /// Runs files on as many threads as there are jobs; a thread without a file helps others with
    /// theirs.
    fn run_all(&self, files: &[PathBuf]) -> (Vec<FileResult>, Duration) {
        let Self { args, run, kind: self_kind, engine, jobs, watch } = self;
        let start = Instant::now();
        let wanted = |name: &str| args.run.as_ref().is_none_or(|regex| regex.is_match(name));
        let bar = progress::bar(files.len());
        let results = jobs.install(|| {
            let results = files.par_iter().map(|file| {
                if interrupt::came() {
                    return Ok(Vec::new());
                }
                bar.set_message(shown(file.display()));
                let json = read_file(file);
                let result = json.map_err(FileError::Import).and_then(|json| {
                    let reports = run(file, &json, engine, &wanted, watch);
                    reports.map_err(|error| match Kind::of(&json) {
                        Some(kind) if kind != *self_kind => FileError::Other(kind),
                        _ => FileError::Import(error),
                    })
                });
                bar.inc(1);
                result
            });
            results.collect()
        });
        bar.finish_and_clear();
        (results, start.elapsed())
    }
}
