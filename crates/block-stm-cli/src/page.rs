//! `block-stm report`: all that is known of blocks, as one page.

use std::{cmp::Reverse, collections::BTreeMap};

use block_stm::{Config, Engine};
use serde::Serialize;

use crate::{
    allocator,
    args::PageArgs,
    command,
    error::CliError,
    escape::{escaped_json, shown},
    exit::Exit,
    explain::{Detail, Explorer},
    files::{Files, deliver},
    given::{Given, NEXT, Placed, Wants},
    interrupt,
    machine::Machine,
    notes, output, replay,
    report::{Report, Row, json, table},
    run,
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
    let given = Given::open(&args.paths, &args.blocks, &mut files)?;
    args.names.files().for_each(|file| files.reads(file));
    let target = files.writes(&args.out)?;
    let mut explorer = Explorer::new(&args.names, args.repeat.get())?;
    let mut threads = args.threads.clone();
    threads.sort_unstable();
    threads.dedup();
    notes::print(&threads);
    let _patience = interrupt::Patience::new();
    let (replay, common) = (args.replay(), args.common());
    let mut reports = Vec::new();
    for &threads in &threads {
        if !interrupt::came() {
            reports.push(match &given {
                Given::Real(all) => replay::report(&replay, all, threads)?,
                Given::Generated(loads) => run::report((&args.blocks, &common), loads, threads)?,
            });
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
    let details = details(&given, &wanted, |Placed { title, block, state, .. }| {
        let detail = explorer.detail(title.to_owned(), block, state)?;
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

/// The titles of the blocks that take longest, at most so many.
fn longest(report: &Report, most: usize) -> Vec<String> {
    let mut rows: Vec<_> = report.rows.iter().collect();
    rows.sort_by_key(|row| Reverse(row.sequential));
    let title = |row: &Row| match row.number {
        Some(number) => format!("block {number}"),
        None => row.name.clone(),
    };
    rows.into_iter().take(most).map(title).collect()
}

/// What `look` sees in the blocks with the titles `wanted`.
fn details(
    given: &Given,
    wanted: &[String],
    mut look: impl FnMut(Placed<'_>) -> Result<Shown, String>,
) -> Result<Vec<Shown>, CliError> {
    let mut seen = BTreeMap::new();
    given.each_readable(|placed| {
        let title = placed.title.to_owned();
        if wanted.contains(&title) && !seen.contains_key(&title) {
            seen.insert(title, look(placed)?);
        }
        Ok(if seen.len() < wanted.len() { NEXT } else { Wants::Break(()) })
    })?;
    Ok(wanted.iter().filter_map(|title| seen.remove(title)).collect())
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
