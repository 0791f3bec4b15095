//! `block-stm chain run`: generated blocks under load.

use std::{num::NonZeroUsize, path::Path};

use block_stm_pipeline::{
    BoxError, Cause, Outcome, Pipeline, PipelineError, PipelineOptions, Task, Unwatched, Workers,
    World, one_by_one,
};
use block_stm_store::{Options, Store, disk::Folder};

use super::{
    made::{Made, make},
    report::Report,
    watch::Progress,
};
use crate::{
    args::ChainRunArgs,
    error::CliError,
    exit::Exit,
    files::{Files, JsonOutput, rendered},
    interrupt, output, progress,
};

/// So many blocks are done stage by stage, to know what each takes alone.
const SAMPLE: usize = 10;
/// After so many blocks the flat state is written.
const FLUSH: u64 = 16;

/// Makes a chain, times its import, and says what each stage took.
///
/// # Errors
///
/// Parameters out of their range, a store that can't be opened, results that can't be written.
pub(super) fn run(args: &ChainRunArgs) -> Result<Exit, CliError> {
    let mut files = Files::new();
    let json = JsonOutput::open(&args.json, &mut files)?;
    let _patience = interrupt::Patience::new();
    let workers = Workers::new(args.threads)?;
    let made = make(args, &workers)?;
    let alone = alone(args, &made)?;
    let temporary = tempfile::tempdir().map_err(|error| folder_error(Path::new("."), error))?;
    let folder = args.store.as_deref().unwrap_or(temporary.path());
    let (mut world, store) = open(folder, &made, &workers)?;
    let done = made_already(&made, &world);
    let cpu = cpu_seconds();
    let watch = Progress::new(progress::bar(made.tasks.len() - done));
    let tasks = made.tasks.iter().skip(done);
    let tasks = tasks.map_while(|task| (!interrupt::came()).then(|| given(args, task)));
    let pipeline =
        Pipeline::new(&workers, &store, PipelineOptions::default().flush(FLUSH as usize));
    let (outcome, error) = pipeline.run(&mut world, tasks, &watch);
    watch.finish();
    let report = Report {
        args,
        folder: args.store.is_some().then_some(folder),
        outcome,
        alone,
        durable: store.durable(),
        head: world.head(),
        cpu: cpu.zip(cpu_seconds()).map(|(before, after)| after - before),
        error,
    };
    if report.error.is_none() {
        store.close()?;
    }
    if !json.replaces_text() {
        output::print_styled(&report.text())?;
    }
    if let Some(error) = &report.error {
        output::error(error);
    }
    json.write(|| rendered(&report.json()))?;
    Ok(match report.error.map(|error| error.cause) {
        None => Exit::Success,
        Some(Cause::Block(_)) => Exit::CheckFailed,
        Some(_) => Exit::BadInput,
    })
}

fn folder_error(path: &Path, source: std::io::Error) -> CliError {
    CliError::Path { path: path.to_owned(), source }
}

fn open(folder: &Path, made: &Made, workers: &Workers) -> Result<(World, Store), CliError> {
    let disk = Folder::create(folder).map_err(|error| folder_error(folder, error))?;
    let genesis = made.genesis.clone();
    Ok(workers.install(|| World::open(disk, genesis, Options::default()))?)
}

/// How many of the blocks the store has already.
fn made_already(made: &Made, world: &World) -> usize {
    let done = world.head().0.saturating_sub(made.genesis.header.number);
    usize::try_from(done).map_or(made.tasks.len(), |done| done.min(made.tasks.len()))
}

/// The block as it is given to the stages.
fn given(args: &ChainRunArgs, task: &Task) -> Result<Task, BoxError> {
    let senders = task.senders.clone().filter(|_| !args.recover);
    Ok(Task { rlp: task.rlp.clone(), senders })
}

/// The stages one after another, of all blocks or the first few.
fn alone(args: &ChainRunArgs, made: &Made) -> Result<Outcome, CliError> {
    let count = if args.compare { made.tasks.len() } else { SAMPLE.min(made.tasks.len()) };
    let folder = tempfile::tempdir().map_err(|error| folder_error(Path::new("."), error))?;
    let workers = Workers::new(NonZeroUsize::MIN)?;
    let (mut world, store) = open(folder.path(), made, &workers)?;
    let bar = progress::bar(count);
    bar.set_message("one stage after another");
    let tasks = made.tasks[..count].iter().map_while(|task| {
        bar.inc(1);
        (!interrupt::came()).then(|| given(args, task))
    });
    // The last blocks are written as well, so that each stage has done all.
    let flush = FLUSH.min(count.max(1) as u64);
    let (outcome, error) = one_by_one(&workers, (&mut world, &store), tasks, (flush, &Unwatched));
    bar.finish_and_clear();
    let failed = |error: PipelineError| CliError::Workload {
        name: args.workload.name().to_owned(),
        message: error.to_string(),
    };
    error.map_or(Ok(outcome), |error| Err(failed(error)))
}

/// The time of all cores that the process used, where the system tells it as Linux does.
fn cpu_seconds() -> Option<f64> {
    let text = std::fs::read_to_string("/proc/self/stat").ok()?;
    let fields = text.rsplit_once(')')?.1;
    let mut times = fields.split_whitespace().skip(11);
    let mut ticks = || times.next()?.parse::<u64>().ok();
    // Linux tells hundredths of a second, whatever its own clock is.
    Some((ticks()? + ticks()?) as f64 / 100.0)
}
