//! `block-stm chain`: blocks through the pipeline, into a store, and out of it to clients.

mod feed;
mod import;
mod made;
mod report;
mod run;
mod serve;
mod watch;

use crate::{
    args::{ChainArgs, ChainCommand},
    error::CliError,
    exit::Exit,
};

/// Imports generated blocks or those of files, or answers for a chain.
///
/// # Errors
///
/// Input that can't be read, a store that can't be opened, results that can't be written.
pub(crate) fn chain(args: &ChainArgs) -> Result<Exit, CliError> {
    match &args.command {
        ChainCommand::Run(args) => run::run(args),
        ChainCommand::Import(args) => import::import(args),
        ChainCommand::Serve(args) => serve::serve(args),
    }
}
