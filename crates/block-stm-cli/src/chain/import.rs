//! `block-stm chain import`: blocks of files into a store, from where the store is.

use std::{
    collections::BTreeMap,
    path::PathBuf,
    slice,
    sync::{Mutex, PoisonError},
};

use alloy_primitives::{Bytes, keccak256};
use alloy_rlp::Header;
use block_stm_chain::{
    BlockError, Genesis, import::block_number, import::json::read_file, rlp_blocks,
};
use block_stm_pipeline::{
    BoxError, Cause, Outcome, Pipeline, PipelineError, PipelineOptions, Task, Workers, World,
};
use block_stm_store::{Options, Snapshot, disk::Folder};
use serde_json::json;

use super::watch::Progress;
use crate::{
    args::ChainImportArgs,
    error::CliError,
    exit::Exit,
    files::{Files, JsonOutput, rendered},
    interrupt, output, progress,
    units::{count, grouped, si, time},
};

/// So many places of blocks are remembered, more than can be under way.
const PLACES: usize = 256;

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
    let disk = Folder::create(&args.store)
        .map_err(|source| CliError::Path { path: args.store.clone(), source })?;
    let (mut world, store) = workers.install(|| World::open(disk, genesis, Options::default()))?;
    let before = world.head().0;
    let _patience = interrupt::Patience::new();
    let places = Mutex::new(BTreeMap::new());
    let watch = Progress::new(progress::spinner());
    let (outcome, error) = {
        let blocks = Blocks {
            files: args.files.iter(),
            open: None,
            before: store.snapshot()?,
            places: &places,
        };
        let pipeline = Pipeline::new(&workers, &store, PipelineOptions::default());
        pipeline.run(&mut world, blocks, &watch)
    };
    watch.finish();
    let error = error.map(|error| Stopped::new(&error, &places));
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
    json.write(|| {
        rendered(&json!({
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
            "error": error.as_ref().map(|stopped| stopped.reason.as_str()),
        }))
    })?;
    Ok(error.map_or(Exit::Success, |stopped| stopped.exit))
}

fn text(world: &World, before: u64, outcome: &Outcome) -> String {
    let (number, hash) = world.head();
    format!(
        "{} imported after block {} in {}: {}, {} gas.\nHead: block {} {hash}, durable with all \
         before it\n",
        count(outcome.blocks as usize, "block"),
        grouped(before),
        time(outcome.elapsed),
        count(outcome.txns as usize, "txn"),
        si(outcome.gas_used as f64),
        grouped(number),
    )
}

/// Where a block is in the files.
type Places = Mutex<BTreeMap<u64, String>>;

/// Why an import ended before the files did.
struct Stopped {
    reason: String,
    exit: Exit,
}

impl Stopped {
    fn new(error: &PipelineError, places: &Places) -> Self {
        let places = places.lock().unwrap_or_else(PoisonError::into_inner);
        let reason = match (places.get(&error.number), &error.cause) {
            // It says the place itself.
            (_, Cause::Host(cause)) => cause.to_string(),
            (Some(place), _) => format!("{place}: {error}"),
            (None, _) => error.to_string(),
        };
        let exit = match &error.cause {
            Cause::Block(BlockError::Encoding(_)) => Exit::BadInput,
            Cause::Block(_) => Exit::CheckFailed,
            _ => Exit::BadInput,
        };
        Self { reason, exit }
    }
}

/// The blocks of the files that the store does not have.
struct Blocks<'a> {
    files: slice::Iter<'a, PathBuf>,
    /// The file that is read: its name, its bytes, and where the next block begins.
    open: Option<(&'a PathBuf, Bytes, usize)>,
    /// The store as it was.
    before: Snapshot,
    places: &'a Places,
}

impl Iterator for Blocks<'_> {
    type Item = Result<Task, BoxError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if interrupt::came() {
                return None;
            }
            let Some((file, bytes, offset)) = &mut self.open else {
                let file = self.files.next()?;
                match read_file(file) {
                    Ok(bytes) => self.open = Some((file, bytes.into(), 0)),
                    Err(error) => return Some(Err(error.into())),
                }
                continue;
            };
            let Some((_, block)) = rlp_blocks(&bytes[*offset..]).next() else {
                self.open = None;
                continue;
            };
            let place = format!("{}, at byte {offset}", file.display());
            let length = match block {
                Ok(block) => block.len(),
                Err(error) => return Some(Err(format!("{place}: {error}").into())),
            };
            let rlp = bytes.slice(*offset..*offset + length);
            *offset += length;
            match self.is_there(&rlp) {
                Ok(true) => {}
                Ok(false) => return Some(Ok(self.task(rlp, place))),
                Err(error) => return Some(Err(format!("{place}: {error}").into())),
            }
        }
    }
}

impl Blocks<'_> {
    /// Whether the store has this block.
    fn is_there(&self, rlp: &[u8]) -> Result<bool, BoxError> {
        // What has no number has no header, which the pipeline tells.
        let (Some(number), Some(header)) = (block_number(rlp), header(rlp)) else {
            return Ok(false);
        };
        if number > self.before.number() {
            return Ok(false);
        }
        let hash = keccak256(header);
        if self.before.number_of(&hash)? == Some(number) {
            return Ok(true);
        }
        let head = self.before.number();
        Err(format!(
            "the store has another block {number}, and goes up to block {head}; `block-stm import` \
             follows branches"
        )
        .into())
    }

    fn task(&self, rlp: Bytes, place: String) -> Task {
        if let Some(number) = block_number(&rlp) {
            let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
            places.insert(number, place);
            while places.len() > PLACES {
                places.pop_first();
            }
        }
        Task::new(rlp)
    }
}

/// The header of a block in RLP.
fn header(rlp: &[u8]) -> Option<&[u8]> {
    let mut fields = rlp;
    Header::decode(&mut fields).ok()?;
    let mut rest = fields;
    let header = Header::decode(&mut rest).ok()?;
    fields.get(..fields.len() - rest.len() + header.payload_length)
}
