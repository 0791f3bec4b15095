//! `block-stm run`: generated blocks, sequentially and in parallel.

use std::num::NonZeroUsize;

use block_stm::{Config, Engine};
use block_stm_workloads::{Params, Workload};

use crate::{
    args::RunArgs,
    bounds::Bounder,
    command,
    delivery::Delivery,
    error::CliError,
    exit::Exit,
    files::Files,
    interrupt,
    machine::Machine,
    measure::{Lists, measure_as_asked},
    notes, progress,
    report::{Kind, Report, Row},
    units::count,
};

/// Runs the workloads, once for each number of threads.
///
/// # Errors
///
/// Parameters out of their range, threads that can't be started, results that can't be written.
pub(crate) fn run(args: &RunArgs) -> Result<Exit, CliError> {
    args.blocks.check()?;
    let mut delivery = Delivery::open(&args.common, &mut Files::new())?;
    notes::print(&args.common.threads);
    let _patience = interrupt::Patience::new();
    for &threads in &args.common.threads {
        if interrupt::came() {
            break;
        }
        delivery.show(report(args, threads)?)?;
    }
    delivery.finish()
}

fn report(args: &RunArgs, threads: NonZeroUsize) -> Result<Report, CliError> {
    let engine = Engine::new(Config::default().threads(threads))?;
    let bounder = Bounder::if_wanted(&args.common, threads)?;
    let workloads = args.blocks.workloads();
    let bar = progress::bar(workloads.len());
    let mut rows = Vec::with_capacity(workloads.len());
    for workload in workloads {
        if interrupt::came() {
            break;
        }
        bar.set_message(workload.name());
        rows.push(row(args, workload, &engine, bounder.as_ref())?);
        bar.inc(1);
    }
    bar.finish_and_clear();
    Ok(Report {
        kind: Kind::Workloads,
        title: title(args, threads.get()),
        machine: Machine::look(),
        threads: threads.get(),
        repeat: args.common.repeat,
        rows,
        errors: Vec::new(),
    })
}

fn title(args: &RunArgs, threads: usize) -> String {
    let Params { txns, accounts, pools, zipf, seed } = args.blocks.params();
    format!(
        "Blocks of {}: {}, {}, zipf {zipf}, seed {seed}{}; {}",
        count(txns, "txn"),
        count(accounts, "account"),
        count(pools, "pool"),
        args.common.latency_in_words(),
        count(threads, "thread"),
    )
}

fn row(
    args: &RunArgs,
    workload: Workload,
    engine: &Engine,
    bounder: Option<&Bounder>,
) -> Result<Row, CliError> {
    let generated = workload.generate(&args.blocks.params())?;
    let (block, state) = (&generated.block, &generated.pre_state);
    let measured = measure_as_asked(&args.common, engine, bounder, block, state, Lists::Unbuilt);
    let failed = |message| CliError::Workload { name: workload.name(), message };
    let (measured, bounds) = measured.map_err(failed)?;
    let row = Row::new(workload.name().to_owned(), block, measured, Vec::new());
    Ok(row.with_bounds(bounds).repeated_by(command::run(args, workload, engine.threads())))
}
