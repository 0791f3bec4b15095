//! What follows the transactions of a block: its list, the steps after them, its changes.

use alloy_eip7928::BlockAccessList;
use alloy_eips::eip7685::Requests;
use alloy_primitives::Address;
use block_stm::FinalState;

use super::{
    after::{self, AfterTxns},
    base::BlockBase,
    codes::Codes,
    location::Location,
    value::StateValue,
};
use crate::{
    Block, BlockState, ExecutionError, Receipt, Stage, StateChanges, StateRef,
    access_list::{Committed, ListBuilder, complete, finish_as_asked},
    share::Share,
};

/// Transactions that were all executed over one state.
pub(crate) struct Conclusion<'a, DB> {
    pub(crate) block: &'a Block,
    pub(crate) db: &'a DB,
    /// What the steps before them left.
    pub(crate) pre_block: &'a BlockState<&'a DB>,
    /// What they left themselves.
    pub(crate) state: &'a FinalState<Location, StateValue>,
    pub(crate) codes: &'a Codes,
    pub(crate) receipts: &'a [Receipt],
}

impl<DB: StateRef + Sync> Conclusion<'_, DB> {
    /// Makes the steps after the transactions, and completes `list`, which has what came before
    /// them; `committed` is what they looked at. What is computed in parts comes last and in a row,
    /// so that it finds other threads awake.
    ///
    /// # Errors
    ///
    /// An [`ExecutionError`] of the steps, or of a look at the state.
    pub(crate) fn make(
        &self,
        committed: &[Committed],
        list: Option<ListBuilder>,
        share: &Share<'_>,
    ) -> Result<Concluded, ExecutionError<DB::Error>> {
        let Self { block, db, pre_block, state, codes, receipts } = *self;
        let failed = |source| ExecutionError::Database { stage: Stage::PostBlock, source };
        let after = BlockState::new(AfterTxns::new(db, pre_block, state, codes));
        let ((post_block, requests), steps) = finish_as_asked(block, receipts, after, &list)?;
        let list = match list {
            None => None,
            Some(list) => {
                let base = BlockBase::new(db, pre_block, codes);
                let before = |address: &Address| base.account_before(state, address);
                Some(complete(list, committed, &steps, before, codes, share).map_err(failed)?)
            }
        };
        let changes = after::changes(pre_block, post_block, share).map_err(failed)?;
        Ok((changes, requests, list))
    }
}

/// A block's changes, requests and access list.
pub(crate) type Concluded = (StateChanges, Option<Requests>, Option<BlockAccessList>);
