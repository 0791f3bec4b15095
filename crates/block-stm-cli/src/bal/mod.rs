//! `block-stm bal`: block access lists (EIP-7928) of blocks of any fork.

mod blocks;
mod build;
mod diff;
mod verify;

use std::path::Path;

use block_stm_evm::{BlockAccessList, import::json::read_file, read_access_lists};

use crate::{
    args::{BalArgs, BalCommand},
    error::CliError,
    exit::Exit,
};

/// Builds, verifies or compares lists.
///
/// # Errors
///
/// Files that can't be read or written, blocks that can't be executed, threads that can't be started.
pub(crate) fn bal(args: &BalArgs) -> Result<Exit, CliError> {
    match &args.command {
        BalCommand::Build(args) => build::build(args),
        BalCommand::Verify(args) => verify::verify(args),
        BalCommand::Diff(args) => diff::diff(args),
    }
}

/// The lists in `file`.
fn read_lists(file: &Path) -> Result<Vec<BlockAccessList>, CliError> {
    read_access_lists(&read_file(file)?).map_err(|error| CliError::Malformed {
        place: file.display().to_string(),
        message: error.to_string(),
    })
}
