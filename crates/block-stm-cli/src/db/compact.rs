//! `block-stm db compact`.

use block_stm_store::Keep;
use serde_json::json;

use super::{bytes, files, open};
use crate::{
    args::DbCompactArgs,
    error::CliError,
    exit::Exit,
    files::{JsonOutput, rendered},
    output,
    units::{count, si},
};

/// Forgets what is old, and gives room back.
pub(super) fn compact(args: &DbCompactArgs) -> Result<Exit, CliError> {
    let json = JsonOutput::open(&args.json, &mut files(&args.store))?;
    let store = open(&args.store)?;
    let before = bytes(&args.store)?;
    let pruned = store.prune(Keep {
        changes: args.keep_changes,
        blocks: args.keep_blocks.unwrap_or(u64::MAX),
        receipts: args.keep_receipts.unwrap_or(u64::MAX),
    })?;
    store.compact()?;
    let oldest_rewind = store.stats()?.oldest_rewind;
    store.close()?;
    let after = bytes(&args.store)?;
    if !json.replaces_text() {
        let text = format!(
            "{}B became {}B: {} of the log, {} and the receipts of {} are forgotten.\n\
             The chain can return to block {oldest_rewind}.\n",
            si(before as f64),
            si(after as f64),
            count(pruned.log_files, "file"),
            count(pruned.blocks, "block"),
            count(pruned.receipts, "block"),
        );
        output::print(text.as_bytes())?;
    }
    json.write(|| {
        rendered(&json!({
            "bytes_before": before,
            "bytes_after": after,
            "log_files": pruned.log_files,
            "log_bytes": pruned.log_bytes,
            "blocks": pruned.blocks,
            "receipts": pruned.receipts,
            "oldest_rewind": oldest_rewind,
        }))
    })?;
    Ok(Exit::Success)
}
