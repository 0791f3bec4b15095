//! Why a block failed as a whole.

use std::any::Any;
use std::fmt::{Debug, Display};

use super::storage::BoxError;
use crate::primitives::ids::TxnIndex;
use crate::primitives::speculating::discard;

/// Why a block has no result. The same block gives the same error on every run, cancelling apart.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error<I: Debug + Display> {
    /// A transaction is invalid and the policy is
    /// [`InvalidPolicy::Reject`](crate::InvalidPolicy::Reject).
    #[error("txn {txn} is invalid: {reason}")]
    Invalid {
        /// The transaction.
        txn: TxnIndex,
        /// What is wrong with it.
        reason: I,
    },
    /// The state could not be read. Executing the block again may succeed.
    #[error("txn {txn}: reading {location} failed: {source}")]
    Storage {
        /// The transaction that needed the value.
        txn: TxnIndex,
        /// The location, as its `Debug` writes it.
        location: String,
        /// What the state said.
        source: BoxError,
    },
    /// The VM gave up with [`View::fail`](crate::View::fail).
    #[error("txn {txn}: the VM failed: {source}")]
    Vm {
        /// The transaction that was executed.
        txn: TxnIndex,
        /// What the VM said.
        source: BoxError,
    },
    /// The VM panicked.
    #[error("txn {txn}: the VM panicked: {message}")]
    Panicked {
        /// The transaction that was executed.
        txn: TxnIndex,
        /// The panic's message.
        message: String,
    },
    /// Someone cancelled the block through its [`CancelToken`](crate::CancelToken).
    #[error("cancelled after {committed} txns")]
    Cancelled {
        /// How many transactions the sink had been given.
        committed: usize,
    },
    /// The block has more transactions than can be numbered.
    #[error("block of {txns} txns is too long, at most {max} are possible")]
    TooLong {
        /// How many it has.
        txns: usize,
        /// How many are possible.
        max: usize,
    },
}

/// Why one execution has no result, whatever its transaction turns out to be.
#[derive(Debug)]
pub(crate) enum Failure {
    Storage { location: String, source: BoxError },
    Vm(BoxError),
    Panicked(String),
}

impl Failure {
    pub(crate) fn panicked(payload: Box<dyn Any + Send>) -> Self {
        let message = payload
            .downcast_ref::<&str>()
            .map(ToString::to_string)
            .or_else(|| payload.downcast_ref::<String>().cloned())
            .unwrap_or_else(|| "a payload that is not text".to_owned());
        discard(payload);
        Self::Panicked(message)
    }

    /// A panic came out of a method of the view, and the VM went on all the same.
    pub(crate) fn caught_by_the_vm() -> Self {
        Self::Panicked("the VM caught a panic that came out of its view".to_owned())
    }

    pub(crate) fn at<I: Debug + Display>(self, txn: TxnIndex) -> Error<I> {
        match self {
            Self::Storage { location, source } => Error::Storage { txn, location, source },
            Self::Vm(source) => Error::Vm { txn, source },
            Self::Panicked(message) => Error::Panicked { txn, message },
        }
    }
}
