//! `block-stm bal`: block access lists (EIP-7928) of blocks of any fork.

mod build;
mod diff;
mod json;
mod verify;

use std::path::Path;

use block_stm_chain::import::{json::read_file_within, read_access_lists};
use block_stm_evm::alloy_eip7928::BlockAccessList;

use crate::{
    args::{BalArgs, BalCommand},
    blocks::BlockAt,
    error::CliError,
    exit::Exit,
    output,
    units::count,
};

/// Builds, verifies or compares lists.
///
/// # Errors
///
/// Files that can't be read or written, blocks that can't be executed, threads that can't be
/// started.
pub(crate) fn bal(args: &BalArgs) -> Result<Exit, CliError> {
    match &args.command {
        BalCommand::Build(args) => build::build(args),
        BalCommand::Verify(args) => verify::verify(args),
        BalCommand::Diff(args) => diff::diff(args),
    }
}

/// The largest file of lists that is read, in bytes: 64 MiB. In memory, lists take up to 32 times
/// as much.
const MAX_LIST_FILE_BYTES: u64 = 64 << 20;

/// The lists in `file`.
fn read_lists(file: &Path) -> Result<Vec<BlockAccessList>, CliError> {
    let bytes = read_file_within(file, MAX_LIST_FILE_BYTES)?;
    read_access_lists(&bytes).map_err(|error| CliError::Malformed {
        place: file.display().to_string(),
        message: error.to_string(),
    })
}

/// Says what the list of a block lacks.
fn note_ommers(at: &BlockAt<'_>) {
    if at.unknown_ommers > 0 {
        output::note(&format!(
            "{}: {} known by hash alone: the list is that of the block without these rewards",
            at.path.display(),
            count(at.unknown_ommers, "ommer")
        ));
    }
}
