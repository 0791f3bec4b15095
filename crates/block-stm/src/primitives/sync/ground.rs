//! The ground that this build stands on.

#[cfg(not(loom))]
pub(super) use super::cell::UnsafeCell;
#[cfg(loom)]
pub(crate) use super::loom::*;
#[cfg(not(any(loom, shuttle)))]
pub(crate) use super::machine::*;
#[cfg(shuttle)]
pub(crate) use super::shuttle::*;
