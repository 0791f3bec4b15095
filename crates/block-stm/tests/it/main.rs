//! The engine against the sequential oracle, through the crate's public face alone.

mod adversarial;
mod alone;
mod blocks;
#[cfg(block_stm_canaries)]
mod canaries;
mod caught_panics;
mod chaos;
mod collisions;
mod conflicts;
mod copies;
mod costs;
mod deltas;
mod drops;
mod faces;
mod failures;
mod glimpses;
mod hints;
mod invalid;
mod judge;
mod ledger;
mod limits;
mod lonely;
mod misuse;
mod observer;
mod odd_orders;
mod odd_vms;
mod panicking_locations;
mod pools;
mod properties;
mod scans;
mod simulation;
mod stats;
mod support;
mod waste;
