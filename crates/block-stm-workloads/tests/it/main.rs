//! The crate from outside: blocks are the same on every machine, for whatever parameters.

mod digest;
mod golden;
mod lists;
mod properties;
mod scenario;
