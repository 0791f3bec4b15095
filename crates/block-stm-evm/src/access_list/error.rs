//! Why a list is refused.

use alloy_eip7928::{
    AccountChanges, BlockAccessListGasError, BlockAccessListValidationError, total_bal_items,
    validate_block_access_list,
};

use super::difference::ListDifference;
use crate::ExecutionError;

/// Why a block is not executed with a list.
#[derive(Debug, thiserror::Error)]
pub enum AccessListError<E> {
    /// The list is none of any block with so many transactions.
    #[error(transparent)]
    Form(#[from] ListFormError),
    /// The list is not the block's. This is the first place in the order of the block, the same on
    /// every run; what comes after it may be right or wrong.
    #[error("the access list is wrong: {0}")]
    Wrong(Box<ListDifference>),
    /// The block can't be executed, and the list is right up to there; where lists are compared
    /// after ordinary execution, see
    /// [`execute_with_access_list`](crate::access_list::execute_with_access_list), it may be wrong
    /// before, too.
    #[error(transparent)]
    Execution(#[from] ExecutionError<E>),
}

/// Why a list can't be the list of a block, whatever the block does.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ListFormError {
    /// It is not in canonical order, names something twice, or has an index that the block has not.
    #[error("the access list is malformed: {0}")]
    Malformed(BlockAccessListValidationError),
    /// It has more accounts and slots than the block's gas limit allows.
    #[error("the access list has {items} items, the gas limit {gas_limit} allows {max}")]
    TooLong {
        /// Accounts and slots.
        items: u64,
        /// How many there may be.
        max: u64,
        /// The block's.
        gas_limit: u64,
    },
}

/// Checks order, uniqueness and indexes of the list of a block with `txns` transactions.
///
/// # Errors
///
/// [`ListFormError::Malformed`] with the first place.
pub fn check_list_form(list: &[AccountChanges], txns: usize) -> Result<(), ListFormError> {
    validate_block_access_list(list, txns).map_err(ListFormError::Malformed)
}

/// Checks that a list has no more items than EIP-7928 allows under `gas_limit`: one for 2,000 gas.
///
/// The limit belongs to blocks that name their list. Earlier rules sold accesses for less, so that
/// lists of old blocks may be longer.
///
/// # Errors
///
/// [`ListFormError::TooLong`].
pub fn check_list_length(list: &[AccountChanges], gas_limit: u64) -> Result<(), ListFormError> {
    let BlockAccessListGasError { items, max_items: max, gas_limit } =
        BlockAccessListGasError::new(total_bal_items(list), gas_limit);
    if items > max { Err(ListFormError::TooLong { items, max, gas_limit }) } else { Ok(()) }
}
