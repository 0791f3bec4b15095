//! A block's list by the plain loop: revm's own handler on one thread, with no short cut.

use revm::context::ContextTr;

use super::{
    around::{finish, prepare},
    builder::ListBuilder,
};
use crate::{
    Block, BlockRecord, BlockResult, BlockState, ExecutionError, InvalidTxn, StateRef,
    sequential::{evm_for, execute_txn_with},
};

/// [`execute_sequential`](crate::execute_sequential) with the block's access list (EIP-7928) in the
/// result.
///
/// Works for blocks of any fork; what happens at the end of a block, rewards of blocks and ommers
/// included, has the index after the last transaction's. A transaction that is left out has no
/// index.
///
/// # Errors
///
/// As [`execute_sequential`](crate::execute_sequential).
///
/// # Examples
///
/// ```
/// use block_stm_evm::{Block, InvalidTxn, PreState, access_list::execute_sequential_with_list};
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
    let mut list = ListBuilder::default();
    let state = prepare(block, BlockState::new(db), Some(&mut list))?;
    let mut evm = evm_for(block, state);
    let mut record = BlockRecord::new(block);
    for (place, txn) in block.txns.iter().enumerate() {
        let executed = execute_txn_with(block, place, &record, &mut evm, |state| {
            list.run(state);
            list.next_index();
        });
        match executed {
            Ok(result) => record.executed(txn, result),
            Err(ExecutionError::InvalidTxn { reason, .. }) if policy == InvalidTxn::Skip => {
                record.skipped(reason);
            }
            Err(error) => return Err(error),
        }
    }
    let state = std::mem::replace(evm.ctx.db_mut(), BlockState::new(db));
    let (state, requests) = finish(block, record.receipts(), state, Some(&mut list))?;
    let result = record.finish(requests, state.into_changes());
    Ok(result.access_list(list.finish()))
}
