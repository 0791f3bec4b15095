//! `block-stm forecast`: how blocks scale to more workers than there are cores.

mod plot;
mod report;

use std::{
    collections::BTreeMap,
    num::NonZeroUsize,
    thread,
    time::{Duration, Instant},
};

use block_stm::{Config, Engine};
use block_stm_evm::{Block, ParallelOptions, ParallelResult, PreState, execute_parallel};
use block_stm_testkit::sim::{Latency, Profile};

use self::report::{Line, Report, Study};
use crate::{
    args::ForecastArgs,
    error::CliError,
    exit::Exit,
    files::{CsvOutput, Files, JsonOutput, SvgOutput},
    given::{Given, NEXT, Placed},
    interrupt,
    measure::plain,
    medians::median_time,
    notes, output,
    units::count,
};

/// Forecasts the workloads, or the blocks at the paths.
///
/// # Errors
///
/// Input that can't be read or executed, parameters out of their range, results that can't be
/// written.
pub(crate) fn forecast(args: &ForecastArgs) -> Result<Exit, CliError> {
    let mut files = Files::new();
    let given = Given::open(&args.paths, &args.blocks, &mut files)?;
    let json = JsonOutput::open(&args.json, &mut files)?;
    let csv = CsvOutput::open(&args.csv, &mut files)?;
    let svg = SvgOutput::open(&args.svg, &mut files)?;
    notes::warn_of_noise();
    let _patience = interrupt::Patience::new();
    let studio = Studio {
        latency: Latency {
            read_ns: args.read_latency.0.as_nanos() as u64,
            ..Latency::of_this_machine()
        },
        workers: &args.workers,
        repeat: args.repeat,
    };
    let reports = studio.reports(&given)?;
    if reports.is_empty() {
        return Ok(Exit::Success);
    }
    if !json.replaces_text() {
        let texts: Vec<_> = reports.iter().map(Report::text).collect();
        output::print_styled(&texts.join("\n"))?;
    }
    csv.write(|| report::rows(&reports))?;
    svg.write(|| plot::of(&reports))?;
    json.write(|| report::json(&reports))?;
    Ok(Exit::Success)
}

/// The circumstances of all forecasts.
struct Studio<'a> {
    latency: Latency,
    workers: &'a [NonZeroUsize],
    repeat: NonZeroUsize,
}

impl Studio<'_> {
    /// A report on each generated block, or one on all real blocks.
    fn reports(&self, given: &Given) -> Result<Vec<Report>, CliError> {
        let mut reports = Vec::new();
        let mut blocks = Vec::new();
        given.each(|Placed { number, title, block, state, .. }| {
            let study = Study { number, lines: self.study(block, state)? };
            match number {
                Some(_) => blocks.push(study),
                None => {
                    let txns = count(block.txns.len(), "txn");
                    reports.push(Report::new(format!("{title}: {txns}"), vec![study]));
                }
            }
            Ok(NEXT)
        })?;
        if !blocks.is_empty() {
            reports.push(Report::new(count(blocks.len(), "block"), blocks));
        }
        Ok(reports)
    }

    /// One line for each number of workers.
    fn study(&self, block: &Block, state: &PreState) -> Result<Vec<Line>, String> {
        let work = |engine: &Engine| execute(engine, block, state);
        let options = ParallelOptions::default().conflict_graph();
        let ordered = execute_parallel(&engine(1)?, block, state, &options);
        let ordered = ordered.map_err(|error| error.to_string())?;
        let conflicts = ordered.conflict_graph.ok_or("no conflict graph")?;
        let cores = thread::available_parallelism().map_or(1, NonZeroUsize::get);
        let numbers = self.workers.iter().map(|workers| workers.get());
        let measurable = |workers: &usize| *workers <= cores && self.latency.read_ns == 0;
        // Measured before and after: the allocator gets better at a block in time.
        let mut real = BTreeMap::new();
        for workers in numbers.clone().filter(measurable) {
            real.insert(workers, self.real(workers, block, state)?);
        }
        let profile = Profile::measure(&work, block.txns.len(), self.latency, self.repeat)
            .map_err(|stopped| stopped.to_string())?;
        let reads_ns = ordered.stats.base_reads.saturating_mul(self.latency.read_ns);
        let plain = self.times(|| Ok(plain(block, state).0))?;
        let plain = median_time(&plain) + Duration::from_nanos(reads_ns);
        for (workers, times) in &mut real {
            times.extend(self.real(*workers, block, state)?);
        }
        let one = numbers.map(|workers| {
            let forecast =
                profile.forecast(&work, workers).map_err(|stopped| stopped.to_string())?;
            let stats = forecast.result?.stats;
            Ok(Line {
                workers,
                plain,
                executions_time: Duration::from_nanos(profile.executions_ns.iter().sum()),
                simulated: Duration::from_nanos(forecast.makespan_ns),
                bound: Duration::from_nanos(profile.bound_ns(&conflicts, workers)),
                real: real.get(&workers).map(|times| median_time(times)),
                real_samples: real.get(&workers).cloned().unwrap_or_default(),
                txns: block.txns.len(),
                executions: stats.executions,
            })
        });
        one.collect()
    }

    /// The times that real workers take.
    fn real(
        &self,
        workers: usize,
        block: &Block,
        state: &PreState,
    ) -> Result<Vec<Duration>, String> {
        let engine = engine(workers)?;
        self.times(|| timed(&engine, block, state))
    }

    /// Times, after a first one that does not count.
    fn times(&self, take: impl Fn() -> Result<Duration, String>) -> Result<Vec<Duration>, String> {
        take()?;
        (0..self.repeat.get()).map(|_| take()).collect()
    }
}

fn engine(threads: usize) -> Result<Engine, String> {
    let threads = NonZeroUsize::new(threads).ok_or("no threads")?;
    // Without short cuts, which the simulated workers do not take either.
    Engine::new(Config::default().threads(threads).inline_below(0))
        .map_err(|error| error.to_string())
}

fn execute(engine: &Engine, block: &Block, state: &PreState) -> Result<ParallelResult, String> {
    let options = ParallelOptions::default();
    execute_parallel(engine, block, state, &options).map_err(|error| error.to_string())
}

fn timed(engine: &Engine, block: &Block, state: &PreState) -> Result<Duration, String> {
    let start = Instant::now();
    let result = execute(engine, block, state);
    let time = start.elapsed();
    drop(result);
    Ok(time)
}
