//! Going through the blocks that lie at paths, each on its state.

use std::path::Path;

use block_stm::{Config, Engine};
use block_stm_chain::{
    HeaderChecks,
    import::{import_chain, import_folder},
};
use block_stm_evm::{Block, PreState, StateChanges, revm::primitives::B256};
use indicatif::ProgressBar;

use crate::{args::BlocksArgs, discover::Source, error::CliError, progress};

/// A block to do something with.
pub(crate) struct BlockAt<'a> {
    pub(crate) engine: &'a Engine,
    pub(crate) path: &'a Path,
    /// The name of the folder.
    pub(crate) name: &'a str,
    pub(crate) number: u64,
    pub(crate) hash: B256,
    pub(crate) txn_hashes: &'a [B256],
    pub(crate) block: &'a Block,
    pub(crate) header: &'a HeaderChecks,
    pub(crate) state: &'a PreState,
    /// How many ommers are known by their hash alone.
    pub(crate) unknown_ommers: usize,
}

impl BlockAt<'_> {
    /// The error of a block that can't be executed.
    pub(crate) fn failed(&self, error: impl std::fmt::Display) -> CliError {
        let (path, number) = (self.path.to_owned(), self.number);
        CliError::Execution { path, number, message: error.to_string() }
    }
}

/// Calls `visit` with each block, until it has no answer; the answer is what the block changes.
pub(crate) fn for_each_block(
    args: &BlocksArgs,
    all: &[Source],
    mut visit: impl FnMut(&BlockAt<'_>) -> Result<Option<StateChanges>, CliError>,
) -> Result<(), CliError> {
    let engine = Engine::new(Config::default().threads(args.threads))?;
    let bar = progress::bar(all.len());
    for source in all {
        let goes_on = match source {
            Source::Block(path) => one(&engine, path, &mut visit)?,
            Source::Chain(path) => chain(&engine, path, &bar, &mut visit)?,
        };
        if !goes_on {
            break;
        }
        bar.inc(1);
    }
    bar.finish_and_clear();
    Ok(())
}

type Visit<'a> = dyn FnMut(&BlockAt<'_>) -> Result<Option<StateChanges>, CliError> + 'a;

fn one(engine: &Engine, path: &Path, visit: &mut Visit<'_>) -> Result<bool, CliError> {
    let imported = import_folder(path)?;
    let changes = visit(&BlockAt {
        engine,
        path,
        name: &imported.name,
        number: imported.number,
        hash: imported.hash,
        txn_hashes: &imported.txn_hashes,
        block: &imported.block,
        header: &imported.header,
        state: &imported.pre_state,
        unknown_ommers: imported.unknown_ommers,
    })?;
    Ok(changes.is_some())
}

/// Each block on the state that the one before it left.
fn chain(
    engine: &Engine,
    path: &Path,
    bar: &ProgressBar,
    visit: &mut Visit<'_>,
) -> Result<bool, CliError> {
    let chain = import_chain(path)?;
    // The chain itself is one of the steps.
    bar.inc_length(chain.blocks.len() as u64);
    let mut state = chain.genesis;
    for block in &chain.blocks {
        bar.set_message(format!("block {}", block.number));
        let changes = visit(&BlockAt {
            engine,
            path,
            name: &chain.name,
            number: block.number,
            hash: block.hash,
            txn_hashes: &block.txn_hashes,
            block: &block.block,
            header: &block.header,
            state: &state,
            unknown_ommers: 0,
        })?;
        let Some(changes) = changes else { return Ok(false) };
        state.apply(&changes);
        bar.inc(1);
    }
    Ok(true)
}
