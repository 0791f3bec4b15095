//! `block-stm run`: generated blocks, sequentially and in parallel.

use std::num::NonZeroUsize;

use block_stm::{Config, Engine};
use block_stm_workloads::Params;

use crate::{
    args::{CommonArgs, RunArgs, WorkloadArgs},
    bounds::Bounder,
    command,
    delivery::Delivery,
    error::CliError,
    exit::Exit,
    files::Files,
    interrupt,
    load::Load,
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
    let mut files = Files::new();
    let loads = Load::all(&args.blocks, &mut files)?;
    let mut delivery = Delivery::open(&args.common, &mut files)?;
    notes::print(&args.common.threads);
    let _patience = interrupt::Patience::new();
    for &threads in &args.common.threads {
        if interrupt::came() {
            break;
        }
        delivery.show(report((&args.blocks, &args.common), &loads, threads)?)?;
    }
    delivery.finish()
}

/// Runs all blocks with so many threads.
///
/// # Errors
///
/// Threads that can't be started, a block that can't be generated or executed.
pub(crate) fn report(
    (blocks, common): (&WorkloadArgs, &CommonArgs),
    loads: &[Load],
    threads: NonZeroUsize,
) -> Result<Report, CliError> {
    let engine = Engine::new(Config::default().threads(threads))?;
    let bounder = Bounder::if_wanted(common, threads)?;
    let bar = progress::bar(loads.iter().map(Load::blocks).sum());
    let mut rows = Vec::new();
    for load in loads {
        if interrupt::came() {
            break;
        }
        bar.set_message(load.name().to_owned());
        load.each(|name, block, state| {
            let lists = Lists::Unbuilt;
            let measured = measure_as_asked(common, &engine, bounder.as_ref(), block, state, lists);
            let (measured, bounds) = measured?;
            let row = Row::new(name, block, measured, Vec::new()).with_bounds(bounds);
            rows.push(row.repeated_by(command::run((blocks, common), load, engine.threads())));
            bar.inc(1);
            Ok(())
        })?;
    }
    bar.finish_and_clear();
    Ok(Report {
        kind: Kind::Workloads,
        title: title((blocks, common), loads, threads.get()),
        machine: Machine::look(),
        threads: threads.get(),
        repeat: common.repeat,
        rows,
        errors: Vec::new(),
    })
}

fn title((blocks, common): (&WorkloadArgs, &CommonArgs), loads: &[Load], threads: usize) -> String {
    if let [Load::Scenario(written)] = loads {
        return format!(
            "Scenario {}: {} of {}, {}, seed {}{}; {}",
            written.name(),
            count(written.scenario.blocks(), "block"),
            count(written.scenario.txns(), "txn"),
            count(written.scenario.accounts(), "account"),
            written.scenario.seed(),
            common.latency_in_words(),
            count(threads, "thread"),
        );
    }
    let Params { txns, accounts, pools, zipf, seed } = blocks.params();
    format!(
        "Blocks of {}: {}, {}, zipf {zipf}, seed {seed}{}; {}",
        count(txns, "txn"),
        count(accounts, "account"),
        count(pools, "pool"),
        common.latency_in_words(),
        count(threads, "thread"),
    )
}
