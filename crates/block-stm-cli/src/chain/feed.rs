//! Blocks of files for the pipeline, from where a store is.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    slice,
    sync::{Mutex, PoisonError},
};

use alloy_primitives::{Bytes, keccak256};
use alloy_rlp::Header;
use block_stm_chain::{
    BlockError, Genesis, import::block_number, import::json::read_file, rlp_blocks,
};
use block_stm_pipeline::{
    BoxError, Cause, Outcome, Pipeline, PipelineError, PipelineOptions, Task, Watch, Workers, World,
};
use block_stm_store::{Options, Snapshot, Store, disk::Folder};

use crate::{error::CliError, exit::Exit, interrupt};

/// So many places of blocks are remembered, more than can be under way.
const PLACES: usize = 256;

/// The chain of `genesis` in the store's folder, which is made if it is not there.
///
/// # Errors
///
/// A store that can't be opened, or is another chain's.
pub(super) fn open(
    folder: &Path,
    genesis: Genesis,
    workers: &Workers,
) -> Result<(World, Store), CliError> {
    let failed = |source| CliError::Path { path: folder.to_owned(), source };
    let disk = Folder::create(folder).map_err(failed)?;
    Ok(workers.install(|| World::open(disk, genesis, Options::default()))?)
}

/// Brings the blocks of `files` that the store lacks into world and store, until the last one, the
/// first that is wrong, or an interrupt.
///
/// # Errors
///
/// The store can't be read.
pub(super) fn feed(
    files: &[PathBuf],
    (workers, store): (&Workers, &Store),
    world: &mut World,
    watch: &dyn Watch,
) -> Result<(Outcome, Option<Stopped>), CliError> {
    let places = Mutex::new(BTreeMap::new());
    let blocks =
        Blocks { files: files.iter(), open: None, before: store.snapshot()?, places: &places };
    let pipeline = Pipeline::new(workers, store, PipelineOptions::default());
    let (outcome, error) = pipeline.run(world, blocks, watch);
    Ok((outcome, error.map(|error| Stopped::new(&error, &places))))
}

/// Where a block is in the files.
type Places = Mutex<BTreeMap<u64, String>>;

/// Why an import ended before the files did.
pub(super) struct Stopped {
    pub(super) reason: String,
    pub(super) exit: Exit,
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
