//! `block-stm bal verify`.

use std::path::PathBuf;

use block_stm_evm::{
    StateChanges,
    access_list::{AccessListError, ListDifference, check_list_length, execute_with_access_list},
    alloy_eip7928::{AccountChanges, BlockAccessList},
};
use serde::Serialize;

use super::{json, note_ommers, read_lists};
use crate::{
    args::BalVerifyArgs,
    blocks::{BlockAt, for_each_block},
    discover::sources,
    error::CliError,
    exit::Exit,
    files::{CsvOutput, Files, JsonOutput},
    output,
    units::{count, grouped},
};

/// What became of a block's list.
pub(super) struct Verdict {
    pub(super) path: PathBuf,
    pub(super) number: u64,
    pub(super) outcome: Result<Size, Fault>,
}

/// How much a right list has.
#[derive(Serialize)]
pub(super) struct Size {
    accounts: usize,
    slots: usize,
    changes: usize,
}

/// Why a list is not right.
pub(super) struct Fault {
    pub(super) message: String,
    pub(super) place: Option<ListDifference>,
}

/// Executes each block with its list, up to the first list that is wrong.
pub(super) fn verify(args: &BalVerifyArgs) -> Result<Exit, CliError> {
    let mut files = Files::new();
    let sources = sources(&args.blocks.paths, &mut files)?;
    files.reads(&args.list);
    let json = JsonOutput::open(&args.json, &mut files)?;
    let csv = CsvOutput::open(&args.csv, &mut files)?;
    let lists = read_lists(&args.list)?;
    let number = lists.len();
    let (mut lists, mut blocks, mut verdicts) = (lists.into_iter(), 0, Vec::new());
    let visited = for_each_block(&args.blocks, &sources, |at| {
        note_ommers(at);
        blocks += 1;
        // Whether there is one for each is known in the end.
        let Some(list) = lists.next() else { return Ok(Some(Default::default())) };
        let mut tell = |outcome| {
            let (path, number) = (at.path.to_owned(), at.number);
            verdicts.push(Verdict { path, number, outcome });
        };
        match execute(at, list) {
            Ok(Ok((size, changes))) => {
                tell(Ok(size));
                Ok(Some(changes))
            }
            Ok(Err(fault)) => {
                tell(Err(fault));
                Ok(None)
            }
            Err(error) => {
                tell(Err(Fault::new(&error)));
                Err(error)
            }
        }
    });
    // Also where a later block can't be executed.
    if !json.replaces_text() {
        output::print(verdicts.iter().filter_map(Verdict::line).collect::<String>().as_bytes())?;
    }
    csv.write_json(|| json::verdicts(&verdicts))?;
    json.write(|| json::verdicts(&verdicts))?;
    visited?;
    if let Some((verdict, fault)) = verdicts.last().and_then(|last| Some((last, last.fault()?))) {
        let (path, number) = (verdict.path.display(), verdict.number);
        output::error(format!("{path}: block {number}: {}", fault.message));
        return Ok(Exit::CheckFailed);
    }
    if blocks != number {
        return Err(CliError::Malformed {
            place: args.list.display().to_string(),
            message: format!("{} for {}", count(number, "list"), count(blocks, "block")),
        });
    }
    Ok(Exit::Success)
}

/// How much a right list has with what the block changes, or what is wrong.
fn execute(
    at: &BlockAt<'_>,
    list: BlockAccessList,
) -> Result<Result<(Size, StateChanges), Fault>, CliError> {
    if at.header.access_list_hash.is_some()
        && let Err(fault) = check_list_length(&list, at.block.env.gas_limit)
    {
        return Ok(Err(Fault::new(fault)));
    }
    let mut result = match execute_with_access_list(at.engine, at.block, at.state, &list) {
        Ok(result) => result,
        Err(AccessListError::Execution(error)) => return Err(at.failed(error)),
        Err(error) => {
            let mut fault = Fault::new(&error);
            if let AccessListError::Wrong(place) = error {
                fault.place = Some(*place);
            }
            return Ok(Err(fault));
        }
    };
    let size = Size::of(&list);
    result.access_list = Some(list);
    match at.header.differences(&result).first() {
        None => Ok(Ok((size, result.state))),
        Some(difference) => Ok(Err(Fault::new(difference))),
    }
}

impl Verdict {
    /// What is printed of a right list.
    fn line(&self) -> Option<String> {
        let Size { accounts, slots, changes } = self.outcome.as_ref().ok()?;
        Some(format!(
            "block {}: the list is right: {}, {}, {} changes\n",
            self.number,
            count(*accounts, "account"),
            count(*slots, "slot"),
            grouped(*changes as u64)
        ))
    }

    pub(super) fn fault(&self) -> Option<&Fault> {
        self.outcome.as_ref().err()
    }
}

impl Fault {
    fn new(message: impl std::fmt::Display) -> Self {
        Self { message: message.to_string(), place: None }
    }
}

impl Size {
    fn of(list: &[AccountChanges]) -> Self {
        let changes = |account: &AccountChanges| {
            let slots = account.storage_changes.iter().map(|slot| slot.changes.len());
            let fields = [
                account.balance_changes.len(),
                account.nonce_changes.len(),
                account.code_changes.len(),
            ];
            slots.chain(fields).sum::<usize>()
        };
        Self {
            accounts: list.len(),
            slots: list.iter().map(|account| account.storage_slots().count()).sum(),
            changes: list.iter().map(changes).sum(),
        }
    }
}
