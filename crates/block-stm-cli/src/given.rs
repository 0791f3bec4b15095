//! The blocks that a command is given: real ones at paths, or generated ones.

use std::{ops::ControlFlow, path::PathBuf};

use block_stm_chain::import::{import_chain, import_folder};
use block_stm_evm::{Block, InvalidTxn, PreState, execute_sequential};
use indicatif::ProgressBar;

use crate::{
    args::WorkloadArgs,
    discover::{Source, sources},
    error::CliError,
    escape::shown,
    files::Files,
    interrupt,
    load::Load,
    progress,
};

/// What a command works on.
#[derive(Debug)]
pub(crate) enum Given {
    /// Blocks and chains in folders.
    Real(Vec<Source>),
    /// Workloads, or a scenario.
    Generated(Vec<Load>),
}

/// One block on the state before it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Placed<'a> {
    /// The number of a real block.
    pub(crate) number: Option<u64>,
    /// `block 17034870`, or what the load calls it.
    pub(crate) title: &'a str,
    /// How many blocks its folder or its load has.
    pub(crate) among: usize,
    pub(crate) block: &'a Block,
    pub(crate) state: &'a PreState,
}

/// Whether a command wants the next block, too.
pub(crate) type Wants = ControlFlow<()>;

/// To go on with the next block.
pub(crate) const NEXT: Wants = ControlFlow::Continue(());

impl Given {
    /// The blocks at the paths; without paths those that the options describe. All files of them
    /// are inputs.
    ///
    /// # Errors
    ///
    /// A path without blocks, options out of their range, a scenario that can't be read.
    pub(crate) fn open(
        paths: &[PathBuf],
        args: &WorkloadArgs,
        files: &mut Files,
    ) -> Result<Self, CliError> {
        match paths {
            [] => Ok(Self::Generated(Load::all(args, files)?)),
            paths => Ok(Self::Real(sources(paths, files)?)),
        }
    }

    /// How many there are: a chain counts as one, until it is read.
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Real(all) => all.len(),
            Self::Generated(loads) => loads.iter().map(Load::blocks).sum(),
        }
    }

    /// Hands each block to `act`, one after another, until it or the user has enough.
    ///
    /// # Errors
    ///
    /// A block that can't be read, generated or executed, and what `act` says.
    pub(crate) fn each(
        &self,
        act: impl FnMut(Placed<'_>) -> Result<Wants, String>,
    ) -> Result<(), CliError> {
        self.each_or(act, Err)
    }

    /// The same, without the folders that can't be read.
    ///
    /// # Errors
    ///
    /// A block that can't be generated or executed, and what `act` says.
    pub(crate) fn each_readable(
        &self,
        act: impl FnMut(Placed<'_>) -> Result<Wants, String>,
    ) -> Result<(), CliError> {
        self.each_or(act, |error| match error {
            CliError::Import(_) => Ok(NEXT),
            other => Err(other),
        })
    }

    fn each_or(
        &self,
        mut act: impl FnMut(Placed<'_>) -> Result<Wants, String>,
        failed: impl Fn(CliError) -> Result<Wants, CliError>,
    ) -> Result<(), CliError> {
        let bar = progress::bar(self.len());
        match self {
            Self::Real(all) => {
                for source in all {
                    if interrupt::came() || source.each(&bar, &mut act).or_else(&failed)?.is_break()
                    {
                        break;
                    }
                }
            }
            Self::Generated(loads) => {
                for load in loads {
                    if interrupt::came() || generated(load, &bar, &mut act)?.is_break() {
                        break;
                    }
                }
            }
        }
        bar.finish_and_clear();
        Ok(())
    }
}

/// Hands the blocks of a load to `act`.
fn generated(
    load: &Load,
    bar: &ProgressBar,
    act: &mut impl FnMut(Placed<'_>) -> Result<Wants, String>,
) -> Result<Wants, CliError> {
    bar.set_message(load.name().to_owned());
    let mut wants = NEXT;
    load.each(|title, block, state| {
        if wants.is_continue() {
            let among = load.blocks();
            wants = act(Placed { number: None, title: &title, among, block, state })?;
        }
        bar.inc(1);
        Ok(())
    })?;
    Ok(wants)
}

impl Source {
    /// Hands each block of the folder to `act`, until it or the user has enough.
    ///
    /// # Errors
    ///
    /// A block that can't be read or executed, and what `act` says.
    pub(crate) fn each(
        &self,
        bar: &ProgressBar,
        act: &mut impl FnMut(Placed<'_>) -> Result<Wants, String>,
    ) -> Result<Wants, CliError> {
        let (Self::Block(path) | Self::Chain(path)) = self;
        bar.set_message(shown(path.display()));
        let failed =
            |number| move |message| CliError::Execution { path: path.clone(), number, message };
        let mut one = |number: u64, among: usize, block: &Block, state: &PreState| {
            let title = format!("block {number}");
            bar.set_message(title.clone());
            act(Placed { number: Some(number), title: &title, among, block, state })
                .map_err(failed(number))
        };
        let mut wants = NEXT;
        match self {
            Self::Block(folder) => {
                let imported = import_folder(folder)?;
                wants = one(imported.number, 1, &imported.block, &imported.pre_state)?;
            }
            Self::Chain(folder) => {
                let chain = import_chain(folder)?;
                let among = chain.blocks.len();
                // The chain itself is one of the steps.
                bar.inc_length(among as u64);
                let mut state = chain.genesis;
                for placed in &chain.blocks {
                    wants = one(placed.number, among, &placed.block, &state)?;
                    if wants.is_break() || interrupt::came() {
                        break;
                    }
                    let result = execute_sequential(&placed.block, &state, InvalidTxn::Reject);
                    let result = result.map_err(|error| error.to_string());
                    state.apply(&result.map_err(failed(placed.number))?.state);
                    bar.inc(1);
                }
            }
        }
        bar.inc(1);
        Ok(wants)
    }
}
