//! The engine against the sequential oracle, through the crate's public face alone.

mod adversarial;
mod blocks;
mod caught_panics;
mod chaos;
mod collisions;
mod conflicts;
mod costs;
mod deltas;
mod drops;
mod faces;
mod failures;
mod hints;
mod invalid;
mod limits;
mod misuse;
mod odd_orders;
mod odd_vms;
mod pools;
mod properties;
mod scans;
mod simulation;
mod stats;
mod support;
mod waste;
