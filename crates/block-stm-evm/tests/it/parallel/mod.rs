//! The parallel path against the sequential baseline: same results, same errors, never a hang.

mod accounts;
mod attempts;
mod code;
mod creation;
mod decode;
mod definition;
mod faults;
mod fixtures;
mod handles;
mod inspected;
mod limits;
mod list_costs;
mod list_edges;
mod list_looks;
mod list_rebirths;
mod list_stories;
mod lists;
mod net_metering;
mod probes;
mod random;
mod rebirths;
mod same;
mod scene;
mod sessions;
mod sinks;
