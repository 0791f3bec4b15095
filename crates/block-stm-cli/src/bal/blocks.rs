//! Going through the blocks that lie at paths, each on its state.

use std::path::Path;

use block_stm::{Config, Engine};
use block_stm_chain::{
    HeaderChecks,
    import::{import_chain, import_folder},
};
use block_stm_evm::{Block, PreState, StateChanges};
use indicatif::ProgressBar;

use crate::{args::BalBlocks, discover::Source, error::CliError, output, progress, units::count};

/// A block to do something with.
pub(super) struct BlockAt<'a> {
    pub(super) engine: &'a Engine,
    pub(super) path: &'a Path,
    pub(super) number: u64,
    pub(super) block: &'a Block,
    pub(super) header: &'a HeaderChecks,
    pub(super) state: &'a PreState,
}

impl BlockAt<'_> {
    /// The error of a block that can't be executed.
    pub(super) fn failed(&self, error: impl std::fmt::Display) -> CliError {
        let (path, number) = (self.path.to_owned(), self.number);
        CliError::Execution { path, number, message: error.to_string() }
    }
}

/// Calls `visit` with each block, until it has no answer; the answer is what the block changes.
pub(super) fn for_each_block(
    args: &BalBlocks,
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
    if imported.unknown_ommers > 0 {
        output::note(&format!(
            "{}: {} known by hash alone: the list is that of the block without these rewards",
            path.display(),
            count(imported.unknown_ommers, "ommer")
        ));
    }
    let changes = visit(&BlockAt {
        engine,
        path,
        number: imported.number,
        block: &imported.block,
        header: &imported.header,
        state: &imported.pre_state,
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
            number: block.number,
            block: &block.block,
            header: &block.header,
            state: &state,
        })?;
        let Some(changes) = changes else { return Ok(false) };
        state.apply(&changes);
        bar.inc(1);
    }
    Ok(true)
}
