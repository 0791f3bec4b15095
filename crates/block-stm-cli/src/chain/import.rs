//! `block-stm chain import`: blocks of files into a store, from where the store is.

use block_stm_chain::{Genesis, import::json::read_file};
use block_stm_pipeline::{Outcome, Workers, World};
use serde_json::{Value, json};

use super::{
    feed::{Stopped, feed, open},
    report::rate,
    watch::Progress,
};
use crate::{
    args::ChainImportArgs,
    error::CliError,
    exit::Exit,
    files::{Files, JsonOutput, rendered},
    interrupt, output, progress,
    units::{count, grouped, si, time},
};

/// Imports the files one after another, from the store's newest block on.
///
/// # Errors
///
/// A genesis file that can't be read, a store that can't be opened, results that can't be written.
pub(super) fn import(args: &ChainImportArgs) -> Result<Exit, CliError> {
    let mut files = Files::new();
    files.reads(&args.genesis);
    args.files.iter().for_each(|file| files.reads(file));
    let json = JsonOutput::open(&args.json, &mut files)?;
    let genesis = Genesis::parse(&args.genesis, &read_file(&args.genesis)?)?;
    let workers = Workers::new(args.threads)?;
    let (mut world, store) = open(&args.store, genesis, &workers)?;
    let before = world.head().0;
    let _patience = interrupt::Patience::new();
    let watch = Progress::new(progress::spinner());
    let fed = feed(&args.files, (&workers, &store), &mut world, &watch);
    watch.finish();
    let (outcome, error) = fed?;
    let durable = store.durable();
    if error.is_none() {
        store.close()?;
    }
    if !json.replaces_text() {
        output::print(text(&world, before, &outcome).as_bytes())?;
    }
    if let Some(stopped) = &error {
        output::error(&stopped.reason);
    }
    json.write(|| rendered(&results(&world, before, &outcome, (durable, error.as_ref()))))?;
    Ok(error.map_or(Exit::Success, |stopped| stopped.exit))
}

/// What was imported, as JSON.
pub(super) fn results(
    world: &World,
    before: u64,
    outcome: &Outcome,
    (durable, error): (u64, Option<&Stopped>),
) -> Value {
    json!({
        "head": world.head().1.to_string(),
        "number": world.head().0,
        "state_root": world.head_header().state_root.to_string(),
        "resumed_at": before,
        "blocks": outcome.blocks,
        "txns": outcome.txns,
        "gas_used": outcome.gas_used,
        "seconds": outcome.elapsed.as_secs_f64(),
        "durable": durable,
        "ok": error.is_none(),
        "error": error.map(|stopped| stopped.reason.as_str()),
    })
}

/// What was imported.
pub(super) fn text(world: &World, before: u64, outcome: &Outcome) -> String {
    let (number, hash) = world.head();
    format!(
        "{} imported after block {} in {}: {}, {} txns/s, {} gas.\n\
         Head: block {} {hash}, durable with all before it\n",
        count(outcome.blocks as usize, "block"),
        grouped(before),
        time(outcome.elapsed),
        count(outcome.txns as usize, "txn"),
        grouped(rate(outcome) as u64),
        si(outcome.gas_used as f64),
        grouped(number),
    )
}
