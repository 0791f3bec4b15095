//! `block-stm report`: all that is known of blocks, as one page.

use std::{cmp::Reverse, collections::BTreeMap, path::PathBuf};

use block_stm::{Config, Engine};
use block_stm_chain::import::{import_chain, import_folder};
use block_stm_evm::{Block, InvalidTxn, PreState, execute_sequential};
use serde::Serialize;

use crate::{
    allocator,
    args::PageArgs,
    command,
    discover::{Source, sources},
    error::CliError,
    escape::{escaped_json, shown},
    exit::Exit,
    explain::{Detail, Explorer},
    files::{Files, deliver},
    interrupt,
    machine::Machine,
    notes, output, progress, replay,
    report::{Report, json, table},
    timeline::{Work, work},
    units::count,
};

const HTML: &str = include_str!("../assets/report.html");
const CSS: &str = include_str!("../assets/report.css");
const JS: &str = include_str!("../assets/report.js");
/// D3, whose licence stands at its head.
const D3: &str = include_str!("../assets/d3.v7.min.js");

/// Measures the blocks at the paths, and writes the page.
///
/// # Errors
///
/// A path without blocks, names that can't be read, threads that can't be started, a page that
/// can't be written. Blocks that can't be read are told, and left out.
pub(crate) fn page(args: &PageArgs) -> Result<Exit, CliError> {
    let mut files = Files::new();
    let all = sources(&args.paths, &mut files)?;
    args.names.files().for_each(|file| files.reads(file));
    let target = files.writes(&args.out)?;
    let mut explorer = Explorer::new(&args.names, args.repeat.get())?;
    let mut threads = args.threads.clone();
    threads.sort_unstable();
    threads.dedup();
    notes::print(&threads);
    let _patience = interrupt::Patience::new();
    let replay = args.replay();
    let mut reports = Vec::new();
    for &threads in &threads {
        if !interrupt::came() {
            reports.push(replay::report(&replay, &all, threads)?);
        }
    }
    for report in &reports {
        output::print_to_stderr(&table::failures(report));
    }
    let errors: Vec<_> = reports.first().into_iter().flat_map(|report| &report.errors).collect();
    errors.iter().for_each(output::error);
    let Some(most) = reports.last().filter(|report| !report.rows.is_empty()) else {
        return Ok(Exit::BadInput);
    };
    let engine = Config::default().inline_below(0);
    let engine = Engine::new(engine.threads(*threads.last().expect("there is one")))?;
    let wanted = longest(most, args.details);
    let details = details(&all, &wanted, |title, block, state| {
        let detail = explorer.detail(title, block, state)?;
        let work = work(&engine, args.repeat.get(), block, state)?;
        Ok(Shown { detail, work, threads: Engine::threads(&engine) })
    })?;
    deliver([(&target, render(args, &reports, &details))])?;
    if !matches!(target, crate::files::Target::Stdout) {
        let (blocks, shown_in) = (count(most.rows.len(), "block"), shown(args.out.display()));
        output::print(
            format!("{blocks} in {shown_in}, {} in detail.\n", details.len()).as_bytes(),
        )?;
    }
    Ok(match (reports.iter().all(Report::ok), errors.is_empty()) {
        (false, _) => Exit::CheckFailed,
        (true, false) => Exit::BadInput,
        (true, true) => Exit::Success,
    })
}

/// One block in detail.
#[derive(Debug, Serialize)]
struct Shown {
    #[serde(flatten)]
    detail: Detail,
    #[serde(flatten)]
    work: Work,
    threads: usize,
}

/// The numbers of the blocks that take longest, at most so many.
fn longest(report: &Report, most: usize) -> Vec<u64> {
    let mut rows: Vec<_> = report.rows.iter().collect();
    rows.sort_by_key(|row| Reverse(row.sequential));
    rows.into_iter().take(most).filter_map(|row| row.number).collect()
}

/// What `look` sees in the blocks with the numbers `wanted`.
fn details(
    all: &[Source],
    wanted: &[u64],
    mut look: impl FnMut(String, &Block, &PreState) -> Result<Shown, String>,
) -> Result<Vec<Shown>, CliError> {
    let bar = progress::bar(wanted.len());
    let mut seen = BTreeMap::new();
    let mut one = |path: &PathBuf, number: u64, block: &Block, state: &PreState| {
        if !wanted.contains(&number) || seen.contains_key(&number) || interrupt::came() {
            return Ok(());
        }
        bar.set_message(format!("block {number}"));
        let shown = look(format!("block {number}"), block, state)
            .map_err(|message| CliError::Execution { path: path.clone(), number, message })?;
        seen.insert(number, shown);
        bar.inc(1);
        Ok::<_, CliError>(())
    };
    for source in all {
        match source {
            Source::Block(folder) => {
                // One that can't be read was told before.
                let Ok(imported) = import_folder(folder) else { continue };
                one(folder, imported.number, &imported.block, &imported.pre_state)?;
            }
            Source::Chain(folder) => {
                let Ok(chain) = import_chain(folder) else { continue };
                let mut state = chain.genesis;
                for block in &chain.blocks {
                    one(folder, block.number, &block.block, &state)?;
                    match execute_sequential(&block.block, &state, InvalidTxn::Reject) {
                        Ok(result) => state.apply(&result.state),
                        Err(_) => break,
                    }
                }
            }
        }
    }
    bar.finish_and_clear();
    Ok(wanted.iter().filter_map(|number| seen.remove(number)).collect())
}

/// What the page's script draws.
#[derive(Serialize)]
struct Data<'a> {
    version: &'static str,
    allocator: String,
    command: String,
    machine: Machine,
    repeat: usize,
    reports: Vec<serde_json::Value>,
    details: &'a [Shown],
}

fn render(args: &PageArgs, reports: &[Report], details: &[Shown]) -> Vec<u8> {
    let reports = reports.iter().map(|report| {
        serde_json::json!({
            "threads": report.threads,
            "rows": json::rows(std::slice::from_ref(report)),
            "totals": json::totals(report),
        })
    });
    let data = Data {
        version: env!("CARGO_PKG_VERSION"),
        allocator: allocator::name(),
        command: command::of_process(),
        machine: Machine::look(),
        repeat: args.repeat.get(),
        reports: reports.collect(),
        details,
    };
    let data = serde_json::to_string(&data).expect("keys are strings");
    // No text of others can end the element that it stands in.
    let data = escaped_json(&data).replace('<', "\\u003c");
    let parts = [("css", CSS), ("d3", D3), ("js", JS), ("data", data.as_str())];
    let mut page = HTML.to_owned();
    for (name, content) in parts {
        page = page.replacen(&format!("{{{{{name}}}}}"), content, 1);
    }
    page.into_bytes()
}
