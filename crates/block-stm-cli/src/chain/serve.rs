//! `block-stm chain serve`: JSON-RPC over a store, while blocks of files are imported.

use std::{sync::Arc, time::Duration};

use block_stm::{Config, Engine};
use block_stm_chain::{Genesis, import::json::read_file};
use block_stm_pipeline::Workers;
use block_stm_rpc::{Node, Server};

use super::{
    feed::{feed, open},
    import::{results, text},
    watch::Progress,
};
use crate::{
    args::ChainServeArgs,
    error::CliError,
    exit::Exit,
    files::{Files, JsonOutput, rendered},
    interrupt, output, progress,
};

/// What clients are told.
const VERSION: &str = concat!("block-stm/", env!("CARGO_PKG_VERSION"));
/// So long is waited for an interrupt at a time.
const WAIT: Duration = Duration::from_secs(3_600);

/// Answers for the chain in a store, and imports the files meanwhile, until an interrupt.
///
/// # Errors
///
/// A genesis file that can't be read, a store that can't be opened, an address that can't be
/// listened at, results that can't be written.
pub(super) fn serve(args: &ChainServeArgs) -> Result<Exit, CliError> {
    let mut files = Files::new();
    files.reads(&args.genesis);
    args.files.iter().for_each(|file| files.reads(file));
    let json = JsonOutput::open(&args.json, &mut files)?;
    let genesis = Genesis::parse(&args.genesis, &read_file(&args.genesis)?)?;
    let schedule = genesis.schedule.clone();
    let workers = Workers::new(args.threads)?;
    let (mut world, store) = open(&args.store, genesis, &workers)?;
    let store = Arc::new(store);
    let before = world.head().0;
    let engine = Engine::new(Config::default().threads(args.threads))?;
    let chain = (schedule, world.prover());
    let limits = args.limits.limits();
    let node = Node::new(Arc::clone(&store), chain, engine, limits, VERSION.to_owned());
    let _patience = interrupt::Patience::new();
    let server = Server::start(node, args.listen, args.host.clone())
        .map_err(|source| CliError::Listen { addr: args.listen, source })?;
    output::note(&format!("listening on http://{}", server.addr()));
    let watch = Progress::new(progress::spinner());
    let fed = feed(&args.files, (&workers, &store), &mut world, &watch);
    watch.finish();
    let (outcome, stopped) = fed?;
    if !json.replaces_text() && !args.files.is_empty() {
        output::print(text(&world, before, &outcome).as_bytes())?;
    }
    while stopped.is_none() && !args.once && !interrupt::came() {
        interrupt::sleep(WAIT);
    }
    drop(server);
    let durable = store.durable();
    match &stopped {
        Some(stopped) => output::error(&stopped.reason),
        // Readers may hold on to it, so that it can't be closed.
        None => {
            store.sync()?;
            store.flush()?;
        }
    }
    json.write(|| rendered(&results(&world, before, &outcome, (durable, stopped.as_ref()))))?;
    Ok(stopped.map_or(Exit::Success, |stopped| stopped.exit))
}
