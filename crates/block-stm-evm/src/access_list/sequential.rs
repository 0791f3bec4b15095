//! A block's list by the plain loop and revm's own builder: the oracle that the other ways are compared with.

use revm::{
    context::ContextTr,
    state::bal::{Bal, BlockAccessIndex},
};

use super::{
    around::{finish, prepare},
    builder::{ListBuilder, joined},
};
use crate::{
    Block, BlockRecord, BlockResult, BlockState, ExecutionError, InvalidTxn, StateRef,
    sequential::{evm_for, execute_txn_with},
};

/// [`execute_sequential`](crate::execute_sequential) with the block's access list (EIP-7928) in the result.
///
/// Its transactions' part is built by revm from the journal of each transaction, not by the code that builds the list
/// in parallel. Works for blocks of any fork; what happens at the end of a block, rewards of blocks and ommers included, has the
/// index after the last transaction's. A transaction that is left out has no index.
///
/// # Errors
///
/// As [`execute_sequential`](crate::execute_sequential).
///
/// # Examples
///
/// ```
/// use block_stm_evm::{Block, InvalidTxn, PreState, execute_sequential_with_list};
/// use block_stm_evm::revm::{context::BlockEnv, primitives::hardfork::SpecId};
///
/// let block = Block::new(SpecId::SHANGHAI, BlockEnv::default(), Vec::new());
/// let result = execute_sequential_with_list(&block, &PreState::new(), InvalidTxn::Reject)?;
/// assert_eq!(result.access_list, Some(Vec::new()));
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
pub fn execute_sequential_with_list<DB: StateRef>(
    block: &Block,
    db: &DB,
    policy: InvalidTxn,
) -> Result<BlockResult, ExecutionError<DB::Error>> {
    let mut around = ListBuilder::default();
    let state = prepare(block, BlockState::new(db), Some(&mut around))?;
    let mut evm = evm_for(block, state);
    let mut record = BlockRecord::new(block);
    let mut list = Bal::new();
    let mut index = BlockAccessIndex::PRE_EXECUTION;
    for (place, txn) in block.txns.iter().enumerate() {
        let executed = execute_txn_with(block, place, &record, &mut evm, |state| {
            index.increment();
            for (address, account) in state {
                list.update_account(index, *address, account);
            }
        });
        match executed {
            Ok(result) => {
                record.executed(txn, result);
                around.next_index();
            }
            Err(ExecutionError::InvalidTxn { reason, .. }) if policy == InvalidTxn::Skip => {
                record.skipped(reason);
            }
            Err(error) => return Err(error),
        }
    }
    let state = std::mem::replace(evm.ctx.db_mut(), BlockState::new(db));
    let (state, requests) = finish(block, record.receipts(), state, Some(&mut around))?;
    let result = record.finish(requests, state.into_changes());
    Ok(result.with_access_list(joined(list.into_alloy_bal(), around.finish())))
}
