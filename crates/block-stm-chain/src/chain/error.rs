//! Why a block is refused.

use alloy_primitives::B256;
use block_stm_evm::{
    ExecutionError, PreStateError,
    access_list::{AccessListError, ListDifference, ListFormError},
};

use crate::{HeaderCheck, HeaderFault, import::TxnError};

/// Why a block is not part of the chain.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BlockError {
    /// The bytes are not one block in RLP.
    #[error("it is not the encoding of a block: {0}")]
    Encoding(String),
    /// The encoding is longer than is allowed from Osaka on (EIP-7934).
    #[error("the block has {bytes} bytes, which is more than {max}")]
    Size {
        /// How long it is.
        bytes: usize,
        /// The limit.
        max: usize,
    },
    /// Nobody has told of the parent, or it was refused, or forgotten with a branch that the head
    /// left behind.
    #[error("the parent {0} is unknown")]
    UnknownParent(B256),
    /// The parent is below the block that branches may begin at, see
    /// [`Chain::branch_depth`](super::Chain::branch_depth).
    #[error(
        "the parent {parent} is unknown, or was forgotten: no branch can begin below \
         block {root}, {depth} blocks below \
         the heads so far"
    )]
    TooDeep {
        /// The parent's hash.
        parent: B256,
        /// Number of the deepest block that a block may follow on.
        root: u64,
        /// How deep below the head a branch may begin.
        depth: u64,
    },
    /// The header breaks a rule that can be checked without execution.
    #[error(transparent)]
    Header(#[from] HeaderFault),
    /// The ommers break a rule.
    #[error(transparent)]
    Ommers(#[from] OmmerFault),
    /// The body is not the one that the header names.
    #[error("{field}: {message}")]
    Body {
        /// The header's field, by its name in JSON.
        field: &'static str,
        /// What is different.
        message: String,
    },
    /// A transaction's signature or chain is wrong.
    #[error("txn {index} ({hash}): {reason}")]
    Txn {
        /// The transaction's place in the block, from 0.
        index: usize,
        /// Its hash.
        hash: B256,
        /// What is wrong.
        reason: TxnError,
    },
    /// The block can't be executed.
    #[error(transparent)]
    Execution(#[from] ExecutionError<PreStateError>),
    /// The block's access list (EIP-7928) is none of such a block, or is longer than its gas limit
    /// allows.
    #[error(transparent)]
    ListForm(#[from] ListFormError),
    /// The access list that came with the block is wrong, first at this place.
    #[error("the access list is wrong: {0}")]
    AccessList(Box<ListDifference>),
    /// Execution leads to something else than the header says.
    #[error("{}", differences(.0))]
    Result(Vec<HeaderCheck>),
}

impl From<AccessListError<PreStateError>> for BlockError {
    fn from(error: AccessListError<PreStateError>) -> Self {
        match error {
            AccessListError::Form(fault) => Self::ListForm(fault),
            AccessListError::Wrong(difference) => Self::AccessList(difference),
            AccessListError::Execution(error) => Self::Execution(error),
        }
    }
}

fn differences(checks: &[HeaderCheck]) -> String {
    let differences = checks.iter().map(HeaderCheck::to_string);
    differences.collect::<Vec<_>>().join("; ")
}

/// Which rule a block's ommers break.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OmmerFault {
    /// More than two.
    #[error("{0} ommers are more than 2")]
    TooMany(usize),
    /// The same ommer twice in this block.
    #[error("ommer {0} is there twice")]
    Repeated(B256),
    /// An earlier block has the same ommer.
    #[error("ommer {0} is in an earlier block")]
    Included(B256),
    /// The ommer is a block of this chain.
    #[error("ommer {0} is an ancestor")]
    Ancestor(B256),
    /// The ommer's parent is not one of the second to seventh generation above the block.
    #[error("the parent of ommer {0} is not an ancestor of the right age")]
    Unrelated(B256),
    /// The ommer's header breaks a rule relative to its own parent.
    #[error("ommer {hash}: {fault}")]
    Header {
        /// The ommer's hash.
        hash: B256,
        /// The rule.
        fault: HeaderFault,
    },
}
