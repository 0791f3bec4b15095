//! `block-stm sweep`: the throughput of payments over accounts, block sizes and threads, as in the
//! Block-STM paper.

mod plot;
mod report;
mod subject;

use std::{
    num::NonZeroUsize,
    path::{Path, PathBuf},
    time::Duration,
};

use block_stm::{Config, Engine};
use block_stm_workloads::{
    Params, Workload,
    p2p::{Kind, Work},
};
use indicatif::ProgressBar;

use self::{
    report::{Cell, Report, Series},
    subject::{Evm, P2p, Subject},
};
use crate::{
    args::{SweepArgs, SweepVm, sorted},
    command,
    difference::Difference,
    error::CliError,
    exit::Exit,
    files::{Files, JsonOutput, Target, deliver},
    interrupt,
    load::{Load, Written},
    medians::{lower_median, median_time},
    memory, notes, output, progress,
};

const FROM_A_FILE: CliError =
    CliError::Usage("a sweep reads its scenario for each cell: give a file in place of `-`");

/// Measures every cell.
///
/// # Errors
///
/// Options that do not go together, a scenario that can't be read, threads that can't be started,
/// results that can't be written.
pub(crate) fn sweep(args: &SweepArgs) -> Result<Exit, CliError> {
    let mut files = Files::new();
    let swept = Swept::of(args, &mut files)?;
    let targets = Targets::open(args, &mut files)?;
    let threads = sorted(&args.threads);
    let (accounts, blocks) = swept.sizes(args);
    let largest = |sizes: &[usize]| sizes.last().copied().unwrap_or_default();
    memory::check(largest(&blocks), largest(&accounts))?;
    notes::print(&threads);
    let _patience = interrupt::Patience::new();
    let engine = |&threads: &NonZeroUsize| Engine::new(Config::default().threads(threads));
    let engines = threads.iter().map(engine).collect::<Result<Vec<_>, _>>()?;
    let executions = blocks.len() * accounts.len() * (engines.len() + 1) * (args.repeat + 1);
    let bar = progress::bar(executions);
    let mut series = Vec::with_capacity(blocks.len() * accounts.len());
    for &txns in &blocks {
        for &accounts in &accounts {
            if interrupt::came() {
                continue;
            }
            bar.set_message(format!("{txns} txns of {accounts} accounts"));
            let mut subject = swept.subject(args, (txns, accounts))?;
            series.push(measure(args, (txns, accounts), &mut *subject, &engines, &bar));
        }
    }
    bar.finish_and_clear();
    if series.is_empty() {
        return Ok(Exit::Success);
    }
    let report = Report {
        vm: args.vm(),
        scenario: swept.scenario().map(|written| written.name().to_owned()),
        work: swept.work(),
        seed: swept.scenario().map_or(args.seed.unwrap_or(0), |written| written.scenario.seed()),
        repeat: args.repeat,
        threads: threads.into_iter().map(NonZeroUsize::get).collect(),
        series,
    };
    targets.write(&report)?;
    output::print_to_stderr(&report.failures());
    Ok(if report.ok() { Exit::Success } else { Exit::CheckFailed })
}

/// What is swept: the VM with its options, or a scenario.
#[derive(Debug)]
enum Swept {
    /// The work is the same in all cells.
    P2p(Kind, Duration, Work),
    Transfers,
    /// With its own numbers of accounts and transactions.
    Scenario(Box<Written>),
}

impl Swept {
    fn of(args: &SweepArgs, files: &mut Files) -> Result<Self, CliError> {
        if let Some(load) = args.load(None, None) {
            let file = load.scenario.as_deref().unwrap_or(Path::new("-"));
            if file == Path::new("-") {
                return Err(FROM_A_FILE);
            }
            return Ok(Self::Scenario(Box::new(Written::read(file, &load, files)?)));
        }
        let p2p = |kind: Kind| {
            let time = args.work.map_or_else(|| kind.time_in_paper(), |work| work.0);
            Self::P2p(kind, time, Work::lasting(time))
        };
        match (args.vm, args.work) {
            (SweepVm::Diem, _) => Ok(p2p(Kind::Diem)),
            (SweepVm::Aptos, _) => Ok(p2p(Kind::Aptos)),
            (SweepVm::Evm, None) => Ok(Self::Transfers),
            (SweepVm::Evm, Some(_)) => {
                Err(CliError::Usage("--work is for diem and aptos: revm does its own work"))
            }
        }
    }

    fn scenario(&self) -> Option<&Written> {
        match self {
            Self::Scenario(written) => Some(written),
            Self::P2p(..) | Self::Transfers => None,
        }
    }

    const fn work(&self) -> Option<Duration> {
        match self {
            Self::P2p(_, time, _) => Some(*time),
            Self::Transfers | Self::Scenario(_) => None,
        }
    }

    /// Numbers of accounts, and of transactions in a block.
    fn sizes(&self, args: &SweepArgs) -> (Vec<usize>, Vec<usize>) {
        let (usual, own) = match self.scenario() {
            None => return args.sizes(),
            Some(written) => (args, &written.scenario),
        };
        let or = |given: &[usize], own| if given.is_empty() { vec![own] } else { sorted(given) };
        (or(&usual.accounts, own.accounts()), or(&usual.blocks, own.txns()))
    }

    fn subject(
        &self,
        args: &SweepArgs,
        (txns, accounts): (usize, usize),
    ) -> Result<Box<dyn Subject>, CliError> {
        let seed = args.seed.unwrap_or(0);
        let evm = |loads: &[Load]| -> Result<Box<dyn Subject>, CliError> {
            let load = loads.first().expect("a workload or a scenario is one load");
            Ok(Box::new(Evm::new(load)?))
        };
        match self {
            Self::P2p(kind, _, work) => {
                Ok(Box::new(P2p::new(*kind, *work, (txns, accounts), seed)))
            }
            Self::Transfers => {
                let params = Params { txns, accounts, seed, ..Params::default() };
                evm(&[Load::Workload(Workload::Transfers, params)])
            }
            Self::Scenario(_) => {
                let load = args.load(Some(accounts), Some(txns)).expect("there is a scenario");
                evm(&Load::all(&load, &mut Files::new())?)
            }
        }
    }
}

/// One block with every number of threads. All take turns, so that a machine that slows down slows
/// all of them.
fn measure(
    args: &SweepArgs,
    (txns, accounts): (usize, usize),
    subject: &mut dyn Subject,
    engines: &[Engine],
    bar: &ProgressBar,
) -> Series {
    let all_txns = subject.txns();
    let mut plain = Vec::with_capacity(args.repeat);
    let mut plain_difference = None;
    let mut columns: Vec<_> = engines.iter().map(|_| Column::default()).collect();
    for turn in 0..=args.repeat {
        // One turn after the warm-up is enough to say something.
        if turn > 1 && interrupt::came() {
            break;
        }
        // The first one warms up, and does not count.
        let name = if turn == 0 { "the warm-up".to_owned() } else { format!("execution {turn}") };
        let (time, difference) = subject.sequential(&name);
        plain.push(time);
        plain_difference = plain_difference.or(difference);
        bar.inc(1);
        for (engine, column) in engines.iter().zip(&mut columns) {
            let run = subject.parallel(engine, &name);
            column.times.push(run.time);
            column.executions.push(run.executions);
            column.aborts.push(run.aborts);
            column.difference = column.difference.take().or(run.difference);
            bar.inc(1);
        }
    }
    let cell = |(engine, mut column): (&Engine, Column)| Cell {
        threads: engine.threads(),
        time: median_time(&column.times[1..]),
        samples: column.times.split_off(1),
        executions: lower_median(&column.executions[1..]),
        aborts: lower_median(&column.aborts[1..]),
        difference: column.difference,
        command: command::sweep(args, (txns, accounts), engine.threads()),
    };
    Series {
        txns,
        all_txns,
        accounts,
        sequential: median_time(&plain[1..]),
        sequential_samples: plain.split_off(1),
        sequential_difference: plain_difference,
        cells: engines.iter().zip(columns).map(cell).collect(),
    }
}

/// What one number of threads came to.
#[derive(Default)]
struct Column {
    times: Vec<Duration>,
    executions: Vec<u64>,
    aborts: Vec<u64>,
    difference: Option<Difference>,
}

/// Where the results go.
struct Targets {
    json: JsonOutput,
    csv: Option<Target>,
    svg: Option<Target>,
}

impl Targets {
    /// Makes sure that there is a way to write each, before anything is measured.
    fn open(args: &SweepArgs, files: &mut Files) -> Result<Self, CliError> {
        let json = JsonOutput::open(&args.json, files)?;
        let mut open =
            |path: &Option<PathBuf>| path.as_deref().map(|path| files.writes(path)).transpose();
        let targets = Self { json, csv: open(&args.csv)?, svg: open(&args.svg)? };
        match targets.on_stdout() {
            0 | 1 => Ok(targets),
            _ => Err(CliError::Usage("only one of --json, --csv and --svg can be printed")),
        }
    }

    fn all(&self) -> impl Iterator<Item = &Target> {
        self.json.targets().iter().chain(&self.csv).chain(&self.svg)
    }

    fn on_stdout(&self) -> usize {
        self.all().filter(|target| matches!(target, Target::Stdout)).count()
    }

    fn write(&self, report: &Report) -> Result<(), CliError> {
        if self.on_stdout() == 0 {
            output::print_styled(&report.text())?;
        }
        let json = self.json.targets().iter().map(|target| (target, report.json()));
        let csv = self.csv.iter().map(|target| (target, report.csv().into_bytes()));
        let svg = self
            .svg
            .iter()
            .map(|target| (target, crate::plot::svg(&plot::of(report)).into_bytes()));
        deliver(json.chain(csv).chain(svg))
    }
}
