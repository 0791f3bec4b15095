//! Parallel execution of ordered blocks of transactions, with exactly the sequential result.

mod access;
mod block;
mod commit;
mod config;
mod conflicts;
mod engine;
mod error;
mod hints;
mod ids;
mod job;
mod ledger;
mod limits;
mod mvmemory;
mod scheduler;
mod sequential;
mod sink;
mod speculative;
mod stats;
mod view;
mod vm;
mod worker;

pub use block::{Block, InvalidPolicy};
pub use config::{BuildError, Config};
pub use conflicts::{Conflict, ConflictGraph};
pub use engine::{Engine, Executed};
pub use error::Error;
pub use hints::Hints;
pub use ids::TxnIndex;
pub use limits::{CancelToken, Cut, Limits};
pub use sequential::execute_sequential;
pub use sink::{Admission, Collect, CommitSink, Flow, Outcome, Writes};
pub use stats::{Aborts, Stats};
pub use view::{Interrupt, View};
pub use vm::{BoxError, Execution, Storage, Value, Vm};
