//! `block-stm db check`.

use block_stm_store::{Checked, StoreError};
use serde::Serialize;

use super::{files, open};
use crate::{
    args::DbCheckArgs,
    error::CliError,
    exit::Exit,
    files::{JsonOutput, rendered},
    output,
    units::{count, grouped},
};

#[derive(Serialize)]
struct Json {
    ok: bool,
    error: Option<String>,
    number: Option<u64>,
    hash: Option<String>,
    log_files: usize,
    log_blocks: usize,
    changes: u64,
    rows: u64,
}

/// Reads a whole store. Damage is a result, and no error.
pub(super) fn check(args: &DbCheckArgs) -> Result<Exit, CliError> {
    let json = JsonOutput::open(&args.json, &mut files(&args.store))?;
    let all = || {
        let store = open(&args.store)?;
        let checked = store.check()?;
        Ok((store.head(), checked))
    };
    let result = match all() {
        Err(error @ StoreError::Version { .. }) => return Err(error.into()),
        Err(error) if !error.is_damage() => return Err(error.into()),
        result => result,
    };
    let (head, checked) = match &result {
        Ok((head, checked)) => (Some(*head), *checked),
        Err(_) => (None, Checked::default()),
    };
    if let (Some((number, hash)), false) = (head, json.replaces_text()) {
        let files = count(checked.log_files, "file");
        let text = format!(
            "Whole up to block {} {hash}\n{} with {} in the log, whose {} changes follow on each \
             other;\n{} rows of state, blocks and index, which agree.\n",
            grouped(number),
            files,
            count(checked.log_blocks, "block"),
            grouped(checked.changes),
            grouped(checked.rows),
        );
        output::print(text.as_bytes())?;
    }
    let error = result.err().map(|error| error.to_string());
    if let Some(error) = &error {
        output::error(error);
    }
    let ok = error.is_none();
    json.write(|| {
        rendered(&Json {
            ok,
            error,
            number: head.map(|(number, _)| number),
            hash: head.map(|(_, hash)| hash.to_string()),
            log_files: checked.log_files,
            log_blocks: checked.log_blocks,
            changes: checked.changes,
            rows: checked.rows,
        })
    })?;
    Ok(if ok { Exit::Success } else { Exit::CheckFailed })
}
