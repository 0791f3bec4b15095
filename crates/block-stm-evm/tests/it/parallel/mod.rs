//! The parallel path against the sequential baseline: same results, same errors, never a hang.

mod code;
mod fixtures;
mod random;
mod same;
