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
use block_stm_chain::import::{import_chain, import_folder};
use block_stm_evm::{
    Block, InvalidTxn, ParallelOptions, ParallelResult, PreState, execute_parallel,
    execute_sequential,
};
use block_stm_testkit::sim::{Latency, Profile};

use self::report::{Line, Report};
use crate::{
    args::ForecastArgs,
    discover::{Source, sources},
    error::CliError,
    escape::shown,
    exit::Exit,
    files::{CsvOutput, Files, JsonOutput, SvgOutput},
    interrupt,
    load::Load,
    measure::{median_time, plain},
    notes, output, progress,
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
    let all = sources(&args.paths, &mut files)?;
    let loads = Load::all(&args.blocks, &mut files)?;
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
    let mut reports =
        if all.is_empty() { studio.loads(&loads)? } else { vec![studio.blocks(&all)?] };
    reports.retain(|report| !report.is_empty());
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
    /// A report on each generated block.
    fn loads(&self, loads: &[Load]) -> Result<Vec<Report>, CliError> {
        let bar = progress::bar(loads.iter().map(Load::blocks).sum());
        let mut reports = Vec::new();
        for load in loads {
            if interrupt::came() {
                break;
            }
            bar.set_message(load.name().to_owned());
            load.each(|name, block, state| {
                let lines = self.study(block, state)?;
                let txns = count(block.txns.len(), "txn");
                reports.push(Report::new(format!("{name}: {txns}"), vec![lines]));
                bar.inc(1);
                Ok(())
            })?;
        }
        bar.finish_and_clear();
        Ok(reports)
    }

    /// One report on all blocks.
    fn blocks(&self, all: &[Source]) -> Result<Report, CliError> {
        let bar = progress::bar(all.len());
        let mut studies = Vec::new();
        for source in all {
            if interrupt::came() {
                break;
            }
            match source {
                Source::Block(folder) => {
                    bar.set_message(shown(folder.display()));
                    let imported = import_folder(folder)?;
                    let study = self.study(&imported.block, &imported.pre_state);
                    studies.push(study.map_err(|message| CliError::Execution {
                        path: folder.clone(),
                        number: imported.number,
                        message,
                    })?);
                }
                Source::Chain(folder) => {
                    let chain = import_chain(folder)?;
                    bar.inc_length(chain.blocks.len() as u64);
                    let mut state = chain.genesis;
                    for one in &chain.blocks {
                        if interrupt::came() {
                            break;
                        }
                        bar.set_message(format!("block {}", one.number));
                        let failed = |message: String| CliError::Execution {
                            path: folder.clone(),
                            number: one.number,
                            message,
                        };
                        studies.push(self.study(&one.block, &state).map_err(failed)?);
                        let result = execute_sequential(&one.block, &state, InvalidTxn::Reject);
                        state.apply(&result.map_err(|error| failed(error.to_string()))?.state);
                        bar.inc(1);
                    }
                }
            }
            bar.inc(1);
        }
        bar.finish_and_clear();
        Ok(Report::new(count(studies.len(), "block"), studies))
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
        let plain = median_time(&mut { plain }) + Duration::from_nanos(reads_ns);
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
                real: real.get(&workers).map(|times| median_time(&mut times.clone())),
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
