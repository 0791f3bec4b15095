//! Executing a block whose header names an access list (EIP-7928), or that comes with one.

use alloy_eip7928::{BlockAccessList, compute_block_access_list_hash};
use block_stm_evm::block_stm::Engine;
use block_stm_evm::{
    Block, BlockResult, ParallelOptions, PreState, SlotFeed,
    access_list::{check_list_form, check_list_length, execute_with_access_list},
    execute_parallel,
};

use super::BlockError;
use crate::{HeaderChecks, header};

/// Whether a block is refused for nothing but its list.
pub(super) fn is_at_fault(error: &BlockError) -> bool {
    match error {
        BlockError::ListForm(_) | BlockError::AccessList(_) => true,
        BlockError::Result(differences) => {
            differences.iter().all(|check| check.field == header::ACCESS_LIST_HASH)
        }
        _ => false,
    }
}

/// Checks, of a list that came with a block, what can be checked without execution.
pub(super) fn check_given(
    list: &BlockAccessList,
    block: &Block,
    claims: &HeaderChecks,
) -> Result<(), BlockError> {
    if let Some(hash) = claims.access_list_hash {
        let computed = compute_block_access_list_hash(list);
        let check = header::access_list_check(hash, Some(computed));
        if hash != computed {
            return Err(BlockError::Result(vec![check]));
        }
        check_list_length(list, block.env.gas_limit)?;
    }
    Ok(())
}

/// Executes a block with its list. The slots that it lists are fed before the first transaction
/// runs.
pub(super) fn execute_given(
    engine: &Engine,
    block: &Block,
    state: &PreState,
    list: BlockAccessList,
    feed: &dyn SlotFeed,
) -> Result<BlockResult, BlockError> {
    check_list_form(&list, block.txns.len())?;
    let slots = list.iter().flat_map(|account| {
        let slots = account.storage_post_states();
        slots.map(|(key, value)| (account.address, key, value))
    });
    feed.committed(slots.collect());
    let mut result = execute_with_access_list(engine, block, state, &list)?;
    result.access_list = Some(list);
    Ok(result)
}

/// Executes a block without its list, and builds that if the header names it.
pub(super) fn execute(
    engine: &Engine,
    block: &Block,
    state: &PreState,
    claims: &HeaderChecks,
    feed: Option<&dyn SlotFeed>,
) -> Result<BlockResult, BlockError> {
    let mut options = ParallelOptions::default();
    if let Some(feed) = feed {
        options = options.slot_feed(feed);
    }
    if claims.access_list_hash.is_some() {
        options = options.access_list();
    }
    let result = execute_parallel(engine, block, state, &options)?.result;
    if let Some(list) = &result.access_list {
        check_list_length(list, block.env.gas_limit)?;
    }
    Ok(result)
}
