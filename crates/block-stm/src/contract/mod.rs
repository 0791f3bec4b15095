//! What a host and the engine hand each other: blocks, storage, values, sinks, limits, errors.

pub(crate) mod block;
pub(crate) mod conflicts;
pub(crate) mod error;
pub(crate) mod execution;
pub(crate) mod hints;
pub(crate) mod limits;
pub(crate) mod sink;
pub(crate) mod stats;
pub(crate) mod storage;
pub(crate) mod types;
pub(crate) mod value;
