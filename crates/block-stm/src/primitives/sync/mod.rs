//! The primitives on which threads meet: every atomic, lock and condition variable of the crate
//! comes from here.
//!
//! One module, so that the same code runs on different platforms:
//!
//! | platform | when | what for |
//! |---|---|---|
//! | `machine` | always, but for the two below | the machine's primitives, re-exported |
//! | `loom` | `--cfg loom` | every execution that the memory model allows, of one protocol at a time |
//! | `shuttle` | `--cfg shuttle` | many schedules of whole blocks, on sequentially consistent memory |
//!
//! On the machine, a [conductor](crate::conductor) may run all workers on one thread; whatever
//! would block that thread waits through the conductor instead. The other two schedule by
//! themselves and know no conductor.
//!
//! Each platform offers the same: `atomic`; a `Mutex` in `parking_lot`'s shape, so without
//! poisoning; a `Condvar`; an `UnsafeCell` in loom's shape, on which [`SetOnce`] is built; `spin`;
//! `spawn` and `thread_local`; and how long to spin, as patience is dear where every spin is a
//! choice. What the orderings are for is told in `docs/memory-model.md`.

#[cfg(not(loom))]
mod cell;
mod handover;
#[cfg(loom)]
mod loom;
#[cfg(not(any(loom, shuttle)))]
mod machine;
mod padded;
mod platform;
mod set_once;
#[cfg(shuttle)]
mod shuttle;

// The same on every platform: an engine's threads meet at the barrier before there is a block, and
// the place is filled before another thread can look.
pub(crate) use std::sync::{Barrier, OnceLock};
use std::time::Instant;

pub(crate) use self::handover::Handover;
pub(crate) use self::padded::Padded;
pub(crate) use self::platform::*;
pub(crate) use self::set_once::SetOnce;
use super::conductor;

/// The time, as far as deadlines are concerned.
pub(crate) fn now() -> Instant {
    conductor::present().map_or_else(Instant::now, |conductor| conductor.now())
}
