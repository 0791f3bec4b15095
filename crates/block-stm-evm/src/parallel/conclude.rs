//! What follows the transactions of a block: its list, the steps after them, its changes.

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
    access_list::{self, Committed, ListBuilder},
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
    /// Makes the steps after the transactions, and tells `list` of all that happened since those
    /// before them; `committed` is what the transactions looked at. The block's changes, and its
    /// requests.
    ///
    /// # Errors
    ///
    /// An [`ExecutionError`] of the steps, or of a look at the state.
    pub(crate) fn make(
        &self,
        committed: &[Committed],
        mut list: Option<&mut ListBuilder>,
        share: &Share<'_>,
    ) -> Result<(StateChanges, Option<Requests>), ExecutionError<DB::Error>> {
        let Self { block, db, pre_block, state, codes, receipts } = *self;
        let failed = |source| ExecutionError::Database { stage: Stage::PostBlock, source };
        if let Some(list) = list.as_deref_mut() {
            let base = BlockBase::new(db, pre_block, codes);
            let before = |address: &Address| base.account_before(state, address);
            access_list::tell(list, committed, before, codes, share).map_err(failed)?;
        }
        let after = AfterTxns::new(db, pre_block, state, codes);
        let (post_block, requests) =
            access_list::finish(block, receipts, BlockState::new(after), list)?;
        let changes = after::changes(pre_block, post_block, share).map_err(failed)?;
        Ok((changes, requests))
    }
}
