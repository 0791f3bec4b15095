//! `block-stm bal build`.

use block_stm_chain::import::{access_lists_to_json, access_lists_to_rlp};
use block_stm_evm::{ParallelOptions, execute_parallel};

use super::note_ommers;
use crate::{
    args::{BalBuildArgs, ListFormat},
    blocks::for_each_block,
    discover::sources,
    error::CliError,
    exit::Exit,
    files::{Files, deliver},
    output,
};

/// Writes the lists of the blocks, one after the other, unless a block is not what its header says.
pub(super) fn build(args: &BalBuildArgs) -> Result<Exit, CliError> {
    let mut files = Files::new();
    let sources = sources(&args.blocks.paths, &mut files)?;
    let target = files.writes(&args.out)?;
    let options = ParallelOptions::default().access_list();
    let (mut lists, mut exit) = (Vec::new(), Exit::Success);
    for_each_block(&args.blocks, &sources, |at| {
        note_ommers(at);
        let executed = execute_parallel(at.engine, at.block, at.state, &options);
        let mut result = executed.map_err(|error| at.failed(error))?.result;
        for difference in at.header.differences(&result) {
            output::error(format!("{}: block {}: {difference}", at.path.display(), at.number));
            exit = Exit::CheckFailed;
        }
        lists.extend(result.access_list.take());
        Ok(Some(result.state))
    })?;
    if exit == Exit::Success {
        let rendered = match args.format() {
            ListFormat::Rlp => access_lists_to_rlp(&lists),
            ListFormat::Json => access_lists_to_json(&lists),
        };
        deliver([(&target, rendered)])?;
    }
    Ok(exit)
}
