//! The test kit's own tests that are too large for its modules.

mod forecast;
mod scripts;
mod simulation;
