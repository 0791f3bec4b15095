//! `block-stm bal verify`.

use block_stm_evm::{
    AccessListError, AccountChanges, BlockAccessList, BlockResult, check_list_length,
    execute_with_access_list,
};

use super::{
    blocks::{BlockAt, for_each_block},
    read_lists,
};
use crate::{
    args::BalVerifyArgs,
    error::CliError,
    exit::Exit,
    output,
    units::{count, grouped},
};

/// Executes each block with its list, up to the first list that is wrong.
pub(super) fn verify(args: &BalVerifyArgs) -> Result<Exit, CliError> {
    let lists = read_lists(&args.list)?;
    let number = lists.len();
    let (mut lists, mut blocks, mut wrong) = (lists.into_iter(), 0, None);
    let mut text = String::new();
    for_each_block(&args.blocks, |at| {
        blocks += 1;
        // Whether there is one for each is known in the end.
        let Some(list) = lists.next() else { return Ok(Some(Default::default())) };
        match verdict(at, list)? {
            Ok((line, result)) => {
                text.push_str(&line);
                Ok(Some(result.state))
            }
            Err(fault) => {
                wrong = Some(format!("{}: block {}: {fault}", at.path.display(), at.number));
                Ok(None)
            }
        }
    })?;
    output::print(text.as_bytes())?;
    if let Some(wrong) = wrong {
        output::error(wrong);
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

/// A line about a right list with what the block leads to, or what is wrong.
fn verdict(
    at: &BlockAt<'_>,
    list: BlockAccessList,
) -> Result<Result<(String, BlockResult), String>, CliError> {
    if at.header.access_list_hash.is_some()
        && let Err(fault) = check_list_length(&list, at.block.env.gas_limit)
    {
        return Ok(Err(fault.to_string()));
    }
    let mut result = match execute_with_access_list(at.engine, at.block, at.state, &list) {
        Ok(result) => result,
        Err(AccessListError::Execution(error)) => return Err(at.failed(error)),
        Err(fault) => return Ok(Err(fault.to_string())),
    };
    let line = format!("block {}: the list is right: {}\n", at.number, in_words(&list));
    result.access_list = Some(list);
    match at.header.differences(&result).first() {
        None => Ok(Ok((line, result))),
        Some(difference) => Ok(Err(difference.to_string())),
    }
}

fn in_words(list: &[AccountChanges]) -> String {
    let slots: usize = list.iter().map(|account| account.storage_slots().count()).sum();
    let changes = |account: &AccountChanges| {
        let slots = account.storage_changes.iter().map(|slot| slot.changes.len());
        let fields = [
            account.balance_changes.len(),
            account.nonce_changes.len(),
            account.code_changes.len(),
        ];
        slots.chain(fields).sum::<usize>()
    };
    let changes: usize = list.iter().map(changes).sum();
    format!(
        "{}, {}, {} changes",
        count(list.len(), "account"),
        count(slots, "slot"),
        grouped(changes as u64)
    )
}
