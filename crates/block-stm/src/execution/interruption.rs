//! Why an execution came to nothing.

use crate::contract::error::Failure;
use crate::scheduler::waiters::Awaited;

/// Why the view ended an execution.
#[derive(Debug)]
pub(crate) enum Interruption {
    /// What a lower transaction writes is not known yet.
    Awaits(Awaited),
    /// Something that the run took for granted contradicts what it saw afterwards.
    Contradiction,
    /// What the run saw is no longer there.
    Stale,
    /// The block is over, or about to be.
    Stopped,
    Failure(Failure),
}
