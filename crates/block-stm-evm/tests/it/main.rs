//! Integration tests: every path against the plain loop, on made blocks and on real ones.

mod fixtures;
mod parallel;
mod policy;
mod state_changes;
