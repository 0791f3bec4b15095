//! The engine against the sequential oracle, through the crate's public face alone.

mod properties;
