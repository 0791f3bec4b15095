//! What every layer rests on: indices, orders, and the primitives on which threads meet.

pub(crate) mod canary;
pub mod conductor;
pub(crate) mod ids;
pub(crate) mod key;
pub mod observer;
pub(crate) mod on_drop;
pub(crate) mod order;
pub(crate) mod range_map;
pub(crate) mod speculating;
pub(crate) mod sync;
