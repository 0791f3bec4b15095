//! Why a block that grows does not take something, or has no result.

use std::io;

use crate::ExecutionError;

/// Why a push is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PushError {
    /// As many transactions as the session may keep wait to be executed.
    #[error("the session is full; wait for what was pushed, or drop some of it")]
    Full,
    /// The deadline has passed.
    #[error("the deadline of the block has passed")]
    Deadline,
    /// The block was cut.
    #[error("the block was cut")]
    Cut,
    /// The session was finished or dropped.
    #[error("the session is over")]
    Over,
    /// The block failed; to finish the session says why.
    #[error("the block failed; finish the session to learn why")]
    Failed,
}

/// Why the session can't say what became of a push.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UnsettledError {
    /// It was rolled back, or is another session's.
    #[error("the push is not in the session: it was rolled back, or belongs to another")]
    Unknown,
    /// The block ended before it was executed.
    #[error("the block ended before the push was executed: {0}")]
    Ended(PushError),
}

/// Why the session can't go back to a mark.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RollBackError {
    /// The session went back to an earlier mark since, or the mark is another session's.
    #[error("the mark is not in the session: it was rolled back, or belongs to another")]
    Unknown,
    /// There is nothing to go back in: the session is over, or its block failed.
    #[error("nothing can be rolled back: {0}")]
    Ended(PushError),
}

/// Why a block that grew has no result.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SessionError<E> {
    /// The block could not be executed. Transactions are numbered as they were pushed, without
    /// those that were rolled back.
    #[error(transparent)]
    Execution(#[from] ExecutionError<E>),
    /// The session's thread could not be started.
    #[error("starting the session's thread: {0}")]
    Thread(#[source] io::Error),
}
