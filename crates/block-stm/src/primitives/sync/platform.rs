//! The primitives that this build uses: those of the machine, of loom or of shuttle.

#[cfg(not(loom))]
pub(super) use super::cell::UnsafeCell;
#[cfg(loom)]
pub(crate) use super::loom::*;
#[cfg(not(any(loom, shuttle)))]
pub(crate) use super::machine::*;
#[cfg(shuttle)]
pub(crate) use super::shuttle::*;
