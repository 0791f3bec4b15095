//! The engine: its threads, and how they take a block from its first transaction to its last.

pub(crate) mod call_queue;
pub(crate) mod config;
pub(crate) mod executed;
pub(crate) mod front;
pub(crate) mod helpers;
pub(crate) mod job;
pub(crate) mod parallel;
pub(crate) mod scope;
pub(crate) mod sequential;
pub(crate) mod stack;
pub(crate) mod worker;
pub(crate) mod working;
