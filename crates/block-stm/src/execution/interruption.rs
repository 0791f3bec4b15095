//! Why an execution came to nothing.

use crate::contract::error::Failure;
use crate::primitives::ids::TxnIndex;

/// Why the view ended an execution.
#[derive(Debug)]
pub(crate) enum Interruption {
    /// The write of this transaction is awaited.
    Estimate(TxnIndex),
    /// What this transaction wrote is unknown though it was executed: it is awaited to the end.
    Uncommitted(TxnIndex),
    /// Something that the run took for granted contradicts what it saw afterwards.
    Contradiction,
    /// What the run saw is no longer there.
    Stale,
    /// The block is over, or about to be.
    Stopped,
    Failure(Failure),
}
