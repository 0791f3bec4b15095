//! `block-stm timeline`: what each worker did when.

mod chrome;
mod recorder;
mod story;

use std::{
    fs::File,
    io::{BufWriter, Write},
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use block_stm::{Config, Engine, observer::observe};
use block_stm_evm::{Block, ParallelOptions, PreState, execute_parallel};
use serde::Serialize;
use serde_json::json;

use self::{
    recorder::Recorder,
    story::{Doing, Fate, Story},
};
use crate::{
    args::TimelineArgs,
    error::CliError,
    escape::shown,
    exit::Exit,
    files::{CsvOutput, Draft, Files, JsonOutput, Target, deliver, rendered},
    given::{Given, NEXT, Placed, Wants},
    interrupt,
    machine::Machine,
    medians::median_time,
    notes, output, tables,
    units::{count, millis, time},
};

const SEVERAL_BLOCKS: CliError =
    CliError::Usage("timeline is of one block, and these are several: name one, or see --block");

/// Writes the trace of a block's execution.
///
/// # Errors
///
/// Input that can't be read or executed, more than one block, results that can't be written.
pub(crate) fn timeline(args: &TimelineArgs) -> Result<Exit, CliError> {
    let mut files = Files::new();
    let given = Given::open(args.path.as_slice(), &args.blocks, &mut files)?;
    if given.len() > 1 && args.block.is_none() {
        return Err(SEVERAL_BLOCKS);
    }
    let json = JsonOutput::open(&args.json, &mut files)?;
    let csv = CsvOutput::open(&args.csv, &mut files)?;
    let target = files.writes(&args.out)?;
    if json.replaces_text() && matches!(target, Target::Stdout) {
        return Err(CliError::Usage("--json and --out - both want standard output"));
    }
    notes::print(&[args.threads]);
    let _patience = interrupt::Patience::new();
    let engine = Engine::new(Config::default().threads(args.threads).inline_below(0))?;
    let Some((summary, story)) = of_block(args, &engine, &given)? else {
        return Ok(Exit::Success);
    };
    write(&target, &story, &summary)?;
    if !json.replaces_text() && !matches!(target, Target::Stdout) {
        output::print_styled(&summary.text(&args.out))?;
    }
    csv.write(|| summary.rows())?;
    json.write(|| rendered(&summary))?;
    Ok(Exit::Success)
}

/// The one block that is meant, or that `--block` names; nothing if an interrupt came before it.
fn of_block(
    args: &TimelineArgs,
    engine: &Engine,
    given: &Given,
) -> Result<Option<(Summary, Story)>, CliError> {
    let (mut place, mut several, mut found) = (0, false, None);
    given.each(|Placed { number, title, among, block, state }| {
        place += 1;
        match args.block {
            None if among > 1 => several = true,
            Some(wanted) if wanted != number.unwrap_or(place) => return Ok(NEXT),
            _ => found = Some(study(args, engine, title.to_owned(), block, state)?),
        }
        Ok(Wants::Break(()))
    })?;
    match found {
        Some(found) => Ok(Some(found)),
        None if interrupt::came() => Ok(None),
        None if several => Err(SEVERAL_BLOCKS),
        None => Err(CliError::Usage("there is no block with the number of --block")),
    }
}

/// What each worker did in one execution, for charts.
#[derive(Debug, Serialize)]
pub(crate) struct Work {
    time_us: f64,
    workers: Vec<Vec<Bar>>,
    /// Whether there were more spans.
    spans_cut: bool,
}

/// What, from when to when in microseconds, with which transaction and incarnation, and the fate.
type Bar = (Doing, f64, f64, Option<u32>, u32, Fate);

/// The most spans of all workers together that a chart can show.
const BARS: usize = 12_000;

/// What each worker of `engine` does for `block`, in the fastest of `repeat` executions.
///
/// # Errors
///
/// The block can't be executed, for this reason.
pub(crate) fn work(
    engine: &Engine,
    repeat: usize,
    block: &Block,
    state: &PreState,
) -> Result<Work, String> {
    let each = BARS / engine.threads().min(BARS);
    let mut best: Option<(Duration, recorder::Recorded)> = None;
    for turn in 0..=repeat {
        // Some steps make no span.
        let recorder = Recorder::start(8 * each);
        let start = Instant::now();
        let done = observe(Arc::clone(&recorder) as Arc<_>, || {
            execute_parallel(engine, block, state, &ParallelOptions::default())
        });
        let time = start.elapsed();
        done.map_err(|error| error.to_string())?;
        // The first one warms up.
        if turn > 0 && best.as_ref().is_none_or(|(fastest, _)| time < *fastest) {
            best = Some((time, recorder.finish()));
        }
    }
    let (time, recorded) = best.ok_or("it was not executed")?;
    let story = Story::of(&recorded, time.as_nanos() as u64);
    let micros = |nanos: u64| nanos as f64 / 1e3;
    let bar = |span: &story::Span| {
        let (from, to) = (micros(span.from), micros(span.to));
        (span.doing, from, to, span.txn.map(block_stm::TxnIndex::get), span.incarnation, span.fate)
    };
    let workers = story.workers.iter().map(|spans| spans.iter().take(each).map(bar).collect());
    Ok(Work {
        time_us: micros(time.as_nanos() as u64),
        spans_cut: story.cut || story.workers.iter().any(|spans| spans.len() > each),
        workers: workers.collect(),
    })
}

/// Executes the block without and with an observer, in turn.
fn study(
    args: &TimelineArgs,
    engine: &Engine,
    block_name: String,
    block: &Block,
    state: &PreState,
) -> Result<(Summary, Story), String> {
    let run = || {
        let start = Instant::now();
        let executed = execute_parallel(engine, block, state, &ParallelOptions::default());
        let time = start.elapsed();
        let executed = executed.map_err(|error| error.to_string())?;
        Ok::<_, String>((time, executed))
    };
    let most = args.max_steps / engine.threads();
    let observed = || {
        let recorder = Recorder::start(most);
        let done = observe(Arc::clone(&recorder) as Arc<_>, run);
        done.map(|(time, executed)| (time, executed, recorder.finish()))
    };
    let reference = run()?.1;
    observed()?;
    let (mut without, mut with) = (Vec::new(), Vec::new());
    let mut best = None;
    for _ in 0..args.repeat.get() {
        // One turn is enough to say something.
        if best.is_some() && interrupt::came() {
            break;
        }
        without.push(run()?.0);
        let (time, executed, recorded) = observed()?;
        if executed.result != reference.result {
            return Err("its result is another one under an observer".to_owned());
        }
        with.push(time);
        if best.as_ref().is_none_or(|(fastest, _, _)| time < *fastest) {
            best = Some((time, executed.stats, recorded));
        }
    }
    let (length, stats, recorded) = best.ok_or("it was not executed")?;
    let story = Story::of(&recorded, length.as_nanos() as u64);
    let summary = Summary {
        version: env!("CARGO_PKG_VERSION"),
        machine: Machine::look(),
        block: block_name,
        txns: block.txns.len(),
        threads: engine.threads(),
        repeat: with.len(),
        time_ms: millis(length),
        unobserved_ms: millis(median_time(&without)),
        observed_ms: millis(median_time(&with)),
        executions: stats.executions,
        aborts: stats.aborts.total(),
        cut: story.cut,
        workers: story.workers.iter().map(|spans| Shares::of(spans)).collect(),
    };
    Ok((summary, story))
}

/// Writes the trace whole or not at all.
fn write(target: &Target, story: &Story, summary: &Summary) -> Result<(), CliError> {
    let facts = json!(summary);
    let not_written = |path: &Path, error| CliError::not_written(path, error);
    match target {
        Target::Stdout | Target::Stream(_) => {
            let mut bytes = Vec::new();
            chrome::write(&mut bytes, story, &facts)
                .map_err(|error| not_written(Path::new("-"), error))?;
            deliver([(target, bytes)])
        }
        Target::File(path) => {
            let done = || {
                let (file, draft): (File, Draft) = Draft::create(path)?;
                let mut out = BufWriter::new(file);
                chrome::write(&mut out, story, &facts)?;
                out.flush()?;
                draft.sync()?;
                draft.publish()
            };
            done().map_err(|error| not_written(path, error))
        }
    }
}

/// How long one worker did what, in milliseconds.
#[derive(Debug, Default, Serialize)]
struct Shares {
    execute_ms: f64,
    /// The part of the executions that was thrown away.
    wasted_ms: f64,
    publish_ms: f64,
    validate_ms: f64,
    judge_ms: f64,
    commit_ms: f64,
    idle_ms: f64,
    sleep_ms: f64,
}

impl Shares {
    fn of(spans: &[story::Span]) -> Self {
        let mut shares = Self::default();
        for span in spans {
            let time = (span.to - span.from) as f64 / 1e6;
            let share = match span.doing {
                Doing::Execute => &mut shares.execute_ms,
                Doing::Publish => &mut shares.publish_ms,
                Doing::Validate => &mut shares.validate_ms,
                Doing::Judge => &mut shares.judge_ms,
                Doing::Commit => &mut shares.commit_ms,
                Doing::Idle => &mut shares.idle_ms,
                Doing::Sleep => &mut shares.sleep_ms,
            };
            *share += time;
            if span.doing == Doing::Execute && span.fate != Fate::Stood {
                shares.wasted_ms += time;
            }
        }
        shares
    }

    fn cells(&self) -> [f64; 8] {
        [
            self.execute_ms,
            self.wasted_ms,
            self.publish_ms,
            self.validate_ms,
            self.judge_ms,
            self.commit_ms,
            self.idle_ms,
            self.sleep_ms,
        ]
    }
}

/// What the trace comes to.
#[derive(Debug, Serialize)]
struct Summary {
    version: &'static str,
    machine: Machine,
    block: String,
    txns: usize,
    threads: usize,
    repeat: usize,
    /// Of the execution in the trace.
    time_ms: f64,
    /// Medians.
    unobserved_ms: f64,
    observed_ms: f64,
    executions: u64,
    aborts: u64,
    /// Whether there were more steps than are kept.
    cut: bool,
    workers: Vec<Shares>,
}

impl Summary {
    /// A row for each worker.
    fn rows(&self) -> Vec<serde_json::Value> {
        let rows = self.workers.iter().enumerate().map(|(worker, shares)| {
            let mut row = json!(shares);
            row["worker"] = json!(worker);
            row["block"] = json!(self.block);
            row["threads"] = json!(self.threads);
            row
        });
        rows.collect()
    }

    fn text(&self, file: &Path) -> String {
        let header = [
            "worker", "execute", "wasted", "publish", "validate", "judge", "commit", "idle",
            "sleep",
        ];
        let mut table = tables::table(&header, &[]);
        for (worker, shares) in self.workers.iter().enumerate() {
            let share = |part: f64| format!("{:.0} %", 100.0 * part / self.time_ms.max(1e-6));
            let cells = std::iter::once(worker.to_string()).chain(shares.cells().map(share));
            table.add_row(cells);
        }
        let span = |millis: f64| time(Duration::from_secs_f64(millis / 1e3));
        let cost = 100.0 * (self.observed_ms / self.unobserved_ms.max(1e-9) - 1.0);
        let cut = match self.cut {
            true => "There were more steps than are kept: the end is missing (see --max-steps).\n",
            false => "",
        };
        format!(
            "{}: {} in {} by {}, {} executions.\nMachine: {}.\n\n{}\n\
             Observed it takes {}, else {} ({cost:+.1} %), medians of {}.\n{cut}\
             The trace is in {}: open it at https://ui.perfetto.dev.\n",
            shown(&self.block),
            count(self.txns, "txn"),
            span(self.time_ms),
            count(self.threads, "worker"),
            self.executions,
            shown(self.machine.in_words()),
            tables::render(&table),
            span(self.observed_ms),
            span(self.unobserved_ms),
            self.repeat,
            shown(file.display()),
        )
    }
}
