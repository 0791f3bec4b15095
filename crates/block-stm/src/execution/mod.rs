//! Execution: what one execution of a transaction sees, and the record of what it did.

pub(crate) mod access;
pub(crate) mod backend;
pub(crate) mod candidates;
pub(crate) mod commit_point;
pub(crate) mod deletions;
pub(crate) mod disbelieved;
pub(crate) mod executor;
pub(crate) mod interruption;
pub(crate) mod machine;
pub(crate) mod names;
pub(crate) mod overlay;
pub(crate) mod run;
pub(crate) mod scan;
pub(crate) mod scanning;
pub(crate) mod scans;
pub(crate) mod shared;
pub(crate) mod speculation;
pub(crate) mod validate;
pub(crate) mod waiting_runs;
