//! How one execution ended.

use std::error::Error as StdError;
use std::fmt;

use super::types::Types;

/// How one execution ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Execution<O, I> {
    /// The transaction took effect; its writes count. A revert inside the VM is one of these too.
    Done(O),
    /// The transaction may not stand in the block; its writes are dropped.
    /// What this means for the block is the [`InvalidPolicy`](crate::InvalidPolicy)'s to say.
    Invalid(I),
}

/// What an execution of a VM comes to.
pub(crate) type ExecutionOf<V> = Execution<<V as Types>::Output, <V as Types>::Invalid>;

/// The run cannot go on: it is doomed, or the state could not be read.
///
/// It says nothing else on purpose: the view remembers why. Hand it on at once.
#[derive(Debug)]
pub struct Interrupt(());

impl Interrupt {
    pub(crate) const fn new() -> Self {
        Self(())
    }
}

impl fmt::Display for Interrupt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the execution was interrupted by the engine")
    }
}

impl StdError for Interrupt {}
